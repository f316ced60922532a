"""The loops over pixels of CPBD, compiled by numba: edges, their widths, and what is a Canny edge for sure.

Importing this module costs half a second, so it is imported where it is used.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tbd.evaluate.measures.kernels import compiled, lane_sum

BLOCK, FAR = 64, 4
"""Side of CPBD's blocks, and steps to both sides that can decide whether an edge is sharp."""

HALO = 6
"""Pixels around a pixel that decide whether it is a Canny edge: 4 of the Gaussian, 1 of Sobel, 1 of the maximum."""

TAPS = np.exp(-0.5 * np.arange(5, dtype=np.float64) ** 2)
TAPS /= TAPS[0] + 2 * TAPS[1:].sum()
TAPS = TAPS.astype(np.float32)


@compiled
def edge_strengths(image: Any, strength: Any) -> float:
    """Write the squared horizontal Sobel gradient (times 64) of ``(H, W)`` grey levels into ``strength``; its sum.

    Beyond its edges the picture goes on as there.
    """
    height, width = image.shape
    column = np.empty(width + 2, strength.dtype)
    total = 0.0
    for row in range(height):
        above, here, below = image[max(row - 1, 0)], image[row], image[min(row + 1, height - 1)]
        for c in range(width):
            column[c + 1] = above[c] + 2 * here[c] + below[c]
        column[0], column[width + 1] = column[1], column[width]
        for c in range(width):
            slope = column[c + 2] - column[c]
            strength[row, c] = slope * slope
        total += lane_sum(strength[row])
    return total


