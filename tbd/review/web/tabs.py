"""The browser tabs of each reviewer: a session of its own, the cards on its pages, and what to say next."""

from __future__ import annotations

import re
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable

from tbd.hidden_characters import look_alike
from tbd.manifest.seal import Sealed
from tbd.review.card import Card
from tbd.review.session import ReviewSession

OpenSession = Callable[[str], ReviewSession]
_REMEMBERED = 1_000
"""Cards whose forms can still be sent; an older one is answered with the difference, never lost."""
_TABS = 24
"""Tabs of one reviewer; the one that was used longest ago makes room."""


class BrowserTab:
    """One tab. Hold ``lock`` from the filters to the card.

    Attributes:
        note: what the next page says about the decision before; it is said once.
        bulk: how far a bulk decision is: clips written, and of how many.
    """

    def __init__(self, session: ReviewSession) -> None:
        self.session, self.lock, self.note = session, threading.RLock(), ""
        self.bulk = (0, 0)
        self._cards: OrderedDict[str, Card] = OrderedDict()

    def tell(self, done: int, total: int) -> None:
        """How far a bulk decision is."""
        self.bulk = (done, total)

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
        """The note, and the session's news, once."""
        words = " ".join(filter(None, (self.note, self.session.news)))
        self.note = self.session.news = ""
        return words


class BrowserTabs:
    """The tabs by reviewer and name; each is made when it comes first."""

    def __init__(self, open_session: OpenSession) -> None:
        self._open, self._lock = open_session, threading.Lock()
        self._tabs: dict[str, OrderedDict[str, BrowserTab]] = {}
        self.sealed: list[Sealed] = []

    def of(self, reviewer: str, name: str = "") -> BrowserTab:
        """A tab of a reviewer; an unknown one is made, with the filters of the command line.

        Raises:
            UsageError: the reviewer's name cannot be one.
            InputError: no manifest, or a damaged one.
        """
        name = name if re.fullmatch(r"[0-9a-f]{1,16}", name) else ""
        with self._lock:
            tabs = self._tabs.setdefault(look_alike(reviewer), OrderedDict())
            if name not in tabs:
                first = next(iter(tabs.values()), None)
                tabs[name] = BrowserTab(first.session.tab() if first else self._open(reviewer))
            tabs.move_to_end(name)
            if len(tabs) > _TABS:
                tabs.popitem(last=False)[1].session.close()
            return tabs[name]

    def close(self) -> None:
        """Give every card back and seal the manifest again; ``sealed`` has what was sealed."""
        with self._lock:
            tabs = [tab for of_one in self._tabs.values() for tab in of_one.values()]
            self._tabs.clear()
        for tab in tabs:
            with tab.lock:
                sealed = tab.session.close()
            self.sealed += [sealed] if sealed else []
