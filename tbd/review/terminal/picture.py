"""The reference frame in half blocks: two pixels a character cell, in any terminal with colours."""

from __future__ import annotations

from textwrap import wrap
from typing import TYPE_CHECKING

import numpy as np
from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from textual.geometry import Size
from textual.strip import Strip
from textual.widget import Widget

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


class Picture(Widget):
    """A square picture as large as its width allows, or the words that stand in for it."""

    image: Image | str = ""

    def __init__(self) -> None:
        super().__init__()
        self.lines: dict[tuple[int, int], list[Strip]] = {}  # by content size: drawn once, shown often

    def show(self, image: Image | str) -> None:
        """Draw another picture, or words."""
        self.image = image
        self.lines.clear()
        self.refresh(layout=True)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """Cells are about twice as high as wide; words take the lines they need."""
        return len(_wrapped(self.image, width)) if isinstance(self.image, str) else width // 2

    def render_line(self, y: int) -> Strip:
        """One line of cells: each shows an upper and a lower pixel."""
        width, height = self.content_size
        if (width, height) not in self.lines:
            if isinstance(self.image, str):
                style = self.rich_style + Style(italic=True)
                lines = [Strip([Segment(line, style)]) for line in _wrapped(self.image, width)]
            else:
                lines = _half_blocks(self.image, max(2, min(width, height * 2) // 2 * 2))
            self.lines[width, height] = lines
        lines = self.lines[width, height]
        return (lines[y] if y < len(lines) else Strip([])).adjust_cell_length(width, self.rich_style)


def _wrapped(words: str, width: int) -> list[str]:
    return wrap(one_line(words), max(1, width))


def _half_blocks(image: Image, side: int) -> list[Strip]:
    """A square of ``side`` x ``side`` pixels as ``side / 2`` lines."""
    rows = np.asarray(image.resize((side, side), 1)).tolist()  # 1: Lanczos
    return [
        Strip(
            Segment("▀", Style(color=Color.from_rgb(*above), bgcolor=Color.from_rgb(*below)))
            for above, below in zip(upper, lower, strict=True)
        )
        for upper, lower in zip(rows[::2], rows[1::2], strict=True)
    ]
