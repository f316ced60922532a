"""Style codes: whether speakers, and emotions, can be told apart in what a system draws (Fig. 11 of the paper).

One point a video: the mean of the length-1 features of the largest face on 16 evenly spaced frames. The number is
the k-NN purity of the points in the original features (``tbd.evaluate.measures.separation``): by speaker for
``style_identity``; by emotion, among neighbours of other speakers, for ``style_expression``. The picture is
``tbd.evaluate.style_codes``. Features: insightface's ArcFace; facenet-pytorch's InceptionResnetV1, a face recogniser,
which is what the paper uses; and HSEmotion's probabilities, which know expressions and no people.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt

from tbd import weights
from tbd.errors import InputError
from tbd.evaluate.measures.frames import Pixels
from tbd.evaluate.measures.separation import separation
from tbd.evaluate.measures.statistics import uncovered
from tbd.evaluate.metrics.base import Accumulator, Aggregate, ClipInfo, ClipScore, Metric, Window

FRAMES = 16
Describe = Callable[[Pixels], npt.NDArray[np.float64]]
"""``(T, H, W, 3)`` uint8 RGB -> ``(m, d)`` of length 1, for the m frames with a face."""


class StyleCode(Metric):
    """The separation of one label in one kind of features.

    Args:
        key: of ``scores.json``.
        name: of the features, for the protocol.
        label: ``subject`` or ``emotion``, of the manifest row.
        load: gives the describing function for a device.
        needed: catalogue keys of the weights.
    """

    direction = "higher"
    unit = "frames"
    source = "Think-Before-Draw, Fig. 11"
    compares = "nothing"
    needs_faces = True
    keeps_features = True
    columns = ("subject", "emotion")

    def __init__(
        self, key: str, name: str, label: str, load: Callable[[str], Describe], needed: tuple[str, ...] = ()
    ) -> None:
        self.key, self.protocol, self.title = key, f"{key}@{name}", f"Style code: {key.removeprefix('style_')}"
        self.label, self.weights, self._load = label, needed, load

    def open(self, clip: ClipInfo) -> Accumulator:
        """Start a clip.

        Raises:
            InputError: it has no label.
        """
        labels = {name: str((clip.row or {}).get(name) or "") for name in self.columns}
        if not labels[self.label]:
            raise InputError(f"no label: the clip has no manifest row with {self.label}")
        return StyleFrames(self._load(clip.device), clip.num_frames, labels)

    def aggregate(self, scores: Sequence[ClipScore], reference: Sequence[ClipScore] = ()) -> Aggregate:
        """The purity, and in the details everything else; no interval: neighbours are not independent."""
        used = [score for score in scores if score.usable and score.features is not None]
        words = f"k-NN purity by {self.label} over videos"
        if not used:
            return Aggregate(None, 0, len(scores), words, reason="no clip has features")
        labels = [score.details[self.label] for score in used]
        groups = [score.details["subject"] for score in used] if self.label == "emotion" else None
        features = np.concatenate([score.features for score in used if score.features is not None])
        found = separation(features, labels, groups)
        if found is None:
            why = f"fewer than two values of {self.label} have two videos: there is nothing to tell apart"
            return Aggregate(None, len(used), len(scores), words, reason=why)
        alone = len(used) - found.points
        notes = [f"{alone} videos are alone with their {self.label} and left out"] if alone else []
        if groups and not found.leave_out:
            notes.append("one speaker only: neighbours are of the same speaker")
        return Aggregate(
            found.purity, found.points, len(scores), words, warnings=(*uncovered(scores), *notes), details=asdict(found)
        )


class StyleFrames:
    """The accumulator: the mean of the features of the chosen frames.

    Args:
        labels: of the clip, kept beside its point.
    """

    def __init__(self, describe: Describe, num_frames: int, labels: dict[str, str]) -> None:
        self._describe, self._labels = describe, labels
        last = max(num_frames - 1, 0)
        self._wanted = frozenset(np.linspace(0, last, min(FRAMES, last + 1)).round().astype(int).tolist())
        self._total: npt.NDArray[np.float64] | None = None
        self._n = 0

    def update(self, window: Window) -> None:
        """Describe the chosen frames among the next."""
        chosen = [i for i in range(len(window.pred)) if window.first + i in self._wanted]
        found = self._describe(window.pred[chosen]) if chosen else np.zeros((0, 0))
        if len(found):
            self._total = found.sum(0) if self._total is None else self._total + found.sum(0)
            self._n += len(found)

    def finish(self) -> ClipScore:
        """One point, or why there is none."""
        if self._total is None:
            return ClipScore(None, 0, f"no face on any of {len(self._wanted)} frames", dict(self._labels))
        return ClipScore(None, self._n, details=dict(self._labels), features=(self._total / self._n)[None])

    def state(self) -> dict[str, Any]:
        """The sum so far."""
        return {"n": self._n} | ({} if self._total is None else {"total": self._total})

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from there."""
        self._n, self._total = state["n"], state.get("total")


def _insightface(device: str) -> Describe:
    from tbd.evaluate.measures.face_embeddings import Faces, Finder
    from tbd.evaluate.networks.arcface import arcface, scrfd

    folder = weights.resolve("buffalo_l")
    finder = Finder("scrfd", scrfd(folder, device).find)
    faces = Faces(finder, arcface(folder, device))

    def describe(frames: Pixels) -> npt.NDArray[np.float64]:
        found, _ = faces.describe(frames, finder.find(frames))
        return found[found.any(axis=1)]

    return describe


def _crops(frames: Pixels) -> list[Pixels]:
    """The largest face of each frame that has one: the detector's box, as far as it lies in the frame."""
    from tbd.media.faces import detector

    crops = []
    for frame, faces in zip(frames, detector().find(list(frames)), strict=True):
        if faces:
            x0, y0, x1, y1 = (max(0, round(edge)) for edge in faces[0].box)
            crops.append(np.ascontiguousarray(frame[y0:y1, x0:x1]))
    return [crop for crop in crops if crop.size]


def _inception_resnet(device: str) -> Describe:
    from tbd.evaluate.networks.facenet import facenet

    network = facenet(weights.resolve("vggface2"), device)
    return lambda frames: network.embed(crops) if (crops := _crops(frames)) else np.zeros((0, 512))


def _hsemotion(device: str) -> Describe:
    from tbd.evaluate.networks.hsemotion import hsemotion

    network = hsemotion(weights.resolve("hsemotion"), device)

    def describe(frames: Pixels) -> npt.NDArray[np.float64]:
        crops = _crops(frames)
        found = network.classify(crops) if crops else np.zeros((0, len(network.emotions)))
        return np.asarray(found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12))

    return describe


METRICS: tuple[Metric, ...] = (
    StyleCode("style_identity", "insightface", "subject", _insightface, ("buffalo_l",)),
    StyleCode("style_expression", "inception-resnet", "emotion", _inception_resnet, ("vggface2", "mtcnn")),
    StyleCode("style_expression", "hsemotion", "emotion", _hsemotion, ("hsemotion", "mtcnn")),
)
