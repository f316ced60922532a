"""The result folder: one row a clip and metric, features beside them, and from these alone the headline numbers.

results/<name>/scores.json        every number with protocol, weights, coverage, interval
               clips.parquet      one row a clip and metric, failed ones included
               features/*.npz     of metrics that compare sets, by the rows' ``key`` and ``reference_key``
               report.html        the table, for people
               parts/2-of-8/      what one shard wrote; when all parts are there, they are merged
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from tbd import workspace
from tbd.errors import InputError
from tbd.evaluate.engine.baselines import VAE
from tbd.evaluate.inputs.jobs import ANCHORS, Scored, Settings
from tbd.evaluate.metrics.base import Aggregate, ClipScore, Metric

CLIPS, SCORES, META, FEATURES, PARTS = "clips.parquet", "scores.json", "evaluation.json", "features", "parts"

SCHEMA = pa.schema(
    {
        "name": pa.string(),  # of the run, or of the anchor
        "kind": pa.string(),  # run, truth, vae, still
        "clip_id": pa.string(),
        "metric": pa.string(),
        "protocol": pa.string(),
        "value": pa.float64(),
        "n": pa.int64(),
        "status": pa.string(),  # ok, failed, missing, extra, duplicate, unreadable
        "reason": pa.string(),
        "frames": pa.int64(),
        "reference_frames": pa.int64(),
        "note": pa.string(),
        "details": pa.string(),  # JSON
        "key": pa.string(),
        "reference_key": pa.string(),
    }
)

Features = Callable[[str], npt.NDArray[Any] | None]
"""From a ``key`` to the features under it."""

USUAL = Settings()
"""What a protocol's name does not mention."""

UNIT = "clips"
"""What ``n`` and ``of`` of every number count; frames and windows are counted in its details."""

LEAST = 0.8
"""Coverage below which a number needs a warning beside it."""


@dataclass(frozen=True)
class Meta:
    """What an evaluation was; equal for all of its shards.

    Attributes:
        runs: name -> what is known of the run: its folder's name, how its videos were matched.
        metrics: protocols that were computed.
        skipped: protocol -> why it was not, with its direction.
        weights: protocol -> ``{file, sha256, published}``; also of the autoencoder, under its catalogue key.
        settings: align, length, region.
        anchors: names of those that were computed.
        notes: what a reader must know.
        truth: where the ground truth came from, in words.
        version: of tbd.
    """

    runs: Mapping[str, Mapping[str, Any]]
    metrics: tuple[str, ...]
    skipped: Mapping[str, Mapping[str, str]]
    weights: Mapping[str, Mapping[str, Any]]
    settings: Mapping[str, str]
    anchors: tuple[str, ...]
    notes: tuple[str, ...]
    truth: str
    version: str


def write(
    folder: Path, meta: Meta, rows: Sequence[Scored], metrics: Sequence[Metric], features: Features
) -> dict[str, Any]:
    """Write a whole result folder; returns the document of ``scores.json``.

    Raises:
        InputError: the folder cannot be written.
        MissingError: the disk is full.
    """
    rows = in_order(rows)
    document = scores(meta, rows, metrics, features)
    write_rows(folder, meta, rows, features)
    workspace.write_json(folder / SCORES, document)
    return document


def write_rows(folder: Path, meta: Meta, rows: Sequence[Scored], features: Features) -> None:
    """Write what the numbers are made from: rows, features, and what the evaluation was."""
    protocols = {row.protocol for row in rows if row.reference_key}
    for protocol in sorted(protocols):
        keys = {key for row in rows if row.protocol == protocol for key in (row.key, row.reference_key) if key}
        arrays = {key: array for key in sorted(keys) if (array := features(key)) is not None}
        path = folder / FEATURES / f"{protocol.replace('@', '-')}.npz"
        workspace.write_whole(path, lambda temporary, arrays=arrays: _save(temporary, arrays))  # type: ignore[misc]
    workspace.write_whole(folder / CLIPS, lambda temporary: pq.write_table(table(rows), temporary))
    workspace.write_json(folder / META, asdict(meta))


