"""The lock of everything that writes into a manifest folder, from its first read to its last rename.

Sealing, splitting, merging and the end of a review read rows, and then replace the file that holds them. Two of them at
once would each write what it read, and the later would take the earlier's rows away.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

from tbd.locks import folder_lock

FILE = ".write.lock"
WAIT = 600.0
"""Seconds; sealing 281,400 rows takes about ten."""


def manifest_lock(folder: Path, purpose: str = "sealing the manifest") -> AbstractContextManager[None]:
    """Keep every other writer out of a manifest folder. A thread that holds it may take it again.

    Args:
        folder: the manifest folder, made if need be.
        purpose: what is done meanwhile, for the words that others get.

    Raises:
        MissingError: somebody else still writes after ``WAIT``, or the file system keeps no locks.
        InputError: the folder cannot be written.
    """
    return folder_lock(folder, purpose=purpose, wait=WAIT, file=FILE)
