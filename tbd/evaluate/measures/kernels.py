"""Loops over pixels and frames, those of SSIM first, compiled by numba: exact integers, one pass, no arrays in between.

Importing this module costs half a second, so it is imported where it is used. What was compiled is kept beside it.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

Pixels = npt.NDArray[np.uint8]

SIDE = 7
"""Of SSIM's window."""
LANES = 8
"""Partial sums that are added side by side."""

C1, C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2


PART = 16384
"""Squares of grey levels whose sum fits 31 bits, of which a processor adds more at a time than of 64."""


def compiled(function: Any) -> Any:
    """A function compiled to run without the interpreter's lock.

    Sums keep their order: code that was compiled anew gives what kept code gave. Code is kept by the file of its
    function alone, so whoever changes a function that another file calls changes that file too.
    """
    cached = "TBD_NO_COMPILED_CACHE" not in os.environ
    return njit(nogil=True, cache=cached, error_model="numpy")(function)


@compiled
def ssim_sum(x: Pixels, y: Pixels, channels: int) -> float:
    """Sum of the SSIM map of 7 x 7 uniform windows with sample covariance, over pixels and channels.

    With n = 49 and sums over the window, every term is n^2 or n (n - 1) times its namesake, in exact integers
    up to the last division. Two variances are only ever added, so four window sums do: of x, y, xy and (x - y)^2.

    Args:
        x, y: ``(H, W channels)`` grey levels, H and W at least 7.
        channels: of a pixel, side by side.
    """
    height, width = x.shape
    inside = width - (SIDE - 1) * channels
    columns = np.zeros((4, width), np.int32)
    windows = np.empty((4, inside), np.int32)
    ratio = np.empty(inside)
    total = 0.0
    for row in range(height):
        if row < SIDE:
            _add_row(columns[0], columns[1], columns[2], columns[3], x[row], y[row])
        else:
            old = row - SIDE
            _replace_row(columns[0], columns[1], columns[2], columns[3], x[row], y[row], x[old], y[old])
        if row >= SIDE - 1:
            for i in range(4):
                _along(columns[i], windows[i], channels)
            _ratios(windows[0], windows[1], windows[2], windows[3], ratio)
            total += lane_sum(ratio)
    return total


@compiled
def _add_row(sx: Any, sy: Any, sxy: Any, error: Any, x: Pixels, y: Pixels) -> None:
    for c in range(len(x)):
        a, b = np.int32(x[c]), np.int32(y[c])
        sx[c] += a
        sy[c] += b
        sxy[c] += a * b
        error[c] += (a - b) * (a - b)


@compiled
def _replace_row(sx: Any, sy: Any, sxy: Any, error: Any, x: Pixels, y: Pixels, old_x: Pixels, old_y: Pixels) -> None:
    for c in range(len(x)):
        a, b, old_a, old_b = np.int32(x[c]), np.int32(y[c]), np.int32(old_x[c]), np.int32(old_y[c])
        sx[c] += a - old_a
        sy[c] += b - old_b
        sxy[c] += a * b - old_a * old_b
        error[c] += (a - b) * (a - b) - (old_a - old_b) * (old_a - old_b)


@compiled
def _along(column: Any, window: Any, channels: int) -> None:
    """Sums of seven neighbours of one channel. Views begin at 0, so that the compiler may take eight at a time."""
    n = len(window)
    one, two, three = column[:n], column[channels : channels + n], column[2 * channels : 2 * channels + n]
    four, five = column[3 * channels : 3 * channels + n], column[4 * channels : 4 * channels + n]
    six, seven = column[5 * channels : 5 * channels + n], column[6 * channels : 6 * channels + n]
    for c in range(n):
        window[c] = one[c] + two[c] + three[c] + four[c] + five[c] + six[c] + seven[c]


@compiled
def _ratios(sum_x: Any, sum_y: Any, sum_xy: Any, error: Any, ratio: Any) -> None:
    n = SIDE * SIDE
    c1, c2 = C1 * n * n, C2 * n * (n - 1)
    for c in range(len(sum_x)):
        sx, sy = np.float64(sum_x[c]), np.float64(sum_y[c])  # whole numbers below 2^53 stay exact
        means = 2 * sx * sy
        apart = (sx - sy) * (sx - sy)
        covariance = 2 * n * np.float64(sum_xy[c]) - means  # 2 n (n - 1) covariances
        variances = n * np.float64(error[c]) + covariance - apart  # n (n - 1) times both variances
        squares = apart + means  # n^2 times both squared means
        ratio[c] = ((means + c1) * (covariance + c2)) / ((squares + c1) * (variances + c2))


@compiled
def lane_sum(values: Any) -> float:
    """The sum in eight lanes: an order that is fixed, and still eight at a time."""
    lanes = np.zeros(LANES)
    whole = len(values) // LANES * LANES
    for start in range(0, whole, LANES):
        for lane in range(LANES):
            lanes[lane] += values[start + lane]
    total = 0.0
    for lane in range(LANES):
        total += lanes[lane]
    for at in range(whole, len(values)):
        total += values[at]
    return total


@compiled
def grey_levels(frame: Any, grey: Any) -> None:
    """Write ``(H, W, 3)`` uint8 RGB as grey levels into ``(H, W)``: (19595 R + 38470 G + 7471 B + 2^15) >> 16."""
    for row in range(frame.shape[0]):
        for c in range(frame.shape[1]):
            red, green, blue = np.uint32(frame[row, c, 0]), np.uint32(frame[row, c, 1]), np.uint32(frame[row, c, 2])
            level = np.uint32(19595) * red + np.uint32(38470) * green + np.uint32(7471) * blue + np.uint32(1 << 15)
            grey[row, c] = level >> np.uint32(16)


@compiled
def squared_error(x: Any, y: Any) -> int:
    """Sum of squared differences of two flat arrays of grey levels, exact."""
    total = 0
    for begin in range(0, len(x), PART):
        total += _part_error(x[begin : begin + PART], y[begin : begin + PART])
    return total


@compiled
def _part_error(x: Any, y: Any) -> Any:
    total = np.int32(0)
    for i in range(len(x)):
        apart = np.int32(np.int32(x[i]) - np.int32(y[i]))
        total = np.int32(total + np.int32(apart * apart))
    return total


@compiled
def soft_dtw(x: Any, y: Any, band: int, gamma: float) -> float:
    """Soft minimum over alignments of two motions of the summed distance of their points (Cuturi and Blondel 2017).

    Args:
        x, y: ``(T, 2 n)`` and ``(U, 2 n)`` float64, coordinates side by side; at least one row each.
        band: rows farther apart are never aligned; at least ``|T - U|``.
        gamma: of the soft minimum, above 0.
    """
    points = x.shape[1] // 2
    before = np.full(len(y) + 1, np.inf)
    before[0] = 0.0
    for i in range(1, len(x) + 1):
        here = np.full(len(y) + 1, np.inf)
        for j in range(max(1, i - band), min(len(y), i + band) + 1):
            cost = 0.0
            for k in range(points):
                dx = x[i - 1, 2 * k] - y[j - 1, 2 * k]
                dy = x[i - 1, 2 * k + 1] - y[j - 1, 2 * k + 1]
                cost += np.sqrt(dx * dx + dy * dy)
            a, b, c = before[j - 1], before[j], here[j - 1]
            least = min(a, min(b, c))
            total = 0.0
            for one in (a, b, c):
                if one < np.inf:
                    total += np.exp(-(one - least) / gamma)
            here[j] = cost / points + least - gamma * np.log(total)
        before = here
    return float(before[len(y)])
