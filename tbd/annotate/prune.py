"""Rows of clips that have left the data set: found by their files, and dropped when a person says so."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tbd.annotate.journal import FILE, Journal
from tbd.annotate.run import finish
from tbd.errors import InputError
from tbd.locks import folder_lock
from tbd.manifest import dataset_roots
from tbd.schema import ManifestRow


def prune_rows(folder: Path, roots: Mapping[str, Path] | None = None, *, dry: bool = False) -> dict[str, Any]:
    """Drop the rows whose video is no longer there, and seal the rest.

    Args:
        roots: where each dataset lies; what is not named is taken from ``run.json``.
        dry: only say which.

    Returns:
        ``gone``: clip_ids, sorted; ``kept``: rows that stay.

    Raises:
        InputError: no journal, or the dataset's folder is not there: then nothing is known of its files.
    """
    if not (folder / FILE).is_file():
        raise InputError(f"{folder}: no {FILE} there, so its rows cannot be dropped", next="tbd manifest list")
    places = dataset_roots(folder, roots)
    held = contextlib.nullcontext() if dry else folder_lock(folder, purpose="pruning")
    with held, Journal(folder, read_only=dry) as journal:
        gone = sorted(_gone(map(json.loads, journal.rows()), places))
        if not dry and gone:
            journal.drop_rows(gone)
            finish(folder, journal)
        return {"gone": gone, "kept": journal.count("row") - (len(gone) if dry else 0)}


def _gone(rows: Iterable[ManifestRow], places: Mapping[str, Path]) -> Iterable[str]:
    for row in rows:
        root = places.get(row["dataset"])
        if root is None or not root.is_dir():
            raise InputError(f"{row['dataset']}: its folder is not there", next=f"--root {row['dataset']}=PATH")
        if not (root / row["file_name"]).is_file():
            yield row["clip_id"]
