"""Landmark distances, M-LMD (mouth) and F-LMD (face): how far the face moves otherwise; lower is better.

    mean over frames and points of |(p - mean p) - (q - mean q)|

p and q are 68 landmarks of a frame and of the true frame, in pixels of a picture whose longer side is
256; M-LMD takes the 20 of the lips. The mean of the points is taken away, scale and rotation are not.

Source: Chen et al. 2018 (*Lip movements generation at a glance*), as EAT's ``test_lmd.py`` computes it.
EAT detects with dlib; here MediaPipe's mesh gives the points, which the protocol's name says.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from tbd import weights
from tbd.evaluate.measures.frames import Pixels
from tbd.evaluate.measures.statistics import mean
from tbd.evaluate.metrics.base import Accumulator, Aggregate, ClipInfo, ClipScore, Metric, Window
from tbd.evaluate.networks.facemesh import lacks_mediapipe

Points = npt.NDArray[np.float64]
Find = Callable[[Pixels], Sequence[Points | None]]
"""For each frame ``(68, 2)`` points in pixels, or None without a face."""

SIDE = 256
"""Pixels of the longer side in which distances are told: EAT's crops."""

MOUTH = slice(48, 68)


def landmark_distance(pred: Points, ref: Points) -> float:
    """Mean distance of points after their mean has been taken away.

    Args:
        pred, ref: ``(n, 2)`` the same points of two faces.
    """
    moved = (pred - pred.mean(0)) - (ref - ref.mean(0))
    return float(np.linalg.norm(moved, axis=1).mean())


class LandmarkDistance(Metric):
    """M-LMD or F-LMD; both come from one pass.

    Args:
        find: another detector than MediaPipe's, for programs; ``name`` then says which.
    """

    direction = "lower"
    unit = "frames"
    source = "Chen et al. 2018; EAT's test_lmd.py"
    compares = "frames"
    needs_faces = True

    def __init__(self, key: str, title: str, name: str = "eat-facemesh", find: Find | None = None) -> None:
        self.key, self.title, self._find = key, title, find
        self.protocol = f"{key}@{name}"
        self.shares = f"landmarks@{name}"
        self.weights = () if find else ("face_landmarker",)

    def missing(self) -> str:
        """MediaPipe is an extra of this package."""
        return "" if self._find else lacks_mediapipe()

    def open(self, clip: ClipInfo) -> Accumulator:
        """Start a clip."""
        if self._find:
            return Landmarks(self._find)
        from tbd.evaluate.networks.facemesh import facemesh

        return Landmarks(facemesh(weights.resolve("face_landmarker")).find)

    def read(self, score: ClipScore) -> ClipScore:
        """The distance that this metric is named after."""
        return replace(score, value=score.details.get(self.key))

    def aggregate(self, scores: Sequence[ClipScore], reference: Sequence[ClipScore] = ()) -> Aggregate:
        """The mean over clips."""
        return mean(scores)


class Landmarks:
    """The accumulator: both distances of every frame on which both videos show a face."""

    def __init__(self, find: Find) -> None:
        self._find = find
        self._mouth: list[float] = []
        self._face: list[float] = []
        self._frames = 0

    def update(self, window: Window) -> None:
        """Measure the next frames."""
        scale = SIDE / max(window.pred.shape[1:3])
        pairs = zip(window.of_pred("landmarks", self._find), window.of_ref("landmarks", self._find), strict=True)
        for pred, ref in pairs:
            self._frames += 1
            if pred is not None and ref is not None:
                self._mouth.append(scale * landmark_distance(pred[MOUTH], ref[MOUTH]))
                self._face.append(scale * landmark_distance(pred, ref))

    def finish(self) -> ClipScore:
        """The means; frames without a face are counted, not scored."""
        n = len(self._face)
        details: dict[str, float] = {"frames_without_face": self._frames - n}
        if not n:
            return ClipScore(None, 0, f"no face on both videos on any of {self._frames} frames", details)
        details |= {"m_lmd": math.fsum(self._mouth) / n, "f_lmd": math.fsum(self._face) / n}
        return ClipScore(details["m_lmd"], n, details=details)

    def state(self) -> dict[str, Any]:
        """The distances so far."""
        return {"mouth": self._mouth, "face": self._face, "frames": self._frames}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from there."""
        self._mouth, self._face, self._frames = list(state["mouth"]), list(state["face"]), state["frames"]


METRICS: tuple[Metric, ...] = (LandmarkDistance("m_lmd", "M-LMD"), LandmarkDistance("f_lmd", "F-LMD"))
