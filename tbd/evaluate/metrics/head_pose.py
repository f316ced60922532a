"""Head pose distance: by how many degrees the head is turned otherwise than the true one; lower is better.

    mean over frames of the angle of R_true^T R

R is the head's rotation by six landmarks and an average head (perspective-n-point). Papers report it as APD or
"pose distance" of three angles; here it is one angle, whose size does not depend on how rotations are split into three.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tbd.evaluate.measures.head_angles import apart, rotations
from tbd.evaluate.metrics.base import ClipInfo, Metric
from tbd.evaluate.metrics.landmark_tracks import MotionMetric, Track


class HeadPose(MotionMetric):
    """The mean angle between the head and the true one."""

    key, title, direction = "head_pose", "Head pose", "lower"
    source = "this project; MediaPipe's landmarks"

    def measure(self, pred: Track, ref: Track | None, clip: ClipInfo) -> tuple[float | None, dict[str, Any]]:
        """Degrees."""
        assert ref is not None
        return float(np.nanmean(apart(rotations(pred), rotations(ref)))), {"in": "degrees"}


METRICS: tuple[Metric, ...] = (HeadPose(),)