def read(folder: Path) -> tuple[Meta, list[Scored], Features]:
    """What ``write_rows`` wrote.

    Raises:
        InputError: there is none, or it is damaged.
    """
    try:
        kept: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in _json(folder / META).items()
        }
        meta = Meta(**kept)
        rows = [_scored(line) for line in pq.read_table(folder / CLIPS, schema=SCHEMA).to_pylist()]
    except (OSError, ValueError, TypeError, pa.ArrowInvalid) as error:
        raise InputError(f"{folder}: no results that can be read ({error})", next="tbd eval RUN -o DIR") from None
    stores = [np.load(path, allow_pickle=False) for path in sorted((folder / FEATURES).glob("*.npz"))]
    return meta, rows, lambda key: next((store[key] for store in stores if key in store), None)


def table(rows: Iterable[Scored]) -> pa.Table:
    """Rows as Arrow, one a clip and metric."""
    lines = [
        {
            name: getattr(row, name)
            for name in ("name", "kind", "clip_id", "protocol", "status", "frames", "note", "key")
        }
        | {"metric": row.protocol.partition("@")[0], "value": row.score.value, "n": row.score.n}
        | {"reason": row.score.reason, "details": json.dumps(row.score.details, sort_keys=True, ensure_ascii=False)}
        | {"reference_frames": row.reference_frames, "reference_key": row.reference_key}
        for row in rows
    ]
    return pa.Table.from_pylist(lines, SCHEMA)


def merge(folder: Path, metrics: Callable[[Sequence[str]], Sequence[Metric]]) -> dict[str, Any] | None:
    """Make one result of all parts of a folder; None while some are not there yet.

    The result is the same, number by number, as that of one run over all clips.

    Args:
        metrics: gives the metrics of protocols.

    Raises:
        InputError: parts of different evaluations lie there; or there is none.
    """
    parts = sorted(path for path in (folder / PARTS).glob("*-of-*") if (path / META).is_file())
    counts = {int(path.name.rpartition("-")[2]) for path in parts}
    if not parts:
        raise InputError(f"{folder}: no parts to merge in it", next="tbd eval RUN --shard 1/4 -o DIR")
    if len(counts) > 1:
        raise InputError(
            f"{folder / PARTS}: parts of {' and '.join(map(str, sorted(counts)))} shards; remove the old ones"
        )
    if len(parts) < counts.pop():
        return None
    found = [read(part) for part in parts]
    metas = [meta for meta, _, _ in found]
    for part, meta in zip(parts, metas, strict=True):
        differs = [name for name in asdict(meta) if getattr(meta, name) != getattr(metas[0], name)]
        if differs:
            raise InputError(f"{part}: made otherwise than {parts[0].name} ({', '.join(differs)} differ)")
    rows = [row for _, part, _ in found for row in part]

    def features(key: str) -> npt.NDArray[Any] | None:
        return next((array for _, _, get in found if (array := get(key)) is not None), None)

    return write(folder, metas[0], rows, metrics(metas[0].metrics), features)


def in_order(rows: Iterable[Scored]) -> list[Scored]:
    """Rows as they are stored: the runs, then the anchors, by name, clip and protocol."""
    kinds = ["run", *ANCHORS]
    return sorted(rows, key=lambda row: (kinds.index(row.kind), row.name, row.clip_id, row.protocol))


def scores(meta: Meta, rows: Sequence[Scored], metrics: Sequence[Metric], features: Features) -> dict[str, Any]:
    """The document of ``scores.json``, made from the rows and their features alone.

    Args:
        rows: in the order of ``in_order``.
    """
    by: dict[tuple[str, str], list[Scored]] = {}
    for row in rows:
        by.setdefault((row.name, row.protocol), []).append(row)

    def one(name: str) -> dict[str, Any]:
        done = {
            metric.key: _entry(meta, name, metric, by.get((name, metric.protocol), []), features) for metric in metrics
        }
        scored = len({row.clip_id for row in rows if row.name == name})
        expected = int(meta.runs[name]["expected"]) if name in meta.runs else scored
        left = {protocol.partition("@")[0]: _skipped(meta, protocol, expected) for protocol in meta.skipped}
        return {"name": name, "scores": done | left}

    return {
        "runs": [
            one(name) | {"clips": dict(facts) | {"failed": _failed(rows, name)}} for name, facts in meta.runs.items()
        ],
        "anchors": [one(name) for name in meta.anchors],
        "settings": dict(meta.settings),
        "truth": meta.truth,
        "notes": list(meta.notes),
        "tbd": meta.version,
    }


