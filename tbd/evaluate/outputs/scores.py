"""The document of ``scores.json``: every headline number, made from the rows of the clips and their features alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy.typing as npt

from tbd.evaluate.inputs.jobs import BASELINES, VAE, ScoreRow, Settings
from tbd.evaluate.inputs.record import EvaluationRecord
from tbd.evaluate.measures.statistics import COVERAGE
from tbd.evaluate.metrics.base import Aggregate, ClipScore, Metric
from tbd.evaluate.outputs.codes import BELOW_STILL, sizes, warnings

Features = Callable[[str], npt.NDArray[Any] | None]
"""From a ``key`` to the features under it."""

USUAL = Settings()
"""What a protocol's name does not mention."""

UNIT = "clips"
"""What ``n`` and ``of`` of every number count; frames and windows are counted in its details."""


def in_order(rows: Iterable[ScoreRow]) -> list[ScoreRow]:
    """Rows as they are stored: the runs, then the baselines, by name, clip and protocol."""
    kinds = ["run", *BASELINES]
    return sorted(rows, key=lambda row: (kinds.index(row.kind), row.name, row.clip_id, row.protocol))


def scores(
    record: EvaluationRecord, rows: Sequence[ScoreRow], metrics: Sequence[Metric], features: Features
) -> dict[str, Any]:
    """The document.

    Args:
        rows: in the order of ``in_order``.
    """
    by: dict[tuple[str, str], list[ScoreRow]] = {}
    for row in rows:
        by.setdefault((row.kind, row.name), []).append(row)

    def one(kind: str, name: str) -> dict[str, Any]:
        own = by.get((kind, name), [])
        done = {metric.key: _entry(record, kind, metric, _of(own, metric), features) for metric in metrics}
        expected = int(record.runs[name]["expected"]) if kind == "run" else len({row.clip_id for row in own})
        left = {protocol.partition("@")[0]: _skipped(record, protocol, expected) for protocol in record.skipped}
        return {"name": name, "scores": done | left}

    runs = [
        one("run", name) | {"clips": dict(facts) | {"failed": failed(by.get(("run", name), []), metrics)}}
        for name, facts in record.runs.items()
    ]
    baselines = [one(kind, name) | {"kind": kind} for kind, name in record.baselines.items()]
    for run in runs:
        run["codes"] = _codes(run, baselines)
    _one_size(runs)
    return {
        "runs": runs,
        "baselines": baselines,
        "settings": dict(record.settings),
        "truth": record.truth,
        "notes": list(record.notes),
        "tbd": record.version,
    }


def failed(rows: Sequence[ScoreRow], metrics: Sequence[Metric]) -> int:
    """Clips of a run that should have a number and have none under the main metric: the first of those asked for."""
    clips = {row.clip_id for row in rows if row.status != "extra"}
    main = metrics[0].protocol if metrics else ""
    return len(clips - {row.clip_id for row in rows if row.status == "ok" and row.protocol == main})


def signature(metric: Metric, settings: Mapping[str, Any]) -> str:
    """Everything that names a number: ``ssim@skimage``, ``ssim@skimage/align=face,size=256``.

    What is as usual (canvas, truncate, full, the size of the files, a portrait from the target clip) and what cannot
    change the number is left out.
    """
    looks = [] if metric.needs_audio or metric.needs_faces else ["region"]
    looks += [] if metric.compares == "nothing" else ["align"]
    looks += ["length"] if metric.compares == "frames" else []
    looks += ["portrait"] if metric.needs_portrait else []
    named = [f"{key}={settings[key]}" for key in (*looks, "size") if _unusual(key, settings.get(key))]
    return f"{metric.protocol}/{','.join(named)}".removesuffix("/")


def _unusual(key: str, value: Any) -> bool:
    return value is not None and value != getattr(USUAL, key)


def _of(rows: Sequence[ScoreRow], metric: Metric) -> list[ScoreRow]:
    return [row for row in rows if row.protocol == metric.protocol]


