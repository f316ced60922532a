"""CSIM: whether the person stays the same; cosine of ArcFace's features, from -1 to 1, higher is better.

    mean over frames of cos(f(frame), f(portrait)),  or of cos(f(frame), f(true frame))

f is ArcFace (R50, trained on WebFace600K) of the largest face, aligned by five points. Papers name neither
network nor reference; here both are part of the protocol. Source: Deng et al. 2019; insightface's ``buffalo_l``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from tbd import weights
from tbd.evaluate.measures.face_embeddings import Faces, Finder, Mtcnn
from tbd.evaluate.measures.statistics import mean
from tbd.evaluate.metrics.base import Accumulator, Aggregate, ClipInfo, ClipScore, Metric, Window

Against = Literal["portrait", "frames"]
Detector = Literal["scrfd", "mtcnn"]


class Csim(Metric):
    """CSIM against the portrait that the video started from, or against the true frames.

    Args:
        against: what a frame is compared with.
        detector: what finds the five points: SCRFD as insightface does, or MTCNN, which other metrics share.
    """

    key = "csim"
    title = "CSIM"
    direction = "higher"
    unit = "frames"
    source = "Deng et al. 2019 (ArcFace), insightface buffalo_l"
    needs_faces = True

    def __init__(self, protocol: str, against: Against, detector: Detector = "scrfd") -> None:
        self.protocol = f"csim@{protocol}"
        self.compares = "frames" if against == "frames" else "nothing"
        self.needs_portrait = against == "portrait"
        self.weights = ("buffalo_l",) if detector == "scrfd" else ("buffalo_l", "mtcnn")
        self._detector: Detector = detector

    def open(self, clip: ClipInfo) -> Accumulator:
        """Start a clip.

        Raises:
            InputError: there is no portrait, or no face in it.
        """
        from tbd.evaluate.networks.arcface import arcface, scrfd

        folder = weights.resolve("buffalo_l")
        finder = Finder("scrfd", scrfd(folder, clip.device).find) if self._detector == "scrfd" else Mtcnn()
        faces = Faces(finder, arcface(folder, clip.device))
        return Likeness(faces, faces.portrait(clip.portrait()) if self.needs_portrait else None)

    def aggregate(self, scores: Sequence[ClipScore], reference: Sequence[ClipScore] = ()) -> Aggregate:
        """The mean over clips."""
        return mean(scores)


class Likeness:
    """The accumulator: one cosine for each frame with a face.

    Args:
        faces: describes them.
        portrait: ``(d,)`` features to compare with; None takes those of the true frames.
    """

    def __init__(self, faces: Faces, portrait: npt.NDArray[np.float64] | None) -> None:
        self._faces, self._portrait = faces, portrait
        self._values: list[float] = []
        self._frames = self._several = 0

    def update(self, window: Window) -> None:
        """Compare the faces of the next frames."""
        pred, several = self._faces.of_pred(window)
        ref = self._faces.of_ref(window)[0] if self._portrait is None else np.tile(self._portrait, (len(pred), 1))
        both = pred.any(1) & ref.any(1)
        if both.any():
            self._values += (pred[both] * ref[both]).sum(1).tolist()
        self._frames += len(pred)
        self._several += int(several.sum())

    def finish(self) -> ClipScore:
        """The mean; frames without a face are counted, not scored."""
        details = {
            "frames_without_face": self._frames - len(self._values),
            "frames_with_more_faces": self._several,
        }
        if not self._values:
            return ClipScore(None, 0, f"no face on any of {self._frames} frames", details)
        return ClipScore(math.fsum(self._values) / len(self._values), len(self._values), details=details)

    def state(self) -> dict[str, Any]:
        """The cosines so far."""
        return {"values": self._values, "frames": self._frames, "several": self._several}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from there."""
        self._values, self._frames, self._several = list(state["values"]), state["frames"], state["several"]


METRICS: tuple[Metric, ...] = (
    Csim("arcface-portrait", "portrait"),
    Csim("arcface-frames", "frames"),
    Csim("arcface-portrait-mtcnn", "portrait", "mtcnn"),
)
