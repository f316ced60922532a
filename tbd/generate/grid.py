"""Many videos of one portrait side by side: emotions by intensities (Fig. 10), or a sampler key by its values (Fig. 9)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from tbd import workspace
from tbd.media import video
from tbd.schema import EMOTIONS, INTENSITIES

Pixels = npt.NDArray[np.uint8]

MARGIN = 22
"""Pixels above the columns; the rows' names are written into the left margin."""


GRID_SECONDS = 3.0
"""Of the speech that the videos of a grid say."""


def grid_places() -> list[tuple[str, str, str | None]]:
    """Row, column and intensity of every video of Fig. 10: emotions by intensities, and neutral, which has none."""
    words = list(INTENSITIES.values())
    places = [(emotion, word, word) for emotion in EMOTIONS if emotion != "neutral" for word in words]
    return [*places, ("neutral", words[0], None)]


def grid_files(path: Path) -> tuple[Path, Path]:
    """The picture and the video of a grid; a dot in ``path`` is part of its name."""
    return path.with_name(f"{path.name}.png"), path.with_name(f"{path.name}.mp4")


@dataclass(frozen=True)
class GridCell:
    """One video of a grid.

    Attributes:
        row, column: names of where it stands.
        video: the file.
    """

    row: str
    column: str
    video: Path


def write_grid(
    cells: Sequence[GridCell], path: Path, *, fps: float, sound: npt.NDArray[np.float32] | None = None, least: int = 96
) -> tuple[Path, Path]:
    """Write the grid as a picture of the middle frames and as one video; frames are read one at a time.

    Args:
        cells: rows and columns in their order of appearance; a place may stay empty.
        path: without an ending; see ``grid_files``.
        fps: of the videos.
        sound: for the video, mono at 16 kHz.
        least: side in pixels to which smaller cells are enlarged.

    Returns:
        The picture and the video.
    """
    rows, columns = (list(dict.fromkeys(getattr(cell, name) for cell in cells)) for name in ("row", "column"))
    streams = {(cell.row, cell.column): video.probe(cell.video) for cell in cells}
    count = min(stream.num_frames for stream in streams.values())
    side = max(least, *(stream.width for stream in streams.values()))
    canvas = _labelled(rows, columns, side)

    def frames() -> Iterator[Pixels]:
        opened = {place: video.frames(stream) for place, stream in streams.items()}
        for _ in range(count):
            yield _filled(canvas, {place: next(one)[1] for place, one in opened.items()}, rows, columns, side)

    picture, film = grid_files(path)
    video.write(film, frames(), fps, sound)
    middle = {place: next(video.frames(stream, [count // 2]))[1] for place, stream in streams.items()}
    still = Image.fromarray(_filled(canvas, middle, rows, columns, side))
    workspace.write_whole(picture, lambda temporary: still.save(temporary, "PNG"))
    return picture, film


def _labelled(rows: Sequence[str], columns: Sequence[str], side: int) -> Pixels:
    """The empty grid with its names."""
    left = 12 + 7 * max(map(len, rows))
    picture = Image.new("RGB", (left + side * len(columns), MARGIN + side * len(rows)), "white")
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(13)
    for number, name in enumerate(columns):
        pen.text((left + side * (number + 0.5), MARGIN / 2), name, "black", font, anchor="mm")
    for number, name in enumerate(rows):
        pen.text((6, MARGIN + side * (number + 0.5)), name, "black", font, anchor="lm")
    return np.asarray(picture)


def _filled(
    canvas: Pixels, frames: Mapping[tuple[str, str], Pixels], rows: Sequence[str], columns: Sequence[str], side: int
) -> Pixels:
    found, left = canvas.copy(), canvas.shape[1] - side * len(columns)
    for (row, column), frame in frames.items():
        y, x = MARGIN + side * rows.index(row), left + side * columns.index(column)
        if frame.shape[0] != side:
            frame = np.asarray(Image.fromarray(frame).resize((side, side), Image.Resampling.BICUBIC))
        found[y : y + side, x : x + side] = frame
    return found
