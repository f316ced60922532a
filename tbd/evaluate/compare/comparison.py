"""The arithmetic of ``tbd compare``: numbers over the clips that all runs have, and paired tests against one of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from tbd.errors import UsageError
from tbd.evaluate.compare.compared_runs import ComparedRun, shared_metrics
from tbd.evaluate.measures.significance import holm, paired_test
from tbd.evaluate.metrics.base import Aggregate, ClipScore, Metric

SIGNIFICANT = 0.05


@dataclass(frozen=True)
class MetricColumn:
    """One metric of all runs.

    Attributes:
        clips: that all runs have a number for, sorted.
        of: clips that any run has, or should have.
        values: the headline of each run over ``clips``.
        tests: each run against the one it is compared with, after Holm; None for that one and for sets.
        published: whether all weights are the published ones.
    """

    metric: Metric
    protocol: str
    clips: tuple[str, ...]
    of: int
    values: tuple[Aggregate, ...]
    tests: tuple[Mapping[str, Any] | None, ...]
    published: bool


@dataclass(frozen=True)
class RunComparison:
    """Several runs, metric by metric.

    Attributes:
        runs: in the order given.
        against: position of the run that the others are tested against.
        labels: of the clips, as far as the manifest has them.
    """

    runs: tuple[ComparedRun, ...]
    against: int
    columns: tuple[MetricColumn, ...]
    notes: tuple[str, ...]

    def document(self) -> dict[str, Any]:
        """Everything as JSON."""
        names = [run.name for run in self.runs]
        columns = []
        for one in self.columns:
            rows = [
                {"run": name, "value": value.value, "n": value.n, "ci95": value.ci95, "warnings": list(value.warnings), "test": test}
                for name, value, test in zip(names, one.values, one.tests, strict=True)
            ]  # fmt: skip
            facts = {"metric": one.metric.key, "protocol": one.protocol, "direction": one.metric.direction}
            columns.append(facts | {"clips": list(one.clips), "of": one.of, "published": one.published, "runs": rows})
        return {"runs": names, "against": names[self.against], "metrics": columns, "notes": list(self.notes)}


def compare(runs: Sequence[ComparedRun], against: str | None = None) -> RunComparison:
    """Compare runs over the clips that all of them have, metric by metric.

    Distances between sets are computed anew from the stored features, with equally many of each clip on every side.

    Args:
        against: the run that the others are tested against; None takes the first.

    Raises:
        UsageError: no such run.
        InputError: the runs cannot be compared.
    """
    names = [run.name for run in runs]
    if against is not None and against not in names:
        raise UsageError(
            f"--against {against}: no such run; there are: {', '.join(names)}", next=f"--against {names[0]}"
        )
    base = names.index(against) if against else 0
    columns = [_column(runs, metric, base) for metric in shared_metrics(runs)]
    return RunComparison(tuple(runs), base, tuple(_corrected(columns)), tuple(_notes(runs, columns, base)))


def _column(runs: Sequence[ComparedRun], metric: Metric, base: int) -> MetricColumn:
    from tbd.evaluate.outputs.scores import signature

    protocol = metric.protocol
    usable = [run.usable(protocol) for run in runs]
    clips = tuple(sorted(set.intersection(*usable)))
    every = {clip for run in runs for clip, row in run.rows.get(protocol, {}).items() if row.status != "extra"}
    if not clips:
        values = [Aggregate(None, 0, len(every), "", reason="no clip that all runs have")] * len(runs)
    elif metric.keeps_features or metric.compares == "sets":
        values = _of_features(runs, metric, clips)
    else:
        values = [metric.aggregate([run.rows[protocol][clip].score for clip in clips]) for run in runs]
    paired = (
        metric.compares != "sets"
        and clips
        and all(run.rows[protocol][clips[0]].score.value is not None for run in runs)
    )
    tests = [_test(run, runs[base], protocol, clips) if paired and i != base else None for i, run in enumerate(runs)]
    seen = [run.record.weights.get(protocol) for run in runs]
    published = all(one["published"] for one in seen if one)
    return MetricColumn(
        metric, signature(metric, runs[0].record.settings), clips, len(every), tuple(values), tuple(tests), published
    )


def _of_features(runs: Sequence[ComparedRun], metric: Metric, clips: Sequence[str]) -> list[Aggregate]:
    """Headlines from features, each clip with as many vectors as the run that has fewest of it."""
    rows = [[run.rows[metric.protocol][clip] for clip in clips] for run in runs]
    own = [[_array(run, row.key) for row in mine] for run, mine in zip(runs, rows, strict=True)]
    truth = [[_array(run, row.reference_key) for row in mine] for run, mine in zip(runs, rows, strict=True)]
    counts = [min(len(side[i]) for side in own) for i in range(len(clips))]
    found = []
    for mine, features, references in zip(rows, own, truth, strict=True):
        scores = [
            replace(row.score, features=array[:count]) for row, array, count in zip(mine, features, counts, strict=True)
        ]
        against = [ClipScore(None, len(array), features=array) for array in references]
        found.append(metric.aggregate(scores, against) if metric.compares == "sets" else metric.aggregate(scores))
    return found


def _array(run: ComparedRun, key: str) -> np.ndarray[Any, Any]:
    found = run.features(key) if key else None
    return np.zeros((0, 1)) if found is None else found


def _test(run: ComparedRun, base: ComparedRun, protocol: str, clips: Sequence[str]) -> dict[str, Any] | None:
    pairs = [(run.rows[protocol][clip].score.value, base.rows[protocol][clip].score.value) for clip in clips]
    known = [(one, two) for one, two in pairs if one is not None and two is not None and math.isfinite(one - two)]
    return asdict(paired_test(*zip(*known, strict=True))) if known else None


def _corrected(columns: Sequence[MetricColumn]) -> list[MetricColumn]:
    """Holm's correction over every test of the table: all runs, all metrics."""
    corrected = iter(holm([test["p"] for one in columns for test in one.tests if test]))
    return [
        replace(one, tests=tuple(dict(test) | {"holm": next(corrected)} if test else None for test in one.tests))
        for one in columns
    ]


