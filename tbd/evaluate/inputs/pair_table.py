"""The table of ``--pairs``: which video belongs to which clip, where no name tells it."""

from __future__ import annotations

import csv
from pathlib import Path

from tbd.errors import InputError


def table_lines(table: Path) -> list[dict[str, str]]:
    """The lines of a table, with names of columns in lower case and values without blanks at their ends.

    Raises:
        InputError: it cannot be read, is not separated by commas, or lacks a column.
    """
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            columns = {name.strip().lower(): name for name in reader.fieldnames or ()}
            lines = [{key: (line[name] or "").strip() for key, name in columns.items()} for line in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{table}: cannot be read ({error})") from None
    if "video" not in columns and (signs := [sign for sign in ";\t|" if any(sign in name for name in columns)]):
        raise InputError(f"{table}: its columns are separated by {signs[0]!r}, and a comma is needed")
    if "video" not in columns or not {"reference", "clip_id"} & columns.keys():
        raise InputError(f"{table}: it needs a header with video and reference, or video and clip_id")
    return lines
