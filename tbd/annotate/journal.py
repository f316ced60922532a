"""The journal: every model call and every finished row, on disk the moment it ends.

One SQLite file in WAL mode with full synchronisation. A step is found again by a hash of everything
that can change its reply, so a changed step-IV prompt finds steps I to III where they are. Killing
the process at any point loses at most the calls that were in flight.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any, Self

from tbd.annotate.backends.base import Usage
from tbd.annotate.gates.table import flag
from tbd.annotate.recipe import BLIND
from tbd.annotate.rows import JournalRow
from tbd.hashes import sha256_text
from tbd.sqlite import open_database

FILE = "journal.sqlite"
REPEATED = 3
"""Different people, emotions or levels that share one text, from which it is no accident."""

_TABLES = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS medium (name TEXT PRIMARY KEY, stamp TEXT NOT NULL, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS step (
    key TEXT PRIMARY KEY, body BLOB NOT NULL, finish TEXT NOT NULL, prompt_tokens INTEGER NOT NULL,
    cached_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL, seconds REAL NOT NULL, attempts INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS row (
    clip_id TEXT PRIMARY KEY, clip TEXT NOT NULL, fingerprint TEXT NOT NULL, status TEXT NOT NULL,
    round INTEGER NOT NULL, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS text (clip_id TEXT PRIMARY KEY, sha256 TEXT NOT NULL, face TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS trace (clip_id TEXT PRIMARY KEY, body TEXT NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class StepRecord:
    """One accepted reply, and what it cost."""

    question: str
    reply: str
    finish: str
    usage: Usage
    token_ids: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class RowState:
    """What a plan needs to know of a finished row.

    Attributes:
        clip: hash of the clip and its medium, as they were when the row was written.
        status: of the row; ``unanswered`` for an error that is no fault of a reply (a file, a server), ``unfinished``
            for a truncated reply that could not be read.
        round: how often it was asked anew (``--retry``).
    """

    clip: str
    fingerprint: str
    status: str
    round: int


class Journal:
    """``journal.sqlite`` of one manifest folder. Safe to use from several threads of one process.

    Raises:
        InputError: the file is not a journal, or the folder cannot be written.
        MissingError: the disk is full, or its file system keeps no locks.
    """

    def __init__(self, folder: Path, *, read_only: bool = False) -> None:
        self.path = folder / FILE
        schema = "" if read_only else _TABLES
        self.db = open_database(self.path, what="a journal of tbd", schema=schema, read_only=read_only)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.db.close()

    def transaction(self, *, lasting: bool = True) -> AbstractContextManager[None]:
        """All or nothing: either everything written inside is on disk afterwards, or none of it.

        Args:
            lasting: False lets it wait, up to the next that lasts or to ``settle``.
        """
        return self.db.transaction(lasting=lasting)

    def settle(self) -> None:
        """Bring to disk what waits for it: one wait for many rows."""
        self.db.settle()

    def meta(self, key: str) -> Any:
        """A remembered JSON value, or None."""
        found = self.db.one("SELECT value FROM meta WHERE key = ?", key)
        return json.loads(found[0]) if found else None

    def set_meta(self, key: str, value: Any) -> None:
        """Remember a JSON value."""
        self.db.write("INSERT OR REPLACE INTO meta VALUES (?, ?)", key, json.dumps(value))

    def step(self, key: str) -> StepRecord | None:
        """The reply that was accepted for exactly these inputs, or None."""
        found = self.db.one("SELECT * FROM step WHERE key = ?", key)
        if not found:
            return None
        _, body, finish, *usage = found
        question, reply, ids = json.loads(zlib.decompress(body))
        return StepRecord(question, reply, finish, Usage(*usage), tuple(ids) if ids else None)

    def put_step(self, key: str, record: StepRecord, *, lasting: bool = True) -> None:
        """Keep a reply. The first one stands. ``lasting``: it is on disk afterwards; see ``transaction``."""
        body = zlib.compress(json.dumps([record.question, record.reply, record.token_ids]).encode())
        with self.transaction(lasting=lasting):
            self.db.write(
                "INSERT OR IGNORE INTO step VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                key, body, record.finish, *astuple(record.usage),
            )  # fmt: skip

    def costs(self) -> dict[str, float]:
        """Sums over every accepted reply: ``replies`` and the fields of ``Usage``."""
        names = ("replies", *(field.name for field in fields(Usage)))
        sums = ", ".join(f"COALESCE(SUM({name}), 0)" for name in names[1:])
        return dict(zip(names, self.db.one(f"SELECT COUNT(*), {sums} FROM step") or (), strict=True))

    def medium(self, name: str) -> tuple[str, str] | None:
        """What a look at a medium found: (stamp of its files, JSON body), or None."""
        found = self.db.one("SELECT stamp, body FROM medium WHERE name = ?", name)
        return (str(found[0]), str(found[1])) if found else None

    def put_medium(self, name: str, stamp: str, body: str) -> None:
        """Keep what a look at a medium found. ``stamp`` changes when the file does."""
        self.db.write("INSERT OR REPLACE INTO medium VALUES (?, ?, ?)", name, stamp, body)

    def row_states(self) -> dict[str, RowState]:
        """The state of every finished row by ``clip_id``."""
        query = "SELECT clip_id, clip, fingerprint, status, round FROM row"
        return {clip_id: RowState(*state) for clip_id, *state in self.db.rows(query)}

    def put_row(self, clip_id: str, state: RowState, row: JournalRow) -> None:
        """Keep a finished row; a later one replaces it."""
        body = zlib.compress(json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace"), 1)
        with self.transaction():
            self.db.write(
                "INSERT OR REPLACE INTO row VALUES (?, ?, ?, ?, ?, ?)",
                clip_id, state.clip, state.fingerprint, state.status, state.round, body,
            )  # fmt: skip
            self.db.write("DELETE FROM text WHERE clip_id = ?", clip_id)
            asked = row.get("backend") not in BLIND and row.get("mode") != "label"
            if prompts := row.get("prompts") if asked else None:
                face = "|".join(str(row.get(name)) for name in ("subject", "emotion", "level"))
                self.db.write("INSERT INTO text VALUES (?, ?, ?)", clip_id, sha256_text("\n".join(prompts)), face)
            self.db.write("DELETE FROM meta WHERE key = 'sealed'")

    def drop_rows(self, clip_ids: Iterable[str]) -> None:
        """Take rows out; the replies they were made of stay."""
        with self.transaction():
            for name in clip_ids:
                for table in ("row", "text", "trace"):
                    self.db.write(f"DELETE FROM {table} WHERE clip_id = ?", name)
            self.db.write("DELETE FROM meta WHERE key = 'sealed'")

    def rows(self) -> Iterator[bytes]:
        """Every finished row as UTF-8 JSON, ordered by ``clip_id``: what sealing reads."""
        for (body,) in self.db.rows("SELECT body FROM row ORDER BY clip_id"):
            yield zlib.decompress(body)

    def repeated(self) -> dict[str, int]:
        """Clips whose prompts stand word for word under ``REPEATED`` or more people, emotions or levels, and their number."""
        query = """SELECT clip_id, faces FROM text JOIN (SELECT sha256 AS sha, COUNT(DISTINCT face) AS faces
                   FROM text GROUP BY sha256 HAVING faces >= ?) ON sha256 = sha"""
        return dict(self.db.rows(query, REPEATED))

    def rows_to_seal(self) -> Iterator[bytes]:
        """``rows``, with a flag on those whose prompts are ``repeated``: only all of them together can tell."""
        repeated = self.repeated()
        for body in self.rows():
            row: JournalRow = json.loads(body) if repeated else {}
            if row.get("clip_id") not in repeated:
                yield body
                continue
            raised = flag(
                "text_repeated", f"{repeated[row['clip_id']]} people, emotions or levels have these very prompts"
            )
            row["flags"], row["severity"] = [*row["flags"], raised.code], max(row["severity"], raised.severity)
            yield json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")

    def count(self, table: str) -> int:
        """Entries of ``medium``, ``step`` or ``row``."""
        return int((self.db.one(f"SELECT COUNT(*) FROM {table}") or (0,))[0])

    def put_trace(self, clip_id: str, trace: str) -> None:
        """Keep the traceback of a bug that cost a row; nobody but a developer needs it."""
        self.db.write("INSERT OR REPLACE INTO trace VALUES (?, ?)", clip_id, trace)
