"""The picture that videos started from: a frame of another clip where all of them record it, else of the target clip.

``run.json`` says by which rule ``tbd generate`` chose it, and each video which frame of which file it was. A frame of the
target clip shows the expression that a model had to find by itself, so the two make other numbers: of the still picture
beside the runs, and of metrics that hold a video against its portrait.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tbd.evaluate.inputs.jobs import PORTRAITS, GroundTruth, Portrait
from tbd.evaluate.inputs.pairing import Pair, Pairing
from tbd.schema import ManifestRow

UNLIKE = (
    "{} started from another clip; not every video here records the same, or no manifest says which frame it was, so "
    "portrait and still picture are a frame of the target clip, whose expression it shows"
)


def said(documents: Mapping[str, Mapping[str, Any]]) -> Portrait:
    """The reference that the ``run.json`` of all runs name; ``clip`` where they differ, or one names none."""
    found = {_reference(document) for document in documents.values()}
    return next((one for one in PORTRAITS if found == {one}), "clip")


def other_clips(
    rows: Sequence[ManifestRow], chosen: Sequence[ManifestRow], portrait: Portrait
) -> Mapping[str, ManifestRow | None]:
    """The row whose reference frame the video of each chosen row starts from; nothing where that is the row itself.

    Args:
        rows: all of the manifest.
    """
    from tbd.manifest.start_frames import start_rows

    return {} if portrait == "clip" else start_rows(rows, chosen, portrait)


def recorded_alike(pairings: Mapping[str, Pairing], truth_of: Callable[[Pair], GroundTruth]) -> bool:
    """Whether every video of every run records that it started from the frame of ``GroundTruth.start``."""
    pairs = [pair for found in pairings.values() for pair in found.matched]
    return all(_started_there(pair.video, truth_of(pair)) for pair in pairs)


def unlike(documents: Mapping[str, Mapping[str, Any]], portrait: Portrait) -> tuple[str, ...]:
    """A note where runs started from another clip, and the numbers know nothing of it."""
    others = [name for name, document in documents.items() if _reference(document) in ("neutral", "person")]
    return (UNLIKE.format(", ".join(others)),) if others and portrait == "clip" else ()


def _reference(document: Mapping[str, Any]) -> str:
    recipe = document.get("recipe")
    return str(recipe.get("reference")) if isinstance(recipe, Mapping) else ""


def _started_there(video: Path | None, truth: GroundTruth) -> bool:
    from tbd.media.recorded import recorded_details

    clip = truth.start_clip()
    if video is None or clip is None or not clip.path.is_file():
        return False
    made = recorded_details(video)
    return (made.get("portrait"), made.get("frame")) == (clip.path.name, truth.start_frame)
