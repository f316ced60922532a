"""Where faces are: MTCNN, whose weights come inside facenet-pytorch."""

from __future__ import annotations

import functools
import multiprocessing
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from tbd.schema import Box

Pixels = npt.NDArray[np.uint8]

CONFIDENCE = 0.99
"""Least probability of a face. Hands and backgrounds reach 0.985 (measured), so less is not enough."""

LONGEST = 256
"""Longer side of the picture that is searched, in pixels."""

SMALLEST = 24
"""Smallest face side that is found in that picture, in pixels: a tenth of it."""

IDENTITY = ("MTCNN of facenet-pytorch", CONFIDENCE, LONGEST, SMALLEST)
"""What, beside the version of its package, decides which faces are found."""


@dataclass(frozen=True)
class Face:
    """One detection, in pixels of the picture that was given.

    Attributes:
        box: from the forehead to the chin, without hair and ears; it may leave the picture.
        probability: the detector's, from 0.99 to 1.
        points: ``(5, 2)`` x and y of the eyes, the nose, the corners of the mouth, left before right as
            they stand in the picture.
    """

    box: Box
    probability: float
    points: npt.NDArray[np.float64]

    @property
    def side(self) -> float:
        """The longer side of the box."""
        return max(self.box[2] - self.box[0], self.box[3] - self.box[1])

    @property
    def centre(self) -> tuple[float, float]:
        """x and y of the middle of the box."""
        return (self.box[0] + self.box[2]) / 2, (self.box[1] + self.box[3]) / 2

    @property
    def frontality(self) -> float:
        """1 when the nose stands midway between the eyes, 0 when it stands below one of them."""
        left, right, nose = self.points[:3]
        along = right - left
        place = float((nose - left) @ along / max(float(along @ along), 1e-9))
        return max(0.0, 1 - 2 * abs(place - 0.5))

    def scaled(self, x: float, y: float) -> Face:
        """The same face in a picture whose sides are ``x`` and ``y`` times as long."""
        x0, y0, x1, y1 = self.box
        return replace(self, box=(x0 * x, y0 * y, x1 * x, y1 * y), points=self.points * (x, y))


class Detector:
    """Finds faces in pictures of one size, all of them in one batch."""

    def __init__(self, longest: int = LONGEST) -> None:
        import torch
        from facenet_pytorch import MTCNN

        if multiprocessing.parent_process() is not None:  # a worker has one core
            torch.set_num_threads(1)
        self.longest = longest
        # Channels last: the same faces in two thirds of the time on a CPU.
        self.mtcnn: Any = MTCNN(keep_all=True, min_face_size=SMALLEST).to(memory_format=torch.channels_last)

    def find(self, pictures: Sequence[Pixels]) -> list[list[Face]]:
        """The faces of each picture, largest first, with probability 0.99 or more.

        Args:
            pictures: ``(H, W, 3)`` uint8 RGB, all of one size; the search runs on copies whose longer side is
                reduced to ``longest``.
        """
        if not pictures:
            return []
        small = np.stack([_reduced(picture, self.longest) for picture in pictures])
        x, y = pictures[0].shape[1] / small.shape[2], pictures[0].shape[0] / small.shape[1]
        return [[face.scaled(x, y) for face in faces] for faces in self._search(small)]

    def _search(self, small: Pixels) -> list[list[Face]]:
        import torch

        if min(small.shape[1:3]) < SMALLEST:
            return [[] for _ in small]
        try:
            with torch.inference_mode():
                found = self.mtcnn.detect(torch.from_numpy(small), landmarks=True)
        except (IndexError, RuntimeError, ValueError) as error:
            # facenet-pytorch loses count when a candidate box lies wholly outside a picture.
            if not isinstance(error, IndexError) and "non-empty" not in str(error):
                raise
            return [[]] if len(small) == 1 else [faces for one in small for faces in self._search(one[None])]
        return [_faces(boxes, sure, points) for boxes, sure, points in zip(*found, strict=True)]


@functools.cache
def detector(longest: int = LONGEST) -> Detector:
    """This process's detector; its weights are loaded on the first call."""
    return Detector(longest)


def _faces(boxes: Any, probabilities: Any, points: Any) -> list[Face]:
    if boxes is None:
        return []
    faces = [
        Face(tuple(map(float, box)), float(probability), np.asarray(marks, np.float64))  # type: ignore[arg-type]
        for box, probability, marks in zip(boxes, probabilities, points, strict=True)
        if probability >= CONFIDENCE
    ]
    return sorted(faces, key=lambda face: (-face.side, face.box))


def _reduced(picture: Pixels, longest: int) -> Pixels:
    height, width = picture.shape[:2]
    if max(height, width) <= longest:
        return np.ascontiguousarray(picture)
    size = tuple(max(1, round(side * longest / max(height, width))) for side in (width, height))
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BOX))
