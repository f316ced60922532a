"""Ending a review: the manifest shows every decision, whoever ends at the same time."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tbd.manifest.seal import Sealed, reseal


def seal_again(folder: Path) -> Sealed:
    """Seal again, waiting for others who do: the last to seal has read every decision made before.

    Raises:
        InputError: as ``tbd.manifest.reseal``.
    """
    with _alone(folder):
        return reseal(folder)


def is_behind(file: Path, newest: float) -> bool:
    """Whether a manifest was sealed before its newest event (seconds since 1970), or may have been."""
    return newest > (file.stat().st_mtime - 1 if file.is_file() else 0.0)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
