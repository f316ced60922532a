"""One tab's queue: which card is next, which was before, and how far it all is."""

from __future__ import annotations

import itertools
import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

from tbd.leases import holder, person
from tbd.manifest.review_figures.audit_draw import recorded_draw
from tbd.review import queue as queues
from tbd.review.card import Card, ReviewProgress
from tbd.review.card_maker import CardMaker
from tbd.review.kinds import QueueName
from tbd.review.queue_view import QueueView
from tbd.review.review_folder import ReviewFolder
from tbd.review.words import gone

_TABS = itertools.count(1)
BREAK = 300.0
"""Seconds at one card after which nobody is thought to have looked at it all the time."""


class CardHistory:
    """What was shown, to go back in, and how long each card has been before the reviewer."""

    def __init__(self) -> None:
        self._since: dict[str, float] = {}
        self._shown: list[str] = []
        self._at = -1

    def show(self, card: Card) -> None:
        """The card is before the reviewer now; its time starts, unless it was there already."""
        if self._at >= 0 and self._shown[self._at] in card.clips:
            self._shown[self._at] = card.clip_id
        else:
            if self._shown[-1:] != [card.clip_id]:
                self._shown.append(card.clip_id)
            self._at = len(self._shown) - 1
            self._since.pop(card.clip_id, None)
        self._since.setdefault(card.clip_id, time.monotonic())

    def back(self) -> str | None:
        """One card back in what was shown; None at the first."""
        if self._at < 1:
            return None
        self._at -= 1
        self._since.pop(self._shown[self._at], None)
        return self._shown[self._at]

    def seconds(self, card: Card) -> float | None:
        """How long the card has been before the reviewer; None when it never was."""
        since = self._since.get(card.clip_id)
        return None if since is None else round(time.monotonic() - since, 3)


