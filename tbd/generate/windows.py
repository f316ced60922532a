"""A long clip in windows of as many frames as the model was trained on: which window answers for which frame."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, get_args

from tbd.errors import UsageError

WindowMode = Literal["autoregressive", "overlap", "shift"]
MODES: tuple[WindowMode, ...] = get_args(WindowMode)


@dataclass(frozen=True)
class SectionWindow:
    """A window, and the frames of it that are used.

    Attributes:
        start: its first frame in the section.
        first, last: the frames of the section that it answers for, ``last`` excluded.
    """

    start: int
    first: int
    last: int


def section_windows(mode: WindowMode, total: int, frames: int, step: int = 0, overlap: int = 4) -> list[SectionWindow]:
    """The windows of one denoising step; every frame belongs to exactly one.

    Args:
        mode: ``autoregressive``: one after the other, each of ``frames``; ``overlap``: neighbours share ``overlap``
            frames, each of which is taken from the window in whose middle it lies deeper; ``shift``: no overlap, but the
            borders move at every step, so that none stays (Sonic's time-aware shift).
        total: frames of the section, at least ``frames``.
        frames: of a window.
        step: number of the denoising step.
        overlap: frames that neighbours share, or by which borders move.

    Raises:
        UsageError: the overlap is as long as a window.
    """
    if mode == "autoregressive":
        overlap = 0
    if not 0 <= overlap < frames:
        raise UsageError(f"windows of {frames} frames cannot overlap by {overlap}", next="an overlap of 4")
    if mode == "shift":
        edges = sorted({0, *range(step * max(1, overlap) % frames, total, frames), total})
        return [SectionWindow(min(first, total - frames), first, last) for first, last in pairwise(edges)]
    stride = frames - overlap
    starts = sorted({min(start, total - frames) for start in range(0, total - frames + stride, stride)})
    edges = [0, *((left + frames + right) // 2 for left, right in pairwise(starts)), total]
    return [SectionWindow(start, first, last) for start, (first, last) in zip(starts, pairwise(edges), strict=True)]


def padded_length(total: int, frames: int) -> int:
    """Frames that are computed for ``total`` of them: whole windows, at least one."""
    return max(1, -(-total // frames)) * frames
