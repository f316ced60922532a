"""What every run's video is looked at for, whatever the metrics: damage, and whether the face lies in its place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from tbd.evaluate.engine.clip import ClipContext
from tbd.evaluate.inputs.jobs import Comparison, MetricGroup, RunVideo
from tbd.evaluate.measures.face_geometry import FRAMES, face_offset, mirrored
from tbd.evaluate.measures.frames import Pixels
from tbd.evaluate.metrics.base import Aggregate, ClipInfo, ClipScore, Compares, Metric, Window


class ClipCheck(Metric):
    """No number of a table: its details become what stands beside the numbers of a clip."""

    key = "clip_check"
    title = "clip check"
    direction = "closest"
    unit = "frames"
    source = "this project"
    needs_faces = True

    def __init__(self, compares: Compares) -> None:
        self.compares = compares
        self.protocol = f"clip_check@{compares}"

    def open(self, clip: ClipInfo) -> FewFrames:
        """Start a clip."""
        return FewFrames(clip.num_frames)

    def aggregate(self, scores: Sequence[ClipScore], reference: Sequence[ClipScore] = ()) -> Aggregate:
        """No number: the check's findings are warnings of the metrics beside it."""
        return Aggregate(None, 0, len(scores), "", reason="a check of the clips, not a number")


class FewFrames:
    """The accumulator: keeps a few frames of both sides, spread over the clip."""

    def __init__(self, num_frames: int) -> None:
        self._wanted = set(np.linspace(0, num_frames - 1, FRAMES + 2).round().astype(int)[1:-1].tolist())
        self._pred: list[Pixels] = []
        self._truth: list[Pixels] = []

    def update(self, window: Window) -> None:
        """Keep the frames that are wanted."""
        for i in range(len(window.pred) if window.ref is not None else 0):
            if window.first + i in self._wanted:
                self._pred.append(window.pred[i].copy())
                self._truth.append(window.ref[i].copy())  # type: ignore[index]

    def finish(self) -> ClipScore:
        """Scale, shift and mirroring, as far as both sides show a face."""
        found = face_offset(self._pred, self._truth) if self._pred else None
        details: dict[str, Any] = {"mirrored": mirrored(self._pred, self._truth)} if self._pred else {}
        if found:
            details |= {"scale": found.scale, "shift": found.shift}
        return ClipScore(None, len(self._pred), details=details)


GROUPS: dict[Compares, MetricGroup] = {
    kind: MetricGroup("clip check", (ClipCheck(kind),)) for kind in ("frames", "nothing")
}


def check_group(context: ClipContext, video: RunVideo) -> MetricGroup:
    """The check of a video: against its ground truth where the two can be compared, else of itself alone."""
    from tbd.errors import TbdError

    try:
        context.transform(video, GROUPS["frames"])
        context.frames_compared(video)
    except TbdError:
        return GROUPS["nothing"]
    return GROUPS["frames"]


def beside(comparison: Comparison, check: ClipScore | None) -> Comparison:
    """A comparison with what the check has found."""
    found = dict(check.details) if check else {}
    counts = zip(("", "ground truth: "), found.pop("damaged", ()), strict=False)
    words = [f"{side}{count} frame{'s' * (count > 1)} damaged" for side, count in counts if count]
    return replace(comparison, damage="; ".join(words), **found)
