"""Where eyes and mouth are in a clip's pictures, so that the loss can look there more closely."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from tbd.errors import InputError
from tbd.media.faces import Face, detector
from tbd.schema import Box
from tbd.train.clips import TrainingClip

SEARCHED = 256
"""Side of the pictures that faces are looked for in, in pixels."""
LOOKS = 3
"""Pictures of a clip in which its face is looked for; the regions hold all of them."""


@dataclass(frozen=True)
class FaceRegions:
    """Boxes in shares of a canonical picture's side: x0, y0, x1, y1.

    Attributes:
        face: forehead to chin.
        eyes: both, with the brows.
        mouth: with the lips' surroundings.
        found: False where no face was detected, and the boxes are where the crop rule puts a face.
    """

    face: Box
    eyes: Box
    mouth: Box
    found: bool = True

    def mask(self, box: Box, size: int) -> npt.NDArray[np.bool_]:
        """``(size, size)``: the pixels inside one of the boxes."""
        x0, y0, x1, y1 = (round(edge * size) for edge in box)
        inside = np.zeros((size, size), bool)
        inside[max(0, y0) : max(0, y1), max(0, x0) : max(0, x1)] = True
        return inside


USUAL = FaceRegions((0.2, 0.2, 0.8, 0.8), (0.25, 0.28, 0.75, 0.48), (0.34, 0.58, 0.66, 0.78), found=False)
"""Where the crop rule (1.7 times the face) puts them."""


def face_regions(clip: TrainingClip) -> FaceRegions:
    """The regions of a clip, from MTCNN's landmarks in a few of its pictures.

    Raises:
        InputError: the clip cannot be read.
    """
    large = replace(clip.canonical, rule=clip.canonical.rule.model_copy(update={"size": SEARCHED}))
    if not large.num_frames:
        raise InputError("it has no pictures")
    places = np.unique(np.linspace(0, large.num_frames - 1, LOOKS + 2).round().astype(int)[1:-1])
    found = [faces[0] for faces in detector().find(list(large.some(places.tolist()))) if faces]
    return _around(found) if found else USUAL


def _around(faces: Sequence[Face]) -> FaceRegions:
    boxes = np.array([face.box for face in faces]) / SEARCHED
    points = np.array([face.points for face in faces]) / SEARCHED
    apart = float(np.linalg.norm(points[:, 1] - points[:, 0], axis=1).mean())
    face: Box = (*boxes[:, :2].min(0).tolist(), *boxes[:, 2:].max(0).tolist())
    eyes = _box(points[:, :2], (0.5 * apart, 0.6 * apart, 0.5 * apart, 0.35 * apart))
    mouth = _box(points[:, 3:], (0.3 * apart, 0.4 * apart, 0.3 * apart, 0.5 * apart))
    return FaceRegions(face, eyes, mouth)


def _box(points: npt.NDArray[np.float64], margins: tuple[float, float, float, float]) -> Box:
    """The box around ``(n, points, 2)`` landmarks, widened left, above, right and below."""
    low, high = points.min((0, 1)), points.max((0, 1))
    left, above, right, below = margins
    return (float(low[0] - left), float(low[1] - above), float(high[0] + right), float(high[1] + below))
