"""Blink rate: by how many blinks a minute the eyes blink otherwise than the true ones; lower is better.

    EAR = (|p2 - p6| + |p3 - p5|) / (2 |p1 - p4|), mean of both eyes

A blink is a run of frames, up to 0.5 s long, in which EAR lies under 70 % of its median. People who speak blink some 20
times a minute; a clip of 3 s says little of that, so read it over many clips.

Source: Soukupová and Čech 2016 (*Real-time eye blink detection using facial landmarks*).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from tbd.evaluate.metrics.base import ClipInfo, Metric
from tbd.evaluate.metrics.landmark_tracks import LEFT_EYE, RIGHT_EYE, MotionMetric, Track

CLOSED = 0.7
"""Share of the median opening below which an eye counts as closed."""

LONGEST = 0.5
"""Seconds: eyes that are closed for longer do not blink."""


def eye_opening(track: Track) -> npt.NDArray[np.float64]:
    """``(T,)`` height over width of the eyes, mean of both, of ``(T, 68, 2)`` landmarks."""
    ratios = []
    for eye in (RIGHT_EYE, LEFT_EYE):
        p = track[:, eye]
        heights = np.linalg.norm(p[:, 1] - p[:, 5], axis=1) + np.linalg.norm(p[:, 2] - p[:, 4], axis=1)
        ratios.append(heights / np.maximum(2 * np.linalg.norm(p[:, 0] - p[:, 3], axis=1), 1e-9))
    return np.asarray(np.mean(ratios, axis=0), np.float64)


def blinks(track: Track, fps: float) -> int:
    """How often the eyes blink.

    Args:
        track: ``(T, 68, 2)`` landmarks; NaN on frames without a face.
        fps: frames a second.
    """
    opening = eye_opening(track)
    closed = np.concatenate([[False], np.nan_to_num(opening, nan=np.inf) < CLOSED * np.nanmedian(opening), [False]])
    edges = np.flatnonzero(np.diff(closed.astype(int)))
    lengths = edges[1::2] - edges[::2]
    return int(np.count_nonzero(lengths <= max(1, LONGEST * fps)))


class BlinkRate(MotionMetric):
    """Difference of blink rates."""

    key, title, direction = "blink_rate", "Blink rate", "lower"
    source = "Soukupová and Čech 2016; MediaPipe's landmarks"

    def measure(self, pred: Track, ref: Track | None, clip: ClipInfo) -> tuple[float | None, dict[str, Any]]:
        """Blinks a minute."""
        assert ref is not None
        minutes = len(pred) / clip.fps / 60
        one, other = (blinks(track, clip.fps) / minutes for track in (pred, ref))
        return abs(one - other), {"measured": one, "true": other, "in": "blinks a minute"}


METRICS: tuple[Metric, ...] = (BlinkRate(),)
