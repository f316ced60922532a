"""Lip dynamics: whether the lips move as much as the true ones; agreement from 0 to 1, higher is better.

    m = mean over pairs of lip points of the standard deviation, over time, of their distance
    agreement = 1 - |m - m_true| / m_true

in pixels of a picture whose longer side is 256. Source: THEval (Newbyl/THEval), whose landmarks are others.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tbd.evaluate.metrics.base import ClipInfo, Metric
from tbd.evaluate.metrics.landmark_tracks import LIPS, MotionMetric, Track, compared, spread_in_time


def lip_dynamics(track: Track) -> float:
    """How much the lips change their shape, in pixels.

    Args:
        track: ``(T, 68, 2)`` landmarks; NaN on frames without a face.
    """
    lips = track[:, LIPS]
    one, other = np.triu_indices(lips.shape[1], 1)
    return spread_in_time(np.linalg.norm(lips[:, one] - lips[:, other], axis=2))


class LipDynamics(MotionMetric):
    """Agreement of the lips' motion with the true one."""

    key, title, direction = "lip_dynamics", "Lip dynamics", "higher"
    source = "THEval; MediaPipe's landmarks"

    def measure(self, pred: Track, ref: Track | None, clip: ClipInfo) -> tuple[float | None, dict[str, Any]]:
        """The agreement, and both quantities."""
        assert ref is not None
        return compared(lip_dynamics(pred), lip_dynamics(ref), "pixels")


METRICS: tuple[Metric, ...] = (LipDynamics(),)
