"""Whether a face lies where it should: a video's face against the true one, by five landmarks of both.

A crop that is 3 % larger or 3 % of the face beside the true one costs 7 to 11 dB of PSNR, and looks right.
Everything is measured in the pictures that are compared, on a few frames of both at the same times.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

Pixels = npt.NDArray[np.uint8]

FRAMES = 3
"""Frames of each clip that are looked at, spread evenly over it."""

SCALE, SHIFT = 0.03, 0.03
"""Most that a face's size may differ, as a share, and most that its middle may be off, in sides of the true face."""

THUMBNAIL = 32
"""Side in pixels of the grey pictures that are held against their mirror images."""

MIRROR = 0.04
"""By how much the mirror image must correlate better before a video counts as mirrored."""


@dataclass(frozen=True)
class FaceOffset:
    """Where the face of a video lies against the true one.

    Attributes:
        scale: its size over the true one's.
        shift: distance of their middles, in sides of the true face.
    """

    scale: float
    shift: float

    @property
    def scale_off(self) -> bool:
        """The crop has another size."""
        return abs(self.scale - 1) > SCALE

    @property
    def shift_off(self) -> bool:
        """The crop lies elsewhere."""
        return self.shift > SHIFT


def face_offset(pred: Sequence[Pixels], truth: Sequence[Pixels]) -> FaceOffset | None:
    """Size and place of the face, the median over frames that show one on both sides; None without such a frame.

    Args:
        pred, truth: ``(H, W, 3)`` uint8 RGB at the same times and of one size, 1 to a few.
    """
    from tbd.media.faces import detector

    both = zip(detector().find(list(pred)), detector().find(list(truth)), strict=True)
    pairs = [(one[0].points, other[0].points, other[0].side) for one, other in both if one and other]
    if not pairs:
        return None
    scales = [_spread(one) / max(_spread(other), 1e-9) for one, other, _ in pairs]
    moves = [(one.mean(0) - other.mean(0)) / max(side, 1e-9) for one, other, side in pairs]
    return FaceOffset(float(np.median(scales)), float(np.linalg.norm(np.median(moves, axis=0))))


def mirrored(pred: Sequence[Pixels], truth: Sequence[Pixels]) -> bool:
    """Whether the mirror images of a video's frames are like the true ones and the frames themselves are not."""
    gains = [
        _correlation(_thumbnail(one)[:, ::-1], _thumbnail(other)) - _correlation(_thumbnail(one), _thumbnail(other))
        for one, other in zip(pred, truth, strict=True)
    ]
    return bool(gains) and float(np.median(gains)) > MIRROR


def _spread(points: npt.NDArray[np.float64]) -> float:
    """Root mean square distance of landmarks from their middle."""
    return float(np.sqrt(((points - points.mean(0)) ** 2).sum(1).mean()))


def _thumbnail(picture: Pixels) -> npt.NDArray[np.float64]:
    small = (
        Image.fromarray(np.ascontiguousarray(picture)).convert("L").resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX)
    )
    return np.asarray(small, np.float64)


def _correlation(one: npt.NDArray[np.float64], other: npt.NDArray[np.float64]) -> float:
    a, b = one - one.mean(), other - other.mean()
    return float((a * b).sum() / max(np.sqrt((a * a).sum() * (b * b).sum()), 1e-9))
