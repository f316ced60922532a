"""``reviews.sqlite`` at work: events that are only added, and leases that end by themselves.

WAL with full synchronisation: when a transaction has ended, what it wrote survives a kill and a power
cut. Leases lie in a table of their own, because they are nobody's decision and may be deleted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tbd import leases
from tbd.errors import TbdError
from tbd.manifest import reviews
from tbd.manifest.reviews import Event


class Store:
    """The review store of one manifest folder, open for writing.

    Attributes:
        leases: which tab has which chain open.

    Raises:
        InputError: the file is no review store, or the folder cannot be written.
        MissingError: the disk is full, or the store stays locked.
    """

    def __init__(self, folder: Path) -> None:
        self.db = reviews.open_reviews(folder / reviews.FILE, leases.SCHEMA + reviews.BOOKMARKS)
        self.leases = leases.Leases(self.db)
        self._durable = True

    @contextmanager
    def transaction(self, *, durable: bool = True) -> Iterator[None]:
        """Nobody else writes inside; afterwards all is written, or nothing; a ``durable`` one survives a power cut."""
        if durable != self._durable:
            self.db.one(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
            self._durable = durable
        with self.db.transaction():
            yield

    def add(self, events: Iterable[Event]) -> list[int]:
        """Append events, inside a transaction; their ids."""
        return [reviews.add_event(self.db, event) for event in events]

    def since(self, event_id: int = 0) -> list[Event]:
        """The events after ``event_id``, oldest first."""
        return list(reviews.events(self.db, "id > ?", event_id))

    def bookmarks(self, reviewer: str) -> set[str]:
        """The clips that a reviewer bookmarked."""
        return {clip_id for (clip_id,) in self.db.all("SELECT clip_id FROM bookmark WHERE reviewer = ?", reviewer)}

    def bookmark(self, reviewer: str, clip_id: str, wanted: bool) -> None:
        """Put a bookmark, or take it away."""
        put, away = (
            "INSERT OR IGNORE INTO bookmark VALUES (?, ?)",
            "DELETE FROM bookmark WHERE (reviewer, clip_id) = (?, ?)",
        )
        self.db.write(put if wanted else away, reviewer, clip_id)

    def close(self) -> None:
        """Close the file; the last to close leaves one plain file, which can be read from a read-only disk."""
        with suppress(TbdError):  # another process has it open
            self.db.one("PRAGMA busy_timeout=0")
            self.db.one("PRAGMA journal_mode=DELETE")
        self.db.close()
