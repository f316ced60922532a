"""The clips that several manifests of one dataset have approved: what an ablation may train on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from tbd.errors import InputError, UsageError
from tbd.manifest.reader import read_manifest


def clips_in_common(manifests: Sequence[str | Path]) -> list[str]:
    """Clips that are approved in every manifest, sorted.

    The rows of Table 2 differ in how their prompts were made; trained on different clips they would differ in
    that too.

    Args:
        manifests: two or more folders or Parquet files, such as the same dataset in several modes.

    Raises:
        UsageError: fewer than two manifests.
        InputError: none is approved in all of them, or a clip is on the train side of one and the test side of another.
    """
    if len(manifests) < 2:
        raise UsageError("common clips of at least two manifests", next="tbd manifest common A B -o clips.txt")
    sides = [_sides(path) for path in manifests]
    shared = sorted(set.intersection(*(set(side) for side in sides)))
    torn = [clip for clip in shared if len({side[clip] for side in sides}) > 1]
    if torn:
        raise InputError(
            f"{len(torn)} of the {len(shared)} common clips are train in one manifest and test in another, e.g. {torn[0]}",
            next=f"tbd manifest split {manifests[-1]} --rule RULE",
        )
    if not shared:
        counts = ", ".join(f"{path}: {len(side)}" for path, side in zip(manifests, sides, strict=True))
        raise InputError(f"no clip is approved in all of them (approved: {counts})", next=f"tbd review {manifests[0]}")
    return shared


def _sides(path: str | Path) -> dict[str, str]:
    table: pa.Table = read_manifest(path, ["clip_id", "split", "approved"])
    rows = table.filter(pc.field("approved"))
    return dict(zip(rows["clip_id"].to_pylist(), rows["split"].to_pylist(), strict=True))
