"""What identifies a file, and what a name draws: a stamp for a quick look, a hash for a sure one, a seeded fraction.

The sha256 of a file is remembered by path and strict stamp in ``hashes.sqlite`` of the cache folder, for all commands
together, so that a file that nobody wrote to is read once. A memory that cannot be used costs time, never truth.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import time
from pathlib import Path

from tbd import workspace
from tbd.errors import InputError, TbdError
from tbd.sqlite import Database, open_database

MEMORY = "hashes.sqlite"
_SCHEMA = "CREATE TABLE IF NOT EXISTS file (path TEXT PRIMARY KEY, stamp TEXT NOT NULL, sha256 TEXT NOT NULL)"
_SETTLED = 2.0
"""Seconds after which a file's times tell apart two versions of it on every file system (FAT counts in twos)."""


def file_stamp(path: str | Path, *, strict: bool = False) -> str:
    """Size and time of last change of a file, ``"1048576:1732700000000000000"``; the file is not opened.

    Args:
        strict: also the time of the last change of its inode, which nobody can set back; copying a file, or moving it
            to another disk, changes it.

    Raises:
        InputError: there is no such file, or it may not be looked at.
    """
    try:
        found = os.stat(path)  # noqa: PTH116 (a data set has hundreds of thousands)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: {getattr(error, 'strerror', None) or error}") from None
    stamp = f"{found.st_size}:{found.st_mtime_ns}"
    return f"{stamp}:{found.st_ctime_ns}" if strict else stamp


def sha256_file(path: str | Path) -> str:
    """sha256 of a file's content, 64 hex digits; a file that has not changed is not read again.

    Raises:
        InputError: the file cannot be read.
    """
    path = Path(path)
    name, stamp = os.path.realpath(path), file_stamp(path, strict=True)
    if (known := _recall(name, stamp)) is not None:
        return known
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    if file_stamp(path, strict=True) == stamp and _is_settled(stamp):
        _remember(name, stamp, digest)
    return digest


def sha256_text(text: str) -> str:
    """sha256 of a text, 64 hex digits; a lone surrogate, as in names that are no UTF-8, is hashed as it is."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def seeded_fraction(seed: int, *names: str) -> float:
    """A number in [0, 1) that depends on the seed and the names alone, so that more names never move the others."""
    digest = sha256_text(":".join((str(seed), *names)))
    return (int(digest[:16], 16) >> 11) / 2**53  # as many bits as a float holds: never rounded up to 1


def _is_settled(stamp: str) -> bool:
    """A file written this very moment may be written again within one tick of its clock."""
    return time.time() - int(stamp.rpartition(":")[2]) / 1e9 > _SETTLED


def _recall(name: str, stamp: str) -> str | None:
    with contextlib.suppress(TbdError):
        found = _memory(workspace.cache(), os.getpid()).one("SELECT stamp, sha256 FROM file WHERE path = ?", name)
        if found and found[0] == stamp:
            return str(found[1])
    return None


def _remember(name: str, stamp: str, digest: str) -> None:
    with contextlib.suppress(TbdError):
        _memory(workspace.cache(), os.getpid()).write("REPLACE INTO file VALUES (?, ?, ?)", name, stamp, digest)


@functools.lru_cache(maxsize=1)
def _memory(folder: Path, process: int) -> Database:
    """One connection a process: a forked one may not use its parent's."""
    return open_database(folder / MEMORY, what="a memory of hashes", schema=_SCHEMA, durable=False)
