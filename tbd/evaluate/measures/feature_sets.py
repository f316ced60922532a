"""Metrics that compare the set of all features of a run with that of its ground truth.

Only clips that both sides have count, so both sets are of the same clips. What a reader must know beside
the distance is computed here for all of them: its spread, its floor, and the run at the floor's size.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tbd.evaluate.measures import statistics
from tbd.evaluate.measures.statistics import Indices
from tbd.evaluate.metrics.base import Aggregate, ClipScore

Features = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Sets:
    """The features of one run and of its ground truth, by clip.

    Attributes:
        pred, ref: one ``(m, d)`` for each clip that both have, in the same order.
        scores: one for every clip, those without features with the reason; of either side.
    """

    pred: list[Features]
    ref: list[Features]
    scores: list[ClipScore]

    @classmethod
    def of(cls, scores: Sequence[ClipScore], reference: Sequence[ClipScore]) -> Sets:
        """Pair the clips of a run with those of the ground truth, which come in the same order."""
        pairs = [_paired(*pair) for pair in zip(scores, reference, strict=True)]
        both = [
            (score.features, other.features)
            for pair, score, other in zip(pairs, scores, reference, strict=True)
            if pair.usable
        ]
        return cls([one for one, _ in both if one is not None], [two for _, two in both if two is not None], pairs)

    @property
    def vectors(self) -> int:
        """In the smaller of the two sets."""
        return min(sum(map(len, self.pred)), sum(map(len, self.ref)))


@dataclass(frozen=True)
class Effort:
    """How often a distance may be computed again for what stands beside it."""

    groups: int
    splits: int
    points: int = 0


@dataclass(frozen=True, eq=False)
class Distances:
    """A distance on the clips at some positions of the run and at some of the ground truth."""

    across: Callable[[Indices, Indices], float]
    floor: Callable[[Indices, Indices], float]

    def same(self, clips: Indices) -> float:
        """Run against ground truth on the same clips."""
        return self.across(clips, clips)


def by_features(sets: Sets, distance: Callable[[Features, Features], float]) -> Distances:
    """A distance that is computed from the features themselves."""

    def between(one: list[Features], other: list[Features]) -> Callable[[Indices, Indices], float]:
        return lambda a, b: distance(np.concatenate([one[i] for i in a]), np.concatenate([other[i] for i in b]))

    return Distances(between(sets.pred, sets.ref), between(sets.ref, sets.ref))


def compare(sets: Sets, distances: Distances, words: str, unit: str, effort: Effort, small: str = "") -> Aggregate:
    """The headline of a distance between sets.

    Args:
        words: what it is a distance of, ``Fréchet distance, frames of all clips``.
        unit: what the sets consist of, ``frames``.
        effort: see there.
        small: the metric's name for ``statistics.small_sets``.
    """
    of, n = len(sets.scores), len(sets.pred)
    uncovered = statistics.uncovered(sets.scores)
    if sets.vectors < 2:
        reason = uncovered[0] if uncovered else f"{sets.vectors} {unit}: a distance between sets needs two on each side"
        return Aggregate(None, n, of, words, reason=reason)
    spread = statistics.jackknife(distances.same, n, groups=effort.groups)
    value = spread.value if spread else distances.same(np.arange(n))
    details = {unit: sets.vectors, **_beside(distances, n, effort)}
    if spread:
        details["jackknife"] = {"se": spread.se, "bias": spread.bias, "groups": spread.groups}
    ci95, interval = (spread.ci95, spread.words) if spread else (None, "")
    notes = (*uncovered, *(statistics.small_sets(small, sets.vectors) if small else ()))
    return Aggregate(value, n, of, words, ci95, interval, warnings=notes, details=details)


def _beside(distances: Distances, n: int, effort: Effort) -> dict[str, Any]:
    """The floor, the run at the floor's size, and where the distance goes with more clips; what can be computed."""
    found = {
        "floor": statistics.halves(distances.floor, n, splits=effort.splits),
        "at_floor_size": statistics.halves(distances.across, n, splits=effort.splits),
        "extrapolated": statistics.extrapolate(distances.same, n, points=effort.points) if effort.points else None,
    }
    return {name: asdict(one) for name, one in found.items() if one is not None}


def _paired(score: ClipScore, reference: ClipScore) -> ClipScore:
    if score.usable and not reference.usable:
        return ClipScore(None, 0, f"ground truth: {reference.reason or 'no features'}")
    return score
