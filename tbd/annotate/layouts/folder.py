"""Any folder with a table: CSV, JSONL or Parquet, one row a clip.

``path`` and ``emotion`` (or ``instruction``) are needed. A picture with speech beside it counts as
a clip: that is the paper's open set.
"""

from __future__ import annotations

import os
import posixpath
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TypeVar

from tbd import labels
from tbd.annotate.layouts.base import Layout, Options, Problems, Reading, Tree, listed, shown
from tbd.annotate.layouts.ids import is_safe, renamed_flag, safe, slug
from tbd.annotate.layouts.tables import ENDINGS, columns_of, rows_of
from tbd.errors import InputError, TbdError
from tbd.schema import ERROR, Clip

COLUMNS = tuple(
    "path emotion clip_id subject level split start end audio instruction transcript view gender scheme".split()
)
"""What a table may have; the rest is passed over and named."""

EXAMPLE = "path,emotion,level,subject\nvideos/anna_01.mp4,angry,3,anna"
"""The first two lines of a table that works."""

MOST = 10
"""Mistakes that one error lists."""

T = TypeVar("T")


@dataclass(frozen=True)
class Cells:
    """One row of a table, with its place for error messages. Absent and empty cells are the same."""

    table: str
    line: int
    values: Mapping[str, str]
    mistakes: list[str]

    def text(self, column: str) -> str | None:
        """The words of a cell."""
        return self.values.get(column) or None

    def read(self, column: str, convert: Callable[[str], T]) -> T | None:
        """A converted cell; what cannot be converted becomes a mistake with line and column."""
        text = self.text(column)
        if text is None:
            return None
        try:
            return convert(text)
        except TbdError as error:
            self.wrong(column, error.message)
        except ValueError as error:
            self.wrong(column, f"{text!r} {error}")
        return None

    def wrong(self, column: str, why: str) -> None:
        """Note a mistake."""
        self.mistakes.append(f"{shown(self.table)}, line {self.line}, column {column}: {why}")


def recognise(tree: Tree) -> float:
    """A table with the needed columns lies in the folder itself."""
    return float(bool(_tables(tree)))


def read(tree: Tree, options: Options) -> Reading:
    """Every row of the table.

    Raises:
        InputError: there is no table, or more than one, a column is missing, or cells are wrong; all
            mistakes are listed with file, line and column.
    """
    table = _table(tree)
    columns = columns_of(tree.root / table)
    mistakes: list[str] = []
    clips, problems = [], Problems()
    for line, values in rows_of(tree.root / table, table):
        cells = Cells(table, line, values, mistakes)
        clip = _clip(tree, cells, _dataset(tree))
        if clip is not None:
            clips.append(clip)
            _look_for_files(tree, clip, problems)
    if mistakes:
        raise InputError(_told(table, mistakes), next=f"mend {shown(str(tree.root / table))}")
    return Reading(clips, problems.listed(), _notes(table, columns))


def _tables(tree: Tree) -> list[str]:
    """Tables in the folder itself that have the needed columns; unreadable ones do not count."""
    found = []
    for name in _candidates(tree):
        try:
            columns = columns_of(tree.root / name)
        except InputError:
            continue
        if "path" in columns and {"emotion", "instruction"} & set(columns):
            found.append(name)
    return found


def _candidates(tree: Tree) -> list[str]:
    return [name for name in tree.files if "/" not in name and name.lower().endswith(ENDINGS)]


def _table(tree: Tree) -> str:
    tables, others = _tables(tree), _candidates(tree)
    if len(tables) == 1:
        return tables[0]
    if tables:
        raise InputError(
            f"{tree.root}: {len(tables)} tables with path and emotion: {listed(map(shown, tables))}",
            next="keep one of them in the folder",
        )
    if not others:
        raise InputError(f"{tree.root}: no table (.csv, .jsonl or .parquet); for example clips.csv:\n{EXAMPLE}")
    columns = columns_of(tree.root / others[0])
    missing = [name for name in ("path", "emotion") if name not in columns]
    raise InputError(
        f"{shown(others[0])} has no column {' and no column '.join(missing)}; it has {listed(map(repr, columns))}. "
        f"A table that works:\n{EXAMPLE}"
    )


