"""The accumulator of metrics that have one number a frame."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from tbd.evaluate.measures.frames import Scores
from tbd.evaluate.metrics.base import ClipScore, Window


class FrameMean:
    """An accumulator: the mean over the frames of a clip, the same however the clip is cut into windows.

    Args:
        score: gives the scores ``(T,)`` of a window's frames.
    """

    def __init__(self, score: Callable[[Window], Scores]) -> None:
        self._score = score
        self.values: list[float] = []

    def update(self, window: Window) -> None:
        """Score the frames of the next window."""
        self.values.extend(self._score(window).tolist())

    def finish(self) -> ClipScore:
        """The mean; not computable without frames."""
        if not self.values:
            return ClipScore(None, 0, "no frames")
        return ClipScore(math.fsum(self.values) / len(self.values), len(self.values))

    def state(self) -> dict[str, Any]:
        """The scores so far."""
        return {"values": self.values}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from there."""
        self.values = list(state["values"])
