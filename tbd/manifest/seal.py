"""Sealing: finished rows + reviews + a split rule -> ``manifest.parquet``, always the same bytes.

Rows stream through in groups of 2,000, so memory does not grow with their number. A rule has to see
all rows before the first is written; then they wait in a spool file beside the manifest.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tbd import workspace
from tbd.errors import InputError
from tbd.manifest import reviews
from tbd.manifest.curation import write_curation
from tbd.manifest.lock import manifest_lock
from tbd.manifest.reader import MANIFEST, locate_manifest, open_manifest, row_groups
from tbd.manifest.review_columns import decided_texts_gone, with_reviews
from tbd.manifest.rows import parse_rows
from tbd.manifest.run import RUN, ManifestRun, read_run, write_run
from tbd.manifest.schema import MODEL_COLUMNS, MODEL_SCHEMA, ROW_GROUP, SCHEMA
from tbd.manifest.split import SPLIT_COLUMNS, SplitRule, assign_split


@dataclass(slots=True)
class Sealed:
    """What was written: where, how many rows, and how they stand.

    Attributes:
        status, split, review: rows by ``status``, by ``split`` (key "" where it is null) and by ``review_status``.
        notes: what a person should know about the split, and about decisions.
    """

    path: Path
    rows: int = 0
    needs_review: int = 0
    approved: int = 0
    status: Counter[str] = field(default_factory=Counter)
    split: Counter[str] = field(default_factory=Counter)
    review: Counter[str] = field(default_factory=Counter)
    notes: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The counts as plain values, ready for ``json.dumps``."""
        counters = {name: dict(getattr(self, name)) for name in ("status", "split", "review")}
        return {
            "manifest": str(self.path),
            "rows": self.rows,
            "needs_review": self.needs_review,
            "approved": self.approved,
            **counters,
            "notes": list(self.notes),
        }

    def count(self, table: pa.Table) -> None:
        """Add the rows of one group."""
        self.rows += len(table)
        self.needs_review += pc.sum(table["needs_review"]).as_py() or 0
        self.approved += pc.sum(table["approved"]).as_py() or 0
        for counter, name in ((self.status, "status"), (self.split, "split"), (self.review, "review_status")):
            counter.update({pair["values"] or "": pair["counts"] for pair in table[name].value_counts().to_pylist()})


def seal_manifest(
    folder: Path,
    rows: Iterable[str | bytes],
    *,
    split: SplitRule | None = None,
    decisions: reviews.Decisions | None = None,
) -> Sealed:
    """Write ``folder/manifest.parquet`` from finished rows: a pure function of its arguments.

    Args:
        folder: the manifest folder; an older manifest in it is replaced whole, or not at all.
        rows: one JSON object each with ``MODEL_COLUMNS``, sorted by ``clip_id``; other keys are ignored.
        split: the rule that fills ``split``; None leaves what the dataset itself says.
        decisions: what people decided; None takes them from ``folder/reviews.sqlite``.

    Raises:
        InputError: a row is not as described, or the rule is not made for these rows.
        MissingError: the disk is full.
    """
    with manifest_lock(folder):
        made = reviews.read_decisions(folder) if decisions is None else decisions
        sealed = write_manifest(folder / MANIFEST, parse_rows(rows), split=split, decisions=made)
        write_curation(folder, made)
        return sealed


def seal_as_recorded(folder: Path, rows: Iterable[str | bytes]) -> Sealed:
    """``seal_manifest`` by the rule and the reviews that the folder holds once nobody else writes into it.

    Args:
        rows: read only then, so that rows which another writer has just finished are among them.
    """
    with manifest_lock(folder):
        return seal_manifest(folder, rows, split=recorded_split(folder))


def reseal_manifest(path: str | Path, *, decisions: reviews.Decisions | None = None) -> Sealed:
    """Seal an existing manifest again, with the reviews of now and the split rule of ``run.json``.

    The bytes are those that ``seal`` gives for the same rows.

    Raises:
        InputError: no manifest; or it cannot be known what to write: reviews that the manifest shows
            are missing, or the rule was taken out of ``run.json`` and with it the dataset's own split.
    """
    file = locate_manifest(path)
    with manifest_lock(file.parent):
        split = recorded_split(file.parent)
        _refuse_loss(file, split)
        made = reviews.read_decisions(file.parent) if decisions is None else decisions
        rows = (group.cast(MODEL_SCHEMA) for group in row_groups(file, MODEL_COLUMNS))
        sealed = write_manifest(file, rows, split=split, decisions=made)
        write_curation(file.parent, made)
        return sealed


