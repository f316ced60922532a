"""The curation list: clips that people rejected for their media or their label, which no new text can mend."""

from __future__ import annotations

import csv
import io
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from tbd import workspace
from tbd.manifest import reviews
from tbd.manifest.reader import locate_manifest
from tbd.manifest.reviews import Decisions
from tbd.manifest.row_lookup import RowLookup

FILE = "curation.csv"
_COLUMNS = ("clip_id", "reason", "dataset", "subject", "emotion", "level", "file_name", "flags", "reviewers")


@dataclass(frozen=True, slots=True)
class Curation:
    """What a person has to look after.

    Attributes:
        clips: a record for each, with the columns of ``curation.csv``, sorted by ``clip_id``.
        counts: rejected clips by reason, ``text`` too, which goes back to annotation.
    """

    clips: tuple[dict[str, str], ...]
    counts: dict[str, int]


def curation(folder: str | Path, decisions: Decisions | None = None) -> Curation:
    """The rejected clips of a manifest whose present text people judged.

    Args:
        folder: a manifest folder or its Parquet file.
        decisions: of its store, when they are read already.

    Raises:
        InputError: no manifest, or a damaged store.
    """
    file = locate_manifest(folder)
    made = reviews.read_decisions(file.parent) if decisions is None else decisions
    rows, counts, clips = RowLookup(file), Counter[str](), []
    for clip_id, about in sorted(made.items()):
        number = rows.find(clip_id) if about else None
        decision = None if number is None else reviews.decision_about(about, rows.prompts(number))
        if number is None or decision is None or decision.status != "rejected":
            continue
        counts[reason := decision.reason or "text"] += 1
        if reason != "text":
            row = {**rows.row(number), "reason": reason, "reviewers": decision.reviewers}
            clips.append({name: _cell(row[name]) for name in _COLUMNS})
    rows.close()
    return Curation(tuple(clips), dict(counts))


def write_curation(folder: Path, decisions: Decisions) -> None:
    """Write ``curation.csv`` beside the manifest, unless no clip has ever been on the list."""
    path = folder / FILE
    found = curation(folder, decisions) if decisions or path.is_file() else None
    if found and (found.clips or path.is_file()):
        text = io.StringIO()
        table = csv.DictWriter(text, _COLUMNS, lineterminator="\n")
        table.writeheader()
        table.writerows(found.clips)
        workspace.write_text(path, text.getvalue())


def _cell(value: object) -> str:
    return "" if value is None else " ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
