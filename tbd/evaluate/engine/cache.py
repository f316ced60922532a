"""What has been computed once: scores and features by the content that they were computed from.

One SQLite file in the cache folder holds them for all runs and result folders. A key is a hash of the
files' bytes, how the pictures were laid over each other, the metric's protocol and version, and the
weights; so nothing is ever stale, a killed evaluation goes on where it was, and a ground truth that ten
runs share is looked at once. Every clip is committed as it ends.
"""

from __future__ import annotations

import io
import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from tbd import workspace
from tbd.errors import InputError, MissingError
from tbd.evaluate.metrics.base import ClipScore
from tbd.media.files import fingerprint_file, sha256_file
from tbd.recipe import digest

VERSION = 2
"""Raised when the frame of the evaluation changes what a metric is fed; part of every key."""

FILE = "evaluate.sqlite"

_TABLES = """
CREATE TABLE IF NOT EXISTS file (path TEXT PRIMARY KEY, stamp TEXT NOT NULL, sha256 TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS score (key TEXT PRIMARY KEY, body TEXT NOT NULL, features BLOB);
"""


def key(**parts: Any) -> str:
    """The key of a score: a hash of everything that it depends on, and of this module's version."""
    return digest({"frame": VERSION, **parts})


class ScoreCache:
    """The cache. Safe to use from several processes at once; each opens its own.

    Args:
        folder: None takes the user's cache (``$TBD_CACHE``, else ``~/.cache/tbd``).

    Raises:
        InputError: the folder cannot be written, or the file is no such cache.
        MissingError: the disk is full.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.path = (folder or workspace.cache()) / FILE
        with workspace.writing(self.path), self._explained():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.db = sqlite3.connect(self.path, isolation_level=None, timeout=60)
            self.db.execute("PRAGMA journal_mode=WAL")
            self.db.execute("PRAGMA synchronous=NORMAL")
            self.db.executescript(_TABLES)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.db.close()

    def sha256(self, path: Path) -> str:
        """sha256 of a file's bytes; a file that nobody wrote to is not read again.

        Raises:
            InputError: it cannot be read.
        """
        path = path.absolute()
        stamp = json.dumps(fingerprint_file(path))
        with self._explained():
            found = self.db.execute("SELECT stamp, sha256 FROM file WHERE path = ?", (str(path),)).fetchone()
            if found and found[0] == stamp:
                return str(found[1])
            digest = sha256_file(path)
            self.db.execute("INSERT OR REPLACE INTO file VALUES (?, ?, ?)", (str(path), stamp, digest))
        return digest

    def get(self, key: str) -> ClipScore | None:
        """The score under a key, with its features; None when it has not been computed."""
        with self._explained():
            found = self.db.execute("SELECT body, features FROM score WHERE key = ?", (key,)).fetchone()
        if not found:
            return None
        body, blob = found
        return ClipScore(**json.loads(body), features=_array(blob))

    def has(self, key: str) -> bool:
        """Whether a score is there."""
        with self._explained():
            return self.db.execute("SELECT 1 FROM score WHERE key = ?", (key,)).fetchone() is not None

    def put(self, scores: Mapping[str, ClipScore]) -> None:
        """Keep the scores of a clip: all of them, or after a crash none."""
        rows = [(key, _body(score), _blob(score.features)) for key, score in scores.items()]
        with self._explained():
            self.db.execute("BEGIN IMMEDIATE")
            try:
                self.db.executemany("INSERT OR REPLACE INTO score VALUES (?, ?, ?)", rows)
                self.db.execute("COMMIT")
            except BaseException:
                if self.db.in_transaction:
                    self.db.execute("ROLLBACK")
                raise

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            if "full" in str(error):
                raise MissingError(f"{self.path}: the disk is full", next="export TBD_CACHE=FOLDER") from error
            raise InputError(
                f"{self.path}: the cache cannot be used ({error})", next=f"rm {self.path}, or export TBD_CACHE=FOLDER"
            ) from error


def _body(score: ClipScore) -> str:
    value = None if score.value is None else float(score.value)
    fields = {"value": value, "n": int(score.n), "reason": score.reason, "details": score.details}
    return json.dumps(fields, ensure_ascii=False, default=lambda found: found.tolist())  # numpy's numbers and arrays


def _blob(features: npt.NDArray[Any] | None) -> bytes | None:
    if features is None:
        return None
    file = io.BytesIO()
    np.save(file, features, allow_pickle=False)
    return file.getvalue()


def _array(blob: bytes | None) -> npt.NDArray[Any] | None:
    return None if blob is None else np.load(io.BytesIO(blob), allow_pickle=False)
