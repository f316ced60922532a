"""The one lock of everything that writes a folder: a manifest, a run, a cache, a checkpoint.

A lock is a hold of the operating system on a small file in the folder (``flock``): it ends with the process, however
that ends, and says who has it. A thread that holds a folder may take it again.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from io import TextIOWrapper
from pathlib import Path

from tbd import workspace
from tbd.errors import MissingError

FILE = ".lock"
"""The lock of a command that works in a folder for as long as it runs."""
_AGAIN = 0.02
"""Seconds between two tries."""
_NO_LOCKS = frozenset({errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL, errno.EIO})
"""What a file system answers that knows no locks."""
NETWORK = frozenset(
    "nfs nfs4 cifs smb3 smbfs afs ceph lustre gpfs beegfs fuse.sshfs fuse.s3fs fuse.gcsfuse fuse.juicefs".split()
)
"""File systems of other machines."""
MOUNTS = Path("/proc/self/mountinfo")
_mine = threading.local()


@contextlib.contextmanager
def folder_lock(folder: Path, *, purpose: str, wait: float = 0.0, file: str = FILE) -> Iterator[None]:
    """Hold a folder against every other process and thread that would hold it too.

    Args:
        folder: made if need be.
        purpose: what is done meanwhile, for the words others get: ``annotating``, ``sealing``.
        wait: seconds to wait for another holder; 0 refuses at once.
        file: which lock; a folder may have one for long work and one for short.

    Raises:
        MissingError: somebody else holds it still, or the file system keeps no locks.
        InputError: the folder cannot be written.
        UsageError: it is not on this machine.
    """
    workspace.refuse_elsewhere(folder)
    path = folder / file
    held: dict[str, int] = _mine.__dict__.setdefault("held", {})
    name = os.path.realpath(path)
    if held.get(name):
        held[name] += 1
        try:
            yield
        finally:
            held[name] -= 1
        return
    with workspace.writing(path):
        folder.mkdir(parents=True, exist_ok=True)
        lock = path.open("a+", encoding="utf-8")
    with lock:
        _take(lock, path, wait)
        _sign(lock, purpose)
        held[name] = 1
        try:
            yield
        finally:
            del held[name]


def keeps_locks(folder: Path) -> bool:
    """Whether the file system of a folder grants locks: NFS without its lock service, for one, does not."""
    try:
        with tempfile.TemporaryFile(dir=folder) as probe:
            fcntl.flock(probe, fcntl.LOCK_EX | fcntl.LOCK_NB)
            fcntl.lockf(probe, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def refuse_network(folder: Path) -> None:
    """Refuse a folder on a network file system: what was written there can be lost or torn when the line breaks.

    Raises:
        MissingError: the folder lies on one; the message names it.
    """
    kind = file_system(folder)
    if kind in NETWORK:
        raise MissingError(
            f"{folder} lies on a network file system ({kind}), where SQLite cannot keep a journal safely: its locks and "
            "its shared memory do not reach other machines",
            next="choose a folder on a disk of this machine with -o DIR; copy the manifest over when it is sealed",
        )


def file_system(folder: Path) -> str:
    """The kind of the file system that a folder lies on, as the system calls it; empty where it does not tell.

    Source: proc(5), ``/proc/self/mountinfo``.
    """
    try:
        lines = MOUNTS.read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    place, best, kind = Path(os.path.realpath(folder)), -1, ""
    for fields in (line.split() for line in lines):
        at = Path(fields[4].replace("\\040", " "))
        if place.is_relative_to(at) and len(at.parts) >= best:
            best, kind = len(at.parts), fields[fields.index("-") + 1]
    return kind


def no_locks(path: Path) -> MissingError:
    """The error of a file system without locks, on which two writers could not be kept apart."""
    return MissingError(
        f"{path}: the file system of this folder keeps no locks, so two writers could not be kept apart",
        next=f"cp -r {path.parent} DIR   # DIR on a local disk; or choose one there with -o DIR",
    )


def _take(lock: TextIOWrapper, path: Path, wait: float) -> None:
    until = time.monotonic() + wait
    while True:
        try:
            return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until:
                raise _held(lock, path) from None
        except OSError as error:
            if error.errno in _NO_LOCKS:
                raise no_locks(path) from error
            raise
        time.sleep(_AGAIN)


def _sign(lock: TextIOWrapper, purpose: str) -> None:
    """Write down who holds it; a full disk must not keep anybody from working."""
    with contextlib.suppress(OSError):
        lock.truncate(0)
        json.dump({"purpose": purpose, "process": os.getpid()}, lock)
        lock.flush()


def _held(lock: TextIOWrapper, path: Path) -> MissingError:
    who = ""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        lock.seek(0)
        signed = json.loads(lock.read())
        who = f" ({signed['purpose']}, process {int(signed['process'])})"
    return MissingError(
        f"{path.parent}: another run is writing here{who}", next="wait for it, or work in another folder"
    )
