"""The column beside the card: its picture, and where the clip comes from."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from textual import work
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Static

from tbd.errors import TbdError
from tbd.review.card import Card
from tbd.review.session import ReviewSession
from tbd.review.terminal import facts
from tbd.review.terminal.picture import Picture, load

if TYPE_CHECKING:
    from PIL.Image import Image

KEPT = 32
"""Pictures that are kept, so that going back costs nothing."""


class Side(Vertical):
    """Shows cards one after another and fetches the picture of the one that comes next."""

    def __init__(self, session: ReviewSession) -> None:
        super().__init__(id="side")
        self.session, self.card = session, None
        self.pictures: dict[str, Image | str] = {}

    card: Card | None

    def compose(self) -> ComposeResult:
        """The picture above, words below."""
        yield Picture()
        yield Static(id="details")

    def show(self, card: Card | None) -> None:
        """Another card; None hides the column. The picture follows when it is decoded."""
        self.card, self.display = card, card is not None
        if card is not None:
            self.query_one("#details", Static).update(facts.details(card))
            self.query_one(Picture).show(self.pictures.get(card.clip_id, "…"))
            self._fetch(card)

    @work(thread=True, exclusive=True, group="pictures")
    def _fetch(self, card: Card) -> None:
        found = self.pictures.get(card.clip_id) or load(self.session, card)
        if self.app.is_running:
            self.app.call_from_thread(self._draw, card, found)
        with suppress(TbdError):  # fetching ahead is a courtesy; what is wrong will be said when the card comes
            for ahead in self.session.peek(1, after=card.clip_id) if self.app.is_running else ():
                if ahead.clip_id not in self.pictures:
                    self.pictures[ahead.clip_id] = load(self.session, ahead)

    def _draw(self, card: Card, found: Image | str) -> None:
        self.pictures[card.clip_id] = found
        while len(self.pictures) > KEPT:
            self.pictures.pop(next(iter(self.pictures)))
        if self.card is not None and self.card.clip_id == card.clip_id:
            self.query_one(Picture).show(found)