class CardQueue:
    """The cards of one tab of a reviewer: leases, history, skips and filters are its own.

    Attributes:
        filters: those that are set.
        meanings: what the gates say of each flag code.
        news: what the reviewer should hear, once: the manifest was sealed anew.
    """

    _shared: ReviewFolder
    queue: str
    _overlap: float
    _lease: float

    def _begin(self, filters: Mapping[str, str]) -> None:
        shared = self._shared
        self.folder, self.reviewer, self.meanings = shared.folder, shared.reviewer, shared.meanings
        self.news, self._lock = "", shared.lock
        self._history, self._holder = CardHistory(), holder(self.reviewer, next(_TABS))
        with self._lock:
            shared.refresh()
            self.filter(filters)

    def filter(self, filters: Mapping[str, str]) -> None:
        """Set other filters, or none; cards skipped before come again.

        Raises:
            UsageError: no such filter.
        """
        queues.refuse(self.queue, filters)
        shared = self._shared
        with self._lock:
            bookmarks = shared.store.bookmarks(self.reviewer)
            chosen: Sequence[int] = ()
            if self.queue == QueueName.DISAGREEMENTS:
                chosen = shared.log.conflicts()
            elif self.queue == QueueName.DECIDED:
                chosen = shared.log.decided_by(self.reviewer)
            draw = recorded_draw(self.folder)
            found = queues.build(self.queue, filters, shared.rows, draw, chosen, bookmarks)
            self._view = QueueView(found, shared, self._overlap, self.queue)
            self._maker = CardMaker(shared, self._view, self.queue == QueueName.AUDIT, bookmarks)
            self.filters, self._version = dict(filters), shared.version

    def choices(self) -> Mapping[str, Mapping[str, int]]:
        """What can be filtered by -> value -> rows of the queue; of an audit not by what the gates say."""
        return {key: rows for key, rows in self._view.queue.choices.items() if key != "flag" or self.queue != "audit"}

    def missing(self, card: Card) -> dict[str, str]:
        """The codes of the gates, with their meanings, that a card does not show; on a blind card all of them."""
        shown = {flag.code for flag in card.findings}
        return {code: gate.meaning for code, gate in (self._shared.gates or {}).items() if code not in shown}

    def progress(self) -> ReviewProgress:
        """How far the queue is, and what this reviewer did in this session, in all tabs."""
        with self._lock:
            self._refresh()
            made = list(self._shared.made.values())
            timed = [seconds for _, _, seconds in made if 0 < seconds < BREAK]
            return replace(
                self._view.progress(self.queue in (QueueName.AUDIT, QueueName.DECIDED)),
                mine=len(made),
                per_hour=len(timed) / sum(timed) * 3600 if timed else None,
                seconds=sum(min(seconds, BREAK) for _, _, seconds in made),
                by_verb=Counter(verb for _, verb, _ in made),
                gone=self._shared.log.gone(self._shared.made) if self._shared.version and made else 0,
            )

    def next(self, after: str | None = None) -> Card | None:
        """The next open card, now leased to this tab; None when none is left that this reviewer could have now.

        It is never one that another reviewer holds, or that was skipped in this tab; those of the reviewer's other
        tabs come last. The search starts behind the card ``after`` and goes on from the front.
        """
        with self._lock, self._shared.store.transaction(durable=False):
            self._refresh()
            number = next(iter(self._free(after)), None)
            return None if number is None else self._show(number)

    def previous(self) -> Card | None:
        """The card that this tab showed before the present one, and so on; None at the first."""
        with self._lock:
            self._refresh()
            while (clip_id := self._history.back()) is not None:
                if self._shared.rows.find(clip_id) is not None:
                    return self.card(clip_id)
            return None

    def peek(self, count: int = 1, after: str | None = None) -> list[Card]:
        """The cards that ``next`` would give, without leasing them; the card that is open still waits, so name it."""
        with self._lock:
            self._refresh()
            return [self._maker.make(number) for number, _ in zip(self._free(after), range(count), strict=False)]

    def card(self, clip_id: str) -> Card:
        """The card of any clip of the manifest, open, decided or outside the queue.

        It is leased when it is open and nobody holds it; ``held_by`` says who does.

        Raises:
            InputError: there is no such clip.
        """
        with self._lock, self._shared.store.transaction(durable=False):
            self._refresh()
            number = self._shared.rows.number(clip_id)
            holders = self._holders(number)
            if not self._view.waits(number):
                return self._show(number, lease=False)
            if not self._view.free(number, holders):
                names = sorted({person(tab) for tab in holders} - {self.reviewer})
                return self._show(number, lease=False, held_by=", ".join(names))
            return self._show(number)

    def renew(self, card: Card) -> bool:
        """Hold a card for longer. False when its lease had ended and somebody else holds it now."""
        with self._lock, self._shared.store.transaction(durable=False):
            number = self._shared.rows.find(card.clip_id)
            if number is None or not self._view.free(number, self._holders(number)):
                return False
            self._take(number)
            return True

    def bookmark(self, card: Card) -> bool:
        """Put a bookmark on a card, or take it away; whether there is one now."""
        with self._lock, self._shared.store.transaction():
            bookmarks = self._maker.bookmarks
            wanted = card.clip_id not in bookmarks
            self._shared.store.bookmark(self.reviewer, card.clip_id, wanted)
            (bookmarks.add if wanted else bookmarks.discard)(card.clip_id)
            return wanted

    def _refresh(self) -> None:
        self._shared.refresh()
        if self._version == self._shared.version:
            return self._view.refresh()
        skipped, shared = self._view.skipped_clips(), self._shared
        self.filter(self.filters)
        self._view.skip(skipped)
        lost = shared.log.gone(shared.made)
        self.news = f"The manifest was sealed anew; the cards are those of now.{f' {gone(lost)}' if lost else ''}"
        return None

    def _free(self, after: str | None) -> Iterator[int]:
        """A waiting row of every card that this tab may have, those of the reviewer's other tabs last."""
        holders, elsewhere = self._shared.store.leases.holders(), list[int]()
        for at in self._view.upcoming(self._place(after)):
            number = next(number for number in self._view.queue.units[at] if self._view.waits(number))
            tabs = holders.get(self._shared.rows.chain(number), ())
            if self._view.free(number, tabs, self._holder):
                yield number
            elif self._view.free(number, tabs):
                elsewhere.append(number)
        yield from elsewhere

    def _place(self, clip_id: str | None) -> int | None:
        number = None if clip_id is None else self._shared.rows.find(clip_id)
        return None if number is None else self._view.place(number)

    def _holders(self, number: int) -> Collection[str]:
        chain = self._shared.rows.chain(number)
        return self._shared.store.leases.holders(chain).get(chain, ())

    def _take(self, number: int) -> None:
        """Lease a row's chain to this tab, or lease it for longer."""
        self._shared.store.leases.take(self._shared.rows.chain(number), self._holder, self._lease)

    def _show(self, number: int, *, lease: bool = True, held_by: str = "") -> Card:
        """Put a card before the reviewer, inside a transaction."""
        if lease:
            self._take(number)
        card = self._maker.make(number, held_by)
        self._history.show(card)
        return card
