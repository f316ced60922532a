"""The contact sheet: up to 64 faces with label, prompts and flags on one picture, to be looked at by a person."""

from __future__ import annotations

import functools
import io
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from tbd import workspace
from tbd.schema import ERROR, INFO, WARNING, Box

Colour = tuple[int, int, int]

MOST = 64
"""Cells on one sheet."""
SIDE = 224
"""Side of a crop in pixels."""
MARGIN, GAP, PAD = 20, 14, 8
"""Around the sheet, between cells, inside a cell; in pixels."""
TYPE, TITLE, HEADER = 11, 14, 18
"""Sizes of the letters in pixels."""
LEADING = 1.34
"""Line height in letter sizes."""

PAPER, CARD, INK, SOFT, EMPTY = (240, 240, 238), (255, 255, 255), (28, 28, 30), (92, 94, 100), (206, 208, 212)
SEVERITY: dict[int, Colour] = {0: (46, 125, 80), INFO: (52, 104, 170), WARNING: (190, 116, 12), ERROR: (188, 40, 40)}
"""Green for nothing to say, then blue, amber and red."""


@dataclass(frozen=True)
class SheetCell:
    """One clip on the sheet.

    Attributes:
        picture: ``(H, W, 3)`` uint8 RGB crop; None draws a grey square that says ``missing``.
        title: label and level, e.g. ``anger, intense``.
        coarse, fine: the two prompts; what is longer than the sheet allows ends in an ellipsis.
        flags: codes, e.g. ``several_faces``.
        severity: of the worst flag, 0 (none) to 3; it colours the frame, the title bar and the flags.
        box: face in pixels of ``picture`` (x0, y0, x1, y1), or None.
        missing: why there is no picture.
    """

    picture: npt.NDArray[np.uint8] | None
    title: str
    coarse: str = ""
    fine: str = ""
    flags: tuple[str, ...] = ()
    severity: int = 0
    box: Box | None = None
    missing: str = "no picture"

    @property
    def has_picture(self) -> bool:
        """There are pixels to show."""
        return self.picture is not None and 0 not in self.picture.shape


@dataclass(frozen=True)
class _Block:
    """Wrapped lines in one size and colour."""

    lines: tuple[str, ...]
    size: int
    colour: Colour

    @property
    def height(self) -> int:
        return math.ceil(len(self.lines) * self.size * LEADING)


def draw_sheet(cells: Sequence[SheetCell], path: Path, *, heading: str = "") -> Path:
    """Draw the first 64 cells as a PNG whose text is readable at 100 %.

    Rows are as high as their longest cell, so that nothing is cut off. The first line counts: cells shown, how many
    carry an error, a warning, a note or nothing, and how many pictures are missing.

    Args:
        cells: in reading order; none gives a sheet that says so.
        path: ends in ``.png``; written whole.
        heading: put before the counts, e.g. the manifest's name.

    Returns:
        ``path``.

    Raises:
        InputError: the folder cannot be written.
        MissingError: the disk is full.
    """
    shown = list(cells[:MOST])
    columns = _columns(len(shown))
    blocks = [_blocks(cell) for cell in shown]
    heights = [max(map(_height, blocks[start : start + columns])) for start in range(0, len(shown), columns)]
    width = 2 * MARGIN + columns * (_cell_width() + GAP) - GAP
    header = _header(shown, len(cells), heading, width - 2 * MARGIN)
    top = MARGIN + sum(block.height for block in header) + GAP
    sheet = Image.new("RGB", (width, top + sum(heights) + GAP * max(0, len(heights) - 1) + MARGIN), PAPER)
    _write(sheet, header, MARGIN, MARGIN)
    for number, (cell, text) in enumerate(zip(shown, blocks, strict=True)):
        row, column = divmod(number, columns)
        place = MARGIN + column * (_cell_width() + GAP), top + sum(heights[:row]) + GAP * row
        _draw_cell(sheet, cell, text, place, heights[row])
    _save(sheet, path)
    return path


def _columns(count: int) -> int:
    """A near-square grid, at least three wide so that the first line has room, at most eight."""
    return min(8, max(3, math.ceil(math.sqrt(count))))


def _cell_width() -> int:
    return SIDE + 2 * PAD


