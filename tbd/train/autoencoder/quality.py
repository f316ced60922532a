"""How well an autoencoder draws people that it never saw: PSNR of picture, face and mouth, and pictures to look at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from tbd import workspace
from tbd.errors import InputError
from tbd.model.autoencoder import ImageAutoencoder
from tbd.train.autoencoder.regions import FaceRegions
from tbd.train.clips import TrainingClip
from tbd.train.sampling import evenly

JUDGED = 64
"""Clips that are judged at most, evenly chosen of those that are kept back: their pictures are held in memory."""
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
    """A fixed set of pictures, read once: four of each of up to 64 clips, which are evenly chosen (0.2 GB at 512 x 512).

    Args:
        clips: of people who are kept back; one that cannot be read is left out, and ``left_out`` says why.
        find: looks for a clip's regions.

    Raises:
        InputError: none of them can be read.
    """

    def __init__(self, clips: Sequence[TrainingClip], find: Callable[[TrainingClip], FaceRegions]) -> None:
        self.pictures: list[Pixels] = []
        self.regions: list[FaceRegions] = []
        self.left_out: dict[str, str] = {}
        for clip in evenly(clips, JUDGED):
            try:
                places = np.unique(np.linspace(0, clip.canonical.num_frames - 1, LOOKS).round().astype(int))
                pictures, region = list(clip.canonical.some(places.tolist())), find(clip)
            except InputError as error:
                self.left_out[clip.name] = error.message
                continue
            self.pictures += pictures
            self.regions += [region] * len(pictures)
        if not self.pictures:
            name, reason = next(iter(self.left_out.items()))
            raise InputError(f"none of the clips that are kept back can be read (e.g. {name}: {reason})")

    def measure(self, image: ImageAutoencoder) -> Reconstruction:
        """Encode to the posterior's mode, decode, compare."""
        made = self._made(image, self.pictures)
        error = np.stack([_squares(*pair) for pair in zip(self.pictures, made, strict=True)])
        size = error.shape[1]
        face, mouth = (
            np.stack([region.mask(getattr(region, name), size) for region in self.regions])
            for name in ("face", "mouth")
        )
        return Reconstruction(_psnr(error), _psnr(error[face]), _psnr(error[mouth]), len(error))

    def save(self, image: ImageAutoencoder, path: Path) -> None:
        """A picture: people above, their reconstructions below."""
        truth = evenly(self.pictures, SHOWN)
        rows = [np.concatenate(list(row), 1) for row in (truth, self._made(image, truth))]
        picture = Image.fromarray(np.concatenate(rows, 0))
        workspace.write_whole(path, lambda temporary: picture.save(temporary, "PNG"))

    def _made(self, image: ImageAutoencoder, pictures: Sequence[Pixels]) -> Pixels:
        return image.decode(image.scaled(image.moments(np.stack(pictures))))


def _squares(truth: Pixels, made: Pixels) -> npt.NDArray[np.float32]:
    """``(S, S)`` squared error of each pixel; picture by picture, for all of them in floating point would be gigabytes."""
    found: npt.NDArray[np.float32] = np.square(truth.astype(np.float32) - made).mean(2)
    return found


def _psnr(squares: npt.NDArray[Any]) -> float:
    return float(10 * np.log10(255**2 / max(float(squares.mean(dtype=float)), 1e-10))) if squares.size else float("nan")
