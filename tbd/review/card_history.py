"""The cards that one tab of a reviewer has shown, and since when the present one is open."""

from __future__ import annotations

import time

from tbd.review.card import Card


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
