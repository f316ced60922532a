"""Brow dynamics: whether the brows move as much as the true ones; agreement from 0 to 1, higher is better.

    m = mean over brow points of the standard deviation, over time, of their distance to the middle of their eye
    agreement = 1 - |m - m_true| / m_true

in pixels of a picture whose longer side is 256. Source: THEval (Newbyl/THEval), whose landmarks are others.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tbd.evaluate.metrics.base import ClipInfo, Metric
from tbd.evaluate.metrics.landmark_tracks import (
    LEFT_BROW,
    LEFT_EYE,
    RIGHT_BROW,
    RIGHT_EYE,
    MotionMetric,
    Track,
    compared,
    spread_in_time,
)


def brow_dynamics(track: Track) -> float:
    """How much the brows rise and fall, in pixels.

    Args:
        track: ``(T, 68, 2)`` landmarks; NaN on frames without a face.
    """
    pairs = ((RIGHT_BROW, RIGHT_EYE), (LEFT_BROW, LEFT_EYE))
    heights = [np.linalg.norm(track[:, brow] - track[:, eye].mean(1, keepdims=True), axis=2) for brow, eye in pairs]
    return spread_in_time(np.concatenate(heights, 1))


class BrowDynamics(MotionMetric):
    """Agreement of the brows' motion with the true one."""

    key, title, direction = "brow_dynamics", "Brow dynamics", "higher"
    source = "THEval; MediaPipe's landmarks"

    def measure(self, pred: Track, ref: Track | None, clip: ClipInfo) -> tuple[float | None, dict[str, Any]]:
        """The agreement, and both quantities."""
        assert ref is not None
        return compared(brow_dynamics(pred), brow_dynamics(ref), "pixels")


METRICS: tuple[Metric, ...] = (BrowDynamics(),)
