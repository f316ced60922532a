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
"""Pixels around a pixel that decide whether it is a Canny edge: 4 of the Gaussian, 1 of Sobel, 1 of the maximum."""

TAPS = np.exp(-0.5 * np.arange(5, dtype=np.float64) ** 2)
TAPS /= TAPS[0] + 2 * TAPS[1:].sum()

Image = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]
Picture = npt.NDArray[np.float32]


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
    padded = np.pad(image.astype(np.float32), HALO, constant_values=np.nan)
    found = _by_middle(padded, *asked.shape)
    found |= _by_block(padded, asked & ~found)
    for row, column in np.argwhere(asked & ~found):
        certain = _is_edge_block(image, row * BLOCK, column * BLOCK)
        if certain is None:
            return _canny_counts(image, *asked.shape) >= ENOUGH
        found[row, column] = certain
    return found


def _by_middle(padded: Picture, down: int, across: int) -> Mask:
    """Blocks of which the middle rows alone have enough sure Canny pixels."""
    first = (BLOCK - MIDDLE) // 2
    strips = padded[HALO : HALO + down * BLOCK].reshape(down, BLOCK, -1)[:, first - HALO : first + MIDDLE + HALO]
    columns = _sure(strips)[:, :, : across * BLOCK].sum(axis=1)
    enough: Mask = columns.reshape(down, across, BLOCK).sum(axis=2) >= ENOUGH
    return enough


def _by_block(padded: Picture, asked: Mask) -> Mask:
    """Blocks, of those asked for, that have enough sure Canny pixels."""
    side = BLOCK + 2 * HALO
    views = np.lib.stride_tricks.sliding_window_view(padded, (side, side))[::BLOCK, ::BLOCK]
    found = np.zeros_like(asked)
    found[asked] = _sure(views[: asked.shape[0], : asked.shape[1]][asked]).sum(axis=(1, 2)) >= ENOUGH
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


def _sure(stack: Picture) -> Mask:
    """Pixels that are Canny edges for sure, ``(n, H - 12, W - 12)`` of ``(n, H, W)``; none where NaN is near.

    A pixel is one if its gradient is above the high threshold and larger than all eight around it: then it is
    larger than any interpolation between them. In single precision the gradient errs by less than 0.001 grey
    levels, so that a gradient above 1 that is 0.5 % larger than those around it is safe.
    """
    smooth = _smooth(_smooth(stack, 1), 2)
    dy = smooth[:, 2:] - smooth[:, :-2]
    dy = dy[:, :, :-2] + 2 * dy[:, :, 1:-1] + dy[:, :, 2:]
    dx = smooth[:, :, 2:] - smooth[:, :, :-2]
    dx = dx[:, :-2] + 2 * dx[:, 1:-1] + dx[:, 2:]
    power = dx * dx
    power += dy * dy
    sides = np.maximum(power[:, :, :-2], power[:, :, 2:])
    three = np.maximum(sides, power[:, :, 1:-1])
    around = np.maximum(three[:, :-2], three[:, 2:])
    np.maximum(around, sides[:, 1:-1], out=around)
    sure: Mask = power[:, 1:-1, 1:-1] > np.maximum(around * np.float32(1.01), np.float32(1))
    return sure


def _smooth(a: Picture, axis: int) -> Picture:
    """Gaussian of sigma 1, cut at 4, along an axis; only where it lies inside."""
    n = a.shape[axis]

    def part(start: int) -> Picture:
        return a[:, start : n - 8 + start] if axis == 1 else a[:, :, start : n - 8 + start]

    found = part(4) * np.float32(TAPS[0])
    for k in range(1, 5):
        found += (part(4 - k) + part(4 + k)) * np.float32(TAPS[k])
    return found
