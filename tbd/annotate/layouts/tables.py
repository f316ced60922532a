"""Small tables as rows of text, with the line each row stands on."""

from __future__ import annotations

import codecs
import csv
import itertools
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from tbd.annotate.layouts.base import shown
from tbd.errors import InputError

ENDINGS = (".csv", ".tsv", ".jsonl", ".parquet")
"""Endings of files that are read as tables."""


def columns_of(path: Path) -> list[str]:
    """Names of the columns; of JSONL those of its first line.

    Raises:
        InputError: the table cannot be read.
    """
    if path.suffix.lower() == ".parquet":
        return list(_parquet(path).schema_arrow.names)
    with _opened(path) as file:
        first, _ = _header(file)
        if path.suffix.lower() == ".jsonl":
            return list(_object(path.name, 1, first)) if first.strip() else []
        return [name for name in _names(next(_reader([first], first), [])) if name]


def rows_of(path: Path, name: str) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Line number (of Parquet: row number, from 1) and cells as text; nothing is the empty text.

    Args:
        path: the table.
        name: what errors call it.

    Raises:
        InputError: the table cannot be read, or a line of it; the message has the line.
    """
    if path.suffix.lower() == ".parquet":
        for number, row in enumerate(_parquet(path).read().to_pylist(), 1):
            yield number, _as_text(row)
    elif path.suffix.lower() == ".jsonl":
        with _opened(path) as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield number, _as_text(_object(name, number, line))
    else:
        yield from _csv_rows(path, name)


def _csv_rows(path: Path, name: str) -> Iterator[tuple[int, Mapping[str, str]]]:
    with _opened(path) as file:
        first, before = _header(file)
        names = _names(next(_reader([first], first), []))
        reader = _reader(file, first)
        try:
            for cells in reader:
                if not any(cells):
                    continue
                if any(cells[len(names) :]):
                    raise InputError(f"{shown(name)}, line {before + reader.line_num}: more cells than columns")
                cells += [""] * (len(names) - len(cells))
                yield (
                    before + reader.line_num,
                    {key: cell.strip() for key, cell in zip(names, cells, strict=False) if key},
                )
        except csv.Error as error:
            raise InputError(f"{shown(name)}, line {before + reader.line_num}: {error}") from None


_SEPARATOR = re.compile(r"sep=(.)\s*$")
"""Excel's own first line, which says how cells are separated."""


def _header(file: TextIO) -> tuple[str, int]:
    """The line with the names of the columns, behind Excel's ``sep=;``, and its number."""
    for number in itertools.count(1):
        line = file.readline(1_000_000)
        if not line or not (_SEPARATOR.match(line) or not line.strip()):
            return line, number
    raise AssertionError("a file ends")


def _reader(lines: Iterable[str], header: str) -> Any:
    mark = _delimiter(header)
    blank = re.compile(rf'"[ \t]+(?={re.escape(mark)}|\r?\n|$)')  # "a" , "b": blanks behind a quote
    return csv.reader((blank.sub('"', line) for line in lines), delimiter=mark, skipinitialspace=True, strict=True)


def _names(header: Iterable[str]) -> list[str]:
    return [name.strip().lower() for name in header]


def _delimiter(header: str) -> str:
    return max(",;\t", key=header.count)


def _object(name: str, number: int, line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise InputError(f"{shown(name)}, line {number}, column {error.colno}: not JSON ({error.msg})") from None
    if not isinstance(row, dict):
        raise InputError(f"{shown(name)}, line {number}: not an object in braces")
    return row


def _as_text(row: Mapping[str, Any]) -> dict[str, str]:
    return {key: "" if _is_nothing(value) else str(value).strip() for key, value in row.items()}


def _is_nothing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


@contextmanager
def _opened(path: Path) -> Iterator[TextIO]:
    """A text file in UTF-8, or in UTF-16 with its mark, as Excel saves "Unicode text"; what fails inside is explained."""
    try:
        with path.open("rb") as raw:
            wide = raw.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
        with path.open(encoding="utf-16" if wide else "utf-8-sig", newline="") as file:
            yield file
    except OSError as error:
        raise InputError(f"{shown(path.name)}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError as error:
        raise InputError(
            f"{shown(path.name)}: not UTF-8 (byte {error.start}); Excel: save as 'CSV UTF-8'", next="save it as UTF-8"
        ) from None


def _parquet(path: Path) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise InputError(f"{shown(path.name)}: not Parquet ({str(error).splitlines()[0]})") from None