@compiled
def edge_counts(image: Any, strength: Any, threshold: Any, noticeable: Any, everywhere: bool) -> tuple[Any, Any]:
    """How many edges each block has, and how many of them are at most as wide as its just noticeable width.

    Args:
        image: ``(H, W)`` grey levels, int16 or float64.
        strength: of ``edge_strengths``.
        threshold: that an edge's strength must pass, of its kind of number.
        noticeable: ``(down, across)`` just noticeable widths in pixels.
        everywhere: False where the gradient points nowhere but to the right, so that no edge has a width.

    Returns:
        Two ``(down, across)`` int64 arrays.
    """
    down, across = noticeable.shape
    edges, sharp = np.zeros((down, across), np.int64), np.zeros((down, across), np.int64)
    height, width = image.shape
    last = min(width - 1, across * BLOCK)
    steps, is_edge = np.zeros(width + 2 * FAR, np.int8), np.zeros(width, np.bool_)
    for row in range(1, min(height - 1, down * BLOCK) if everywhere else 0):
        level = image[row]
        _maxima(strength[row - 1], strength[row], strength[row + 1], threshold, is_edge[1:last])
        _across(image[row - 1], level, image[row + 1], strength.dtype.type(0), is_edge[1:last])
        _signs(level, steps[FAR : FAR + width - 1])
        block = row // BLOCK
        for c in range(1, last):
            if is_edge[c]:
                edges[block, c // BLOCK] += 1
                rising = np.int8(1 if level[c + 1] >= level[c - 1] else -1)
                sharp[block, c // BLOCK] += _edge_width(steps, c, rising) <= noticeable[block, c // BLOCK]
    return edges, sharp


@compiled
def _maxima(above: Any, line: Any, below: Any, threshold: Any, found: Any) -> None:
    """Which of a line's pixels, from the second on, are strong and strict maxima along the row or the column.

    Without a branch, as the next two, so that many pixels are looked at at a time.
    """
    n = len(found)
    left, here, right, up, down = line[:n], line[1 : n + 1], line[2 : n + 2], above[1 : n + 1], below[1 : n + 1]
    for c in range(n):
        x = here[c]
        found[c] = (x > threshold) & (((x > left[c]) & (x > right[c])) | ((x > up[c]) & (x > down[c])))


@compiled
def _across(above: Any, line: Any, below: Any, zero: Any, found: Any) -> None:
    """Keep those whose gradient is horizontal to within 22.5 degrees, or nothing along the row.

    Args:
        zero: of the kind of number to calculate with.
    """
    number = type(zero)
    n = len(found)
    left, right, up, down = line[:n], line[2 : n + 2], above[1 : n + 1], below[1 : n + 1]
    for c in range(n):
        dx, dy = number(number(right[c]) - number(left[c])), number(number(down[c]) - number(up[c]))
        both = number(np.abs(dx) + np.abs(dy))
        found[c] &= (dx == 0) | (number(both * both) < number(2 * number(dx * dx)))


@compiled
def _signs(line: Any, steps: Any) -> None:
    """Whether each pixel's right neighbour is brighter (1), darker (-1) or alike (0)."""
    here, right = line[: len(steps)], line[1 : len(steps) + 1]
    for c in range(len(steps)):
        steps[c] = np.int8(right[c] > here[c]) - np.int8(right[c] < here[c])


@compiled
def _edge_width(steps: Any, c: int, rising: Any) -> int:
    """Two pixels, and one for each step further out that goes on rising (or falling); exact up to five.

    Args:
        steps: of ``_signs``, from the fifth on; zeros around them end every edge.
    """
    width = 2
    outward, inward = True, True
    for k in range(FAR):
        outward &= steps[FAR + c + 1 + k] == rising
        inward &= steps[FAR + c - 2 - k] == rising
        width += outward + inward
    return width


@compiled
def tilted(image: Any) -> bool:
    """Whether the gradient (``numpy.gradient``) points anywhere but to the right at any pixel."""
    height, width = image.shape
    for row in range(height):
        up, down = max(row - 1, 0), min(row + 1, height - 1)
        for c in range(width):
            dx = np.float64(image[row, min(c + 1, width - 1)]) - np.float64(image[row, max(c - 1, 0)])
            dy = np.float64(image[down, c]) - np.float64(image[up, c])
            if dx < 0 or (dx != 0 and dy != 0):
                return True
    return False


@compiled
def sure_blocks(image: Any, asked: Any, middle: int, enough: int) -> Any:
    """Blocks that have enough pixels that are Canny edges for sure: in their middle rows, or in all of their rows.

    Args:
        asked: ``(down, across)`` bool; the others are not looked at.
        middle: rows that are looked at first.

    Returns:
        ``(down, across)`` bool.
    """
    found = np.zeros_like(asked)
    for row in range(asked.shape[0]):
        for column in range(asked.shape[1]):
            if asked[row, column]:
                top, left = row * BLOCK, column * BLOCK
                begin = top + (BLOCK - middle) // 2
                sure = sure_edges(image, begin, left, middle, BLOCK, enough) >= enough
                found[row, column] = sure or sure_edges(image, top, left, BLOCK, BLOCK, enough) >= enough
    return found


@compiled
def sure_edges(image: Any, top: int, left: int, rows: int, columns: int, enough: int) -> int:
    """Pixels of a part of a picture that are Canny edges for sure, counted up to ``enough``; none near the border.

    A pixel is one if its gradient is above the high threshold and larger than what is interpolated between its
    neighbours on both sides, in the gradient's direction. In single precision the gradient errs by less than
    0.001 grey levels, so that a gradient above 1 that is 0.5 % larger is safe.
    """
    height, width = image.shape
    first, last = max(top, HALO), min(top + rows, height - HALO)
    begin, end = max(left, HALO), min(left + columns, width - HALO)
    if first >= last or begin >= end:
        return 0
    dy, dx, length = _gradient(_smoothed(image, first - 2, last + 2, begin - 2, end + 2))
    found = 0
    for row in range(1, length.shape[0] - 1):
        for c in range(1, length.shape[1] - 1):
            if length[row, c] > 1 and _is_ridge(dy[row, c], dx[row, c], length, row, c):
                found += 1
        if found >= enough:
            return found
    return found


@compiled
def _is_ridge(dy: Any, dx: Any, length: Any, row: int, c: int) -> bool:
    """Larger than both sides in the gradient's direction, each interpolated between a straight and a slanting neighbour."""
    down = np.abs(dy) >= np.abs(dx)
    weight = np.abs(dx) / np.abs(dy) if down else np.abs(dy) / np.abs(dx)
    across = 1 if (dy >= 0) == (dx >= 0) else -1
    here = length[row, c] * np.float32(0.995)
    for side in (1, -1):
        straight = length[row + side, c] if down else length[row, c + side * across]
        slanting = length[row + side, c + side * across]
        if slanting * weight + straight * (1 - weight) >= here:
            return False
    return True


@compiled
def _smoothed(image: Any, first: int, last: int, begin: int, end: int) -> Any:
    """Gaussian of sigma 1, cut at 4, of a part that lies at least 4 pixels inside."""
    wide = end - begin + 8
    down = np.empty((last - first, wide), np.float32)
    for row in range(last - first):
        middle = image[first + row, begin - 4 : begin - 4 + wide]
        for c in range(wide):
            down[row, c] = TAPS[0] * np.float32(middle[c])
        for k in range(1, 5):
            above = image[first + row - k, begin - 4 : begin - 4 + wide]
            below = image[first + row + k, begin - 4 : begin - 4 + wide]
            for c in range(wide):
                down[row, c] += TAPS[k] * (np.float32(above[c]) + np.float32(below[c]))
    n = end - begin
    found = np.empty((last - first, n), np.float32)
    for row in range(last - first):
        middle = down[row, 4 : 4 + n]
        for c in range(n):
            found[row, c] = TAPS[0] * middle[c]
        for k in range(1, 5):
            one, other = down[row, 4 - k : 4 - k + n], down[row, 4 + k : 4 + k + n]
            for c in range(n):
                found[row, c] += TAPS[k] * (one[c] + other[c])
    return found


@compiled
def _gradient(smooth: Any) -> tuple[Any, Any, Any]:
    """Sobel's gradient inside ``(H, W)``, down and to the right, and its length: three ``(H - 2, W - 2)``."""
    n = smooth.shape[1] - 2
    shape = (smooth.shape[0] - 2, n)
    dy, dx, length = np.empty(shape, np.float32), np.empty(shape, np.float32), np.empty(shape, np.float32)
    for row in range(len(dy)):
        a, b, c = smooth[row], smooth[row + 1], smooth[row + 2]
        for i in range(n):
            down = (c[i] - a[i]) + 2 * (c[i + 1] - a[i + 1]) + (c[i + 2] - a[i + 2])
            right = (a[i + 2] - a[i]) + 2 * (b[i + 2] - b[i]) + (c[i + 2] - c[i])
            dy[row, i], dx[row, i] = down, right
            length[row, i] = np.sqrt(down * down + right * right)
    return dy, dx, length