def resplit_manifest(path: str | Path, split: SplitRule) -> Sealed:
    """Record a rule in ``run.json`` and seal again with it.

    Raises:
        InputError: as ``reseal``, or the rule is not made for these rows; nothing has changed then.
    """
    file = locate_manifest(path)
    with manifest_lock(file.parent, "splitting the manifest"):
        _refuse_loss(file, split)
        with open_manifest(file) as parquet:
            rows = parquet.read(columns=list(SPLIT_COLUMNS))
        assign_split(rows, split)
        run = read_run(file.parent) or ManifestRun()
        write_run(file.parent, replace(run, split=split, split_recorded=True))
        return reseal_manifest(file)


def recorded_split(folder: Path) -> SplitRule | None:
    """The rule in ``run.json``; without that key, the rule that the manifest was sealed with.

    None when there is none, and what the datasets themselves say holds.
    """
    run, file = read_run(folder), folder / MANIFEST
    if run and run.split_recorded:
        return run.split
    split = _sealed_split(file) if file.is_file() else None
    return SplitRule(split["rule"], split.get("seed", 0)) if split else None


def write_manifest(
    path: Path, tables: Iterable[pa.Table], *, split: SplitRule | None, decisions: reviews.Decisions
) -> Sealed:
    """Write a manifest from tables of ``MODEL_SCHEMA``, ``ROW_GROUP`` rows each but the last, sorted."""
    sealed, gone = Sealed(path), list[int]()
    metadata = {**(SCHEMA.metadata or {}), b"split": json.dumps(split.as_json() if split else None).encode()}

    def write_tables(temporary: Path, tables: Iterable[pa.Table]) -> None:
        with pq.ParquetWriter(temporary, SCHEMA.with_metadata(metadata), compression="zstd") as writer:
            for rows in tables:
                table = with_reviews(rows, decisions).select(SCHEMA.names).cast(SCHEMA).combine_chunks()
                writer.write_table(table, row_group_size=ROW_GROUP)
                sealed.count(table)
                gone.append(decided_texts_gone(rows, decisions))

    def write_split(temporary: Path) -> None:
        if split is None:
            return write_tables(temporary, tables)
        spool = temporary.with_name(temporary.name + ".rows")
        try:
            assignment = assign_split(_spool(tables, spool), split)
            sealed.notes = assignment.notes
            return write_tables(temporary, _spooled(spool, assignment.sides))
        finally:
            spool.unlink(missing_ok=True)

    workspace.write_whole(path, write_split)
    if sum(gone):
        sealed.notes += (f"{sum(gone)} reviewed clips have another text now; decisions about the old one do not count",)
    return sealed


def _spool(tables: Iterable[pa.Table], spool: Path) -> pa.Table:
    """Put the rows into a file, and keep the columns that a rule looks at."""
    kept = [MODEL_SCHEMA.empty_table().select(SPLIT_COLUMNS)]
    options = pa.ipc.IpcWriteOptions(compression="lz4")
    with pa.OSFile(str(spool), "wb") as sink, pa.ipc.new_file(sink, MODEL_SCHEMA, options=options) as writer:
        for table in tables:
            writer.write_table(table.combine_chunks())
            kept.append(table.select(SPLIT_COLUMNS).combine_chunks())
    return pa.concat_tables(kept)


def _spooled(spool: Path, sides: list[str]) -> Iterator[pa.Table]:
    at = MODEL_SCHEMA.get_field_index("split")
    with pa.OSFile(str(spool), "rb") as source, pa.ipc.open_file(source) as reader:
        done = 0
        for index in range(reader.num_record_batches):
            table = pa.Table.from_batches([reader.get_batch(index)])
            column = pa.array(sides[done : done + len(table)], pa.string())
            done += len(table)
            yield table.set_column(at, MODEL_SCHEMA.field(at), column)


def _refuse_loss(file: Path, split: SplitRule | None) -> None:
    before = _sealed_split(file)
    if before and split is None:
        raise InputError(
            f"{file.parent}: split by {before['rule']}, but {RUN} says that no rule applies; "
            "the dataset's own split is not in the sealed file",
            next=f"tbd manifest seal {file.parent}",
        )
    refuse_lost_reviews(file)


def refuse_lost_reviews(file: Path) -> None:
    """Raises ``InputError`` where a manifest shows reviews whose store is gone: a new one would bury them."""
    if (file.parent / reviews.FILE).is_file():
        return
    with open_manifest(file) as parquet:
        statuses = parquet.read(columns=["review_status"])["review_status"]
    if count := pc.sum(pc.not_equal(statuses, "unreviewed")).as_py():
        raise InputError(
            f"{file.parent}: {count} rows are reviewed, but {reviews.FILE} is missing",
            next=f"put {reviews.FILE} back beside {file.name}",
        )


def _sealed_split(file: Path) -> dict[str, Any] | None:
    with open_manifest(file) as parquet:
        split: dict[str, Any] | None = json.loads((parquet.schema_arrow.metadata or {}).get(b"split", b"null"))
    return split
