"""The result folder: one row a clip and metric, features beside them, and from these alone the headline numbers.

results/<name>/scores.json        every number with protocol, weights, coverage, interval
               clips.parquet      one row a clip and metric, failed ones included
               features/*.npz     what metrics that compare sets have seen, by the rows' ``key`` and ``reference_key``
               report.html        the table, for people
               parts/2-of-8/      what one shard wrote; when all parts are there, they are merged
"""

from __future__ import annotations

import contextlib
import json
import shlex
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from tbd import workspace
from tbd.errors import InputError
from tbd.evaluate.inputs.jobs import Comparison, ScoreRow
from tbd.evaluate.inputs.record import EvaluationRecord
from tbd.evaluate.metrics.base import ClipScore, Metric
from tbd.evaluate.outputs.codes import codes
from tbd.evaluate.outputs.scores import Features, in_order, scores

CLIPS, SCORES, RECORD, FEATURES, PARTS = "clips.parquet", "scores.json", "evaluation.json", "features", "parts"

LABELS = {"emotion": pa.string(), "level": pa.int64(), "subject": pa.string(), "view": pa.string()}
_KINDS = {"int": pa.int64(), "float": pa.float64(), "bool": pa.bool_(), "str": pa.string()}

SCHEMA = pa.schema(
    {
        "name": pa.string(),  # of the run, or of the baseline
        "kind": pa.string(),  # run, truth, vae, still
        "clip_id": pa.string(),
        "metric": pa.string(),
        "protocol": pa.string(),
        "value": pa.float64(),
        "n": pa.int64(),
        "status": pa.string(),  # ok, failed, missing, extra, duplicate, unreadable
        "reason": pa.string(),
        "note": pa.string(),
        "codes": pa.list_(pa.string()),  # see tbd.evaluate.outputs.codes
        **{one.name: _KINDS[str(one.type).partition(" ")[0]] for one in fields(Comparison)},
        **LABELS,
        "video": pa.string(),  # below the run's folder
        "reference": pa.string(),  # below the ground truth's
        "reference_content": pa.string(),  # what it holds, and how it is cut; null in older results
        "details": pa.string(),  # JSON
        "key": pa.string(),
        "reference_key": pa.string(),
    }
)


def write(
    folder: Path, record: EvaluationRecord, rows: Sequence[ScoreRow], metrics: Sequence[Metric], features: Features
) -> dict[str, Any]:
    """Write a whole result folder; returns the document of ``scores.json``.

    Raises:
        InputError: the folder cannot be written.
        MissingError: the disk is full.
    """
    rows = in_order(rows)
    document = scores(record, rows, metrics, features)
    write_rows(folder, record, rows, features)
    workspace.write_json(folder / SCORES, document)
    return document


def write_rows(folder: Path, record: EvaluationRecord, rows: Sequence[ScoreRow], features: Features) -> None:
    """Write what the numbers are made from: rows, features, and what the evaluation was."""
    written: set[str] = set()
    for protocol in sorted({row.protocol for row in rows if row.key}):
        own = {key for row in rows if row.protocol == protocol for key in (row.key, row.reference_key) if key}
        arrays = {key: array for key in sorted(own - written) if (array := features(key)) is not None}
        written |= own
        if arrays:  # metrics that share their features find them under the first one's name
            path = folder / FEATURES / f"{protocol.replace('@', '-')}.npz"
            workspace.write_whole(path, lambda temporary, arrays=arrays: _save(temporary, arrays))  # type: ignore[misc]
    workspace.write_whole(folder / CLIPS, lambda temporary: pq.write_table(table(rows, record.settings), temporary))
    workspace.write_json(folder / RECORD, asdict(record))


def read(folder: Path) -> tuple[EvaluationRecord, list[ScoreRow], Features]:
    """What ``write_rows`` wrote.

    Raises:
        InputError: there is none, or it is damaged.
    """
    try:
        document: dict[str, Any] = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        kept: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in document.items()
        }
        record = EvaluationRecord(**kept)
        rows = [_row(line) for line in pq.read_table(folder / CLIPS, schema=SCHEMA).to_pylist()]
    except (OSError, ValueError, TypeError, pa.ArrowInvalid) as error:
        raise InputError(f"{folder}: no results that can be read ({error})", next="tbd eval RUN -o DIR") from None
    return record, rows, _stored(folder)


