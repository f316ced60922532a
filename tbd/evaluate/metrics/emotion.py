"""Emotion accuracy: in how many clips a classifier sees the emotion that was asked for; 0 to 1, higher is better.

A clip's emotion is that of the highest mean probability over its frames with a face; the clip scores 1
where it is the manifest's label, else 0. The headline is the share of right clips, with the confusion
matrix in its details.

Source: EAT's ``test_emotion_acc.py``, which uses a network tuned on MEAD. Which classifier it was is part
of the protocol; numbers of two classifiers cannot be compared. The ground truth's own accuracy, a baseline
of every table, is the ceiling.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from tbd import weights
from tbd.errors import InputError
from tbd.evaluate.measures.frames import Pixels
from tbd.evaluate.measures.statistics import mean
from tbd.evaluate.metrics.base import Accumulator, Aggregate, ClipInfo, ClipScore, Metric, Window

if TYPE_CHECKING:
    from tbd.media.faces import Face


class Classifier(Protocol):
    """What tells emotions apart."""

    @property
    def emotions(self) -> Sequence[str]:
        """Its classes, by the names of ``tbd.schema.EMOTIONS``."""

    def classify(self, faces: list[Pixels]) -> npt.NDArray[np.float64]:
        """``(n, classes)`` probabilities for n uint8 RGB crops of faces."""


class EmotionAccuracy(Metric):
    """The share of clips in which the classifier sees the label.

    Args:
        name: of the classifier, for the protocol.
        load: gives the classifier for a device; None takes HSEmotion's published file.
    """

    key = "emotion_accuracy"
    title = "Emotion accuracy"
    direction = "higher"
    unit = "clips"
    source = "EAT's test_emotion_acc.py; HSEmotion (Savchenko 2022)"
    compares = "nothing"
    needs_faces = True
    columns = ("emotion",)

    def __init__(self, name: str = "hsemotion-b0", load: Callable[[str], Classifier] | None = None) -> None:
        self.protocol = f"{self.key}@{name}"
        self.weights = ("mtcnn",) if load else ("hsemotion", "mtcnn")
        self._load = load or _hsemotion

    def open(self, clip: ClipInfo) -> Accumulator:
        """Start a clip.

        Raises:
            InputError: it has no label, or one that the classifier does not know.
        """
        wanted = (clip.row or {}).get("emotion")
        if not wanted:
            raise InputError("no label: the clip has no manifest row with an emotion")
        classifier = self._load(clip.device)
        if wanted not in classifier.emotions:
            raise InputError(f"the classifier does not know {wanted!r}; it knows {', '.join(classifier.emotions)}")
        return EmotionsSeen(wanted, classifier)

    def aggregate(self, scores: Sequence[ClipScore], reference: Sequence[ClipScore] = ()) -> Aggregate:
        """The share of right clips; ``details["confusion"]`` counts label -> seen."""
        found = mean(scores)
        pairs = Counter((score.details["wanted"], score.details["seen"]) for score in scores if score.usable)
        confusion: dict[str, dict[str, int]] = {}
        for (wanted, seen), count in sorted(pairs.items()):
            confusion.setdefault(wanted, {})[seen] = count
        found.details["confusion"] = confusion
        return found


class EmotionsSeen:
    """The accumulator: the sum of the probabilities over frames with a face."""

    def __init__(self, wanted: str, classifier: Classifier) -> None:
        self._wanted, self._classifier = wanted, classifier
        self._total = np.zeros(len(classifier.emotions))
        self._n = self._frames = 0

    def update(self, window: Window) -> None:
        """Classify the largest face of each of the next frames."""
        found = zip(window.pred, window.pred_faces(), strict=True)
        crops = [crop for frame, faces in found if faces and (crop := face_crop(frame, faces[0])).size]
        if crops:
            self._total += self._classifier.classify(crops).sum(0)
        self._n += len(crops)
        self._frames += len(window.pred)

    def finish(self) -> ClipScore:
        """1 or 0, and what was seen instead."""
        details = {"wanted": self._wanted, "frames_without_face": self._frames - self._n}
        if not self._n:
            return ClipScore(None, 0, f"no face on any of {self._frames} frames", details)
        shares = dict(zip(self._classifier.emotions, (self._total / self._n).tolist(), strict=True))
        seen = max(shares, key=lambda emotion: shares[emotion])
        details |= {"seen": seen, "probabilities": shares}
        return ClipScore(float(seen == self._wanted), self._n, details=details)

    def state(self) -> dict[str, Any]:
        """The sum of the probabilities so far."""
        return {"total": self._total, "n": self._n, "frames": self._frames}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from there."""
        self._total, self._n, self._frames = state["total"], state["n"], state["frames"]


def face_crop(frame: Pixels, face: Face) -> Pixels:
    """The detector's box, as far as it lies in the frame."""
    x0, y0, x1, y1 = (max(0, round(edge)) for edge in face.box)
    return np.ascontiguousarray(frame[y0:y1, x0:x1])


def _hsemotion(device: str) -> Classifier:
    from tbd.evaluate.networks.hsemotion import hsemotion

    return hsemotion(weights.resolve("hsemotion"), device)


METRICS: tuple[Metric, ...] = (EmotionAccuracy(),)
