"""``reviews.sqlite`` at work: events that are only added, and leases that end by themselves.

WAL with full synchronisation: when a transaction has ended, what it wrote survives a kill and a power
cut. Leases lie in a table of their own, because they are nobody's decision and may be deleted.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

from tbd.manifest import reviews
from tbd.manifest.reviews import Event
from tbd.sqlite import explained

_PATIENCE = 30.0
"""Seconds to wait while another reviewer writes."""
_LEASES = """
CREATE TABLE IF NOT EXISTS lease (
  chain TEXT NOT NULL, reviewer TEXT NOT NULL, until REAL NOT NULL, PRIMARY KEY (chain, reviewer)
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
    def transaction(self) -> Iterator[None]:
        """Nobody else writes inside; afterwards everything is on disk, or nothing was written."""
        with self._explained():
            self.db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self.db.execute("COMMIT")
            except BaseException:
                if self.db.in_transaction:
                    self.db.execute("ROLLBACK")
                raise

    def add(self, events: Iterable[Event]) -> None:
        """Append events, inside a transaction."""
        for event in events:
            reviews.add_event(self.db, event)

    def since(self, event_id: int = 0) -> list[Event]:
        """The events after ``event_id``, oldest first."""
        with self._explained():
            return list(
                map(reviews.from_row, self.db.execute("SELECT * FROM event WHERE id > ? ORDER BY id", [event_id]))
            )

    def latest(self, reviewer: str) -> list[Event]:
        """The events of the reviewer's last decision that was not taken back; none when there is none."""
        undone: set[int | None] = set()
        batch: list[Event] = []
        with self._explained():
            for row in self.db.execute("SELECT * FROM event WHERE reviewer = ? ORDER BY id DESC", [reviewer]):
                event = reviews.from_row(row)
                if batch and (event.batch is None or event.batch != batch[0].batch):
                    break
                if event.action == "undo":
                    undone.add(event.undo_of)
                elif event.id not in undone:
                    batch.append(event)
        return batch[::-1]

    def newest(self) -> float:
        """When the last event was added, seconds since 1970; 0 when there is none."""
        with self._explained():
            return float(self.db.execute("SELECT COALESCE(MAX(time), 0) FROM event").fetchone()[0])

    def holders(self) -> dict[str, set[str]]:
        """Who has which chain open now."""
        found: dict[str, set[str]] = {}
        with self._explained():
            for chain, reviewer in self.db.execute("SELECT chain, reviewer FROM lease WHERE until > ?", [time.time()]):
                found.setdefault(chain, set()).add(reviewer)
        return found

    def lease(self, chain: str, reviewer: str, seconds: float) -> None:
        """Give a chain to a reviewer from now on, and forget leases that have ended. Inside a transaction."""
        now = time.time()
        self.db.execute("DELETE FROM lease WHERE until <= ?", [now])
        self.db.execute("INSERT OR REPLACE INTO lease VALUES (?, ?, ?)", [chain, reviewer, now + seconds])

    def release(self, reviewer: str, chains: Iterable[str]) -> None:
        """Take chains back from a reviewer. Inside a transaction."""
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