def _clip(tree: Tree, cells: Cells, dataset: str) -> Clip | None:
    path = cells.read("path", lambda text: _inside(tree, text))
    if path is None:
        if cells.text("path") is None:
            cells.wrong("path", "is empty")
        return None
    start, end = cells.read("start", _seconds), cells.read("end", _seconds)
    if start is not None and end is not None and end <= start:
        cells.wrong("end", f"{end:g} is not after start {start:g}")
    own = _own_id(dataset, path, start, end)
    wished = cells.text("clip_id")
    return Clip(
        clip_id=own if wished is None else safe(wished),
        dataset=dataset,
        subject=cells.text("subject") or _own_id("", path, None, None),
        emotion=_emotion(cells),
        emotion_raw=cells.text("emotion") or "",
        file_name=path,
        view=cells.text("view"),
        level=cells.read("level", labels.level_of),
        split=cells.read("split", lambda text: _one_of(text, ("train", "test"))),
        audio_file_name=cells.read("audio", lambda text: _inside(tree, text)),
        start=start,
        end=end,
        instruction=cells.text("instruction"),
        transcript=cells.text("transcript"),
        gender=cells.read("gender", _gender),
        source=path if start is not None or end is not None else None,
        flags=() if wished is None or is_safe(wished) else (renamed_flag(wished),),
    )


def _emotion(cells: Cells) -> str | None:
    scheme = cells.text("scheme")
    if cells.text("emotion") is not None:
        return cells.read("emotion", lambda text: labels.canonical(text, scheme))
    if cells.text("instruction") is not None:
        return cells.read("instruction", labels.emotion_in)
    cells.wrong("emotion", "is empty, and there is no instruction")
    return None


def _inside(tree: Tree, text: str) -> str:
    """A path relative to the root; one that leaves it is refused."""
    if "\0" in text:
        raise ValueError("is no path")
    if re.match(r"[A-Za-z]:[\\/]", text):
        raise ValueError("is a path of another machine; write it relative to the table")
    if "\\" in text and text not in tree.known:  # as Windows writes paths
        text = text.replace("\\", "/")
    root = str(tree.root.resolve())
    relative = os.path.relpath(text, root) if posixpath.isabs(text) else text
    path = posixpath.normpath(relative)
    if path in (".", "..") or path.startswith("../"):
        raise ValueError("leads out of the dataset's folder")
    return path if path in tree.known else tree.spelled.get(unicodedata.normalize("NFC", path).casefold(), path)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        raise ValueError("is no number of seconds") from None
    if not 0 <= seconds < 1e7:
        raise ValueError("is no time in a file")
    return seconds


def _one_of(text: str, known: tuple[str, ...]) -> str:
    if text.lower() not in known:
        raise ValueError(f"is none of {', '.join(known)}")
    return text.lower()


def _gender(text: str) -> str:
    names = {"woman": "woman", "female": "woman", "f": "woman", "man": "man", "male": "man", "m": "man"}
    if text.lower() not in names:
        raise ValueError("is none of woman, man")
    return names[text.lower()]


def _own_id(dataset: str, path: str, start: float | None, end: float | None) -> str:
    """``dataset_a_b_001``, with the window in ms: ``_12000_20000``."""
    times = [str(round(time * 1000)) for time in (start, end) if time is not None]
    stem = re.sub(r"\.\w+$", "", path).replace("/", "_")
    return safe("_".join(filter(None, [dataset, stem, *times])), f"{path} {start} {end}")


def _dataset(tree: Tree) -> str:
    return slug(tree.root.resolve().name)


def _look_for_files(tree: Tree, clip: Clip, problems: Problems) -> None:
    for name in filter(None, (clip.file_name, clip.audio_file_name)):
        if name not in tree.known and not (tree.root / name).is_file():
            problems.add(name, "file_missing", ERROR, "named in the table, but not in the folder")


def _told(table: str, mistakes: list[str]) -> str:
    more = [f"  … and {len(mistakes) - MOST} more"] if len(mistakes) > MOST else []
    title = f"{shown(table)}: {len(mistakes)} mistake{'s' if len(mistakes) > 1 else ''}"
    return "\n".join([title, *(f"  {mistake}" for mistake in mistakes[:MOST]), *more])


def _notes(table: str, columns: list[str]) -> list[str]:
    notes = [f"clips and labels come from {shown(table)}"]
    for name in columns:
        if name not in COLUMNS:
            close = get_close_matches(name, COLUMNS, 1)
            notes.append(f"column {name!r} is not read" + (f"; did you mean {close[0]!r}?" if close else ""))
    if "subject" not in columns:
        notes.append("no column subject: every file counts as a person of its own")
    return notes


LAYOUT = Layout(
    name="folder",
    expects="a table clips.csv, .jsonl or .parquet with path and emotion: videos/anna_01.mp4,angry",
    recognise=recognise,
    read=read,
)
"""The layout of any folder with a table."""
