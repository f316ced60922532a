"""Who has what open now, across processes: leases in an SQLite file, which end by themselves."""

from __future__ import annotations

import os
import platform
import time

from tbd.sqlite import Database

SCHEMA = """
CREATE TABLE IF NOT EXISTS lease (
  chain TEXT NOT NULL, reviewer TEXT NOT NULL, until REAL NOT NULL, PRIMARY KEY (chain, reviewer)
) WITHOUT ROWID;
"""
_SEPARATOR = "\x1f"


class Leases:
    """The leases in a database that has the table of ``SCHEMA``."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def holders(self, name: str | None = None) -> dict[str, set[str]]:
        """Which thing is held now, and by whom, as ``holder`` names them; processes that have ended hold nothing.

        Args:
            name: only this thing.
        """
        found: dict[str, set[str]] = {}
        query = "SELECT chain, reviewer FROM lease WHERE until > ? AND (? IS NULL OR chain = ?)"
        for thing, owner in self._db.all(query, time.time(), name, name):
            if not is_over(owner):
                found.setdefault(thing, set()).add(owner)
        return found

    def take(self, name: str, owner: str, seconds: float) -> None:
        """Give a thing to a holder from now on, and forget leases that have ended."""
        now = time.time()
        with self._db.transaction():
            self._db.write("DELETE FROM lease WHERE until <= ?", now)
            self._db.write("INSERT OR REPLACE INTO lease VALUES (?, ?, ?)", name, owner, now + seconds)

    def release(self, owner: str, name: str | None = None) -> None:
        """Take a thing back from a holder; without a name everything."""
        self._db.write("DELETE FROM lease WHERE reviewer = ? AND (? IS NULL OR chain = ?)", owner, name, name)


def holder(who: str, number: int) -> str:
    """What a lease is signed with: a person, machine, process, and a number in it."""
    return _SEPARATOR.join((who, platform.node(), str(os.getpid()), str(number)))


def person(holder: str) -> str:
    """The person who holds a lease."""
    return holder.partition(_SEPARATOR)[0]


def is_over(holder: str) -> bool:
    """The holder was in a process of this machine that has ended."""
    _, machine, process, *_ = (*holder.split(_SEPARATOR), "", "")
    if machine != platform.node() or not process.isdigit():
        return False
    try:
        os.kill(int(process), 0)
    except OSError as error:
        return isinstance(error, ProcessLookupError)
    return False
