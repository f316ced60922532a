"""``reviews.sqlite`` at work: events that are only added, and leases that end by themselves.

WAL with full synchronisation: when a transaction has ended, what it wrote survives a kill and a power
cut. Leases lie in a table of their own, because they are nobody's decision and may be deleted.
"""

from __future__ import annotations

import json
import os
import platform
import sqlite3
import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

from tbd.manifest import reviews
from tbd.manifest.reviews import Event
from tbd.sqlite import explained

_PATIENCE = 30.0
"""Seconds to wait while another reviewer writes."""
_SEPARATOR = "\x1f"
_LEASES = """
CREATE TABLE IF NOT EXISTS lease (
  chain TEXT NOT NULL, reviewer TEXT NOT NULL, until REAL NOT NULL, PRIMARY KEY (chain, reviewer)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS bookmark (
  reviewer TEXT NOT NULL, clip_id TEXT NOT NULL, PRIMARY KEY (reviewer, clip_id)
) WITHOUT ROWID;
"""


class Store:
    """The review store of one manifest folder, open for writing. The caller keeps threads apart.

    Raises:
        InputError: the file is no review store, or the folder cannot be written.
        MissingError: the disk is full, or the store stays locked.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / reviews.FILE
        with self._explained():
            self.db = reviews.create_reviews(self.path)
            self.db.isolation_level = None
            self.db.row_factory = sqlite3.Row
            self.db.execute(f"PRAGMA busy_timeout={int(_PATIENCE * 1000)}")
            self.db.execute("PRAGMA journal_mode=WAL")
            self.db.execute("PRAGMA synchronous=FULL")
            self.db.executescript(_LEASES)

    @contextmanager
    def transaction(self, *, durable: bool = True) -> Iterator[None]:
        """Nobody else writes inside; afterwards everything is on disk, or nothing was written.

        Args:
            durable: wait for the disk; a lease need not survive a power cut, a decision must.
        """
        with self._explained():
            self.db.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
            self.db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self.db.execute("COMMIT")
            except BaseException:
                if self.db.in_transaction:
                    self.db.execute("ROLLBACK")
                raise

    def add(self, events: Iterable[Event]) -> list[int]:
        """Append events, inside a transaction; their ids."""
        return [reviews.add_event(self.db, event) for event in events]

    def since(self, event_id: int = 0) -> list[Event]:
        """The events after ``event_id``, oldest first."""
        with self._explained():
            return list(
                map(reviews.from_row, self.db.execute("SELECT * FROM event WHERE id > ? ORDER BY id", [event_id]))
            )

    def latest(self, reviewer: str, without: Collection[str] = ()) -> list[Event]:
        """The events of the reviewer's last decision that was not taken back; none when there is none.

        Args:
            without: batches that are not looked at: those of the reviewer's other tabs.
        """
        undone: set[int | None] = set()
        batch: list[Event] = []
        with self._explained():
            for row in self.db.execute("SELECT * FROM event WHERE reviewer = ? ORDER BY id DESC", [reviewer]):
                event = reviews.from_row(row)
                if batch and (event.batch is None or event.batch != batch[0].batch):
                    break
                if event.id in undone or event.batch in without:
                    continue
                if event.action == "undo":
                    undone.add(event.undo_of)
                else:
                    batch.append(event)
        return batch[::-1]

    def reviewers(self) -> list[str]:
        """Everybody who ever decided something, as they spelled their names."""
        with self._explained():
            return [name for (name,) in self.db.execute("SELECT DISTINCT reviewer FROM event ORDER BY reviewer")]

    def bookmarks(self, reviewer: str) -> set[str]:
        """The clips that a reviewer bookmarked."""
        with self._explained():
            found = self.db.execute("SELECT clip_id FROM bookmark WHERE reviewer = ?", [reviewer])
            return {clip_id for (clip_id,) in found}

    def bookmark(self, reviewer: str, clip_id: str, wanted: bool) -> None:
        """Put a bookmark, or take it away. Inside a transaction."""
        query = "INSERT OR IGNORE INTO bookmark VALUES (?, ?)"
        self.db.execute(
            query if wanted else "DELETE FROM bookmark WHERE reviewer = ? AND clip_id = ?", [reviewer, clip_id]
        )

    def newest(self) -> float:
        """When the last event was added, seconds since 1970; 0 when there is none."""
        with self._explained():
            return float(self.db.execute("SELECT COALESCE(MAX(time), 0) FROM event").fetchone()[0])

    def holders(self) -> dict[str, set[str]]:
        """Which chain is open now in whose tab, by ``holder``; tabs of processes that have ended hold nothing."""
        found: dict[str, set[str]] = {}
        with self._explained():
            for chain, reviewer in self.db.execute("SELECT chain, reviewer FROM lease WHERE until > ?", [time.time()]):
                if not is_over(reviewer):
                    found.setdefault(chain, set()).add(reviewer)
        return found

    def lease(self, chain: str, reviewer: str, seconds: float) -> None:
        """Give a chain to a reviewer's tab from now on, and forget leases that have ended. Inside a transaction."""
        now = time.time()
        self.db.execute("DELETE FROM lease WHERE until <= ?", [now])
        self.db.execute("INSERT OR REPLACE INTO lease VALUES (?, ?, ?)", [chain, reviewer, now + seconds])

    def release(self, reviewer: str, chains: Iterable[str]) -> None:
        """Take chains back from a reviewer's tab. Inside a transaction."""
        names = json.dumps(list(chains))
        self.db.execute(
            "DELETE FROM lease WHERE reviewer = ? AND chain IN (SELECT value FROM json_each(?))", [reviewer, names]
        )

    def close(self) -> None:
        """Close the file; the last to close leaves one plain file, which can be read from a read-only disk."""
        with suppress(sqlite3.Error):
            self.db.execute("PRAGMA busy_timeout=0")
            self.db.execute("PRAGMA journal_mode=DELETE")
        self.db.close()

    def _explained(self) -> AbstractContextManager[None]:
        return explained(self.path, "a review store")


def holder(reviewer: str, number: int) -> str:
    """What a lease is signed with: reviewer, machine, process, and the number of the tab in it."""
    return _SEPARATOR.join((reviewer, platform.node(), str(os.getpid()), str(number)))


def person(holder: str) -> str:
    """The reviewer who holds a lease."""
    return holder.partition(_SEPARATOR)[0]


def is_over(holder: str) -> bool:
    """The tab that holds a lease was of a process of this machine that has ended."""
    _, machine, process, *_ = (*holder.split(_SEPARATOR), "", "")
    if machine != platform.node() or not process.isdigit():
        return False
    try:
        os.kill(int(process), 0)
    except OSError as error:
        return isinstance(error, ProcessLookupError)
    return False
