"""From finished rows, one JSON object each, to Arrow tables of ``MODEL_SCHEMA``; and from tables to rows."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pj

from tbd.errors import InputError
from tbd.manifest.schema import MODEL_SCHEMA, ROW_GROUP
from tbd.schema import ManifestRow


def as_rows(table: pa.Table | pa.RecordBatch) -> list[ManifestRow]:
    """The rows of a manifest's table as plain values: where Arrow's columns become typed rows."""
    rows: list[ManifestRow] = table.to_pylist()
    return rows


def _parsed(kind: pa.DataType) -> pa.DataType:
    """What the JSON reader can make of a column type: it knows lists, but none of fixed length."""
    return pa.list_(kind.value_type) if pa.types.is_fixed_size_list(kind) else kind


_PARSED = pa.schema([pa.field(column.name, _parsed(column.type)) for column in MODEL_SCHEMA])


def parse_rows(rows: Iterable[str | bytes]) -> Iterator[pa.Table]:
    """Rows as tables of ``ROW_GROUP`` rows each (the last may be shorter).

    Args:
        rows: JSON objects with the columns of ``MODEL_SCHEMA``, sorted by ``clip_id``. A missing key is
            null, a missing list is empty, a key that is no column is ignored.

    Raises:
        InputError: a row is not such an object, a required value is missing, or the order is wrong.
    """
    source, last = iter(rows), ""
    while batch := list(islice(source, ROW_GROUP)):
        table = _table(batch)
        for clip_id in table["clip_id"].to_pylist():
            if not clip_id:
                raise InputError("a row whose clip_id is empty")
            if clip_id <= last:
                reason = "is there twice" if clip_id == last else f"comes after {last!r}; rows must be sorted"
                raise InputError(f"clip_id {clip_id!r} {reason}")
            last = clip_id
        yield table


def _table(batch: Sequence[str | bytes]) -> pa.Table:
    try:
        return _arrow([_line(row) for row in batch])
    except (pa.ArrowInvalid, ValueError):
        for row in batch:  # find the one to name
            try:
                _arrow([_line(row)])
            except (pa.ArrowInvalid, ValueError) as error:
                raise InputError(f"{_name(row)}: {error}") from None
        raise


def _line(row: str | bytes) -> bytes:
    line = (row.encode() if isinstance(row, str) else row).replace(b"\n", b" ").strip()
    if not (line.startswith(b"{") and line.endswith(b"}")):  # anything else can crash Arrow's reader
        raise ValueError("not a JSON object")
    return line


def _arrow(lines: Sequence[bytes]) -> pa.Table:
    data = b"\n".join(lines)
    table = pj.read_json(
        pa.BufferReader(data),
        read_options=pj.ReadOptions(use_threads=False, block_size=len(data) + 1),
        parse_options=pj.ParseOptions(explicit_schema=_PARSED, unexpected_field_behavior="ignore"),
    )
    if len(table) != len(lines):
        raise ValueError("more than one JSON object")
    columns = [_column(table[field.name], field) for field in MODEL_SCHEMA]
    return pa.Table.from_arrays(columns, schema=MODEL_SCHEMA)


def _column(column: pa.ChunkedArray, field: pa.Field) -> pa.ChunkedArray:
    if pa.types.is_list(field.type):
        column = pc.fill_null(column, pa.scalar([], field.type))
    if not field.nullable and column.null_count:
        raise ValueError(f"{field.name} is missing")
    return column.cast(field.type)


def _name(row: str | bytes) -> str:
    try:
        return f"row of clip_id {json.loads(row)['clip_id']!r}"
    except (ValueError, TypeError, KeyError):
        return f"row {row[:60]!r}"
