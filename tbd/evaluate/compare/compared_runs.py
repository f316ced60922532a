"""The runs of several result folders, and whether their numbers may stand in one table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tbd.errors import InputError, UsageError
from tbd.evaluate.inputs.jobs import ScoreRow
from tbd.evaluate.inputs.record import EvaluationRecord
from tbd.evaluate.metrics import registry
from tbd.evaluate.metrics.base import Metric
from tbd.evaluate.outputs import results
from tbd.evaluate.outputs.scores import Features, signature


@dataclass(frozen=True)
class ComparedRun:
    """One system with the rows of its clips.

    Attributes:
        name: as tables show it.
        run: its name in the result folder.
        folder: of the result.
        rows: protocol -> clip_id -> row.
        features: from a row's key to what a metric saw.
    """

    name: str
    run: str
    folder: Path
    record: EvaluationRecord
    rows: Mapping[str, Mapping[str, ScoreRow]]
    features: Features

    @property
    def facts(self) -> Mapping[str, Any]:
        """What ``run.json`` said of what made it."""
        found: Mapping[str, Any] = self.record.runs[self.run].get("run") or {}
        return found

    def truth_contents(self) -> dict[str, str]:
        """clip_id -> 64 hex digits from what its ground truth holds, of the clips whose rows say it."""
        every = [row for rows in self.rows.values() for row in rows.values()]
        return {row.clip_id: row.reference_content for row in every if row.reference_content}

    def usable(self, protocol: str) -> set[str]:
        """Clips that have a number, or features, under a protocol."""
        return {
            clip for clip, row in self.rows.get(protocol, {}).items() if row.status == "ok" and not row.score.reason
        }


def load(folders: Sequence[Path]) -> list[ComparedRun]:
    """Every run of every result folder, in the order given.

    Raises:
        InputError: a folder holds no results, or damaged ones.
        UsageError: a folder is named twice.
    """
    if len({folder.resolve() for folder in folders}) < len(folders):
        raise UsageError("a result is named twice", next="tbd compare RESULT OTHER")
    found = [run for folder in folders for run in _runs(folder)]
    return [replace(run, name=name) for run, name in zip(found, _told_apart(found), strict=True)]


def _runs(folder: Path) -> list[ComparedRun]:
    record, rows, features = results.read(folder)
    by: dict[str, dict[str, dict[str, ScoreRow]]] = {name: {} for name in record.runs}
    for row in rows:
        if row.kind == "run" and row.protocol:
            by[row.name].setdefault(row.protocol, {})[row.clip_id] = row
    return [ComparedRun(name, name, folder, record, found, features) for name, found in by.items()]


def _told_apart(runs: Sequence[ComparedRun]) -> list[str]:
    """A name for each run that no other has: namesakes get the folders of their results before it, as few as do."""
    places = [(*run.folder.resolve().parts[1:], run.run) for run in runs]
    lengths = [1] * len(runs)
    while True:
        names = ["/".join(place[-length:]) for place, length in zip(places, lengths, strict=True)]
        counts = Counter(names)
        longer = [i for i, name in enumerate(names) if counts[name] > 1 and lengths[i] < len(places[i])]
        if not longer:
            return names
        for i in longer:
            lengths[i] += 1


def shared_metrics(runs: Sequence[ComparedRun]) -> tuple[Metric, ...]:
    """The metrics that every run was scored with, in the order of the tables.

    Raises:
        InputError: the runs were scored against different ground truths, under different protocols, or through
            different weights; the message shows the difference.
    """
    _same("ground truth", runs, [run.record.truth for run in runs])
    _same_truth(runs)
    protocols = {metric.protocol: metric for metrics in registry.known().values() for metric in metrics}
    keys: dict[str, dict[int, Metric]] = {}
    for place, run in enumerate(runs):
        for metric in [protocols[name] for name in run.record.metrics if name in protocols]:
            keys.setdefault(metric.key, {})[place] = metric
    shared = [key for key in registry.known() if len(keys.get(key, ())) == len(runs)]
    if not shared:
        told = "; ".join(f"{run.name}: {', '.join(run.record.metrics)}" for run in runs)
        raise InputError(f"no metric that all runs were scored with ({told})", next="tbd eval RUN RUN --metrics all")
    for key in shared:
        own = [keys[key][place] for place in range(len(runs))]
        signatures = [signature(metric, run.record.settings) for run, metric in zip(runs, own, strict=True)]
        _same(f"protocol of {key}", runs, signatures)
        _same(f"weights of {key}", runs, [_weights(run, metric) for run, metric in zip(runs, own, strict=True)])
    return tuple(keys[key][0] for key in shared)


def _same_truth(runs: Sequence[ComparedRun]) -> None:
    """Refuse runs that were scored against other files, or other cuts of them, under the same words."""
    contents = [run.truth_contents() for run in runs]
    for clip in sorted(set().union(*contents)):
        known = [(run, found[clip][:12]) for run, found in zip(runs, contents, strict=True) if clip in found]
        _same(f"ground truth of {clip}", [run for run, _ in known], [content for _, content in known])


def _weights(run: ComparedRun, metric: Metric) -> str:
    found = run.record.weights.get(metric.protocol)
    return f"{found['file']} (sha256 {found['sha256']})" if found else ""


def _same(what: str, runs: Sequence[ComparedRun], values: Sequence[str]) -> None:
    if len(set(values)) > 1:
        told = "; ".join(f"{run.name}: {value or 'none'}" for run, value in zip(runs, values, strict=True))
        raise InputError(
            f"these results cannot be compared, the {what} differs: {told}",
            next="tbd eval RUN RUN -o DIR scores all runs alike in one go",
        )


def only_results() -> list[Path]:
    """Every result folder of this project, for ``tbd compare`` without arguments.

    Raises:
        UsageError: there is none.
    """
    root = Path("results")
    found = sorted(path.parent for path in root.glob(f"*/{results.RECORD}"))
    if not found:
        raise UsageError(f"no results in {root}/", next="tbd eval RUN")
    return found


def output_folder(runs: Sequence[ComparedRun]) -> Path:
    """Where a comparison is written unless told otherwise."""
    names = "+".join(dict.fromkeys(run.folder.resolve().name for run in runs))
    return Path("results") / f"compare-{names[:100]}"
