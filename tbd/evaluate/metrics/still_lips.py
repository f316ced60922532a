"""Still lips: how much the lips move while nobody speaks; in pixels, lower is better. No ground truth is needed.

    mean over silent stretches of the standard deviation, over time, of the opening of the lips

in pixels of a picture whose longer side is 256. A stretch is silent where the sound of at least 0.2 s lies 30 dB below
the loudest frame. The ground truth's own number, a baseline of every table, says how still lips can be.

Source: THEval (Newbyl/THEval), which finds silence by a network.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import numpy.typing as npt

from tbd.evaluate.metrics.base import ClipInfo, Metric
from tbd.evaluate.metrics.landmark_tracks import MotionMetric, Track
from tbd.media.mfcc import RATE

QUIET = 30.0
"""dB below the loudest frame."""

SHORTEST = 0.2
"""Seconds of a stretch."""


def silent_stretches(audio: npt.NDArray[np.int16], fps: float, frames: int) -> list[slice]:
    """Frames during which nobody speaks.

    Args:
        audio: ``(n,)`` int16 at 16 kHz, from the first frame on.
        fps: frames a second.
        frames: of the video.
    """
    edges = np.round(np.arange(frames + 1) * RATE / fps).astype(int).clip(0, len(audio))
    sound = audio.astype(np.float64)
    loud = np.array([np.sqrt(np.mean(sound[a:b] ** 2)) if b > a else 0.0 for a, b in itertools.pairwise(edges)])
    quiet = np.concatenate([[False], loud < loud.max() * 10 ** (-QUIET / 20), [False]])
    turns = np.flatnonzero(np.diff(quiet.astype(int)))
    runs = zip(turns[::2].tolist(), turns[1::2].tolist(), strict=True)
    return [slice(a, b) for a, b in runs if b - a >= max(2, SHORTEST * fps)]


def lip_opening(track: Track) -> npt.NDArray[np.float64]:
    """``(T,)`` distance of the inner lips in their middle, of ``(T, 68, 2)`` landmarks."""
    return np.asarray(np.linalg.norm(track[:, 62] - track[:, 66], axis=1), np.float64)


class StillLips(MotionMetric):
    """Motion of the lips in silence."""

    key, title, direction = "still_lips", "Still lips", "lower"
    source = "THEval; MediaPipe's landmarks"
    compares = "nothing"
    needs_audio = True

    def measure(self, pred: Track, ref: Track | None, clip: ClipInfo) -> tuple[float | None, dict[str, Any]]:
        """Pixels."""
        assert clip.audio is not None
        opening = lip_opening(pred)
        stretches = [opening[one] for one in silent_stretches(clip.audio, clip.fps, len(pred))]
        spreads = [float(np.nanstd(one)) for one in stretches if np.count_nonzero(~np.isnan(one)) > 1]
        if not spreads:
            return None, {"reason": f"no silence of {SHORTEST} s or more"}
        return float(np.mean(spreads)), {"stretches": len(spreads), "in": "pixels"}


METRICS: tuple[Metric, ...] = (StillLips(),)
