"""How sure a number is: means with intervals, jackknife, floors, extrapolation, and what a reader must be told.

Metrics with one value a clip get a bootstrap interval over clips (BCa, Efron 1987). Distances between
sets (FID, FVD, KID) never do: a resample repeats clips, which makes the sets look smaller, and the
distance is biased upwards by small sets, so that such an interval need not even contain the value.
They get a jackknife over clips for their spread, and beside it their floor: what the ground truth
scores against itself, half against half.

Everything random is seeded: the same clips and the same seed give the same numbers.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from tbd.evaluate.metrics.base import Aggregate, ClipScore

Indices = npt.NDArray[np.intp]
"""Positions of clips in the list that the caller keeps, sorted by ``clip_id``."""

Interval = tuple[float, float]

RESAMPLES = 4999
FEW_CLIPS = 20
"""Clips below which a bootstrap interval is too narrow to be believed without a word."""

COVERAGE = 0.8

_FILE = re.compile(r"\S+\.[a-zA-Z]\w{1,3}(?:[:,] ?|$)")
"""A file's name in a reason, so that ten videos that are cut off are one reason."""

MEANINGFUL = {"fid": (2048, "frames"), "fvd": (256, "windows")}
"""Smallest sets for which the distance says more of the videos than of the sample size."""


def mean(scores: Sequence[ClipScore], *, over: Literal["clips", "frames"] = "clips", seed: int = 0) -> Aggregate:
    """The mean over clips with its 95 % interval: the headline of every metric with one value a clip.

    Args:
        scores: one a clip in any order; those without a finite value are counted in ``of`` and named in a warning.
        over: ``frames`` weighs each clip by its ``n``, which is the mean over all frames of all clips.
    """
    used = [score for score in scores if score.value is not None and _counts(score)]
    words = f"mean over {over}" if over == "clips" else "mean over all frames of all clips"
    if not used:
        return Aggregate(None, 0, len(scores), words, reason=_why_none(scores))
    values = np.array([score.value for score in used], np.float64)
    weights = np.array([score.n for score in used], np.float64) if over == "frames" else np.ones(len(used))
    value = math.fsum(values * weights) / math.fsum(weights)
    ci95 = bootstrap(values, weights, seed=seed)
    notes = (*uncovered(scores), *_few_clips(len(used)))
    how = f"bootstrap over clips, BCa, {RESAMPLES} resamples, seed {seed}" if ci95 else ""
    return Aggregate(value, len(used), len(scores), words, ci95, how, warnings=notes)