def _failed(rows: Sequence[Scored], name: str) -> int:
    """Clips of a run that should have a number and have none, under any metric."""
    own = [row for row in rows if row.name == name and row.status != "extra"]
    return len({row.clip_id for row in own} - {row.clip_id for row in own if row.status == "ok"})


def _entry(meta: Meta, name: str, metric: Metric, rows: Sequence[Scored], features: Features) -> dict[str, Any]:
    own = [_with_features(row, row.key, metric, features) for row in rows]
    truth = [_with_features(row, row.reference_key, metric, features) for row in rows]
    total = metric.aggregate(own, truth) if metric.compares == "sets" else metric.aggregate(own)
    value = total.value if total.value is not None and math.isfinite(total.value) else None
    status = "failed" if value is None else "ok"
    reason = total.reason or ("" if value is not None else "no clip could be scored")
    weights = _weights(meta, name, metric)
    warnings = [*total.warnings, *_warnings(total, weights)]
    return {
        "value": value, "protocol": signature(metric, meta.settings), "direction": metric.direction, "unit": UNIT,
        "n": total.n, "of": total.of, "ci95": list(total.ci95) if total.ci95 and value is not None else None,
        "weights": weights, "status": status, "reason": reason, "aggregate": total.aggregate, "interval": total.interval,
        "warnings": list(dict.fromkeys(warnings)), "details": _counted(metric, own) | total.details,
    }  # fmt: skip


def _weights(meta: Meta, name: str, metric: Metric) -> dict[str, Any] | None:
    """What a number was seen through: the metric's networks, and the autoencoder where the video went through it."""
    keys = [metric.protocol, *([VAE] if name == ANCHORS["vae"] else [])]
    found = [meta.weights[key] for key in keys if key in meta.weights]
    joined = {part: " + ".join(one[part] for one in found) for part in ("file", "sha256")}
    return joined | {"published": all(one["published"] for one in found)} if found else None


def _counted(metric: Metric, scores: Sequence[ClipScore]) -> dict[str, int]:
    """How many frames or windows the clips consist of, for metrics that look at these: ``{"frames": 37500}``."""
    return {} if metric.unit == UNIT else {metric.unit: sum(score.n for score in scores if score.usable)}


def signature(metric: Metric, settings: Mapping[str, str]) -> str:
    """Everything that names a number: ``ssim@skimage``, ``ssim@skimage/align=face,length=resample``.

    What is as usual (canvas, truncate, full) and what cannot change the number is left out.
    """
    looks = [] if metric.needs_audio or metric.needs_faces else ["region"]
    looks += [] if metric.compares == "nothing" else ["align"]
    looks += ["length"] if metric.compares == "frames" else []
    named = [f"{key}={settings[key]}" for key in looks if settings[key] != getattr(USUAL, key)]
    return f"{metric.protocol}/{','.join(named)}".removesuffix("/")


def _skipped(meta: Meta, protocol: str, expected: int) -> dict[str, Any]:
    facts = meta.skipped[protocol]
    return {
        "value": None, "protocol": protocol, "direction": facts["direction"], "unit": UNIT, "n": 0, "of": expected,
        "ci95": None, "weights": None, "status": "skipped", "reason": facts["reason"], "aggregate": "", "interval": "",
        "warnings": [], "details": {},
    }  # fmt: skip


def _warnings(total: Aggregate, weights: Mapping[str, Any] | None) -> list[str]:
    found = []
    if weights and not weights["published"]:
        found.append("not the published weights: this number cannot be compared with any other")
    if total.of and total.n < LEAST * total.of and not any("covers" in warning for warning in total.warnings):
        found.append(f"covers {total.n} of {total.of} clips ({total.n / total.of:.0%})")
    return found


def _with_features(row: Scored, key: str, metric: Metric, features: Features) -> ClipScore:
    return replace(row.score, features=features(key) if key and metric.compares == "sets" else None)


def _scored(line: dict[str, Any]) -> Scored:
    score = ClipScore(line["value"], line["n"], line["reason"], json.loads(line["details"]))
    kept = {name: line[name] for name in line if name not in ("value", "n", "reason", "details", "metric")}
    return Scored(score=score, **kept)


def _json(path: Path) -> dict[str, Any]:
    document = json.loads(path.read_text(encoding="utf-8"))
    return dict(document)


def _save(path: Path, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    with path.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]
