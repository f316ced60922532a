"""FD expression: Fréchet distance between the expressions of a run and of its ground truth; lower is better.

    |mx - my|^2 + Tr Sx + Tr Sy - 2 Tr (Sx Sy)^(1/2)

m and S are mean and covariance (over n - 1) of the 52 blendshapes, each from 0 to 1, that MediaPipe's Face Landmarker
sees in every frame with a face. It is what papers call E-FID, with a backbone that everybody can have; numbers of
another backbone (3DMM coefficients) do not compare.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tbd import weights
from tbd.evaluate.measures.feature_sets import Effort, Sets, by_features, compare
from tbd.evaluate.measures.frames import Pixels
from tbd.evaluate.measures.frechet import frechet_distance
from tbd.evaluate.metrics.base import Aggregate, ClipInfo, ClipScore, Metric, Window
from tbd.evaluate.networks.facemesh import lacks_mediapipe

Look = Callable[[Pixels], Sequence[npt.NDArray[np.float64] | None]]
"""For each frame a feature ``(d,)``, or None without a face."""

EFFORT = Effort(groups=20, splits=5, points=6)


class FaceFeatures:
    """An accumulator: the features of every frame with a face."""

    def __init__(self, look: Look) -> None:
        self._look = look
        self._found: list[npt.NDArray[np.float64]] = []
        self._frames = 0

    def update(self, window: Window) -> None:
        """Look at the faces of the next frames."""
        self._found += [one for one in self._look(window.pred) if one is not None]
        self._frames += len(window.pred)

    def finish(self) -> ClipScore:
        """All features; not computable without a face."""
        details = {"frames_without_face": self._frames - len(self._found)}
        if not self._found:
            return ClipScore(None, 0, f"no face on any of {self._frames} frames", details)
        return ClipScore(None, len(self._found), details=details, features=np.stack(self._found).astype(np.float32))

    def state(self) -> dict[str, Any]:
        """The features so far."""
        return {"found": self._found, "frames": self._frames}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from there."""
        self._found, self._frames = list(state["found"]), state["frames"]


class ExpressionDistance(Metric):
    """Fréchet distance of features of faces.

    Args:
        look: another network than MediaPipe's, for programs; ``name`` then says which.
    """

    key = "fd_expression"
    title = "FD expression"
    direction = "lower"
    unit = "frames"
    source = "Heusel et al. 2017; MediaPipe's blendshapes"
    compares = "sets"
    needs_faces = True
    words = "Fréchet distance between all frames with a face of all clips"

    def __init__(self, name: str = "mediapipe-blendshapes", look: Look | None = None) -> None:
        self.protocol = f"{self.key}@{name}"
        self.weights = () if look else ("face_landmarker",)
        self._look = look

    def missing(self) -> str:
        """MediaPipe is an extra of this package."""
        return "" if self._look else lacks_mediapipe()

    def open(self, clip: ClipInfo) -> FaceFeatures:
        """Start a clip."""
        if self._look:
            return FaceFeatures(self._look)
        from tbd.evaluate.networks.facemesh import facemesh

        return FaceFeatures(facemesh(weights.resolve("face_landmarker"), blendshapes=True).blendshapes)

    def aggregate(self, scores: Sequence[ClipScore], reference: Sequence[ClipScore] = ()) -> Aggregate:
        """The distance, its jackknife over clips, its floor, the run at the floor's size, and where N leads it."""
        sets = Sets.of(scores, reference)
        return compare(sets, by_features(sets, frechet_distance), self.words, "frames", EFFORT)


METRICS: tuple[Metric, ...] = (ExpressionDistance(),)
