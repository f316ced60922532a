"""The runs of several result folders, and whether their numbers may stand in one table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
    twice = {name for name, count in Counter(run.name for run in found).items() if count > 1}
    return [_renamed(run) if run.name in twice else run for run in found]


def _runs(folder: Path) -> list[ComparedRun]:
    record, rows, features = results.read(folder)
    by: dict[str, dict[str, dict[str, ScoreRow]]] = {name: {} for name in record.runs}
    for row in rows:
        if row.kind == "run" and row.protocol:
            by[row.name].setdefault(row.protocol, {})[row.clip_id] = row
    return [ComparedRun(name, name, folder, record, found, features) for name, found in by.items()]


def _renamed(run: ComparedRun) -> ComparedRun:
    return ComparedRun(f"{run.folder.name}/{run.run}", run.run, run.folder, run.record, run.rows, run.features)


def shared_metrics(runs: Sequence[ComparedRun]) -> tuple[Metric, ...]:
    """The metrics that every run was scored with, in the order of the tables.

    Raises:
        InputError: the runs were scored against different ground truths, under different protocols, or through
            different weights; the message shows the difference.
    """
    _same("ground truth", {run.name: run.record.truth for run in runs})
    protocols = {metric.protocol: metric for metrics in registry.known().values() for metric in metrics}
    keys: dict[str, dict[str, Metric]] = {}
    for run in runs:
        for metric in [protocols[name] for name in run.record.metrics if name in protocols]:
            keys.setdefault(metric.key, {})[run.name] = metric
    shared = [key for key in registry.known() if len(keys.get(key, ())) == len(runs)]
    if not shared:
        told = "; ".join(f"{run.name}: {', '.join(run.record.metrics)}" for run in runs)
        raise InputError(f"no metric that all runs were scored with ({told})", next="tbd eval RUN RUN --metrics all")
    for key in shared:
        _same(f"protocol of {key}", {run.name: signature(keys[key][run.name], run.record.settings) for run in runs})
        _same(f"weights of {key}", {run.name: _weights(run, keys[key][run.name]) for run in runs})
    return tuple(keys[key][runs[0].name] for key in shared)


def _weights(run: ComparedRun, metric: Metric) -> str:
    found = run.record.weights.get(metric.protocol)
    return f"{found['file']} (sha256 {found['sha256']})" if found else ""


def _same(what: str, values: Mapping[str, str]) -> None:
    if len(set(values.values())) > 1:
        told = "; ".join(f"{name}: {value or 'none'}" for name, value in values.items())
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
