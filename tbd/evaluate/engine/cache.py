"""What has been computed once: scores and features by the content that they were computed from.

One SQLite file in the cache folder holds them for all runs and result folders. A key is a hash of the
files' bytes, how the pictures were laid over each other, the metric's protocol and version, and the
weights; so nothing is ever stale, a killed evaluation goes on where it was, and a ground truth that ten
runs share is looked at once. Every clip is committed as it ends. Which keys a clip had last is noted by the paths of its
videos: a hint of what a worker elsewhere may need, never an answer.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from tbd import workspace
from tbd.evaluate.metrics.base import ClipScore
from tbd.recipe import digest
from tbd.sqlite import open_database

VERSION = 2
"""Raised when the frame of the evaluation changes what a metric is fed; part of every key."""

FILE = "evaluate.sqlite"

_TABLES = """
CREATE TABLE IF NOT EXISTS score (key TEXT PRIMARY KEY, body TEXT NOT NULL, features BLOB);
CREATE TABLE IF NOT EXISTS progress (key TEXT PRIMARY KEY, frame INTEGER NOT NULL, state BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS clip (name TEXT PRIMARY KEY, keys TEXT NOT NULL);
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
        MissingError: the disk is full, or its file system keeps no locks.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or workspace.cache()
        self._db = open_database(self.folder / FILE, what="a cache of tbd", schema=_TABLES, wait=60, durable=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    def get(self, key: str) -> ClipScore | None:
        """The score under a key, with its features; None when it has not been computed."""
        found = self._db.one("SELECT body, features FROM score WHERE key = ?", key)
        return ClipScore(**json.loads(found[0]), features=_array(found[1])) if found else None

    def has(self, key: str) -> bool:
        """Whether a score is there."""
        return self._db.one("SELECT 1 FROM score WHERE key = ?", key) is not None

    def put(self, scores: Mapping[str, ClipScore]) -> None:
        """Keep the scores of a clip, and forget the way there: all of them, or after a crash none."""
        rows = [(key, _body(score), _blob(score.features)) for key, score in scores.items()]
        with self._db.transaction():
            self._db.write_many("INSERT OR REPLACE INTO score VALUES (?, ?, ?)", rows)
            self._db.write_many("DELETE FROM progress WHERE key = ?", [(key,) for key in scores])

    def note_clip(self, name: str, keys: Iterable[str]) -> None:
        """Note which keys a clip has now; see ``ClipJob.name``."""
        self._db.write("INSERT OR REPLACE INTO clip VALUES (?, ?)", name, json.dumps(sorted(keys)))

    def of_clip(self, name: str) -> dict[str, ClipScore]:
        """The scores under the keys that a clip had last, as far as they are known."""
        noted = self._db.one("SELECT keys FROM clip WHERE name = ?", name)
        found = {key: self.get(key) for key in (json.loads(noted[0]) if noted else ())}
        return {key: score for key, score in found.items() if score is not None}

    def progress(self, key: str) -> tuple[int, bytes] | None:
        """How far a score had come when a run was killed: the next frame, and the accumulator's state."""
        found = self._db.one("SELECT frame, state FROM progress WHERE key = ?", key)
        return (int(found[0]), bytes(found[1])) if found else None

    def put_progress(self, states: Mapping[str, tuple[int, bytes]]) -> None:
        """Keep how far the scores of a clip have come: all of them, or none."""
        rows = [(key, frame, state) for key, (frame, state) in states.items()]
        self._db.write_many("INSERT OR REPLACE INTO progress VALUES (?, ?, ?)", rows)


class MemoryCache:
    """The cache of one clip on a machine that keeps none: what its driver knew, and what was computed beside that.

    Args:
        known: scores by their keys.
    """

    def __init__(self, known: Mapping[str, ClipScore]) -> None:
        self._known = dict(known)
        self.fresh: dict[str, ClipScore] = {}
        self.keys: tuple[str, ...] = ()
        """That the clip has now, if anything was computed."""

    def get(self, key: str) -> ClipScore | None:
        """The score under a key, with its features."""
        return self._known.get(key)

    def has(self, key: str) -> bool:
        """Whether a score is there."""
        return key in self._known

    def put(self, scores: Mapping[str, ClipScore]) -> None:
        """Keep the scores of the clip."""
        self._known |= scores
        self.fresh |= scores

    def note_clip(self, name: str, keys: Iterable[str]) -> None:
        """Remember the clip's keys."""
        self.keys = tuple(keys)

    def progress(self, key: str) -> tuple[int, bytes] | None:
        """None: a clip that loses its worker is scored from its beginning."""
        return None

    def put_progress(self, states: Mapping[str, tuple[int, bytes]]) -> None:
        """Nothing is kept."""


ClipCache = ScoreCache | MemoryCache


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
