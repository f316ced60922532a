"""Head dynamics: whether the head turns as much as the true one; agreement from 0 to 1, higher is better.

    m = mean of the standard deviations, over time, of pitch, yaw and roll in degrees
    agreement = 1 - |m - m_true| / m_true

Source: THEval (Newbyl/THEval), whose head pose is another.
"""

from __future__ import annotations

from typing import Any

from tbd.evaluate.measures.head_angles import angles, rotations
from tbd.evaluate.metrics.base import ClipInfo, Metric
from tbd.evaluate.metrics.landmark_tracks import MotionMetric, Track, compared, spread_in_time


def head_dynamics(track: Track) -> float:
    """How much a head turns, in degrees.

    Args:
        track: ``(T, 68, 2)`` landmarks in pixels of a picture of 256; NaN on frames without a face.
    """
    return spread_in_time(angles(rotations(track)))


class HeadDynamics(MotionMetric):
    """Agreement of the head's motion with the true one."""

    key, title, direction = "head_dynamics", "Head dynamics", "higher"
    source = "THEval; MediaPipe's landmarks"

    def measure(self, pred: Track, ref: Track | None, clip: ClipInfo) -> tuple[float | None, dict[str, Any]]:
        """The agreement, and both quantities."""
        assert ref is not None
        return compared(head_dynamics(pred), head_dynamics(ref), "degrees")


METRICS: tuple[Metric, ...] = (HeadDynamics(),)
