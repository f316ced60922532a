"""The one way to open an SQLite file: transactions that are whole, and errors in words.

Write-ahead log; every thread of a process may use one ``Database``, every process opens its own.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Self

from tbd import locks, workspace
from tbd.errors import InputError, MissingError, TbdError

_REFUSED: tuple[str, ...] = (
    "SQLITE_IOERR_LOCK",
    "SQLITE_IOERR_RDLOCK",
    "SQLITE_IOERR_UNLOCK",
    "SQLITE_IOERR_CHECKRESERVEDLOCK",
)
_REFUSED += ("SQLITE_IOERR_SHMLOCK", "SQLITE_IOERR_SHMMAP", "SQLITE_IOERR_SHMOPEN", "SQLITE_PROTOCOL", "SQLITE_NOLFS")
"""What SQLite says of a file system that grants no locks, or no shared memory."""


class Database:
    """An open SQLite file. Made by ``open_database``.

    Attributes:
        path: the file.
        what: what it is, for messages: ``a journal of tbd``.
        connection: the plain connection, in autocommit.
    """

    def __init__(self, path: Path, what: str, connection: sqlite3.Connection) -> None:
        self.path, self.what, self.connection = path, what, connection
        self._lock = threading.RLock()
        self._inside = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def one(self, query: str, *values: Any) -> tuple[Any, ...] | None:
        """The first row of a query, or None."""
        with self._lock, explained(self.path, self.what):
            found: tuple[Any, ...] | None = self.connection.execute(query, values).fetchone()
            return found

    def all(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """Every row of a query."""
        with self._lock, explained(self.path, self.what):
            return self.connection.execute(query, values).fetchall()

    def rows(self, query: str, *values: Any) -> Iterator[tuple[Any, ...]]:
        """The rows of a query one by one, so that memory does not grow with their number."""
        with self._lock, explained(self.path, self.what):
            cursor = self.connection.execute(query, values)
        while True:
            with self._lock, explained(self.path, self.what):
                batch = cursor.fetchmany(256)
            if not batch:
                return
            yield from batch

    def write(self, query: str, *values: Any) -> int:
        """Run one statement, in the transaction around it or in its own; returns the id of the row it added."""
        with self.transaction():
            return int(self.connection.execute(query, values).lastrowid or 0)

    def write_many(self, query: str, rows: Iterable[tuple[Any, ...]]) -> None:
        """Run one statement for many rows, all of them or none."""
        with self.transaction():
            self.connection.executemany(query, rows)

    @contextlib.contextmanager
    def transaction(self, *, lasting: bool = True) -> Iterator[None]:
        """All or nothing: nobody else writes inside, and afterwards everything is on disk, or none of it.

        Args:
            lasting: False lets it wait for the next one that lasts, or for ``settle``, so that many share one wait for
                the disk. Until then other processes do not see it and cannot write, and a kill takes it away whole.
        """
        with self._lock, explained(self.path, self.what):
            if self._inside:  # part of a larger one
                yield
                return
            waits = self.connection.in_transaction  # for the disk, since an earlier one that does not last
            if not waits:
                self.connection.execute("BEGIN IMMEDIATE")
            self.connection.execute("SAVEPOINT part")
            self._inside = True
            try:
                yield
                self.connection.execute("RELEASE part")
            except BaseException:
                self._undo(waits)
                raise
            finally:
                self._inside = False
            if lasting:
                self.settle()

    def _undo(self, waits: bool) -> None:
        """Take back what the present transaction wrote. What waited before it waits on; without that, nothing is held open:
        an open transaction would show this process an old state, and let nobody else write.
        """
        if not self.connection.in_transaction:  # a full disk has taken all of it back already
            return
        self.connection.execute("ROLLBACK TO part" if waits else "ROLLBACK")
        if waits:
            self.connection.execute("RELEASE part")

    def settle(self) -> None:
        """Bring to disk what waits for it; afterwards all that was written survives a kill and a power cut."""
        with self._lock, explained(self.path, self.what):
            try:
                if self.connection.in_transaction:
                    self.connection.execute("COMMIT")
            except BaseException:
                if self.connection.in_transaction:
                    self.connection.execute("ROLLBACK")
                raise

    def copy(self, target: Path) -> None:
        """Copy the file as one moment saw it, even while somebody writes."""
        with self._lock, explained(target, self.what), contextlib.closing(sqlite3.connect(target)) as new:
            self.connection.backup(new)

    def close(self) -> None:
        """Close the file; what waits for the disk is brought there."""
        with self._lock:
            self.settle()
            self.connection.close()


def open_database(
    path: Path, *, what: str, schema: str = "", read_only: bool = False, wait: float = 30.0, durable: bool = True
) -> Database:
    """Open an SQLite file, and make it if it is new.

    Args:
        what: what the file should be, for messages: ``a journal of tbd``.
        schema: statements that make the tables of a new file, each with ``IF NOT EXISTS``.
        read_only: nothing is made and nothing can be written; also works in a folder that cannot be written.
        wait: seconds to wait while somebody else writes.
        durable: what was committed survives a power cut, not only a kill; slower.

    Raises:
        InputError: there is no such file (``read_only``), it is no such database, or it cannot be written.
        UsageError: it would not be on this machine, or in the copy of what lies elsewhere.
        MissingError: the disk is full, somebody else holds the file still, or its file system keeps no locks.
    """
    if read_only:
        return _opened_to_read(path, what, wait)
    workspace.refuse_elsewhere(path.parent)
    with explained(path, what):
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(path, timeout=wait, check_same_thread=False, isolation_level=None)
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
            connection.executescript(schema)
        except BaseException:
            connection.close()
            raise
    return Database(path, what, connection)


def _opened_to_read(path: Path, what: str, wait: float) -> Database:
    if not path.is_file():
        raise InputError(f"{path}: there is no such file")
    logs = [path.with_name(path.name + end) for end in ("-wal", "-journal")]
    address = f"{path.absolute().as_uri()}?mode=ro"
    with explained(path, what):
        connection = sqlite3.connect(address, timeout=wait, check_same_thread=False, isolation_level=None, uri=True)
        try:
            connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
        except sqlite3.OperationalError:
            connection.close()
            if any(log.is_file() and log.stat().st_size for log in logs):  # without them the file is not whole
                raise
            # a folder that cannot be written takes no index of the log; without a log none is needed
            connection = sqlite3.connect(
                f"{address}&immutable=1", timeout=wait, check_same_thread=False, isolation_level=None, uri=True
            )
            connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
    return Database(path, what, connection)


@contextlib.contextmanager
def explained(path: Path, what: str) -> Iterator[None]:
    """Turn what SQLite and the operating system say about ``path`` into errors a user can act on.

    Raises:
        MissingError: the disk is full, somebody else holds the file, or its file system keeps no locks.
        InputError: the file cannot be read or written, or is not ``what``.
    """
    try:
        with workspace.writing(path):
            yield
    except sqlite3.DatabaseError as error:
        raise _in_words(error, path, what) from error


def _in_words(error: sqlite3.DatabaseError, path: Path, what: str) -> TbdError:
    name = getattr(error, "sqlite_errorname", "") or ""
    if "FULL" in name:
        return MissingError(
            f"{path}: the disk is full; everything that was finished is saved",
            next="free some space, then do the same again",
        )
    if name in _REFUSED or (name.startswith(("SQLITE_BUSY", "SQLITE_PERM")) and not _grants_locks(path)):
        return locks.no_locks(path)
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return MissingError(f"{path}: another run is writing here", next="wait for it, then do the same again")
    if name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_AUTH")):
        return InputError(
            f"{path}: cannot be opened or written ({error})",
            next=f"see who may write in {path.parent}, or choose another folder",
        )
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return InputError(
            f"{path}: not {what}, or damaged ({error}); a copy made while it was written needs {path.name}-wal beside it",
            next=f"copy it again with {path.name}-wal, or move {path} away",
        )
    return InputError(f"{path}: not {what} ({error})", next=f"move {path} away")


def _grants_locks(path: Path) -> bool:
    return not path.parent.is_dir() or locks.keeps_locks(path.parent)
