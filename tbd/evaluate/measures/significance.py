"""Whether one system is better than another on the same clips: paired bootstrap, Wilcoxon's test, Holm's correction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

RESAMPLES = 9999


@dataclass(frozen=True)
class PairedTest:
    """One system against another over the same clips.

    Attributes:
        difference: mean of first minus second.
        ci95: of the difference, by the paired bootstrap over clips; None for fewer than two clips.
        p: two-sided, of Wilcoxon's signed-rank test; None where it cannot be computed.
        n: clips.
        holm: ``p`` after Holm's correction for all tests of a table; None until it was made.
    """

    difference: float
    ci95: tuple[float, float] | None
    p: float | None
    n: int
    holm: float | None = None


def paired_test(first: npt.ArrayLike, second: npt.ArrayLike, *, seed: int = 0) -> PairedTest:
    """Compare two systems, clip by clip.

    Args:
        first, second: ``(n,)`` finite numbers of the same clips in the same order.
        seed: of the bootstrap.

    Raises:
        ValueError: not the same number of clips, or none.
    """
    differences = np.asarray(first, np.float64) - np.asarray(second, np.float64)
    if differences.ndim != 1 or not len(differences):
        raise ValueError("paired tests need one number a clip, and at least one clip")
    interval = paired_bootstrap(differences, seed=seed)
    return PairedTest(float(differences.mean()), interval, wilcoxon(differences), len(differences))


def paired_bootstrap(
    differences: npt.ArrayLike, *, seed: int = 0, resamples: int = RESAMPLES
) -> tuple[float, float] | None:
    """95 % percentile interval of the mean difference, clips resampled (Efron and Tibshirani 1993, chapter 13).

    Returns:
        None for fewer than two clips.
    """
    values = np.sort(np.asarray(differences, np.float64))
    if len(values) < 2:
        return None
    generator, means = np.random.default_rng(seed), np.empty(resamples)
    step = max(1, 2_000_000 // len(values))
    for start in range(0, resamples, step):
        stop = min(start + step, resamples)
        means[start:stop] = values[generator.integers(0, len(values), (stop - start, len(values)))].mean(1)
    low, high = np.quantile(means, (0.025, 0.975))
    return float(low), float(high)


def wilcoxon(differences: npt.ArrayLike) -> float | None:
    """Two-sided p of Wilcoxon's signed-rank test, by scipy; clips without a difference are left out (Wilcoxon 1945).

    Returns:
        1.0 when no clip differs; None for fewer than two clips.
    """
    values = np.asarray(differences, np.float64)
    if len(values) < 2:
        return None
    if not values.any():
        return 1.0
    from scipy import stats

    return float(stats.wilcoxon(values).pvalue)


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Holm's step-down correction (Holm 1979), in the order given; None stays None and does not count.

    The chance that any true null hypothesis is rejected at ``alpha`` is at most ``alpha``.
    """
    known = sorted((p, i) for i, p in enumerate(p_values) if p is not None)
    found: list[float | None] = [None] * len(p_values)
    highest = 0.0
    for rank, (p, i) in enumerate(known):
        highest = max(highest, min(1.0, (len(known) - rank) * p))
        found[i] = highest
    return found
