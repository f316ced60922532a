"""CPBD: cumulative probability of blur detection, the share of edges that look sharp; 0 to 1, higher is better.

An edge of width w is seen as blurred with probability 1 - exp(-(w / w_JNB)^3.6), where w_JNB is the just
noticeable width: 5 pixels in a block of low contrast, else 3 (Narvekar and Karam 2011). CPBD is the share
of edges for which that probability is at most 63 %, which for whole widths is just w <= w_JNB.

Papers compute it with the program python-cpbd 1.0.7, whose choices this file follows to the pixel:

1. Edges: horizontal Sobel gradient, squared, above twice the root of its mean; thinned to strict maxima
   along the row or the column.
2. Widths: only where the gradient is horizontal to within 22.5 degrees; from the edge outwards to where the
   grey levels stop rising (or falling). A picture with no gradient but to the right has no widths at all.
3. Blocks of 64 x 64, rest discarded; a block counts when more than 0.2 % of it are Canny edges (sigma 1,
   thresholds 0.1 and 0.2 grey levels).

Widths are in pixels, so numbers at different resolutions do not compare.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tbd.evaluate.measures.edge_blocks import BLOCK, Image, Mask, edge_blocks
from tbd.evaluate.measures.frames import FrameError, Scores, grey
from tbd.evaluate.measures.statistics import mean
from tbd.evaluate.metrics.base import Aggregate, ClipInfo, ClipScore, Metric, Window
from tbd.evaluate.metrics.frame_mean import FrameMean

LOW_CONTRAST = 50
JNB_LOW, JNB = 5, 3

_EXPLAIN = "tbd eval --explain cpbd"

Places = npt.NDArray[np.intp]


def cpbd(gray: npt.NDArray[Any]) -> float:
    """Share of the edges of one picture that look sharp.

    Args:
        gray: ``(H, W)`` grey levels from 0 to 255, at least 64 x 64 for a result other than 0.

    Returns:
        0 to 1; 0 for a picture without edges.

    Raises:
        FrameError: not two-dimensional, not grey levels from 0 to 255.
    """
    image = _checked(gray)
    down, across = image.shape[0] // BLOCK, image.shape[1] // BLOCK
    if not down or not across:
        return 0.0
    rows, columns, rising = _edges(image)
    inside = (rows < down * BLOCK) & (columns < across * BLOCK)
    rows, columns, rising = rows[inside], columns[inside], rising[inside]
    block = rows // BLOCK * across + columns // BLOCK
    edges = np.bincount(block, minlength=down * across)
    sharp = _widths(image, rows, columns, rising) <= _noticeable(image[: down * BLOCK, : across * BLOCK])[block]
    counted = edge_blocks(image, edges.reshape(down, across) > 0).ravel()
    total = int(edges[counted].sum())
    return int(np.count_nonzero(sharp & counted[block])) / total if total else 0.0


def _checked(gray: Any) -> Image:
    """Grey levels as int16, or float64 where they are not whole."""
    if not isinstance(gray, np.ndarray) or gray.ndim != 2 or gray.dtype.kind not in "uif" or not gray.size:
        found = f"{gray.dtype} {gray.shape}" if isinstance(gray, np.ndarray) else type(gray).__name__
        raise FrameError(f"cpbd takes one picture of grey levels (height, width), not {found}", next=_EXPLAIN)
    if gray.dtype == np.uint8:
        return gray.astype(np.int16)
    if not (gray.min() >= 0 and gray.max() <= 255):  # also catches NaN
        raise FrameError("cpbd takes grey levels from 0 to 255; some lie outside", next="clip and round them to uint8")
    whole = gray.astype(np.int16)
    if (whole == gray).all():
        return whole
    if gray.max() <= 1:
        raise FrameError("cpbd takes grey levels from 0 to 255; these lie in 0 to 1", next="multiply them by 255")
    return gray.astype(np.float64)


def _edges(image: Image) -> tuple[Places, Places, Mask]:
    """Rows and columns of the edges whose width counts, and whether the grey levels rise to the right there."""
    padded = np.pad(image, 1, mode="edge")
    column = padded[:-2] + 2 * padded[1:-1] + padded[2:]
    slope = column[:, 2:] - column[:, :-2]
    strength = np.multiply(slope, slope, dtype=np.result_type(image, np.int32))
    threshold = 64 * 2 * np.sqrt(strength.sum(dtype=np.float64) / 64 / image.size)  # 64: Sobel's 1/8, squared
    here = strength[1:-1, 1:-1]
    thin = (here > strength[1:-1, :-2]) & (here > strength[1:-1, 2:])
    thin |= (here > strength[:-2, 1:-1]) & (here > strength[2:, 1:-1])
    thin &= here > threshold
    rows, columns = np.nonzero(thin)
    rows, columns = rows + 1, columns + 1
    return _level(image, rows, columns)


def _level(image: Image, rows: Places, columns: Places) -> tuple[Places, Places, Mask]:
    """Keep the edges whose gradient is horizontal to within 22.5 degrees: |dy| <= tan(22.5) |dx|, or dx = 0."""
    dx = (image[rows, columns + 1] - image[rows, columns - 1]).astype(np.float64)
    dy = (image[rows + 1, columns] - image[rows - 1, columns]).astype(np.float64)
    if not ((dx < 0) | (dx != 0) & (dy != 0)).any() and not _tilted(image):
        keep = np.zeros(len(rows), bool)
    else:
        keep = (dx == 0) | ((np.abs(dx) + np.abs(dy)) ** 2 < 2 * dx * dx)
    return rows[keep], columns[keep], (dx >= 0)[keep]


def _tilted(image: Image) -> bool:
    """Whether the gradient points anywhere but to the right at any pixel of the picture."""
    dy, dx = np.gradient(image.astype(np.float64))
    return bool(((dx < 0) | (dx != 0) & (dy != 0)).any())


def _widths(image: Image, rows: Places, columns: Places, rising: Mask) -> npt.NDArray[np.int8]:
    """Widths of edges, exact up to ``JNB_LOW``: two pixels, and one for each step further out that goes on rising.

    With A the row and c the edge, steps are A[c+2] - A[c+1], A[c+3] - A[c+2] … and A[c-1] - A[c-2] …; the two
    steps at c itself are not looked at.
    """
    far = JNB_LOW - 1
    steps = np.zeros((image.shape[0], image.shape[1] + 2 * far), np.int8)
    steps[:, far : -far - 1] = np.sign(image[:, 1:] - image[:, :-1])
    place, wanted = rows * steps.shape[1] + columns + far, np.where(rising, np.int8(1), np.int8(-1))
    flat, width = steps.ravel(), np.full(len(rows), 2, np.int8)
    for outwards, first in ((1, 1), (-1, -2)):
        goes_on = np.ones(len(rows), bool)
        for k in range(far):
            goes_on &= flat[place + first + outwards * k] == wanted
            width += goes_on
    return width


def _noticeable(image: Image) -> npt.NDArray[np.int8]:
    """Just noticeable width of each block, row by row of blocks."""
    blocks = image.reshape(image.shape[0] // BLOCK, BLOCK, -1)
    highest, lowest = (bound(axis=1).reshape(len(blocks), -1, BLOCK) for bound in (blocks.max, blocks.min))
    contrast = (highest.max(axis=2) - lowest.min(axis=2)).ravel()
    return np.where(contrast.astype(np.int16) <= LOW_CONTRAST, JNB_LOW, JNB).astype(np.int8)


class CPBD(Metric):
    """CPBD of a run: grey levels as PIL's mode L, mean over the frames of a clip, then over clips."""

    key = "cpbd"
    protocol = "cpbd@python-cpbd"
    title = "CPBD"
    direction = "higher"
    unit = "frames"
    source = "Narvekar and Karam 2011, as python-cpbd 1.0.7 computes it"
    compares = "nothing"

    def open(self, clip: ClipInfo) -> FrameMean:
        """An accumulator of frames; refuses frames that hold no block."""
        if min(clip.size) < BLOCK:
            raise FrameError(f"frames of {clip.size[0]}x{clip.size[1]} hold no block of {BLOCK}x{BLOCK}", next=_EXPLAIN)
        return FrameMean(_of_window)

    def aggregate(self, scores: Sequence[ClipScore], reference: Sequence[ClipScore] = ()) -> Aggregate:
        """The mean over clips."""
        return mean(scores)


def _of_window(window: Window) -> Scores:
    return np.array([cpbd(picture) for picture in window.of_pred("grey", grey)])


METRICS: tuple[Metric, ...] = (CPBD(),)
