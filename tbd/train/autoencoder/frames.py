"""The pictures that an autoencoder learns from, and those of people it never saw."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import Dataset

from tbd.errors import InputError
from tbd.train.autoencoder.regions import FaceRegions
from tbd.train.clips import TrainingClip, footage_names
from tbd.train.left_out import first_readable, most_left_out, reading
from tbd.train.recipe import TrainRecipe
from tbd.train.sampling import AUTOENCODER

IN_MEMORY = 1 << 30
"""Bytes of pictures up to which all of them are held in memory."""


@dataclass(frozen=True)
class People:
    """Clips by who learns and who is kept back.

    Attributes:
        train, held_out: clips.
        apart: whether no person is on both sides; False: there is one person only, and clips were kept back.
    """

    train: tuple[TrainingClip, ...]
    held_out: tuple[TrainingClip, ...]
    apart: bool


def split_people(clips: Sequence[TrainingClip], share: float, seed: int) -> People:
    """Keep people back for judging: whole people where there are two or more, else whole clips.

    Nothing is learned from the footage of a clip that is kept back, whatever another manifest calls it.

    Raises:
        InputError: there is only one clip, or all show the same.
    """
    apart, first = len({clip.person for clip in clips}) > 1, footage_names(clips)
    groups = {clip.name: clip.person if apart else first[clip.name] for clip in clips}
    names = sorted(set(groups.values()))
    order = np.random.default_rng([seed, AUTOENCODER]).permutation(len(names))
    kept = {names[i] for i in order[: min(max(1, round(share * len(names))), len(names) - 1)]}
    held = tuple(clip for clip in clips if groups[clip.name] in kept)
    seen = {clip.footage for clip in held}
    train = tuple(clip for clip in clips if clip.footage not in seen)
    if not (train and held):
        raise InputError("an autoencoder is judged by clips that it did not see, and there is only one clip")
    return People(train, held, apart)


class FaceFrames(Dataset[dict[str, Any]]):
    """Pictures by the number of their sample, each with how closely to look at its pixels; every other is mirrored.

    With ``autoencoder.jitter`` colours are mixed by chance: a handful of people have too few of them to learn all.

    Args:
        clips: to draw from, each equally often.
        recipe: size, seed, weight of the regions.
        find: looks for a clip's regions, when a picture of it is first drawn.
    """

    def __init__(
        self, clips: Sequence[TrainingClip], recipe: TrainRecipe, find: Callable[[TrainingClip], FaceRegions]
    ) -> None:
        self.clips, self.recipe, self.find = clips, recipe, find
        self._hold = sum(clip.frames for clip in clips) * recipe.data.size**2 * 3 <= IN_MEMORY
        self._regions: dict[int, FaceRegions] = {}
        self._held: dict[int, npt.NDArray[np.uint8]] = {}

    def __getitem__(self, sample: int) -> dict[str, Any]:
        """``picture (3, S, S)`` uint8, ``weight (1, S, S)`` float32, and whether the face was ``found`` where one was looked for.

        Of the next clip in the list where one cannot be read, which ``left_out`` names; an ``error`` where too many cannot.
        """
        random = np.random.default_rng([self.recipe.seed, AUTOENCODER, int(sample)])
        first, mirrored, place = int(random.integers(len(self.clips))), bool(random.integers(2)), random.random()

        def make(index: int) -> dict[str, Any]:
            picture, (weight, found) = self._picture(index, place), self.weight(index)
            if mirrored:
                picture, weight = picture[:, ::-1], weight[:, ::-1]
            if self.recipe.autoencoder.jitter:
                picture = recoloured(picture, self.recipe.autoencoder.jitter, random)
            return {
                "picture": torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1),
                "weight": torch.from_numpy(np.ascontiguousarray(weight))[None],
                "found": found,
            }

        return first_readable(self.clips, first, make, most_left_out(len(self.clips), self.recipe))

    def weight(self, index: int) -> tuple[npt.NDArray[np.float32], bool]:
        """``(S, S)``: 1, and more where a clip's eyes and mouth are; False where no face was found, and they are guessed.

        Raises:
            UnreadableClip: the clip cannot be read.
        """
        size, weight = self.recipe.data.size, self.recipe.autoencoder.region_weight
        if weight == 1:  # no face need be looked for
            return np.ones((size, size), np.float32), True
        if index not in self._regions:
            with reading(self.clips[index]):
                self._regions[index] = self.find(self.clips[index])
        regions = self._regions[index]
        close = regions.mask(regions.eyes, size) | regions.mask(regions.mouth, size)
        return np.where(close, weight, 1.0).astype(np.float32), regions.found

    def _picture(self, index: int, place: float) -> npt.NDArray[np.uint8]:
        """A picture at a share of the clip; all of them are held where memory has room."""
        canonical = self.clips[index].canonical
        with reading(self.clips[index]):
            if not self._hold:
                return next(iter(canonical.some([int(place * canonical.num_frames)])))
            if index not in self._held:
                self._held[index] = np.stack(list(canonical.frames()))
        frames = self._held[index]
        found: npt.NDArray[np.uint8] = frames[int(place * len(frames))]
        return found


def recoloured(picture: npt.NDArray[np.uint8], strength: float, random: np.random.Generator) -> npt.NDArray[np.uint8]:
    """A picture with its three channels mixed, brightened and shifted by chance.

    Args:
        picture: ``(S, S, 3)``.
        strength: deviation of the mixing matrix from the identity, and of the shift as a share of white.
    """
    mix = np.eye(3) + strength * random.standard_normal((3, 3))
    shift = 127.5 * (1 + strength * random.standard_normal(3))
    return ((picture - 127.5) @ mix + shift).round().clip(0, 255).astype(np.uint8)