def _entry(
    record: EvaluationRecord, kind: str, metric: Metric, rows: Sequence[ScoreRow], features: Features
) -> dict[str, Any]:
    own = [_with_features(row, row.key, metric, features) for row in rows]
    truth = [_with_features(row, row.reference_key, metric, features) for row in rows]
    total = metric.aggregate(own, truth) if metric.compares == "sets" else metric.aggregate(own)
    value = total.value if total.value is not None and math.isfinite(total.value) else None
    reason = total.reason or ("" if value is not None else "no clip could be scored")
    weights = _weights(record, kind, metric)
    counts, words = warnings(rows, metric.compares, record.settings) if kind == "run" else ({}, [])
    told = dict.fromkeys([*total.warnings, *_beside(total, weights), *words])
    shown = sizes([row for row in rows if row.status == "ok"])
    return {
        "value": value, "protocol": signature(metric, record.settings), "direction": metric.direction, "unit": UNIT,
        "n": total.n, "of": total.of, "ci95": list(total.ci95) if total.ci95 and value is not None else None,
        "weights": weights, "status": "failed" if value is None else "ok", "reason": reason,
        "aggregate": total.aggregate, "interval": total.interval, "warnings": list(told), "codes": counts,
        "size": "mixed" if len(shown) > 1 else next(iter(shown), None),
        "details": _counted(metric, own) | total.details,
    }  # fmt: skip


def _skipped(record: EvaluationRecord, protocol: str, expected: int) -> dict[str, Any]:
    facts = record.skipped[protocol]
    return {
        "value": None, "protocol": protocol, "direction": facts["direction"], "unit": UNIT, "n": 0, "of": expected,
        "ci95": None, "weights": None, "status": "skipped", "reason": facts["reason"], "aggregate": "", "interval": "",
        "warnings": [], "codes": {}, "size": None, "details": {},
    }  # fmt: skip


def _weights(record: EvaluationRecord, kind: str, metric: Metric) -> dict[str, Any] | None:
    """What a number was seen through: the metric's networks, and the autoencoder where the video went through it."""
    keys = [metric.protocol, *([VAE] if kind == "vae" else [])]
    found = [record.weights[key] for key in keys if key in record.weights]
    joined = {part: " + ".join(one[part] for one in found) for part in ("file", "sha256")}
    return joined | {"published": all(one["published"] for one in found)} if found else None


def _counted(metric: Metric, own: Sequence[ClipScore]) -> dict[str, int]:
    """How many frames or windows the clips consist of, for metrics that look at these: ``{"frames": 37500}``."""
    return {} if metric.unit == UNIT else {metric.unit: sum(score.n for score in own if score.usable)}


def _beside(total: Aggregate, weights: Mapping[str, Any] | None) -> list[str]:
    found = []
    if weights and not weights["published"]:
        found.append("not the published weights: this number cannot be compared with any other")
    if total.of and total.n < COVERAGE * total.of and not any("covers" in warning for warning in total.warnings):
        found.append(f"covers {total.n} of {total.of} clips ({total.n / total.of:.0%})")
    return found


def _codes(run: dict[str, Any], baselines: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """The codes of all numbers of a run; a run below the still picture is told so at both numbers."""
    still: Mapping[str, Any] = next((one["scores"] for one in baselines if one["kind"] == "still"), {})
    pairs = [(run["scores"].get(key) or {}, still.get(key) or {}) for key in ("psnr", "ssim")]
    if all(
        None not in (one.get("value"), other.get("value")) and one["value"] < other["value"] for one, other in pairs
    ):
        for one, _ in pairs:
            one["codes"][BELOW_STILL] = one["n"]
            one["warnings"].append(
                "worse than the still picture by PSNR and SSIM: is this the right crop, and pairing?"
            )
    found: dict[str, int] = {}
    for one in run["scores"].values():
        for code, count in one["codes"].items():
            found[code] = max(found.get(code, 0), count)
    return found


def _one_size(runs: Sequence[Mapping[str, Any]]) -> None:
    """Numbers of one column that were made of different sizes say so."""
    for key in {key for run in runs for key in run["scores"]}:
        column = [(run["name"], one) for run in runs if (one := run["scores"].get(key)) and one["size"]]
        if len({one["size"] for _, one in column}) < 2:
            continue
        told = ", ".join(f"{name} {one['size']}" for name, one in column)
        for _, one in column:
            one["codes"]["mixed_size"] = one["n"]
            one["warnings"].append(f"runs of different sizes in one column ({told}); --size N brings all to one")


def _with_features(row: ScoreRow, key: str, metric: Metric, features: Features) -> ClipScore:
    wanted = key and (metric.keeps_features or metric.compares == "sets")
    return replace(row.score, features=features(key) if wanted else None)