def _height(blocks: Sequence[_Block]) -> int:
    return PAD + SIDE + sum(block.height + PAD // 2 for block in blocks) + PAD


def _header(shown: Sequence[SheetCell], total: int, heading: str, width: int) -> list[_Block]:
    worst = Counter(min(max(cell.severity, 0), ERROR) for cell in shown)
    names = {ERROR: "error", WARNING: "warning", INFO: "note"}
    counts = [f"{worst[level]} with {name}s" for level, name in names.items() if worst[level]]
    counts += [f"{worst[0]} clean"] if worst[0] else []
    without = sum(not cell.has_picture for cell in shown)
    counts += [f"{without} without a picture"] if without else []
    clips = f"{len(shown)} of {total} clips" if total > len(shown) else f"{total} clip{'s' * (total != 1)}"
    line = " · ".join([*filter(None, [heading]), clips, *counts])
    return [_Block(tuple(_wrapped(line, HEADER, width)), HEADER, INK)]


def _blocks(cell: SheetCell) -> list[_Block]:
    """Title, flags, coarse and fine prompt, wrapped to the cell."""
    colour = SEVERITY[min(max(cell.severity, 0), ERROR)]
    parts = [
        (cell.title or "no label", TITLE, colour, 2),
        (" · ".join(cell.flags), TYPE, colour, 6),
        (cell.coarse, TYPE, INK, 8),
        (cell.fine, TYPE, SOFT, 16),
    ]
    return [
        _Block(tuple(_wrapped(text, size, SIDE, most)), size, ink) for text, size, ink, most in parts if text.strip()
    ]


def _draw_cell(
    sheet: Image.Image, cell: SheetCell, blocks: Sequence[_Block], place: tuple[int, int], height: int
) -> None:
    x, y = place
    pen = ImageDraw.Draw(sheet)
    colour = SEVERITY[min(max(cell.severity, 0), ERROR)]
    pen.rectangle((x, y, x + _cell_width() - 1, y + height - 1), fill=CARD)
    pen.rectangle((x, y, x + _cell_width() - 1, y + 3), fill=colour)
    sheet.paste(_crop(cell), (x + PAD, y + PAD))
    _write(sheet, blocks, x + PAD, y + PAD + SIDE + PAD // 2)


def _crop(cell: SheetCell) -> Image.Image:
    """The picture fitted into the square with the face box on it, or a grey square that says why there is none."""
    square = Image.new("RGB", (SIDE, SIDE), EMPTY)
    pen = ImageDraw.Draw(square)
    if cell.picture is None or not cell.has_picture:
        block = _Block(tuple(_wrapped(cell.missing or "no picture", TYPE, SIDE - 4 * PAD, 10)), TYPE, INK)
        _write(square, [block], 2 * PAD, (SIDE - block.height) // 2)
        return square
    height, width = cell.picture.shape[:2]
    scale = SIDE / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    left, top = (SIDE - size[0]) // 2, (SIDE - size[1]) // 2
    square.paste(Image.fromarray(cell.picture).resize(size, Image.Resampling.LANCZOS), (left, top))
    if cell.box is not None and all(map(math.isfinite, cell.box)):
        x0, y0, x1, y1 = (min(max(edge, -1e5), 1e5) * scale for edge in cell.box)
        (x0, x1), (y0, y1) = sorted((left + x0, left + x1)), sorted((top + y0, top + y1))
        pen.rectangle((x0 - 1, y0 - 1, x1 + 1, y1 + 1), outline=(0, 0, 0))
        pen.rectangle((x0, y0, x1, y1), outline=(255, 214, 64), width=1)
    return square


def _write(sheet: Image.Image, blocks: Sequence[_Block], x: int, y: int) -> None:
    pen = ImageDraw.Draw(sheet)
    for block in blocks:
        for number, line in enumerate(block.lines):
            pen.text((x, y + round(number * block.size * LEADING)), line, fill=block.colour, font=_font(block.size))
        y += block.height + PAD // 2


def _wrapped(text: str, size: int, width: int, most: int | None = None) -> list[str]:
    """Lines no wider than ``width`` pixels; words that are wider are broken, lines over ``most`` become an ellipsis."""
    lines: list[str] = []
    line = ""
    for word in _readable(text).split():
        if line and _wide(f"{line} {word}", size) <= width:
            line = f"{line} {word}"
            continue
        lines, line = ([*lines, line] if line else lines), word
        while _wide(line, size) > width:
            cut = next(end for end in range(len(line), 0, -1) if end == 1 or _wide(line[:end], size) <= width)
            lines, line = [*lines, line[:cut]], line[cut:]
    lines = [*lines, line] if line else lines
    if most is not None and len(lines) > most:
        last = lines[most - 1]
        while last and _wide(last + "…", size) > width:
            last = last[:-1]
        lines = [*lines[: most - 1], last + "…"]
    return lines


def _readable(text: str) -> str:
    """Characters that the typeface lacks, and control characters, as escapes instead of empty boxes."""
    return "".join(sign if sign.isspace() or _has(sign) else f"\\u{ord(sign):04x}" for sign in text)


@functools.lru_cache(4096)
def _has(sign: str) -> bool:
    if sign.isascii():
        return sign.isprintable()
    font = _font(TITLE)
    return sign.isprintable() and bytes(font.getmask(sign)) != bytes(font.getmask("\U0010fffe"))


@functools.lru_cache(65536)
def _wide(text: str, size: int) -> float:
    return _font(size).getlength(text)


@functools.cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which comes with matplotlib: Pillow's own typeface has no accents and no dashes."""
    import matplotlib

    return ImageFont.truetype(Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf"), size)


def _save(sheet: Image.Image, path: Path) -> None:
    whole = io.BytesIO()
    sheet.save(whole, "PNG")
    workspace.write_whole(Path(path), lambda temporary: temporary.write_bytes(whole.getvalue()))
