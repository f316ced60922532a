"""The reference frame in half blocks: two pixels a character cell, in any terminal with colours."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from rich.color import Color
from rich.segment import Segment, Segments
from rich.style import Style
from textual.content import Content
from textual.widgets import Static

from tbd.errors import TbdError
from tbd.hidden_characters import one_line

if TYPE_CHECKING:
    from PIL.Image import Image

    from tbd.review.card import Card
    from tbd.review.session import ReviewSession

KEPT = 256
"""Side in pixels at which a frame is kept: more than any terminal shows."""


def load(session: ReviewSession, card: Card) -> Image | str:
    """The canonical crop of a card's reference frame, or why there is none, in words."""
    from PIL import Image

    try:
        clip = session.canonical(card)
        if clip is None:
            return f"{card.row['file_name']} is not on this machine"
        number = card.row["reference_frame"]
        frame = clip.picture(int(clip.indices[len(clip.indices) // 2]) if number is None else number)
        return Image.fromarray(frame).resize((KEPT, KEPT), Image.Resampling.BOX)
    except TbdError as error:
        return error.message
    except Exception as error:  # noqa: BLE001 - a picture that cannot be drawn must not end a review
        return f"the picture cannot be shown ({type(error).__name__}: {error})"


class Picture(Static):
    """A square picture as large as its width allows, or the words that stand in for it."""

    image: Image | str = ""

    def show(self, image: Image | str) -> None:
        """Draw another picture, or words."""
        self.image = image
        self.on_resize()

    def on_resize(self) -> None:
        """Draw it as large as there is room."""
        if isinstance(self.image, str):
            self.update(Content.styled(one_line(self.image), "italic"))
        else:
            self.update(_half_blocks(self.image, self.size.width // 2 * 2))


def _half_blocks(image: Image, side: int) -> Segments:
    """A square of ``side`` x ``side`` pixels as ``side / 2`` lines: cells are about twice as high as wide."""
    rows = np.asarray(image.resize((max(side, 2), max(side, 2)), 1)).tolist()  # 1: Lanczos
    cells = []
    for upper, lower in zip(rows[::2], rows[1::2], strict=True):
        pairs = zip(upper, lower, strict=True)
        cells += [Segment("▀", Style(color=Color.from_rgb(*up), bgcolor=Color.from_rgb(*down))) for up, down in pairs]
        cells.append(Segment.line())
    return Segments(cells)
