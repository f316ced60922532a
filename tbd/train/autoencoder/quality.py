"""How well an autoencoder draws people that it never saw: PSNR of picture, face and mouth, and pictures to look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from tbd import workspace
from tbd.model.autoencoder import ImageAutoencoder
from tbd.train.autoencoder.regions import FaceRegions
from tbd.train.clips import TrainingClip

LOOKS = 4
"""Pictures of a clip that are judged, spread over it."""
SHOWN = 8
"""Columns of the picture of reconstructions."""

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Reconstruction:
    """Peak signal-to-noise ratios in dB: over the squared errors of all pixels together.

    Attributes:
        picture, face, mouth: of everything, and of what lies inside the regions.
        pictures: how many were compared.
    """

    picture: float
    face: float
    mouth: float
    pictures: int


class ReconstructionJudge:
    """A fixed set of pictures, read once.

    Args:
        clips: of people who are kept back.
        regions: of each.
    """

    def __init__(self, clips: Sequence[TrainingClip], regions: Sequence[FaceRegions]) -> None:
        self.pictures, self.regions = [], []
        for clip, region in zip(clips, regions, strict=True):
            places = np.unique(np.linspace(0, clip.canonical.num_frames - 1, LOOKS).round().astype(int))
            self.pictures += list(clip.canonical.some(places.tolist()))
            self.regions += [region] * len(places)

    def measure(self, image: ImageAutoencoder) -> Reconstruction:
        """Encode to the posterior's mode, decode, compare."""
        truth, made = np.stack(self.pictures), self._made(image, self.pictures)
        error, size = np.square(truth.astype(float) - made).mean(3), truth.shape[1]
        face, mouth = (
            np.stack([region.mask(getattr(region, name), size) for region in self.regions])
            for name in ("face", "mouth")
        )
        return Reconstruction(_psnr(error), _psnr(error[face]), _psnr(error[mouth]), len(truth))

    def save(self, image: ImageAutoencoder, path: Path) -> None:
        """A picture: people above, their reconstructions below."""
        chosen = np.unique(np.linspace(0, len(self.pictures) - 1, SHOWN).round().astype(int))
        truth = [self.pictures[i] for i in chosen]
        rows = [np.concatenate(list(row), 1) for row in (truth, self._made(image, truth))]
        picture = Image.fromarray(np.concatenate(rows, 0))
        workspace.write_whole(path, lambda temporary: picture.save(temporary, "PNG"))

    def _made(self, image: ImageAutoencoder, pictures: Sequence[Pixels]) -> Pixels:
        return image.decode(image.scaled(image.moments(np.stack(pictures))))


def _psnr(squares: npt.NDArray[Any]) -> float:
    return float(10 * np.log10(255**2 / max(float(squares.mean()), 1e-10))) if squares.size else float("nan")
