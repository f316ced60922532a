"""A reviewer's session: cards come, decisions go to disk, and both user interfaces sit at it.

session = ReviewSession(folder, "Ann", queue="flagged", check=gates.check)
while card := session.next():
    session.decide(card, "accept")        # on disk when it returns
session.close()                           # gives cards back, seals the manifest again
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self, cast

from tbd.errors import TbdError, UsageError
from tbd.manifest import reseal_manifest, run
from tbd.manifest.reviews import Event, text_hash
from tbd.manifest.seal import Sealed
from tbd.manifest.tokens import count_tokens
from tbd.review import curation, validation
from tbd.review.card import Card, Progress, Receipt, Verb
from tbd.review.card_maker import CardMaker
from tbd.review.decisions import DecisionLog
from tbd.review.findings import Check, Findings
from tbd.review.leases import Leases
from tbd.review.queue import build, recorded_draw, refuse
from tbd.review.queue_view import QueueView
from tbd.review.rows import Rows
from tbd.review.sealing import is_behind
from tbd.review.store import Store
from tbd.schema import Flag

if TYPE_CHECKING:
    from tbd.media.canonical import CanonicalClip


class ReviewSession:
    """One reviewer's session at one manifest. Safe to use from several threads of one process.

    The manifest is read as it is when the session opens; decisions of others are seen at once.

    Args:
        folder: a manifest folder, or its Parquet file.
        reviewer: a name as the person types it, up to 80 signs.
        queue: ``flagged`` (rows that need review, the severest first), ``all`` (every row in order),
            ``audit`` (a seeded share of the rows that the gates pass, blind), ``disagreements``
            (rows that reviewers judged differently; a decision made here settles it).
        filters: ``flag``, ``emotion``, ``level``, ``subject`` -> a value; all must hold.
        overlap: share of the cards, 0 to 1, that two reviewers judge, each for himself.
        check: the gates, for ``recheck`` and for findings where there is no journal.
        root: where the dataset lies on this machine, when not where ``run.json`` says.
        lease: seconds for which a card that was handed out stays this reviewer's; every ``next``,
            ``card`` and ``renew`` begins them anew.
        codes: flag code -> its meaning in one line: what a reviewer can name when the gates missed it.
            None lets every code pass.

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
        root: Path | None = None,
        lease: float = 600.0,
        codes: Mapping[str, str] | None = None,
    ) -> None:
        validation.refuse_name(reviewer)
        validation.refuse_share(overlap)
        refuse(queue, filters or {})
        self.reviewer, self.queue, self._overlap, self.codes = reviewer, queue, overlap, codes
        self._lock = threading.RLock()
        self._rows = Rows(folder)
        self.folder = self._rows.file.parent
        validation.refuse_lost_store(self._rows)
        self._findings = Findings(self.folder, check)
        self._roots = run.dataset_roots(self.folder) | ({"": root} if root else {})
        self._store = Store(self.folder)
        self._log = DecisionLog(self._store, self._rows)
        self._log.refresh()
        self._leases = Leases(self._store, reviewer, lease)
        self._made: dict[str, float] = {}  # batch of a decision of this session -> seconds
        self._closed = False
        self.filter(filters or {})

    def filter(self, filters: Mapping[str, str]) -> None:
        """Set other filters, or none; cards skipped before come again.

        Raises:
            UsageError: no such filter.
        """
        refuse(self.queue, filters)
        with self._lock:
            draw, settling = recorded_draw(self.folder), self.queue == "disagreements"
            conflicts = self._log.conflicts() if settling else ()
            found = build(self.queue, filters, self._rows, draw, conflicts)
            self._view = QueueView(found, self._rows, self._log, self.reviewer, self._overlap, settling)
            blind = self.queue == "audit"
            self._maker = CardMaker(
                self._rows, self._log, self._findings, self._view, self._roots, self.reviewer, blind
            )
            self.filters = dict(filters)

    def choices(self) -> Mapping[str, Mapping[str, int]]:
        """What can be filtered by: ``flag``, ``emotion``, ``level``, ``subject`` -> value -> rows of the queue."""
        return self._view.queue.choices

    def missing(self, card: Card) -> dict[str, str]:
        """The ``codes``, with their meanings, that a card does not show; on a blind card all of them."""
        shown = {flag.code for flag in card.findings}
        return {code: meaning for code, meaning in (self.codes or {}).items() if code not in shown}

    def next(self, after: str | None = None) -> Card | None:
        """The next open card, now leased to this reviewer; never one that another reviewer holds.

        Cards that were skipped in this session are passed over. The search starts behind the card
        ``after`` (in queue order) and goes on from the front, so nothing is left behind.

        Returns:
            None when no card is left that this reviewer could have now.
        """
        with self._lock, self._store.transaction():
            self._refresh()
            holders = self._store.holders()
            for at in self._view.upcoming(self._place(after)):
                number = self._first_waiting(at)
                if self._view.free(number, holders.get(self._rows.chain(number), ())):
                    return self._deal(number)
            return None

    def previous(self) -> Card | None:
        """The card that this reviewer was shown before the present one; None at the first.

        Called again it goes further back; ``next`` starts at the front again.
        """
        with self._lock:
            clip_id = self._leases.back()
            return None if clip_id is None else self.card(clip_id)

    def peek(self, count: int = 1, after: str | None = None) -> list[Card]:
        """The cards that ``next`` would give, without leasing them: for fetching pictures ahead.

        The card that is open still waits, so name it: ``session.peek(2, after=card.clip_id)``.
        """
        with self._lock:
            self._refresh()
            holders, found = self._store.holders(), list[Card]()
            for at in self._view.upcoming(self._place(after)):
                number = self._first_waiting(at)
                if len(found) == count:
                    break
                if self._view.free(number, holders.get(self._rows.chain(number), ())):
                    found.append(self._maker.make(number))
            return found

    def card(self, clip_id: str) -> Card:
        """The card of any clip of the manifest, open, decided or outside the queue.

        It is leased when it is open and nobody holds it; ``held_by`` says who does.

        Raises:
            InputError: there is no such clip.
        """
        with self._lock:
            number = self._rows.number(clip_id)
            with self._store.transaction():
                self._refresh()
                others = self._store.holders().get(self._rows.chain(number), set()) - {self.reviewer}
                if not self._view.waits(number):
                    return self._deal(number, lease=False)
                if not self._view.free(number, others):
                    return self._deal(number, lease=False, held_by=", ".join(sorted(others)))
                return self._deal(number)

    def renew(self, card: Card) -> bool:
        """Hold a card for longer. False when its lease had ended and somebody else holds it now."""
        with self._lock, self._store.transaction():
            number = self._rows.number(card.clip_id)
            chain = self._rows.chain(number)
            free = self._view.free(number, self._store.holders().get(chain, ()))
            if free:
                self._leases.take(chain)
            return free

    def decide(
        self,
        card: Card,
        action: Verb,
        *,
        prompts: Sequence[str] | None = None,
        reason: str | None = None,
        flags: Sequence[str] = (),
        seconds: float | None = None,
        clips: Sequence[str] | None = None,
    ) -> Receipt:
        """Write a decision about a card. It is on disk when this returns.

        Args:
            card: as ``next``, ``previous``, ``card`` or ``Stale.current`` gave it.
            action: ``accept``, ``edit``, ``reject``, ``skip``. An edit that changes nothing is an
                acceptance.
            prompts: the edited text, as many levels as the card has (or four, where it has none).
            reason: of a rejection: ``text``, ``media`` or ``label``.
            flags: codes that the reviewer confirms or, of ``missing(card)``, misses.
            seconds: how long the card was open; None takes the time since it was handed out.
            clips: only these clips of the card; the others stay open. None takes all.

        Raises:
            Stale: somebody decided about it meanwhile; nothing was written.
            UsageError: no such action, reason, clip on this card or flag; an edit without a text.
            MissingError: the disk is full; nothing was written.
        """
        chosen, prompts = validation.clips_of(card, clips), validation.edited(card, action, prompts)
        validation.refuse_verb(action, reason)
        validation.refuse_flags(card, flags, self.codes)
        if action == "edit" and prompts == card.prompts:
            action, prompts = "accept", None
        with self._lock:
            spent = self._leases.seconds(card) if seconds is None else seconds
            event = self._event(action, prompts, reason, tuple(flags), spent)
            with self._store.transaction():
                self._refresh()
                if action != "skip":
                    validation.refuse_stale(card, chosen, prompts, self._log, self._maker)
                self._store.add(replace(event, clip_id=clip_id, before_hash=card.before_hash) for clip_id in chosen)
                self._release(card, set(card.clips) if action == "skip" else set(chosen))
            self._note(event, spent)
            if action == "skip":
                self._view.skip([card.clip_id])
            return Receipt(action, chosen)

    def decide_all(self, flag: str, action: Verb, reason: str | None = None) -> Receipt:
        """Accept or reject every open card of the queue (as filtered) that has a flag; one undo takes all back.

        Clips that somebody else has open are left out and named in the receipt.

        Raises:
            UsageError: not ``accept`` or ``reject``, no reason, an audit queue, or no card has that flag.
        """
        if action not in ("accept", "reject"):
            raise UsageError(f"{action}: all cards with one flag can be accepted or rejected at once, nothing else")
        validation.refuse_verb(action, reason)
        if self.queue == "audit":
            raise UsageError("an audit is blind: its cards cannot be decided by flag")
        with self._lock:
            confirmed = (flag,) if action == "reject" else ()
            event = self._event(action, None, reason, confirmed, None)
            with self._store.transaction():
                self._refresh()
                numbers, left_out = self._view.flagged(flag, self._store.holders())
                self._store.add(
                    replace(event, clip_id=self._rows.clip(number), before_hash=text_hash(self._text(number)))
                    for number in numbers
                )
            self._note(event, 0.0)
            return Receipt(action, tuple(map(self._rows.clip, numbers)), tuple(map(self._rows.clip, left_out)))

    def undo(self) -> Receipt | None:
        """Take back this reviewer's last decision that stands, a skip or a whole bulk too.

        Called again it goes further back, also to earlier sessions. None when there is nothing left.
        """
        with self._lock:
            with self._store.transaction():
                self._refresh()
                batch = self._store.latest(self.reviewer)
                if not batch:
                    return None
                event = self._event("undo", None, None, (), None)
                self._store.add(
                    replace(event, clip_id=done.clip_id, before_hash=done.before_hash, undo_of=done.id)
                    for done in batch
                )
            self._refresh()
            self._made.pop(batch[0].batch or "", None)
            self._view.skip([done.clip_id for done in batch], False)
            return Receipt("undo", tuple(sorted(done.clip_id for done in batch)), undone=cast(Verb, batch[0].action))

    def recheck(self, card: Card, prompts: Sequence[str]) -> tuple[list[Flag], list[int]]:
        """Run the gates on an edited text, without writing anything.

        Returns:
            The flags (none when the session has no ``check``), the severest first, and the CLIP tokens
            of each level. ``card.budgets`` and ``tbd.review.card.budgets`` give the limits.
        """
        text = validation.plain(prompts)
        return self._findings.fresh(card.row, text), [count_tokens(prompt) for prompt in text]

    def canonical(self, card: Card | str) -> CanonicalClip | None:
        """A card's first clip, or any clip by id (``InputError`` for an unknown one); None when its file is not here."""
        from tbd.media.canonical import CanonicalClip

        with self._lock:
            row = self._rows.row(self._rows.number(card if isinstance(card, str) else card.clip_id))
        path, audio = (self._maker.path(row, name) for name in ("file_name", "audio_file_name"))
        box = tuple(row["crop_box"]) if row["crop_box"] else None
        rule = run.clip_rule(self.folder)
        return CanonicalClip(path, row["start"], row["end"], box, rule, audio) if path else None

    def progress(self) -> Progress:
        """How far the queue is."""
        with self._lock:
            self._refresh()
            return self._view.progress(self._made.values(), self.queue == "audit")

    def close(self) -> Sealed | None:
        """End the leases and seal the manifest again with every review. Closing twice does nothing.

        Returns:
            What was sealed; None when the manifest already shows every decision.
        """
        with self._lock:
            if self._closed:
                return None
            self._closed = True
            with suppress(TbdError), self._store.transaction():  # leases end by themselves too
                self._leases.give_back()
            behind = is_behind(self._rows.file, self._store.newest())
            self._store.close()
            self._findings.close()
            self._rows.close()
            if not behind:
                return None
            sealed = reseal_manifest(self.folder)
            curation.write(self.folder)
            return sealed

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _refresh(self) -> None:
        self._view.look_at(self._log.refresh())

    def _place(self, clip_id: str | None) -> int | None:
        number = None if clip_id is None else self._rows.find(clip_id)
        return None if number is None else self._view.place(number)

    def _first_waiting(self, at: int) -> int:
        return next(number for number in self._view.queue.units[at] if self._view.waits(number))

    def _deal(self, number: int, *, lease: bool = True, held_by: str = "") -> Card:
        """Put a card before the reviewer, inside a transaction."""
        if lease:
            self._leases.take(self._rows.chain(number))
        card = self._maker.make(number, held_by)
        self._leases.show(card)
        return card

    def _release(self, card: Card, clips: Collection[str]) -> None:
        """Give the card's chain back, unless some of its rows still wait."""
        number = self._rows.number(card.clip_id)
        at = self._view.place(number)
        unit = [] if at is None else self._view.queue.units[at]
        if not any(self._view.waits(other) for other in unit if self._rows.clip(other) not in clips):
            self._leases.give_back([self._rows.chain(number)])

    def _event(
        self,
        action: Verb | Literal["undo"],
        prompts: tuple[str, ...] | None,
        reason: str | None,
        flags: tuple[str, ...],
        seconds: float | None,
    ) -> Event:
        """A decision, without the clip and the text that it is about."""
        return Event(
            0, "", self.reviewer, time.time(), action, "", prompts, reason, flags, seconds,
            queue=self.queue, batch=secrets.token_hex(8),
        )  # fmt: skip

    def _note(self, event: Event, seconds: float | None) -> None:
        """Afterwards: the decision counts, and the queue knows of it."""
        self._refresh()
        if event.action != "skip" and event.batch:
            self._made[event.batch] = seconds or 0.0

    def _text(self, number: int) -> tuple[str, ...]:
        return self._rows.prompts(number) if self._view.independent(number) else self._log.text(number)
