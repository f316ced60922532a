"""Manifests for other tools: a Hugging Face video folder, WebDataset shards, captions beside videos, CSV, text alone.

Every export is a new folder that appears when it is complete, with ``NOTICE.md`` in it.
"""

from __future__ import annotations

import csv
import io
import json
import shutil
import tarfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tbd import workspace
from tbd.errors import InputError, UsageError
from tbd.manifest import reviews
from tbd.manifest.licences import NO_MEDIA, licence_notice
from tbd.manifest.reader import MANIFEST, locate_manifest, read_manifest
from tbd.manifest.rows import as_rows
from tbd.manifest.run import ManifestRun, clip_settings, dataset_roots, leads_out, write_run
from tbd.manifest.schema import MODEL_COLUMNS, MODEL_SCHEMA, ROW_GROUP
from tbd.manifest.seal import write_manifest
from tbd.schema import ManifestRow

SHARD = 1_000
"""Clips in one WebDataset shard."""


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written.

    Attributes:
        path: the new folder.
        rows: rows in it.
        left_out: clips whose media could not be found, and that a media export therefore lacks.
    """

    path: Path
    rows: int
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Job:
    """Rows on their way out: where from, where to."""

    source: Path
    table: pa.Table
    folder: Path
    roots: Mapping[str, Path]


def export_manifest(
    path: str | Path,
    out: Path,
    format: str,
    *,
    roots: Mapping[str, Path] | None = None,
    approved: bool = False,
    media_right: bool = False,
    dry_run: bool = False,
) -> Exported:
    """Write a manifest in another form.

    ``huggingface``: the media beside a ``metadata.parquet``, for ``load_dataset("videofolder")``; a
    folder each for train and test when every row has a split. ``webdataset``: tar shards with media,
    row as JSON, and final prompts as text. ``captions``: ``clip.mp4`` with ``clip.txt`` beside it, all levels on one line,
    as the trainers of video models read them. ``csv``: one file, lists as JSON. ``text``: a manifest folder
    without media, with its reviews, that ``tbd`` reads as it is (``--root`` then says where the clips lie).

    Args:
        path: a manifest folder or its Parquet file.
        out: a folder that does not exist yet, or is empty.
        format: a key of ``FORMATS``.
        roots: where each dataset lies; what is not named is taken from ``run.json``.
        approved: only rows that are approved.
        media_right: the user has the right to copy media whose terms forbid handing them on.
        dry_run: check and count, and write nothing.

    Raises:
        UsageError: no such format.
        InputError: ``out`` has something in it; media that may not be handed on; no root for a dataset.
    """
    if format not in FORMATS:
        raise UsageError(f"no export format {format!r}; there are: {', '.join(FORMATS)}", next="--format huggingface")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out}: is there already and not empty", next="choose another folder with -o DIR")
    source, table = locate_manifest(path).parent, read_manifest(path)
    if approved:
        table = table.filter(table["approved"])
    found = dataset_roots(source, roots)
    left_out: tuple[str, ...] = ()
    if format in ("huggingface", "webdataset", "captions"):
        table, left_out = _with_media(table, found, media_right)
    if dry_run:
        return Exported(out, len(table), left_out)
    building = out.with_name(f".{out.name}.tmp")
    with workspace.writing(out):
        try:
            shutil.rmtree(building, ignore_errors=True)
            building.mkdir(parents=True)
            FORMATS[format](_Job(source, table, building, found))
            workspace.write_text(building / "NOTICE.md", licence_notice(table["dataset"].unique().to_pylist()))
            building.replace(out)
        finally:
            shutil.rmtree(building, ignore_errors=True)
    return Exported(out, len(table), left_out)


def _with_media(table: pa.Table, roots: Mapping[str, Path], right: bool) -> tuple[pa.Table, tuple[str, ...]]:
    datasets = set(table["dataset"].unique().to_pylist())
    if (forbidden := sorted(datasets & NO_MEDIA)) and not right:
        raise InputError(
            f"the terms of {', '.join(forbidden)} forbid handing its media on",
            next="--format text (no media), or --media-right if you do have the right",
        )
    if homeless := sorted(datasets - roots.keys()):
        raise InputError(f"where {homeless[0]} lies is not known here", next=f"--root {homeless[0]}=PATH")
    there = [all(file.is_file() for file in _media(row, roots).values()) for row in _rows(table, *_NAMES)]
    gone = table.filter(pc.invert(pa.array(there, pa.bool_())))["clip_id"].to_pylist()
    return table.filter(pa.array(there, pa.bool_())), tuple(gone)


_NAMES = ("clip_id", "dataset", "file_name", "audio_file_name")


def _media(row: ManifestRow, roots: Mapping[str, Path]) -> dict[str, Path]:
    """Name relative to the dataset -> file, for the one or two media of a row.

    Raises:
        InputError: a name leads out of the dataset.
    """
    names = [name for name in (row["file_name"], row["audio_file_name"]) if name]
    for name in names:
        if leads_out(name):
            raise InputError(f"{row['clip_id']}: {name!r} leads out of the dataset's folder")
    return {name: roots[row["dataset"]] / name for name in names}


def _rows(table: pa.Table, *columns: str) -> Iterator[ManifestRow]:
    for batch in (table.select(columns) if columns else table).to_batches(max_chunksize=ROW_GROUP):
        yield from as_rows(batch)


def _huggingface(job: _Job) -> None:
    sides = set(job.table["split"].unique().to_pylist())
    for side in sorted(sides) if None not in sides and sides else [""]:
        folder = job.folder / side
        part = job.table.filter(pc.equal(job.table["split"], side)) if side else job.table
        for row in _rows(part, *_NAMES):
            for name, file in _media(row, job.roots).items():
                _copy(file, folder / row["dataset"] / name)
        names = pc.binary_join_element_wise(part["dataset"], part["file_name"], "/")
        part = part.set_column(part.schema.get_field_index("file_name"), "file_name", names)
        renamed = ["audio_path" if name == "audio_file_name" else name for name in part.column_names]
        # videofolder would take a second column that ends in file_name for another video
        pq.write_table(part.rename_columns(renamed).replace_schema_metadata(), folder / "metadata.parquet")


def _copy(file: Path, target: Path) -> None:
    if not target.exists():  # windows of one file share it
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)


def _webdataset(job: _Job) -> None:
    """``{key}.mp4 {key}.json {key}.txt``; keys hold no dot, because what follows the first is the kind."""
    shards: dict[str, list[int]] = {}
    for index, side in enumerate(job.table["split"].to_pylist()):
        shards.setdefault(side or "shard", []).append(index)
    for side, rows in sorted(shards.items()):
        for number, start in enumerate(range(0, len(rows), SHARD)):
            with tarfile.open(job.folder / f"{side}-{number:06d}.tar", "w") as tar:
                for row in _rows(job.table.take(rows[start : start + SHARD])):
                    _add_row(tar, row, job.roots)


def _add_row(tar: tarfile.TarFile, row: ManifestRow, roots: Mapping[str, Path]) -> None:
    key = row["clip_id"].replace(".", "%2E")
    for name, file in _media(row, roots).items():
        with file.open("rb") as stream:
            _add(tar, f"{key}.{name.rpartition('.')[2].lower()}", stream, file.stat().st_size)
    texts = {"json": json.dumps(row, ensure_ascii=False), "txt": "\n".join(row["prompts_final"])}
    for kind, text in texts.items():
        data = text.encode()
        _add(tar, f"{key}.{kind}", io.BytesIO(data), len(data))


def _add(tar: tarfile.TarFile, name: str, stream: Any, size: int) -> None:
    member = tarfile.TarInfo(name)  # time, owner and mode stay fixed: equal input, equal bytes
    member.size = size
    tar.addfile(member, stream)


def _captions(job: _Job) -> None:
    """A caption is about the whole file beside it, so windows of longer files have to be cut first."""
    windows = job.table.filter(pc.or_(pc.is_valid(job.table["start"]), pc.is_valid(job.table["end"])))
    if len(windows):
        raise InputError(
            f"{len(windows)} rows are windows of longer files, which a caption would misname",
            next=f"tbd prepare {job.source} -o DIR   # writes every clip as a file of its own",
        )
    for row in _rows(job.table):
        for name, file in _media(row, job.roots).items():
            _copy(file, job.folder / f"{row['clip_id']}.{name.rpartition('.')[2].lower()}")
        caption = " ".join(filter(None, row["prompts_final"] or row["prompts"]))
        (job.folder / f"{row['clip_id']}.txt").write_text(caption + "\n", encoding="utf-8")


def _csv(job: _Job) -> None:
    with (job.folder / "manifest.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, job.table.column_names, lineterminator="\n")
        writer.writeheader()
        for row in _rows(job.table):
            writer.writerow({name: _cell(value) for name, value in row.items()})


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list) else value


def _text(job: _Job) -> None:
    rows = job.table.select(MODEL_COLUMNS).cast(MODEL_SCHEMA)
    groups = (rows.slice(start, ROW_GROUP) for start in range(0, len(rows), ROW_GROUP))
    write_manifest(job.folder / MANIFEST, groups, split=None, decisions=reviews.read_decisions(job.source))
    if (job.source / reviews.FILE).is_file():
        reviews.copy(job.source / reviews.FILE, job.folder / reviews.FILE)
    rule = clip_settings(job.source)
    write_run(job.folder, ManifestRun(exported=job.source.name, recipe={"clip": rule} if rule else {}))


FORMATS: dict[str, Callable[[_Job], None]] = {
    "huggingface": _huggingface,
    "webdataset": _webdataset,
    "captions": _captions,
    "csv": _csv,
    "text": _text,
}
"""Every form of export by its name."""
