"""Proof that a manifest is what it claims to be: findings, one kind each, with the clips that show it."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import pyarrow as pa

from tbd.manifest import reviews
from tbd.manifest.prompt_levels import coarse_and_fine
from tbd.manifest.reader import MANIFEST, locate_manifest, row_groups
from tbd.manifest.review_columns import NEEDED, with_reviews
from tbd.manifest.rows import as_rows
from tbd.manifest.schema import REVIEW_COLUMNS
from tbd.manifest.seal import recorded_split, seal_manifest
from tbd.manifest.tokens import count_tokens
from tbd.schema import EMOTIONS, INTENSITIES, ManifestRow, Mode, Status

SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,119}")
"""A ``clip_id`` that is a file name on every system."""

_VALUES: dict[str, frozenset[Any]] = {
    "emotion": frozenset({*EMOTIONS, "calm", None}),
    "intensity": frozenset({*INTENSITIES.values(), None}),
    "level": frozenset({*INTENSITIES, None}),
    "split": frozenset({"train", "test", None}),
    "mode": frozenset(get_args(Mode)),
    "status": frozenset(get_args(Status)),
    "severity": frozenset(range(4)),
}

_MEANING = {
    "clip_id_unsafe": "clip_id is not safe as a file name",
    "clip_id_twice": "clip_id is there more than once",
    "clip_id_order": "rows are not sorted by clip_id",
    "value_unknown": "a value that the column does not know",
    "tokens_differ": "coarse_tokens or fine_tokens is not what CLIP counts",
    "prompts_differ": "coarse_prompt or fine_prompt is not made of prompts",
    "outcome_differs": "success without prompts, or a failure without its reason",
    "window_wrong": "start and end are not a window",
    "crop_not_square": "crop_box is not a square",
    "reviews_newer": "the review columns are not what the reviews say now",
    "media_missing": "the video, picture or sound is not below the dataset's root",
    "root_unknown": "no root is known for the dataset; its media were not looked for",
    "bytes_differ": "a fresh seal of the same rows gives other bytes",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it should be.

    Attributes:
        code: stable name, a key of the table above.
        message: what it means.
        count: how many rows show it; 0 when it is about the whole file.
        clips: the first five of them.
    """

    code: str
    message: str
    count: int = 0
    clips: tuple[str, ...] = ()


def verify_manifest(
    path: str | Path, *, roots: Mapping[str, Path] | None = None, rows: Iterable[str | bytes] | None = None
) -> list[Finding]:
    """Check every row of a manifest, and count its tokens again.

    Args:
        path: a manifest folder or its Parquet file.
        roots: where each dataset lies; with it, the media are looked for.
        rows: the finished rows (the journal's); with them, the file must be equal to a fresh seal.

    Returns:
        One finding for each kind of trouble; none for a sound manifest.

    Raises:
        InputError: there is no manifest, or its file cannot be read or has other columns.
    """
    file = locate_manifest(path)
    found: dict[str, list[str]] = {}
    last = ""
    made = reviews.read_decisions(file.parent)
    reviewed = (file.parent / reviews.FILE).is_file()
    for table in row_groups(file):
        for row in as_rows(table):
            for code in (*_order(last, row["clip_id"]), *_row(row), *_media(row, roots)):
                found.setdefault(code, []).append(row["clip_id"])
            last = row["clip_id"]
        if reviewed:
            found.setdefault("reviews_newer", []).extend(_outdated(table, made))
    if rows is not None and not _fresh(file, rows, made):
        found["bytes_differ"] = []
    codes = (code for code in _MEANING if found.get(code) or (code == "bytes_differ" and code in found))
    return [Finding(code, _MEANING[code], len(found[code]), tuple(found[code][:5])) for code in codes]


def shows_reviews(path: str | Path) -> bool:
    """Whether the review columns of a manifest, as stored, are what its reviews say now.

    Raises:
        InputError: there is no manifest, it is damaged, or its reviews are.
    """
    file = locate_manifest(path)
    made = reviews.read_decisions(file.parent)
    return not any(_outdated(table, made) for table in row_groups(file, [*NEEDED, *REVIEW_COLUMNS]))


def _order(last: str, clip_id: str) -> Iterator[str]:
    if not SAFE.fullmatch(clip_id):
        yield "clip_id_unsafe"
    if clip_id == last:
        yield "clip_id_twice"
    if clip_id < last:
        yield "clip_id_order"


def _row(row: ManifestRow) -> Iterator[str]:
    if any(row.get(name) not in known for name, known in _VALUES.items()):
        yield "value_unknown"
    texts = coarse_and_fine(row["prompts"])
    if (row["coarse_prompt"], row["fine_prompt"]) != texts:
        yield "prompts_differ"
    if [row["coarse_tokens"], row["fine_tokens"]] != [text and count_tokens(text) for text in texts]:
        yield "tokens_differ"
    if _lacks_outcome(row):
        yield "outcome_differs"
    if row["end"] is not None and not 0 <= (row["start"] or 0) < row["end"]:
        yield "window_wrong"
    if row["crop_box"] and not _square(row["crop_box"]):
        yield "crop_not_square"


def _lacks_outcome(row: ManifestRow) -> bool:
    """A truncated reply that can be read has its prompts, and one that cannot has its reason."""
    if row["status"] == "success":
        return not row["prompts"]
    return not row["error"] and not (row["status"] == "truncated" and row["prompts"])


def _square(box: Sequence[float]) -> bool:
    width, height = box[2] - box[0], box[3] - box[1]
    return width > 0 and abs(width - height) <= 1e-3 * max(abs(number) for number in box)


def _media(row: ManifestRow, roots: Mapping[str, Path] | None) -> Iterator[str]:
    if roots is None:
        return
    root = roots.get(row["dataset"])
    if root is None:
        yield "root_unknown"
    elif not all((root / name).is_file() for name in (row["file_name"], row["audio_file_name"]) if name):
        yield "media_missing"


def _outdated(table: pa.Table, made: reviews.Decisions) -> list[str]:
    columns = list(REVIEW_COLUMNS)
    stored, now = table.select(columns), with_reviews(table, made).select(columns)
    if stored.equals(now):
        return []
    pairs = zip(table["clip_id"].to_pylist(), stored.to_pylist(), now.to_pylist(), strict=True)
    return [clip_id for clip_id, before, after in pairs if before != after]


def _fresh(file: Path, rows: Iterable[str | bytes], made: reviews.Decisions) -> bool:
    with tempfile.TemporaryDirectory(prefix="tbd-verify-") as folder:
        seal_manifest(Path(folder), rows, split=recorded_split(file.parent), decisions=made)
        return _same(file, Path(folder) / MANIFEST)


def _same(one: Path, other: Path) -> bool:
    if one.stat().st_size != other.stat().st_size:
        return False
    with one.open("rb") as left, other.open("rb") as right:
        while block := left.read(1 << 20):
            if block != right.read(1 << 20):
                return False
    return True
