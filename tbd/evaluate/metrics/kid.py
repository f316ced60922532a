"""KID: kernel Inception distance between all frames of a run and of its ground truth; lower is better.

    the squared MMD with k(a, b) = (a b / 2048 + 1)^3, without bias

of the features that FID looks at, under the same protocols. It has no bias towards small sets, so it can be
read where FID cannot; it may be a little negative. ``pytorch-fid`` and ``clean`` take all frames at once;
``torch-fidelity`` is that program's mean over 100 random subsets of 1000 frames.

Sources: Bińkowski et al. 2018; toshas/torch-fidelity.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tbd.evaluate.measures import statistics
from tbd.evaluate.measures.feature_sets import Distances, Effort, Features, Sets, compare
from tbd.evaluate.measures.frechet import kernel_distance, kernel_selves, kernel_sums, mmd
from tbd.evaluate.measures.statistics import Indices
from tbd.evaluate.metrics.base import Aggregate, ClipScore, Metric
from tbd.evaluate.metrics.fid import FID, RESIZED

EFFORT = Effort(groups=10**6, splits=20)
"""The kernel is summed once for every pair of clips; whatever stands beside the distance is then free."""

SUBSETS, SUBSET, SEED = 100, 1000, 2020
"""torch-fidelity's defaults."""


class KID(FID):
    """KID of a run against its ground truth, from FID's features."""

    key = "kid"
    title = "KID"
    source = "Bińkowski et al. 2018; toshas/torch-fidelity"

    def __init__(self, protocol: str) -> None:
        super().__init__(protocol)
        self.protocol = f"kid@{protocol}"

    def aggregate(self, scores: Sequence[ClipScore], reference: Sequence[ClipScore] = ()) -> Aggregate:
        """The distance; without subsets also its jackknife over clips, its floor, and the run at the floor's size."""
        sets = Sets.of(scores, reference)
        if self._how == "torch-fidelity":
            return _of_subsets(sets)
        words = "unbiased kernel distance between all frames of all clips"
        return compare(sets, by_sums(sets), words, "frames", EFFORT)


def by_sums(sets: Sets) -> Distances:
    """The kernel distance of any clips, from sums over pairs of clips."""
    pred, ref, across = kernel_sums(sets.pred), kernel_sums(sets.ref), kernel_sums(sets.pred, sets.ref)
    sizes = [np.array([len(clip) for clip in one]) for one in (sets.pred, sets.ref)]
    selves = [np.array([kernel_selves(clip) for clip in one]) for one in (sets.pred, sets.ref)]

    def within(sums: Features, self_sums: Features, clips: Indices) -> float:
        return float(sums[np.ix_(clips, clips)].sum() - self_sums[clips].sum())

    def apart(a: Indices, b: Indices) -> float:
        parts = within(pred, selves[0], a), within(ref, selves[1], b), float(across[np.ix_(a, b)].sum())
        return mmd(*parts, int(sizes[0][a].sum()), int(sizes[1][b].sum()))

    def floor(a: Indices, b: Indices) -> float:
        parts = within(ref, selves[1], a), within(ref, selves[1], b), float(ref[np.ix_(a, b)].sum())
        return mmd(*parts, int(sizes[1][a].sum()), int(sizes[1][b].sum()))

    return Distances(apart, floor)


def _of_subsets(sets: Sets) -> Aggregate:
    """Mean over random subsets, drawn as torch-fidelity draws them."""
    of, n, words = len(sets.scores), len(sets.pred), f"mean over {SUBSETS} random subsets of {SUBSET} frames"
    uncovered = statistics.uncovered(sets.scores)
    if sets.vectors < SUBSET:
        reason = f"{sets.vectors} frames, and a subset has {SUBSET}: kid@pytorch-fid needs no subsets"
        return Aggregate(None, n, of, words, reason=reason, warnings=uncovered)
    random = np.random.RandomState(SEED)
    x, y = np.concatenate(sets.pred), np.concatenate(sets.ref)
    found = [
        kernel_distance(*(one[random.choice(len(one), SUBSET, replace=False)] for one in (x, y)))
        for _ in range(SUBSETS)
    ]
    details = {"frames": sets.vectors, "std_over_subsets": float(np.std(found))}
    return Aggregate(float(np.mean(found)), n, of, words, warnings=uncovered, details=details)


METRICS: tuple[Metric, ...] = tuple(KID(protocol) for protocol in RESIZED)
