"""Which cards of a queue are open for one reviewer, and whom else they are kept for."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

import numpy as np

from tbd.errors import UsageError
from tbd.review.card import Progress
from tbd.review.decisions import DecisionLog, disagree
from tbd.review.queue import Numbers, Queue, luck
from tbd.review.rows import Rows


class QueueView:
    """The open cards of a queue, by their number in it.

    Args:
        overlap: share of the cards, 0 to 1, that two reviewers judge, each for himself.
        settling: the queue is that of the disagreements.
    """

    def __init__(
        self, queue: Queue, rows: Rows, log: DecisionLog, reviewer: str, overlap: float, settling: bool
    ) -> None:
        self.queue, self._rows, self._log = queue, rows, log
        self._reviewer, self._overlap, self._settling = reviewer, overlap, settling
        self.open = np.ones(len(queue), bool)
        self.skipped = np.zeros(len(queue), bool)
        self._waiting = queue.place >= 0
        self.look_at(log.clips())

    def look_at(self, clips: Iterable[str]) -> None:
        """See again whether the cards of these clips are open."""
        numbers = (self._rows.find(clip_id) for clip_id in clips)
        for at in {self.place(number) for number in numbers if number is not None}:
            if at is not None:
                unit = self.queue.units[at]
                self._waiting[unit] = [self.waits(number) for number in unit]
                self.open[at] = self._waiting[unit].any()

    def place(self, number: int) -> int | None:
        """The card of this queue that a row is on."""
        at = int(self.queue.place[number])
        return at if at >= 0 else None

    def waits(self, number: int) -> bool:
        """Whether a row waits for this reviewer's decision."""
        held = self._log.opinions(self._rows.clip(number))
        if self._settling and self.place(number) is not None:
            return bool(held) and disagree(held)
        others = {opinion.reviewer for opinion in held}
        return self._reviewer not in others and len(others) < self._judges(number)

    def independent(self, number: int) -> bool:
        """Two reviewers judge the row's card, neither seeing what the other said."""
        return self._judges(number) > 1

    def free(self, number: int, holders: Collection[str]) -> bool:
        """Whether this reviewer may have the row's card while these reviewers hold it."""
        others = set(holders) - {self._reviewer}
        if self.independent(number):
            judged = {opinion.reviewer for opinion in self._log.opinions(self._rows.clip(number))}
            return len((others | judged) - {self._reviewer}) < self._judges(number)
        return not others

    def upcoming(self, after: int | None = None) -> Iterator[int]:
        """The open cards that were not skipped: those behind ``after``, then those from the front."""
        ahead = np.flatnonzero(self.open & ~self.skipped)
        start = 0 if after is None else int(np.searchsorted(ahead, after, side="right"))
        yield from map(int, ahead[start:])
        yield from map(int, ahead[:start])

    def skip(self, clips: Iterable[str], passed: bool = True) -> None:
        """Pass over the cards of these clips from now on, or no longer."""
        for clip_id in clips:
            number = self._rows.find(clip_id)
            at = None if number is None else self.place(number)
            if at is not None:
                self.skipped[at] = passed

    def flagged(self, code: str, holders: Mapping[str, Collection[str]]) -> tuple[list[int], list[int]]:
        """Waiting rows that have a flag: those this reviewer may decide; and the others, held or skipped.

        Raises:
            UsageError: there are none that may be decided.
        """
        waiting = [number for number in map(int, self.queue.flagged.get(code, ())) if self.waits(number)]
        mine, left_out = list[int](), list[int]()
        for number in waiting:
            free = self.free(number, holders.get(self._rows.chain(number), ()))
            (mine if free and not self.skipped[self.queue.place[number]] else left_out).append(number)
        if not mine:
            raise UsageError(f"no open card with the flag {code!r} is free")
        return mine, left_out

    def cards(self, numbers: Numbers) -> Numbers:
        """The open cards that rows are on, each once."""
        cards = np.unique(self.queue.place[numbers])
        return cards[self.open[cards]]

    def progress(self, made: Collection[float], blind: bool) -> Progress:
        """How far the queue is.

        Args:
            made: seconds of each decision of this session.
            blind: what flags the cards have is not told.
        """
        timed, left = [seconds for seconds in made if seconds], int(self.open.sum())
        by_flag = {} if blind else {code: len(self.cards(rows)) for code, rows in self.queue.flagged.items()}
        return Progress(
            done=len(self.queue) - left,
            left=left,
            total=len(self.queue),
            skipped=int((self.open & self.skipped).sum()),
            mine=len(made),
            clips_left=int(self._waiting.sum()),
            per_hour=len(timed) / sum(timed) * 3600 if timed else None,
            by_flag={code: count for code, count in sorted(by_flag.items(), key=lambda pair: -pair[1]) if count},
        )

    def _judges(self, number: int) -> int:
        """How many reviewers judge a row: 2 on an overlap card, else 1."""
        drawn = self._overlap and not self._settling and luck(f"overlap:{self._rows.chain(number)}") < self._overlap
        return 2 if drawn else 1
