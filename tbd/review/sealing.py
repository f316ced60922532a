"""Ending a review: the manifest shows every decision, whoever ends at the same time."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tbd.manifest.seal import Sealed, reseal


def reseal_once_at_a_time(folder: Path) -> Sealed:
    """Seal again, waiting for others who do: the last to seal has read every decision made before.

    Raises:
        InputError: as ``tbd.manifest.reseal``.
    """
    with _alone(folder):
        return reseal(folder)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
