"""What one tab of a reviewer has in hand: cards leased, cards shown before, and since when."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable

from tbd.review.card import Card
from tbd.review.store import Store, holder

_TABS = itertools.count(1)


class Leases:
    """Leases and history of one tab. Leases are given and taken inside a transaction of the store.

    Attributes:
        holder: what the store knows this tab by: reviewer, machine, process, number.
    """

    def __init__(self, store: Store, reviewer: str, seconds: float) -> None:
        self._store, self._seconds = store, seconds
        self.holder = holder(reviewer, next(_TABS))
        self._chains: set[str] = set()
        self._since: dict[str, float] = {}
        self._shown: list[str] = []
        self._at = -1

    def take(self, chain: str) -> None:
        """Lease a chain, or lease it for longer."""
        self._store.lease(chain, self.holder, self._seconds)
        self._chains.add(chain)

    def give_back(self, chains: Iterable[str] | None = None) -> None:
        """End leases; all of this tab when none are named."""
        chains = self._chains if chains is None else set(chains)
        self._store.release(self.holder, chains)
        self._chains = self._chains - chains

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