def _stored(folder: Path) -> Features:
    """The features of a result; a file is closed when nobody asks for features any more."""
    paths = sorted((folder / FEATURES).glob("*.npz"))
    with _readable(folder):
        stores = [np.load(path, allow_pickle=False) for path in paths]

    def found(key: str) -> npt.NDArray[Any] | None:
        with _readable(folder):
            return next((store[key] for store in stores if key in store), None)

    return found


@contextlib.contextmanager
def _readable(folder: Path) -> Iterator[None]:
    """What a damaged file of features raises, when it is opened or when a part of it is read, in words."""
    try:
        yield
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(
            f"{folder / FEATURES}: no features that can be read ({error})", next="tbd eval RUN -o DIR"
        ) from None


def table(rows: Iterable[ScoreRow], settings: Mapping[str, Any]) -> pa.Table:
    """Rows as Arrow, one a clip and metric."""
    lines = []
    for row in rows:
        line = {name: getattr(row, name, None) for name in SCHEMA.names} | asdict(row.comparison) | dict(row.labels)
        line |= {"metric": row.protocol.partition("@")[0], "codes": codes(row.comparison, settings)}
        line |= {"value": row.score.value, "n": row.score.n, "reason": row.score.reason}
        lines.append(line | {"details": json.dumps(row.score.details, sort_keys=True, ensure_ascii=False)})
    return pa.Table.from_pylist(lines, SCHEMA)


def merge(folder: Path, metrics: Callable[[Sequence[str]], Sequence[Metric]]) -> dict[str, Any] | None:
    """Make one result of all parts of a folder; None while some are not there yet.

    The result is the same, number by number, as that of one run over all clips.

    Args:
        metrics: gives the metrics of protocols.

    Raises:
        InputError: parts of different evaluations lie there; or there is none.
    """
    parts = sorted(path for path in (folder / PARTS).glob("*-of-*") if (path / RECORD).is_file())
    counts = {int(path.name.rpartition("-")[2]) for path in parts}
    if not parts:
        raise InputError(f"{folder}: no parts to merge in it", next="tbd eval RUN --shard 1/4 -o DIR")
    anew = f"rm -r {shlex.quote(str(folder / PARTS))}   # then every part again: finished clips are in the cache"
    if len(counts) > 1:
        told = " and ".join(map(str, sorted(counts)))
        raise InputError(f"{folder / PARTS}: parts of {told} shards", next=anew)
    if len(parts) < counts.pop():
        return None
    found = [read(part) for part in parts]
    first = _essence(found[0][0])
    for part, (record, _, _) in zip(parts, found, strict=True):
        if differs := [name for name, value in _essence(record).items() if value != first[name]]:
            raise InputError(f"{part}: made otherwise than {parts[0].name} ({', '.join(differs)} differ)", next=anew)

    def features(key: str) -> npt.NDArray[Any] | None:
        return next((array for _, _, get in found if (array := get(key)) is not None), None)

    record = found[0][0]
    return write(folder, record, [row for _, part, _ in found for row in part], metrics(record.metrics), features)


def _essence(record: EvaluationRecord) -> dict[str, Any]:
    """What parts of one evaluation have in common: everything but how it was asked for."""
    return {name: value for name, value in asdict(record).items() if name != "asked"}


def _row(line: dict[str, Any]) -> ScoreRow:
    score = ClipScore(line["value"], line["n"], line["reason"], json.loads(line["details"]))
    comparison = Comparison(**{one.name: line[one.name] for one in fields(Comparison)})
    labels = {name: line[name] for name in LABELS if line[name] is not None}
    kept = {one.name: line[one.name] for one in fields(ScoreRow) if one.name in line}
    kept["reference_content"] = kept["reference_content"] or ""
    return ScoreRow(**kept, score=score, comparison=comparison, labels=labels)


def _save(path: Path, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    with path.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]