def bootstrap(
    values: npt.ArrayLike, weights: npt.ArrayLike | None = None, *, seed: int = 0, resamples: int = RESAMPLES
) -> Interval | None:
    """95 % BCa bootstrap interval of a (weighted) mean over clips (Efron 1987, *Better bootstrap confidence intervals*).

    The clips are resampled, not their frames: frames of one clip are alike. Values are sorted first,
    so that the interval does not depend on the order in which clips were scored.

    Args:
        values: ``(n,)`` finite, one a clip.
        weights: ``(n,)`` positive, resampled along with the values.
        seed: same values and seed, same interval.

    Returns:
        Low and high; smallest and largest value when all are equal but for rounding; None for fewer than two clips.
    """
    value = np.asarray(values, np.float64)
    weight = np.ones_like(value) if weights is None else np.asarray(weights, np.float64)
    if len(value) < 2:
        return None
    if np.ptp(value) <= 1e-12 * np.abs(value).max():
        return float(value.min()), float(value.max())
    from scipy.stats import bootstrap as resample

    order = np.lexsort((weight, value))
    scale = np.abs(value).max()  # the cubes inside BCa must not underflow
    found = resample(
        ((value / scale * weight)[order], weight[order]),
        lambda total, weight, axis: total.sum(axis=axis) / weight.sum(axis=axis),
        n_resamples=resamples,
        batch=max(1, 500_000 // len(value)),
        paired=True,
        vectorized=True,
        method="BCa",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return float(found.low * scale), float(found.high * scale)


@dataclass(frozen=True)
class Jackknife:
    """The spread of a distance between sets, from leaving out clips.

    Attributes:
        value: with all clips.
        se: standard error.
        bias: what the jackknife estimates ``value`` to be too high by.
        ci95: ``value`` plus and minus t times ``se``. It is about the spread only; the bias of a small set
            stays in ``value``, which is why it belongs beside a floor.
        groups: how many groups were left out in turn; as many as clips means one clip at a time.
    """

    value: float
    se: float
    bias: float
    ci95: Interval
    groups: int

    @property
    def words(self) -> str:
        """For ``Aggregate.interval``."""
        return f"jackknife over clips, {self.groups} groups left out in turn, t with {self.groups - 1} degrees"


def jackknife(distance: Callable[[Indices], float], n: int, *, groups: int = 20, seed: int = 0) -> Jackknife | None:
    """Delete-a-group jackknife (Quenouille 1956, Tukey 1958; groups as in Shao and Wu 1989).

    Args:
        distance: of the sets made of these clips only; called ``groups + 1`` times with sorted positions.
        n: clips.
        groups: clips are dealt into so many groups of nearly equal size by the seed; ``n`` or more leaves out
            one clip at a time, which needs no seed.

    Returns:
        None for fewer than three clips.
    """
    if n < 3:
        return None
    parts = np.array_split(_shuffled(n, seed) if groups < n else np.arange(n), min(groups, n))
    count, everything = len(parts), np.arange(n)
    value = distance(everything)
    without = np.array([distance(np.setdiff1d(everything, part)) for part in parts])
    centre = float(without.mean())
    se = math.sqrt((count - 1) / count * float(((without - centre) ** 2).sum()))
    from scipy.stats import t

    half = float(t.ppf(0.975, count - 1)) * se
    return Jackknife(value, se, (count - 1) * (centre - value), (value - half, value + half), count)


@dataclass(frozen=True)
class Halves:
    """A distance between one half of the clips and the other.

    Attributes:
        value: mean over the splits.
        low, high: smallest and largest of them.
        n: clips on each side.
        splits: random splits that were made.
    """

    value: float
    low: float
    high: float
    n: int
    splits: int


def halves(between: Callable[[Indices, Indices], float], n: int, *, splits: int = 5, seed: int = 0) -> Halves | None:
    """A distance between random halves of the clips, without replacement.

    With the ground truth on both sides it is the floor: a perfect system's score at this N, all of it
    bias of small sets. With the run on one side and the ground truth on the other it is the run's score
    at the same N, the only one to hold against that floor.

    Args:
        between: of the clips at the first positions and those at the second; both have ``n // 2``, none in common.
        n: clips.

    Returns:
        None for fewer than four clips.
    """
    if n < 4:
        return None
    half = n // 2
    orders = [_shuffled(n, seed + split) for split in range(splits)]
    found = [between(np.sort(order[:half]), np.sort(order[half : 2 * half])) for order in orders]
    return Halves(float(np.mean(found)), min(found), max(found), half, splits)


@dataclass(frozen=True)
class Extrapolation:
    """Where a distance goes when the sets grow.

    Attributes:
        limit: of the straight line in 1/N, at 1/N = 0.
        slope: of that line, in units times clips.
        residual: largest distance of a measured point from the line. A large one says that the line is no
            description, and the limit no number.
    """

    limit: float
    slope: float
    residual: float


def extrapolate(
    distance: Callable[[Indices], float], n: int, *, points: int = 6, seed: int = 0
) -> Extrapolation | None:
    """The distance at N = infinity by a straight line in 1/N (Chong and Forsyth 2020, *Effectively unbiased FID*).

    The bias is linear in 1/N once the sets have several times more vectors than dimensions; below that the
    limit is too high, and ``residual`` tells.

    Args:
        distance: of the sets made of these clips only; called ``points`` times, from ``n / 3`` clips to all of them.

    Returns:
        None for fewer than twelve clips.
    """
    if n < 12:
        return None
    sizes = np.unique(np.round(1 / np.linspace(3 / n, 1 / n, points)).astype(int))
    found = np.array([distance(np.sort(_shuffled(n, seed + i)[:size])) for i, size in enumerate(sizes)])
    slope, limit = np.polyfit(1 / sizes, found, 1)
    return Extrapolation(float(limit), float(slope), float(np.abs(limit + slope / sizes - found).max()))


def uncovered(scores: Sequence[ClipScore]) -> tuple[str, ...]:
    """A warning when fewer than 80 % of the clips were scored, with the commonest reasons; else nothing."""
    used = sum(_counts(score) for score in scores)
    if used >= COVERAGE * len(scores):
        return ()
    return (f"covers {used} of {len(scores)} clips ({used / len(scores):.0%}): {_reasons(scores)}",)


def small_sets(metric: str, n: int) -> tuple[str, ...]:
    """A warning when a set is too small for the metric to mean much: 2048 frames for ``fid``, 256 windows for ``fvd``.

    Args:
        n: vectors in the smaller of the two sets.
    """
    least, unit = MEANINGFUL.get(metric, (0, ""))
    if n >= least:
        return ()
    return (f"{n} {unit} are fewer than {least}: most of this number is the bias of a small sample, see its floor",)


def _counts(score: ClipScore) -> bool:
    return score.usable and (score.value is None or math.isfinite(score.value))


def _few_clips(n: int) -> tuple[str, ...]:
    if n >= FEW_CLIPS:
        return ()
    return ("from one clip: no interval",) if n == 1 else (f"from {n} clips only: the interval is too narrow",)


def _why_none(scores: Sequence[ClipScore]) -> str:
    return _reasons(scores) if scores else "no clips"


def _reasons(scores: Sequence[ClipScore]) -> str:
    """``no face (3), no sound (1)``, the commonest first; the files that reasons name are left out."""
    counts = Counter(
        _FILE.sub("", score.reason).rstrip(" :") or "not a number" for score in scores if not _counts(score)
    )
    told = counts.most_common(3)
    others = counts.total() - sum(count for _, count in told)
    return ", ".join(f"{reason} ({count})" for reason, count in told + [("other reasons", others)] * bool(others))


def _shuffled(n: int, seed: int) -> Indices:
    return np.random.default_rng(seed).permutation(n)
