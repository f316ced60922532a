"""What metrics of facial motion share: the landmarks of every frame of a video and of its ground truth.

Landmarks are found once a window for all of them. Points are told in pixels of a picture whose longer side is 256.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tbd import weights
from tbd.evaluate.measures.statistics import mean
from tbd.evaluate.metrics.base import Accumulator, Aggregate, ClipInfo, ClipScore, Compares, Metric, Window
from tbd.evaluate.metrics.landmarks import SIDE, Find
from tbd.evaluate.networks.facemesh import lacks_mediapipe

Track = npt.NDArray[np.float64]
"""``(T, 68, 2)`` landmarks in pixels; NaN on frames without a face."""

BACKBONE = "facemesh"

RIGHT_BROW, LEFT_BROW = slice(17, 22), slice(22, 27)
RIGHT_EYE, LEFT_EYE = slice(36, 42), slice(42, 48)
LIPS = slice(48, 68)

ENOUGH = 0.5
"""Least share of frames that must show a face on every side."""


class MotionMetric(Metric):
    """A number of the motion of landmarks.

    Args:
        find: another detector than MediaPipe's, for programs; ``name`` then says which.
    """

    unit = "frames"
    compares: Compares = "frames"
    needs_faces = True

    def __init__(self, name: str = BACKBONE, find: Find | None = None) -> None:
        self.protocol = f"{self.key}@{name}"
        self.weights = () if find else ("face_landmarker",)
        self._find = find

    def missing(self) -> str:
        """MediaPipe is an extra of this package."""
        return "" if self._find else lacks_mediapipe()

    def open(self, clip: ClipInfo) -> Accumulator:
        """Start a clip."""
        if self._find:
            return LandmarkTracks(self, clip, self._find)
        from tbd.evaluate.networks.facemesh import facemesh

        return LandmarkTracks(self, clip, facemesh(weights.resolve("face_landmarker")).find)

    @abstractmethod
    def measure(self, pred: Track, ref: Track | None, clip: ClipInfo) -> tuple[float | None, dict[str, Any]]:
        """The number of a clip, or None with ``{"reason": …}``, and what a reader may want beside it."""

    def aggregate(self, scores: Sequence[ClipScore], reference: Sequence[ClipScore] = ()) -> Aggregate:
        """The mean over clips."""
        return mean(scores)


class LandmarkTracks:
    """The accumulator: keeps 136 numbers a frame and side."""

    def __init__(self, metric: MotionMetric, clip: ClipInfo, find: Find) -> None:
        self._metric, self._clip, self._find = metric, clip, find
        self._pred: list[Track] = []
        self._ref: list[Track] = []

    def update(self, window: Window) -> None:
        """Find the landmarks of the next frames."""
        scale = SIDE / max(window.pred.shape[1:3])
        self._pred.append(scale * _stacked(window.of_pred("landmarks", self._find)))
        if window.ref is not None:
            self._ref.append(scale * _stacked(window.of_ref("landmarks", self._find)))

    def finish(self) -> ClipScore:
        """The number, if enough frames show a face."""
        pred = np.concatenate(self._pred) if self._pred else np.zeros((0, 68, 2))
        ref = np.concatenate(self._ref) if self._ref else None
        seen = ~np.isnan(pred[:, 0, 0]) & (True if ref is None else ~np.isnan(ref[:, 0, 0]))
        n = int(np.count_nonzero(seen))
        details: dict[str, Any] = {"frames_without_face": len(pred) - n}
        if n < max(2, ENOUGH * len(pred)):
            return ClipScore(None, 0, f"a face on only {n} of {len(pred)} frames", details)
        value, more = self._metric.measure(pred, ref, self._clip)
        reason = str(more.pop("reason", "")) or ("" if value is not None and math.isfinite(value) else "no number")
        return ClipScore(None if reason else value, n, reason, details | more)

    def state(self) -> dict[str, Any]:
        """The landmarks so far."""
        return {"pred": self._pred, "ref": self._ref}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from there."""
        self._pred, self._ref = list(state["pred"]), list(state["ref"])


def agreement(measured: float, true: float) -> float:
    """How near a measured quantity comes to the true one: ``1 - |m - t| / t``, from 0 to 1 (THEval's score)."""
    return max(0.0, 1 - abs(measured - true) / true) if true > 0 else float(measured == 0)


def spread_in_time(values: npt.NDArray[np.float64]) -> float:
    """Standard deviation of ``(T, n)`` over the frames that show a face, mean over the n."""
    return float(np.nanstd(values, axis=0).mean())


def compared(pred: float, ref: float, unit: str) -> tuple[float, dict[str, Any]]:
    """The agreement of a quantity with the true one, and both beside it."""
    return agreement(pred, ref), {"measured": pred, "true": ref, "in": unit}


def _stacked(found: Sequence[npt.NDArray[np.float64] | None]) -> Track:
    return np.stack([np.full((68, 2), np.nan) if points is None else points for points in found])
