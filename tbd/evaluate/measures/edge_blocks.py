"""Edge blocks of CPBD: 64 x 64 pixels of which more than 0.2 % are Canny edges.

By definition the whole picture goes through Canny (sigma 1, thresholds 0.1 and 0.2 grey levels) and
its pixels are counted. That is far more than the question needs; here the answer is the same and the
work a fraction.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

BLOCK = 64
ENOUGH = 9
"""Canny pixels that are more than 0.002 of 64 * 64."""

LOW, HIGH = 0.1, 0.2
MIDDLE = 16
"""Rows in the middle of a block that are looked at first."""

HALO = 6
"""Pixels around a pixel that decide whether it is a Canny edge."""

Image = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]


def edge_blocks(image: Image, asked: Mask) -> Mask:
    """Which 64 x 64 blocks have at least nine Canny pixels.

    Most blocks show it in their middle rows, most others in all of their rows. What is left goes through Canny,
    block by block; the whole picture only if a block hangs on edges that come in from outside.

    Args:
        image: ``(H, W)`` grey levels, int16 or float64; what lies beyond whole blocks belongs to none.
        asked: ``(H // 64, W // 64)``; the answer is right where this is true, and may be a false no elsewhere.

    Returns:
        ``(H // 64, W // 64)``.
    """
    from tbd.evaluate.measures.edge_kernels import sure_blocks

    found: Mask = sure_blocks(image, asked, MIDDLE, ENOUGH)
    for row, column in np.argwhere(asked & ~found):
        certain = _is_edge_block(image, row * BLOCK, column * BLOCK)
        if certain is None:
            return _canny_counts(image, *asked.shape) >= ENOUGH
        found[row, column] = certain
    return found


def _is_edge_block(image: Image, top: int, left: int) -> bool | None:
    """Whether one block has enough Canny pixels; None if weak ones decide, whose strong part may lie outside."""
    rows, columns = (slice(max(0, at - HALO), at + BLOCK + HALO) for at in (top, left))
    inside = np.s_[top - rows.start :, left - columns.start :]

    def above(threshold: float) -> int:
        edges = _canny(image[rows, columns], threshold, threshold)
        return int(edges[inside][:BLOCK, :BLOCK].sum())

    if above(HIGH) >= ENOUGH:
        return True
    return False if above(LOW) < ENOUGH else None


def _canny_counts(image: Image, down: int, across: int) -> npt.NDArray[np.int64]:
    edges = _canny(image, LOW, HIGH)[: down * BLOCK, : across * BLOCK]
    counts: npt.NDArray[np.int64] = edges.reshape(down, BLOCK, across, BLOCK).sum(axis=(1, 3))
    return counts


def _canny(image: Image, low: float, high: float) -> Mask:
    """Scikit-image's, which is python-cpbd's: on float grey levels its thresholds are a fraction of one level."""
    from skimage.feature import canny

    edges: Mask = canny(  # type: ignore[no-untyped-call]
        image.astype(np.float64), sigma=1, low_threshold=low, high_threshold=high
    )
    return edges
