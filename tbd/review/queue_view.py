"""Which cards of a queue are open for one reviewer, and whom else they are kept for."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

import numpy as np

from tbd.errors import UsageError
from tbd.hashes import seeded_fraction
from tbd.leases import person
from tbd.manifest import reviews
from tbd.review.card import ReviewProgress
from tbd.review.kinds import QueueName
from tbd.review.queue import Queue
from tbd.review.review_folder import ReviewFolder
from tbd.schema import INFO


class QueueView:
    """The open cards of a queue, by their number in it.

    Args:
        name: of the queue. Those in dispute wait until they are settled, one's own decisions until they were looked at.
        overlap: share of the cards, 0 to 1, that two reviewers judge, each for himself.
    """

    def __init__(self, queue: Queue, shared: ReviewFolder, overlap: float, name: str) -> None:
        self.queue, self._rows, self._log = queue, shared.rows, shared.log
        self._reviewer, self._overlap, self.name = shared.reviewer, overlap, name
        self.open = np.ones(len(queue), bool)
        self.skipped = np.zeros(len(queue), bool)
        self._waiting = queue.place >= 0
        self._cards = {code: np.unique(queue.place[rows]) for code, rows in queue.flagged.items()}
        self._seen, self._again = 0, set[int]()
        self.refresh()

    def refresh(self) -> None:
        """See again whether the cards are open about which somebody decided since the last time."""
        news, self._seen = self._log.history[self._seen :], len(self._log.history)
        self._look_at([event.clip_id for event in news])

    def look_again(self, clips: Iterable[str], wanted: bool = False) -> None:
        """Of one's own decisions, these need no further look, or do again."""
        numbers = set(self._rows.numbers(clips))
        self._again = self._again - numbers if wanted else self._again | numbers
        self._look_at(clips)

    def _look_at(self, clips: Iterable[str]) -> None:
        for at in self._cards_of(clips):
            unit = self.queue.units[at]
            self._waiting[unit] = [self.waits(number) for number in unit]
            self.open[at] = self._waiting[unit].any()

    def _cards_of(self, clips: Iterable[str]) -> list[int]:
        """The cards of this queue that some clips are on."""
        return [at for at in set(map(self.place, self._rows.numbers(clips))) if at is not None]

    def place(self, number: int) -> int | None:
        """The card of this queue that a row is on."""
        at = int(self.queue.place[number])
        return at if at >= 0 else None

    def waits(self, number: int) -> bool:
        """Whether a row waits for this reviewer's decision."""
        held = self._log.opinions(self._rows.clip(number))
        if self.place(number) is not None:
            if self.name == QueueName.DISAGREEMENTS:
                return bool(held) and reviews.disagree(held)
            if self.name == QueueName.DECIDED:
                return number not in self._again
        others = {opinion.reviewer for opinion in held}
        return self._reviewer not in others and len(others) < self._judges(number)

    def independent(self, number: int) -> bool:
        """Two reviewers judge the row's card, neither seeing what the other said."""
        return self._judges(number) > 1

    def free(self, number: int, holders: Collection[str], mine: str = "") -> bool:
        """Whether this reviewer may have the row's card while these tabs hold it; own ones count only for ``mine``."""
        if mine and any(person(tab) == self._reviewer and tab != mine for tab in holders):
            return False
        others = {person(tab) for tab in holders} - {self._reviewer}
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
        self.skipped[self._cards_of(clips)] = passed

    def flagged(self, code: str, holders: Mapping[str, Collection[str]], mine: str) -> tuple[list[int], list[int]]:
        """Waiting rows that have a flag: those this reviewer may decide; and the others, held or skipped.

        Raises:
            UsageError: there are none that may be decided.
        """
        waiting = [number for number in map(int, self.queue.flagged.get(code, ())) if self._waiting[number]]
        able, left_out = list[int](), list[int]()
        for number in waiting:
            free = self.free(number, holders.get(self._rows.chain(number), ()), mine)
            (able if free and not self.skipped[self.queue.place[number]] else left_out).append(number)
        if not able:
            raise UsageError(f"no open card with the flag {code!r} is free")
        return able, left_out

    def is_highest(self, number: int, code: str, severities: Mapping[str, int]) -> bool:
        """No other flag of a row weighs as much as this one, notes aside; ``severities`` are what the gates say.

        Of a code that they do not know the manifest tells the most it can weigh.
        """
        weigh = {**self.queue.weights, **severities}
        own, row = weigh.get(code, 0), int(self.queue.severity[number])
        others = [weigh.get(other, row) for other in self.queue.codes[number].as_py() if other != code]
        return row <= max(own, INFO) and all(weight < own or weight <= INFO for weight in others)

    def progress(self, blind: bool) -> ReviewProgress:
        """How far the queue is; of a ``blind`` one it is not told what flags the cards have."""
        left = int(self.open.sum())
        by_flag = {} if blind else {code: int(self.open[cards].sum()) for code, cards in self._cards.items()}
        return ReviewProgress(
            done=len(self.queue) - left,
            left=left,
            total=len(self.queue),
            skipped=int((self.open & self.skipped).sum()),
            clips_left=int(self._waiting.sum()),
            by_flag={code: count for code, count in sorted(by_flag.items(), key=lambda pair: -pair[1]) if count},
        )

    def skipped_clips(self) -> list[str]:
        """The first clips of the cards that were passed over."""
        return [self._rows.clip(self.queue.units[at][0]) for at in map(int, np.flatnonzero(self.skipped))]

    def _judges(self, number: int) -> int:
        """How many reviewers judge a row: 2 on an overlap card, else 1."""
        alone = not self._overlap or self.name in (QueueName.DISAGREEMENTS, QueueName.DECIDED)
        return 1 if alone or seeded_fraction(0, "overlap", self._rows.chain(number)) >= self._overlap else 2
