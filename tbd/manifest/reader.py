"""Opening a manifest: a folder or its Parquet file, checked before it is believed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tbd.errors import InputError, UsageError
from tbd.manifest import reviews
from tbd.manifest.review_columns import NEEDED, with_reviews
from tbd.manifest.rows import as_rows
from tbd.manifest.schema import REVIEW_COLUMNS, SCHEMA, SCHEMA_VERSION
from tbd.storage import copied
from tbd.workspace import url_of

MANIFEST, JOURNAL = "manifest.parquet", "journal.sqlite"


def read_manifest(path: str | Path, columns: Sequence[str] | None = None) -> pa.Table:
    """The rows of a manifest with every review applied, also those made since it was sealed.

    Args:
        path: a manifest folder or its ``manifest.parquet``.
        columns: what to read; None reads every column of ``SCHEMA``. Fewer are much faster.

    Returns:
        A table whose columns are those of ``SCHEMA``, in that order, or ``columns`` in theirs.

    Raises:
        InputError: there is no manifest, it is damaged, or a newer version of tbd wrote it.
        UsageError: there is no such column.
    """
    wanted = list(SCHEMA.names if columns is None else columns)
    unknown = [name for name in wanted if name not in SCHEMA.names]
    if unknown:
        raise UsageError(f"a manifest has no column {unknown[0]!r}; it has: {', '.join(SCHEMA.names)}")
    file = locate_manifest(path)
    store = file.parent / reviews.FILE
    fresh = store.is_file() and not set(wanted).isdisjoint(REVIEW_COLUMNS)
    with open_manifest(file) as parquet:
        needed = wanted + [name for name in NEEDED if fresh and name not in wanted]
        table = parquet.read(columns=needed)
    if fresh:
        table = with_reviews(table, reviews.read_decisions(file.parent))
    return table.select(wanted)


def rejected_clips(folder: Path) -> set[str]:
    """The clips whose present text people rejected: those that ``--retry rejected`` asks for again.

    Not those that were rejected for their media or their label: no new text can mend them.
    """
    if not (folder / MANIFEST).is_file():
        return set()
    table = read_manifest(folder, ["clip_id", "prompts", "review_status"])
    rows = as_rows(table.filter(pc.equal(table["review_status"], "rejected")))
    made = reviews.read_decisions(folder) if rows else {}
    return {row["clip_id"] for row in rows if _for_its_text(made.get(row["clip_id"], {}), row["prompts"])}


def _for_its_text(about: Mapping[str, reviews.Decision], prompts: Sequence[str]) -> bool:
    decision = reviews.decision_about(about, prompts)
    return decision is None or decision.reason in (None, "text")


def locate_manifest(path: str | Path) -> Path:
    """The Parquet file of a manifest, given the file or its folder; one that lies elsewhere is copied here first.

    Raises:
        InputError: there is none; the message says what is there instead.
    """
    if url := url_of(path):
        folder, _, name = url.rpartition("/") if url.endswith(".parquet") else (url, "", "")
        path = copied(folder) / name
    path = Path(path)
    if path.is_file():
        return path
    file = path / MANIFEST
    if file.is_file():
        return file
    if (path / JOURNAL).is_file():
        raise InputError(f"{path}: annotated, but not sealed yet", next=f"tbd manifest seal {path}")
    if path.is_dir():
        raise InputError(f"{path}: no manifest in this folder ({MANIFEST} is missing)", next="tbd manifest list")
    raise InputError(f"{path}: there is no such file or folder", next="tbd manifest list")


@contextmanager
def open_manifest(file: Path) -> Iterator[pq.ParquetFile]:
    """A manifest's Parquet file, known to be whole and to have the columns of ``SCHEMA``.

    Raises:
        InputError: it is not; also when a damaged part is met while reading inside the block.
    """
    try:
        with pq.ParquetFile(file) as parquet:
            _check(file, parquet.schema_arrow)
            yield parquet
    except (pa.ArrowInvalid, OSError) as error:  # pyarrow reports damaged pages as OSError
        seal = f"tbd manifest seal {file.parent}" if (file.parent / JOURNAL).is_file() else None
        raise InputError(f"{file}: {_damage(file, error)}", next=seal or "tbd manifest list") from None


def row_groups(file: Path, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
    """The row groups of a manifest one by one, as they are stored (reviews as of sealing).

    Raises:
        InputError: as ``opened``, at the group that is damaged.
    """
    with open_manifest(file) as parquet:
        for index in range(parquet.num_row_groups):
            yield parquet.read_row_group(index, columns=None if columns is None else list(columns))


def _check(file: Path, schema: pa.Schema) -> None:
    version = (schema.metadata or {}).get(b"schema_version", b"").decode()
    if not version.isdigit():
        raise InputError(f"{file}: a Parquet file, but not a manifest of tbd (no schema_version)")
    if int(version) > SCHEMA_VERSION:
        raise InputError(
            f"{file}: written by a newer tbd (schema version {version}, this one reads {SCHEMA_VERSION})",
            next="pip install --upgrade think-before-draw",
        )
    if not schema.equals(SCHEMA):
        odd = [field.name for field in SCHEMA if field not in list(schema)] or ["their order or number"]
        raise InputError(f"{file}: the columns are not those of a manifest (differs: {', '.join(odd[:5])})")


def _damage(file: Path, error: Exception) -> str:
    with file.open("rb") as stream:
        start = stream.read(4)
        stream.seek(max(0, file.stat().st_size - 4))
        end = stream.read(4)
    if start != b"PAR1":
        return "not a Parquet file"
    return "cut off: the end of the file is missing" if end != b"PAR1" else f"damaged ({error})"
