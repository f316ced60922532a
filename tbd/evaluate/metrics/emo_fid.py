"""Emo-FID: Fréchet distance between the emotions that a network sees in a run and in its ground truth; lower is better.

    |mx - my|^2 + Tr Sx + Tr Sy - 2 Tr (Sx Sy)^(1/2)

m and S are mean and covariance (over n - 1) of HSEmotion's eight class scores, before the softmax, of every frame with
a face. Eight dimensions need few frames; features before the classes are not in the published file. The backbone is part
of the protocol's name: numbers of two backbones do not compare.

Source: HSEmotion (Savchenko 2022); Heusel et al. 2017.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from tbd import weights
from tbd.evaluate.measures.frames import Pixels
from tbd.evaluate.metrics.base import ClipInfo, Metric, Window
from tbd.evaluate.metrics.emotion import face_crop
from tbd.evaluate.metrics.fd_expression import ExpressionDistance, FaceFeatures, Look


class EmotionFeatures(FaceFeatures):
    """The accumulator: class scores of the largest face of each frame, found once for all metrics."""

    def update(self, window: Window) -> None:
        """Look at the faces of the next frames."""
        pairs = zip(window.pred, window.pred_faces(), strict=True)
        crops = [crop for frame, faces in pairs if faces and (crop := face_crop(frame, faces[0])).size]
        self._found += [one for one in self._look(crops) if one is not None] if crops else []  # type: ignore[arg-type]
        self._frames += len(window.pred)


class EmoFID(ExpressionDistance):
    """Fréchet distance of HSEmotion's class scores."""

    key = "emo_fid"
    title = "Emo-FID"
    source = "HSEmotion (Savchenko 2022); Heusel et al. 2017"

    def __init__(self, name: str = "hsemotion-b0-logits", look: Look | None = None) -> None:
        super().__init__(name, look)
        self.weights = ("mtcnn",) if look else ("hsemotion", "mtcnn")

    def missing(self) -> str:
        """Nothing but the weights."""
        return ""

    def open(self, clip: ClipInfo) -> FaceFeatures:
        """Start a clip."""
        if self._look:
            return EmotionFeatures(self._look)
        from tbd.evaluate.networks.hsemotion import hsemotion

        network = hsemotion(weights.resolve("hsemotion"), clip.device)

        def look(faces: Sequence[Pixels] | Pixels) -> Sequence[npt.NDArray[np.float64] | None]:
            return list(network.logits(list(faces)))

        return EmotionFeatures(look)


METRICS: tuple[Metric, ...] = (EmoFID(),)
