"""Distances between two sets of features: Fréchet (FID, FVD) and kernel (KID). 0 for equal sets.

    Fréchet   |mx - my|^2 + Tr Sx + Tr Sy - 2 Tr (Sx Sy)^(1/2)    of the Gaussians with these moments
    kernel    the unbiased estimate of the squared MMD with k(a, b) = (a b / d + 1)^3

Sources: Heusel et al. 2017 (TTUR) and Dowson and Landau 1982; Bińkowski et al. 2018 and Gretton et al.
2012. No matrix square root is taken, so nothing is ever complex or NaN: with centred features X and Y
as rows, Tr (Sx Sy)^(1/2) is the sum of the singular values of X Yᵀ over sqrt((n - ddof) (m - ddof)).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tbd.evaluate.measures.frames import FrameError

Array = npt.NDArray[np.float64]

SMALL = 512
"""Rows up to which singular values are computed as such; beyond, their squares, ten times as fast."""

ROWS = 1024
"""Side of the pieces in which a kernel matrix is computed."""


def frechet_distance(x: npt.ArrayLike, y: npt.ArrayLike, ddof: int = 1) -> float:
    """Fréchet distance between the Gaussians that two sets of features suggest.

    Args:
        x, y: ``(n, d)`` and ``(m, d)``.
        ddof: 1 divides the covariances by n - 1 (pytorch-fid, torch-fidelity), 0 by n (StyleGAN-V's FVD).

    Returns:
        In squared units of the features. Sets that are equal give 0 up to 1e-8 of their scale, so the result may
        lie that far below 0.

    Raises:
        FrameError: not such arrays, fewer than two rows, or a value that is not finite.
    """
    a, b = _features(x, "x", 2), _features(y, "y", 2)
    _check_widths(a, b)
    mean_a, mean_b = a.mean(axis=0), b.mean(axis=0)
    a, b = (a - mean_a) / np.sqrt(len(a) - ddof), (b - mean_b) / np.sqrt(len(b) - ddof)
    if min(len(a), len(b)) > a.shape[1]:
        return frechet_of_moments(mean_a, a.T @ a, mean_b, b.T @ b)
    apart = mean_a - mean_b
    return float(apart @ apart + (a * a).sum() + (b * b).sum() - 2 * _singular_values(_short(a) @ _short(b).T))


def frechet_of_moments(
    mean_x: npt.ArrayLike, cov_x: npt.ArrayLike, mean_y: npt.ArrayLike, cov_y: npt.ArrayLike
) -> float:
    """Fréchet distance between two Gaussians.

    Args:
        mean_x, mean_y: ``(d,)``.
        cov_x, cov_y: ``(d, d)``, symmetric and positive semidefinite.

    Raises:
        FrameError: other shapes, or a value that is not finite.
    """
    mx, sx, my, sy = (np.asarray(one, np.float64) for one in (mean_x, cov_x, mean_y, cov_y))
    if mx.ndim != 1 or mx.shape != my.shape or not sx.shape == sy.shape == (len(mx), len(mx)):
        raise FrameError(f"moments {mx.shape}, {sx.shape}, {my.shape}, {sy.shape}: not twice (d,) and (d, d)")
    if not all(np.isfinite(one).all() for one in (mx, sx, my, sy)):
        raise FrameError("moments that are not finite")
    root = _root(sx)
    squares = np.linalg.eigvalsh(root.T @ sy @ root)
    apart = mx - my
    return float(apart @ apart + np.trace(sx) + np.trace(sy) - 2 * np.sqrt(squares.clip(min=0)).sum())


def kernel_distance(x: npt.ArrayLike, y: npt.ArrayLike) -> float:
    """Kernel distance between two sets of features: unbiased, so it needs no large sets, and may be negative.

    Args:
        x, y: ``(n, d)`` and ``(m, d)``; all of them count (no random subsets).

    Raises:
        FrameError: not such arrays, fewer than two rows, or a value that is not finite.
    """
    a, b = _features(x, "x", 2), _features(y, "y", 2)
    _check_widths(a, b)
    parts_a, parts_b = ([one[i : i + ROWS] for i in range(0, len(one), ROWS)] for one in (a, b))
    xx, yy, xy = (
        float(sums.sum()) for sums in (kernel_sums(parts_a), kernel_sums(parts_b), kernel_sums(parts_a, parts_b))
    )
    return mmd(xx - kernel_selves(a), yy - kernel_selves(b), xy, len(a), len(b))


def mmd(xx: float, yy: float, xy: float, n: int, m: int) -> float:
    """Unbiased squared MMD from sums of a kernel: over the pairs inside each set, nobody with themselves, and across."""
    return xx / (n * (n - 1)) + yy / (m * (m - 1)) - 2 * xy / (n * m)


def kernel_sums(xs: Sequence[npt.NDArray[Any]], ys: Sequence[npt.NDArray[Any]] | None = None) -> Array:
    """The kernel summed over all pairs of vectors, for each part of one set and each part of another.

    Args:
        xs, ys: parts ``(n_i, d)``, such as the features of a clip; without ``ys`` the set meets itself.

    Returns:
        ``(len(xs), len(ys))``.
    """
    others = xs if ys is None else ys
    sums = np.zeros((len(xs), len(others)))
    for i, part in enumerate(xs):
        rows = np.asarray(part, np.float64) / part.shape[1]
        for j in range(len(others) if ys is not None else i + 1):
            kernel = rows @ np.asarray(others[j], np.float64).T + 1
            sums[i, j] = (kernel * kernel * kernel).sum()
    return sums if ys is not None else sums + np.tril(sums, -1).T


def kernel_selves(x: npt.NDArray[Any]) -> float:
    """The kernel of each row of ``(n, d)`` with itself, summed."""
    a = np.asarray(x, np.float64)
    return float((((a * a).sum(axis=1) / a.shape[1] + 1) ** 3).sum())


def _features(found: npt.ArrayLike, name: str, least: int) -> Array:
    features = np.asarray(found)
    if features.ndim != 2 or features.dtype.kind not in "fiu" or not features.shape[1]:
        raise FrameError(f"{name}: features of shape {features.shape} and {features.dtype}, not (n, d) numbers")
    if len(features) < least:
        raise FrameError(f"{name}: {len(features)} vectors, and a covariance needs {least}")
    if not np.isfinite(features).all():
        bad = int((~np.isfinite(features)).any(axis=1).sum())
        raise FrameError(
            f"{name}: {bad} of {len(features)} vectors hold NaN or infinity; the network or its input is broken"
        )
    return features.astype(np.float64)


def _check_widths(x: Array, y: Array) -> None:
    if x.shape[1] != y.shape[1]:
        raise FrameError(f"features of {x.shape[1]} and {y.shape[1]} dimensions: not of one network")


def _short(a: Array) -> Array:
    """At most d rows with the same ``aᵀ a``."""
    return np.asarray(np.linalg.qr(a, mode="r")) if len(a) > a.shape[1] else a


def _singular_values(a: Array) -> float:
    """Their sum. The squares lose half of the digits of the smallest ones, which add least."""
    if min(a.shape) <= SMALL:
        return float(np.linalg.svd(a, compute_uv=False).sum())
    squares = np.linalg.eigvalsh(a @ a.T if a.shape[0] <= a.shape[1] else a.T @ a)
    return float(np.sqrt(squares.clip(min=0)).sum())


def _root(s: Array) -> Array:
    """R with ``R Rᵀ = s``: by Cholesky, and where that fails because s is singular, by its eigenvectors."""
    try:
        return np.asarray(np.linalg.cholesky(s), np.float64)
    except np.linalg.LinAlgError:
        values, vectors = np.linalg.eigh(s)
        return vectors * np.sqrt(values.clip(min=0))  # type: ignore[no-any-return]
