"""A reviewer's session: cards come, decisions go to disk, and both faces of the review stand on it.

with ReviewSession(folder, "Ann", check=gates.check) as session:  # sealed again at the end
    while card := session.next():
        session.decide(card, "accept")  # on disk when it returns
"""

from __future__ import annotations

import secrets
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from tbd.errors import TbdError, UsageError
from tbd.manifest.review_figures.agreement import agreement_in
from tbd.manifest.reviews import Event, text_hash
from tbd.manifest.seal import Sealed
from tbd.review import queue as queues
from tbd.review import validation
from tbd.review.card import Card, Receipt, ReviewProgress
from tbd.review.card_queue import CardQueue
from tbd.review.findings import Check, Meanings
from tbd.review.kinds import Verb
from tbd.review.review_folder import ReviewFolder
from tbd.schema import Flag

if TYPE_CHECKING:
    from tbd.media.canonical import CanonicalClip

_STEP = 500
"""Clips of a bulk decision between two reports of how far it is."""


class Undone(NamedTuple):
    """A decision that was taken back: its events under the ids of the undoing ones, how it counted, the last id then."""

    events: list[Event]
    batch: str
    made: tuple[str, str, float] | None
    seen: int


class ReviewSession(CardQueue):
    """One tab of a reviewer at one manifest: its queue, its history, its skips. Safe to use from several threads.

    Decisions of others, and a manifest that was sealed anew, are seen at once.

    Args:
        folder: a manifest folder, or its Parquet file.
        reviewer: a name as typed, up to 80 signs; in another case, or with signs that are not seen, it is the same.
        queue: of ``kinds.QueueName``.
        filters: of ``card.FILTERS`` -> a value, in any spelling; all must hold.
        overlap: share of the cards, 0 to 1, that two reviewers judge, each for himself.
        check: the gates, for ``recheck`` and for findings where there is no journal.
        roots: dataset -> where it lies on this machine, when not where ``run.json`` says.
        lease: seconds for which a card stays this tab's; every ``next``, ``card`` and ``renew`` begins them anew.
        gates: flag code -> its severity, meaning and advice. None lets every code pass.

    Attributes:
        news: what the reviewer should hear, once: the manifest was sealed anew.

    Raises:
        UsageError: no such queue or filter, an overlap that is no share, a name that cannot be one.
        InputError: no manifest, a damaged one, or one of a newer tbd; a store that cannot be written.
    """

    def __init__(
        self,
        folder: str | Path,
        reviewer: str,
        *,
        queue: str = "flagged",
        filters: Mapping[str, str] | None = None,
        overlap: float = 0.0,
        check: Check | None = None,
        roots: Mapping[str, Path] | None = None,
        lease: float = 600.0,
        gates: Meanings | None = None,
    ) -> None:
        validation.refuse_name(reviewer)
        if not 0 <= overlap <= 1:
            raise UsageError(f"an overlap of {overlap}: it is a share of the cards, 0 to 1", next="--overlap 0.1")
        queues.refuse(queue, filters or {})
        self._shared = ReviewFolder(folder, reviewer, check, roots, gates)
        self.queue, self._overlap, self._lease = queue, overlap, lease
        self._begin(queues.canonical(filters or {}, self._shared.rows))

    def tab(self, filters: Mapping[str, str] | None = None) -> ReviewSession:
        """Another tab of the same reviewer, with its own history, skips and filters; close each."""
        other = copy(self)
        other._begin(self.filters if filters is None else filters)
        return other

    def _begin(self, filters: Mapping[str, str]) -> None:
        super()._begin(filters)
        self._undone: list[Undone] = []
        self._closed = False
        self._shared.tabs += 1

    def report(self) -> ReviewProgress:
        """``progress`` with what the last page tells: who decided how much, agreement, what is left for whom."""
        with self._lock:
            log = self._shared.log
            found = agreement_in(log, resamples=0) if log.last else None
            standing = [(clip, held) for clip in log.judged() for held in log.opinions(clip)]
            return replace(
                self.progress(),
                by_reviewer=Counter(held.reviewer for _, held in standing),
                agreement=found.percent.value if found else None,
                disagreements=found.disagreements if found else 0,
                to_annotate=len({clip for clip, held in standing if held.rejects and not held.event.about_clip}),
            )

    def decide(
        self,
        card: Card,
        action: Verb | str,
        *,
        prompts: Sequence[str] | None = None,
        reason: str | None = None,
        flags: Sequence[str] = (),
        refuted: Sequence[str] = (),
        note: str = "",
        seconds: float | None = None,
        clips: Sequence[str] | None = None,
    ) -> Receipt:
        """Write a decision about a card. It is on disk when this returns.

        Args:
            card: as ``next``, ``previous``, ``card`` or ``Stale.current`` gave it.
            action: ``accept``, ``edit``, ``reject``, ``skip``. An edit that changes nothing is an acceptance.
            prompts: the edited text, as many levels as the card has (or four, where it has none).
            reason: of a rejection: ``text``, ``media`` or ``label``.
            flags, refuted: codes that the reviewer confirms or, of ``missing(card)``, misses; and finds to be wrong.
            note: a sentence that goes with the decision.
            seconds: how long the card was open; None takes the time since it was handed out.
            clips: only these clips of the card; the others stay open. None takes all.

        Raises:
            Stale: somebody decided about it meanwhile, or its text was annotated anew; nothing was written.
            UsageError: no such action, reason, clip on this card or flag; an edit without a text, an acceptance of
                nothing.
            MissingError: the disk is full; nothing was written.
        """
        chosen, prompts = validation.clips_of(card, clips), validation.edited(card, action, prompts)
        verb = validation.verb(action, reason)
        validation.refuse_flags(card, [*flags, *refuted], self._shared.gates)
        if verb == Verb.EDIT and prompts == card.prompts:
            verb, prompts = Verb.ACCEPT, None
        if verb == Verb.ACCEPT and not any(text.strip() for text in card.prompts):
            raise UsageError(f"{card.clip_id}: there is no prompt to accept; edit it, or reject it", next="e, or x")
        with self._lock:
            spent = self._history.seconds(card) if seconds is None else seconds
            event = self._event(
                verb, after=prompts, reason=reason, seconds=spent, note=validation.note(note),
                flags=tuple(flags), refuted=tuple(refuted),
            )  # fmt: skip
            with self._shared.store.transaction():
                self._refresh()
                if verb != Verb.SKIP:
                    validation.refuse_stale(card, chosen, prompts, event, self._maker)
                self._add(event, [(clip_id, card.before_hash) for clip_id in chosen])
                self._release(card, set(card.clips) if verb == Verb.SKIP else set(chosen))
            if verb == Verb.SKIP:
                self._view.skip([card.clip_id])
            return Receipt(verb, chosen)

    def decide_all(
        self,
        flag: str,
        action: Verb | str,
        reason: str | None = None,
        *,
        worse: bool = False,
        tell: Callable[[int, int], None] = lambda done, total: None,
    ) -> Receipt:
        """Accept or reject every open card of the queue (as filtered) that has a flag; one undo takes all back.

        Clips that somebody else has open are left out and named in the receipt, and so are, of an acceptance, rows
        without a text and rows on which another flag weighs as much (``Receipt.worse``).

        Args:
            worse: accept also where another flag weighs as much.
            tell: called now and then with how many clips are written, and of how many.

        Raises:
            UsageError: not ``accept`` or ``reject``, no reason, a queue without flags, or no card has that flag.
        """
        verb = validation.verb(action, reason, bulk_in=self.queue)
        shared, severities = self._shared, {code: gate.severity for code, gate in (self._shared.gates or {}).items()}
        with self._lock:
            event = self._event(verb, reason=reason, bulk=True)
            with shared.store.transaction():
                self._refresh()
                numbers, left_out = self._view.flagged(flag, shared.store.leases.holders(), self._holder)
                blank = {one for one in numbers if verb == Verb.ACCEPT and not self._text(one)}
                unasked = [one for one in numbers if verb == Verb.ACCEPT and not worse and one not in blank]
                heavier = [one for one in unasked if not self._view.is_highest(one, flag, severities)]
                numbers, left_out = sorted(set(numbers) - {*blank, *heavier}), [*left_out, *sorted(blank)]
                for start in range(0, len(numbers), _STEP):
                    tell(start, len(numbers))
                    some = numbers[start : start + _STEP]
                    self._add(event, [(shared.rows.clip(one), text_hash(self._text(one))) for one in some])
            clips, without, rest = (tuple(map(shared.rows.clip, each)) for each in (numbers, left_out, heavier))
            return Receipt(verb, clips, without, rest)

    def undo(self) -> Receipt | None:
        """Take back this tab's last decision that stands, a skip or a bulk too, then earlier ones; None: there is none."""
        shared = self._shared
        with self._lock:
            with shared.store.transaction():
                self._refresh()
                elsewhere = {batch for batch, (tab, _, _) in shared.made.items() if tab != self._holder}
                events = shared.log.latest(self.reviewer, elsewhere)
                if not events:
                    return None
                ids = self._take_back(events)
            self._refresh()
            batch, clips = events[0].batch or "", tuple(sorted(done.clip_id for done in events))
            made = shared.made.pop(batch, None)
            self._view.skip(clips, False)
            self._view.look_again(clips, wanted=True)
            undone = [replace(done, id=id) for done, id in zip(events, ids, strict=True)]
            self._undone.append(Undone(undone, batch, made, shared.log.last))
            return Receipt("undo", clips, undone=events[0].action)

    def redo(self) -> Receipt | None:
        """Make again what this tab's last undo took back; None when there is nothing, or a decision came after it.

        Raises:
            UsageError: somebody else decided about it meanwhile.
        """
        with self._lock:
            if not self._undone:
                return None
            last = self._undone.pop()
            clips = tuple(sorted(done.clip_id for done in last.events))
            with self._shared.store.transaction():
                self._refresh()
                if any(self._shared.log.changed(clip_id, last.seen) for clip_id in clips):
                    raise UsageError(f"{clips[0]}: decided meanwhile; it cannot be made again")
                self._take_back(last.events)
            self._refresh()
            self._shared.made |= {last.batch: last.made} if last.made else {}
            action = last.events[0].action
            if action == "skip":
                self._view.skip(clips)
            self._view.look_again(clips)
            return Receipt("redo", clips, undone=action)

    def recheck(self, card: Card, prompts: Sequence[str]) -> list[Flag]:
        """Run the gates on an edited text, without writing anything: its flags, the severest first."""
        return self._shared.findings.fresh(card.row, validation.as_typed(card, prompts))

    def canonical(self, card: Card | str) -> CanonicalClip | None:
        """A card's first clip, or any clip by id (``InputError`` for an unknown one); None when its file is not here."""
        return self._shared.canonical(card if isinstance(card, str) else card.clip_id)

    def close(self) -> Sealed | None:
        """End the leases; the last tab seals the manifest again with every review. Closing twice does nothing.

        Returns:
            What was sealed; None when the manifest shows every decision already, or another tab is open.
        """
        with self._lock:
            if self._closed:
                return None
            self._closed = True
            with suppress(TbdError), self._shared.store.transaction():  # leases end by themselves too
                self._shared.store.leases.release(self._holder)
            self._shared.tabs -= 1
            return None if self._shared.tabs else self._shared.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _release(self, card: Card, clips: Collection[str]) -> None:
        """Give the card's chain back, unless some of its rows still wait."""
        number = self._shared.rows.find(card.clip_id)
        at = None if number is None else self._view.place(number)
        unit = [] if at is None else self._view.queue.units[at]
        if number is not None and not any(
            self._view.waits(other) for other in unit if self._shared.rows.clip(other) not in clips
        ):
            self._shared.store.leases.release(self._holder, self._shared.rows.chain(number))

    def _event(self, action: str, **more: Any) -> Event:
        """A decision, without the clip and the text that it is about."""
        batch = secrets.token_hex(8)
        return Event(0, "", self.reviewer, time.time(), action, "", queue=self.queue, batch=batch, **more)  # type: ignore[arg-type]

    def _add(self, event: Event, about: Sequence[tuple[str, str]]) -> None:
        """Write a decision about clips with their texts, inside a transaction; it counts, and ends every redo."""
        self._shared.store.add(replace(event, clip_id=clip_id, before_hash=text) for clip_id, text in about)
        self._undone.clear()
        if event.action != "skip" and event.batch and about:
            self._shared.made[event.batch] = (self._holder, event.action, event.seconds or 0.0)
        self._view.look_again([clip_id for clip_id, _ in about])

    def _take_back(self, events: Sequence[Event]) -> list[int]:
        event = self._event("undo")
        return self._shared.store.add(
            replace(event, clip_id=done.clip_id, before_hash=done.before_hash, undo_of=done.id) for done in events
        )

    def _text(self, number: int) -> tuple[str, ...]:
        independent = self._view.independent(number)
        return self._shared.rows.prompts(number) if independent else self._shared.log.text(number)
