"""The paper's own rows, from ``evaluate/paper_tables.toml``."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass

from tbd import workspace
from tbd.errors import UsageError

FILE = "evaluate/paper_tables.toml"


@dataclass(frozen=True)
class PublishedRow:
    """A method as a paper prints it.

    Attributes:
        values: metric key -> number, as it is printed.
    """

    method: str
    values: dict[str, str]


@dataclass(frozen=True)
class PublishedTable:
    """A table of the paper on one dataset."""

    title: str
    source: str
    metrics: tuple[str, ...]
    rows: tuple[PublishedRow, ...]


def published(number: int, dataset: str) -> PublishedTable:
    """A table of the paper.

    Args:
        number: 1, 2 or 3.
        dataset: ``mead`` or ``hdtf``; rows that are printed for another one only are left out.

    Raises:
        UsageError: no such table, or the file has a mistake.
    """
    path = workspace.find(FILE)
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"), parse_float=str)
        table = document[f"table{number}"]
        metrics = tuple(map(str, table["metrics"]))
        rows = [_row(metrics, row, dataset) for row in table["rows"]]
        found = tuple(row for row in rows if row)
        return PublishedTable(str(table["title"]), str(document["source"]), metrics, found)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as error:
        raise UsageError(f"{path}: table{number} cannot be read ({error})", next="--published none") from None


def _row(metrics: Sequence[str], row: dict[str, object], dataset: str) -> PublishedRow | None:
    numbers = row.get(dataset, row.get("all"))
    if numbers is None:
        return None
    if not isinstance(numbers, list) or len(numbers) != len(metrics):
        raise ValueError(f"{row.get('method')}: {len(metrics)} numbers are needed")
    for number in numbers:
        float(number)
    return PublishedRow(str(row["method"]), dict(zip(metrics, map(str, numbers), strict=True)))
