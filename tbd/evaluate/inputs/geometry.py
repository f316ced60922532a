"""A wrong ``--align`` is refused before hours are spent on it, by a look at a few pairs."""

from __future__ import annotations

from collections.abc import Sequence

from tbd.errors import InputError, TbdError
from tbd.evaluate.inputs import align, streams
from tbd.evaluate.inputs.jobs import ClipJob
from tbd.evaluate.inputs.streams import FrameStream
from tbd.evaluate.measures.face_geometry import FRAMES, SCALE, SHIFT, FaceOffset, face_offset, mirrored

LOOKED_AT = 5
"""Pairs that are looked at."""


def check_geometry(jobs: Sequence[ClipJob], *, ours: bool) -> None:
    """Refuse videos that do not lie over their ground truth; single clips that do not are told beside the numbers.

    Args:
        ours: the videos were made by tbd, whose crop is right: only sizes are looked at.

    Raises:
        InputError: no pair has one size (canvas), or most show the face at another size or place, or mirrored.
    """
    settings = jobs[0].settings if jobs else None
    if settings is None or settings.align == "face":
        return
    pairs = [opened for job in jobs[: 3 * LOOKED_AT] if (opened := _opened(job)) is not None][:LOOKED_AT]
    if pairs and settings.align == "canvas" and not settings.size:
        _check_sizes(pairs)
    if not ours:
        if settings.length != "resample":
            pairs = [align.same_moments(*pair) for pair in pairs]
        _check_faces(pairs, settings.align, settings.size)


def _check_sizes(pairs: Sequence[tuple[FrameStream, FrameStream]]) -> None:
    if any(pred.size == truth.size for pred, truth in pairs):
        return
    pred, truth = pairs[0]
    raise InputError(
        f"--align canvas: the videos have {pred.size[0]}x{pred.size[1]} pixels, the ground truth "
        f"{truth.size[0]}x{truth.size[1]}",
        next=f"--size {min(*pred.size, *truth.size)} (both at one size), --align crop (same crop, another size) or --align face",
    )


def _check_faces(pairs: Sequence[tuple[FrameStream, FrameStream]], mode: align.Align, size: int | None) -> None:
    looked = [found for pred, truth in pairs if (found := _looked_at(pred, truth, mode, size)) is not None]
    off = [words for words in looked if words]
    if len(off) * 2 <= len(looked):
        return
    raise InputError(
        f"--align {mode}: the faces do not lie in the same place in {len(off)} of {len(looked)} clips looked at "
        f"(first: {off[0]}; at most {SCALE:.0%} and {SHIFT:.0%} are right), so this is not the ground truth's crop",
        next="--align face",
    )


def _looked_at(pred: FrameStream, truth: FrameStream, mode: align.Align, size: int | None) -> str | None:
    """What is wrong with a pair, in words; empty if nothing, None where nobody can tell."""
    try:
        laid = align.transform(pred, truth, mode, size)
        one = [laid.pred(frame) for frame in pred.sources(FRAMES)]
        other = [laid.truth(frame) for frame in truth.sources(FRAMES)]
        count = min(len(one), len(other))
        found = face_offset(one[:count], other[:count])
    except TbdError:
        return None  # it gets its own row
    if mirrored(one[:count], other[:count]):
        return "left and right exchanged"
    return None if found is None else _words(found)


def _words(found: FaceOffset) -> str:
    told = [f"the face has {found.scale:.0%} of the true one's size"] * found.scale_off
    told += [f"it lies {found.shift:.0%} of its size beside the true one"] * found.shift_off
    return ", ".join(told)


def _opened(job: ClipJob) -> tuple[FrameStream, FrameStream] | None:
    """A run's video at the rate of the ground truth, and the ground truth; None where there are not both."""
    path, truth = next((video.path for video in job.videos if video.path), None), job.truth
    if path is None or (truth.row is None and truth.reference is None):
        return None
    try:
        true = (
            streams.of_file(truth.reference)
            if truth.reference
            else streams.of_row(truth.row or {}, truth.root, truth.rule)
        )
        return streams.of_file(path, true.fps), true
    except TbdError:
        return None  # it gets its own row
