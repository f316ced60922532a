"""A dry run that tells the truth: the same work on a copy of what a manifest folder holds."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tbd.manifest import reviews
from tbd.manifest.reader import JOURNAL, MANIFEST
from tbd.manifest.run import RUN


@contextmanager
def rehearsed(folder: Path, dry_run: bool = True) -> Iterator[Path]:
    """The folder itself, or for a dry run a copy of its manifest, its run and its reviews, gone afterwards.

    Args:
        folder: need not exist.
        dry_run: False gives the folder itself.
    """
    if not dry_run:
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="tbd-manifest-") as place:
        copy = Path(place)
        for name in (MANIFEST, RUN):
            if (folder / name).is_file():
                shutil.copy(folder / name, copy / name)
        if (folder / reviews.FILE).is_file():
            reviews.copy(folder / reviews.FILE, copy / reviews.FILE)
        if (folder / JOURNAL).is_file():
            (copy / JOURNAL).touch()  # a merge only asks whether it is there
        yield copy
