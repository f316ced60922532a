"""Landmark distances that forgive timing: M-LMD and F-LMD along the best alignment in time; lower is better.

    D(x, y) = sdtw(x, y) - (sdtw(x, x) + sdtw(y, y)) / 2,  over the number of frames

sdtw is the soft minimum (gamma = 0.1 pixels) over alignments of the sum of distances between landmarks after their mean
has been taken away; frames more than half a second apart are never aligned. 0 for equal motion.

Sources: Cuturi and Blondel 2017 (soft-DTW); Blondel et al. 2021 (the divergence).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tbd.evaluate.metrics.base import ClipInfo, Metric
from tbd.evaluate.metrics.landmark_tracks import BACKBONE, LIPS, MotionMetric, Track
from tbd.evaluate.metrics.landmarks import Find

GAMMA = 0.1
"""Pixels: the smaller, the nearer to the sharp minimum."""

BAND = 0.5
"""Seconds by which aligned frames may lie apart."""


def soft_dtw_divergence(pred: Track, ref: Track, band: int, gamma: float = GAMMA) -> float:
    """How far two motions are apart, whatever their timing, a frame.

    Args:
        pred, ref: ``(T, n, 2)`` and ``(U, n, 2)`` landmarks whose mean has been taken away.
        band: frames that may lie between aligned ones.

    Returns:
        In units of the landmarks, 0 or more; 0 for equal motions.
    """
    from tbd.evaluate.measures.kernels import soft_dtw

    one, other = (np.ascontiguousarray(track.reshape(len(track), -1)) for track in (pred, ref))
    band = max(band, abs(len(one) - len(other)))
    apart = (
        soft_dtw(one, other, band, gamma) - (soft_dtw(one, one, band, gamma) + soft_dtw(other, other, band, gamma)) / 2
    )
    return max(0.0, float(apart)) / max(len(one), len(other))


class SoftLandmarkDistance(MotionMetric):
    """M-LMD or F-LMD along the best alignment in time.

    Args:
        key: ``m_lmd`` or ``f_lmd``.
    """

    direction = "lower"
    source = "Cuturi and Blondel 2017; Blondel et al. 2021; MediaPipe's landmarks"

    def __init__(self, key: str, title: str, name: str = f"softdtw-{BACKBONE}", find: Find | None = None) -> None:
        self.key, self.title = key, title
        super().__init__(name, find)

    def measure(self, pred: Track, ref: Track | None, clip: ClipInfo) -> tuple[float | None, dict[str, Any]]:
        """Pixels a frame."""
        assert ref is not None
        points = LIPS if self.key == "m_lmd" else slice(None)
        sides = [track[~np.isnan(track[:, 0, 0])][:, points] for track in (pred, ref)]
        one, other = (side - side.mean(1, keepdims=True) for side in sides)
        return soft_dtw_divergence(one, other, max(1, round(BAND * clip.fps))), {"in": "pixels"}


METRICS: tuple[Metric, ...] = (SoftLandmarkDistance("m_lmd", "M-LMD"), SoftLandmarkDistance("f_lmd", "F-LMD"))
