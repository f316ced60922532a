"""Whose faces there are: found, aligned and described once a window, for every metric that asks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from tbd.errors import InputError
from tbd.evaluate.measures.frames import Pixels
from tbd.evaluate.metrics.base import Window

if TYPE_CHECKING:
    from tbd.media.faces import Face

Points = npt.NDArray[np.float64]
Find = Callable[[Pixels], list[Points]]
"""For each frame ``(faces, 5, 2)``, the largest face first."""

Described = tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]


class Embedder(Protocol):
    """Turns aligned faces into features."""

    def embed(self, faces: Pixels) -> npt.NDArray[np.float64]:
        """``(n, 112, 112, 3)`` uint8 RGB -> ``(n, d)`` of length 1."""


class Finder:
    """Finds the five points of faces, once a window for all metrics that ask by this name.

    Args:
        name: of the detector.
        find: for ``(T, H, W, 3)`` frames T arrays ``(faces, 5, 2)``, the largest face first.
    """

    def __init__(self, name: str, find: Find) -> None:
        self.name, self.find = name, find

    def pred(self, window: Window) -> list[Points]:
        """Of the prediction."""
        return window.of_pred(self.name, self.find)

    def ref(self, window: Window) -> list[Points]:
        """Of the ground truth."""
        return window.of_ref(self.name, self.find)


class Mtcnn(Finder):
    """The detector whose answers a window already shares."""

    def __init__(self) -> None:
        super().__init__("mtcnn", lambda frames: self.pred(Window(frames, None, 0)))

    def pred(self, window: Window) -> list[Points]:
        """Of the prediction."""
        return [_points(faces) for faces in window.pred_faces()]

    def ref(self, window: Window) -> list[Points]:
        """Of the ground truth."""
        return [_points(faces) for faces in window.ref_faces()]


class Faces:
    """Aligns and describes the largest face of each frame.

    Args:
        finder: of the points.
        embedder: the recognition network.
    """

    def __init__(self, finder: Finder, embedder: Embedder) -> None:
        self._finder, self._embedder = finder, embedder

    def describe(self, frames: Pixels, found: Sequence[Points]) -> Described:
        """``(T, d)`` features, zeros where there is no face, and ``(T,)`` whether a frame has more than one."""
        from tbd.evaluate.networks.arcface import aligned

        seen = [i for i, faces in enumerate(found) if len(faces)]
        several = np.array([len(faces) > 1 for faces in found], bool)
        if not seen:
            return np.zeros((len(frames), 1)), several
        features = self._embedder.embed(np.stack([aligned(frames[i], found[i][0]) for i in seen]))
        every = np.zeros((len(frames), features.shape[1]))
        every[seen] = features
        return every, several

    def of_pred(self, window: Window) -> Described:
        """``describe`` the prediction, once for all metrics."""
        found = self._finder.pred(window)
        return window.of_pred(f"arcface {self._finder.name}", lambda frames: self.describe(frames, found))

    def of_ref(self, window: Window) -> Described:
        """``describe`` the ground truth, once for all metrics and runs."""
        found = self._finder.ref(window)
        return window.of_ref(f"arcface {self._finder.name}", lambda frames: self.describe(frames, found))

    def portrait(self, picture: Pixels | None) -> npt.NDArray[np.float64]:
        """``(d,)`` features of the picture that a video started from.

        Raises:
            InputError: it is not known, or shows no face.
        """
        if picture is None:
            raise InputError("the portrait is not known: the clip has no manifest row and no ground truth")
        features: npt.NDArray[np.float64] = self.describe(picture[None], self._finder.find(picture[None]))[0][0]
        if not features.any():
            raise InputError("no face in the portrait")
        return features


def _points(faces: Sequence[Face]) -> Points:
    return np.array([face.points for face in faces]).reshape(-1, 5, 2)
