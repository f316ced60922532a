"""The reference frame in half blocks: two pixels a character cell, in any terminal with colours."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from textual.geometry import Size
from textual.reactive import reactive
from textual.strip import Strip
from textual.widget import Widget

from tbd.errors import TbdError
from tbd.review.terminal.marks import one_line

if TYPE_CHECKING:
    from PIL.Image import Image

    from tbd.review.card import Card
    from tbd.review.desk import Desk

KEPT = 256
"""Side in pixels at which a frame is kept: more than any terminal shows."""


def load(desk: Desk, card: Card) -> Image | str:
    """The canonical crop of a card's reference frame, or why there is none, in words."""
    from PIL import Image

    try:
        clip = desk.canonical(card)
        if clip is None:
            return f"{card.file_name} is not on this machine"
        number = card.reference_frame
        frame = clip.picture(int(clip.indices[len(clip.indices) // 2]) if number is None else number)
        return Image.fromarray(frame).resize((KEPT, KEPT), Image.Resampling.BOX)
    except TbdError as error:
        return error.message
    except Exception as error:  # a picture that cannot be drawn must not end a review
        return f"the picture cannot be shown ({type(error).__name__}: {error})"


class Picture(Widget):
    """A square picture as large as its width allows, or the words that stand in for it."""

    image: reactive[Image | str] = reactive("", layout=True)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """Cells are about twice as high as wide; words take a few lines."""
        return width // 2 if not isinstance(self.image, str) else min(4, width // 2)

    def render_line(self, y: int) -> Strip:
        """One line of cells: each shows an upper and a lower pixel."""
        width, height = self.content_size
        if isinstance(self.image, str):
            return self._words(y, width)
        side = min(width, height * 2)
        left = (width - side) // 2
        base = self.rich_style
        cells = [Segment(" " * left, base), *_cells(self.image, side - side % 2, y)]
        return Strip(cells).adjust_cell_length(width, base)

    def _words(self, y: int, width: int) -> Strip:
        from textwrap import wrap

        lines = wrap(one_line(self.image if isinstance(self.image, str) else ""), max(1, width))
        line = lines[y] if y < len(lines) else ""
        return Strip([Segment(line, self.rich_style + Style(italic=True))]).adjust_cell_length(width, self.rich_style)


@lru_cache(maxsize=256)
def _cells(image: Image, side: int, y: int) -> tuple[Segment, ...]:
    from PIL import Image as Pillow

    pixels = image.resize((side, side), Pillow.Resampling.LANCZOS, box=None).load() if side else None
    if pixels is None or 2 * y + 1 >= side:
        return ()
    return tuple(
        Segment("▀", Style(color=Color.from_rgb(*pixels[x, 2 * y]), bgcolor=Color.from_rgb(*pixels[x, 2 * y + 1])))
        for x in range(side)
    )