def _notes(runs: Sequence[ComparedRun], columns: Sequence[MetricColumn], base: int) -> list[str]:
    notes = []
    if len(runs) == 1:
        notes.append(f"{runs[0].name} alone: nothing to compare it with, so no tests")
    elif any(test for one in columns for test in one.tests):
        count = sum(bool(test) for one in columns for test in one.tests)
        notes.append(f"tested against {runs[base].name}: Wilcoxon signed-rank over clips, Holm over all {count} tests")
    for one in columns:
        if len(one.clips) < one.of:
            lost = [f"{run.name} lacks {one.of - len(run.usable(one.metric.protocol))}" for run in runs
                    if len(run.usable(one.metric.protocol)) < one.of]  # fmt: skip
            notes.append(
                f"{one.metric.title}: only the {len(one.clips)} of {one.of} clips that all have ({', '.join(lost)})"
            )
        if not one.published:
            notes.append(f"{one.metric.title}: not the published weights, so this is no result")
    sizes = {run.name: _sizes(run) for run in runs}
    if len({size for found in sizes.values() for size in found}) > 1:
        told = ", ".join(f"{name} {'/'.join(sorted(found))}" for name, found in sizes.items())
        notes.append(f"pictures of different sizes ({told}): tbd eval --size N brings all to one")
    codes = {run.name: _codes(run) for run in runs}
    notes += [f"{name}: {', '.join(found)}" for name, found in codes.items() if found]
    return notes


def _sizes(run: ComparedRun) -> set[str]:
    shown = [row.comparison for rows in run.rows.values() for row in rows.values() if row.status == "ok"]
    return {f"{one.scored_width}x{one.scored_height}" for one in shown if one.scored_width and one.scored_height}


def _codes(run: ComparedRun) -> list[str]:
    """What ``tbd eval`` warned of, by the clips that it concerns."""
    from tbd.evaluate.outputs.codes import codes

    found: dict[str, set[str]] = {}
    for rows in run.rows.values():
        for clip, row in rows.items():
            for code in codes(row.comparison, run.record.settings):
                found.setdefault(code, set()).add(clip)
    return [f"{code} on {len(clips)} clip{'s' * (len(clips) > 1)}" for code, clips in sorted(found.items())]
