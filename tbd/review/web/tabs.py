"""One seat for each reviewer: a session, the cards that were put on the page, and what to say next."""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from tbd.manifest.seal import Sealed
from tbd.review.card import Card

if TYPE_CHECKING:
    from tbd.review.session import ReviewSession

OpenSession = Callable[[str], "ReviewSession"]
_REMEMBERED = 1_000
"""Cards whose forms can still be sent; an older one is answered with the difference, never lost."""


class Seat:
    """A reviewer at a session, in any number of tabs. Hold ``lock`` from the filters to the card.

    Attributes:
        note: what the next page says about the decision before; it is said once.
    """

    def __init__(self, session: ReviewSession) -> None:
        self.session, self.lock, self.note = session, threading.RLock(), ""
        self._cards: OrderedDict[str, Card] = OrderedDict()
        self._dealt: Card | None = None

    def use(self, filters: Mapping[str, str]) -> None:
        """Set the queue to what the address says."""
        if dict(filters) != dict(self.session.filters):
            self.session.filter(filters)
            self._dealt = None

    def deal(self, after: str | None = None) -> Card | None:
        """The next card; the page that shows it need not make it again."""
        self._dealt = self.session.next(after)
        return self._dealt

    def card(self, clip_id: str) -> Card:
        """The card of a clip: the one that was just dealt, else as it is now.

        Raises:
            InputError: there is no such clip.
        """
        dealt, self._dealt = self._dealt, None
        return dealt if dealt and dealt.clip_id == clip_id else self.session.card(clip_id)

    def ticket(self, card: Card) -> str:
        """A name for a card as it is shown now; the form brings it back with the decision."""
        name = secrets.token_urlsafe(9)
        self._cards[name] = card
        if len(self._cards) > _REMEMBERED:
            self._cards.popitem(last=False)
        return name

    def shown(self, ticket: str) -> Card | None:
        """The card that a form is about."""
        return self._cards.get(ticket)

    def say(self) -> str:
        """The note, once."""
        note, self.note = self.note, ""
        return note


class Seats:
    """The seats by reviewer; a seat is made when its reviewer comes first."""

    def __init__(self, make_desk: OpenSession) -> None:
        self._make, self._lock = make_desk, threading.Lock()
        self._seats: dict[str, Seat] = {}
        self.sealed: list[Sealed] = []

    def of(self, reviewer: str) -> Seat:
        """The seat of a reviewer.

        Raises:
            UsageError: the name cannot be one.
            InputError: no manifest, or a damaged one.
        """
        with self._lock:
            if reviewer not in self._seats:
                self._seats[reviewer] = Seat(self._make(reviewer))
            return self._seats[reviewer]

    def close(self) -> list[Sealed]:
        """Give every card back and seal the manifest again; what was sealed."""
        with self._lock:
            while self._seats:
                _, seat = self._seats.popitem()
                with seat.lock:
                    sealed = seat.session.close()
                self.sealed += [sealed] if sealed else []
        return self.sealed
