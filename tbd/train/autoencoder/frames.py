"""The pictures that an autoencoder learns from, and those of people it never saw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import Dataset

from tbd.errors import InputError
from tbd.train.autoencoder.regions import FaceRegions
from tbd.train.clips import TrainingClip, footage_names
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
        regions: of each.
        recipe: size, seed, weight of the regions.
    """

    def __init__(self, clips: Sequence[TrainingClip], regions: Sequence[FaceRegions], recipe: TrainRecipe) -> None:
        self.clips, self.regions, self.recipe = clips, regions, recipe

    def __getitem__(self, sample: int) -> dict[str, Any]:
        """``picture (3, S, S)`` uint8 and ``weight (1, S, S)`` float32; an unreadable clip gives its ``error``."""
        random = np.random.default_rng([self.recipe.seed, AUTOENCODER, int(sample)])
        index, mirrored = int(random.integers(len(self.clips))), bool(random.integers(2))
        try:
            picture = self._picture(index, random.random())
        except InputError as error:
            return {"error": f"{self.clips[index].name}: {error.message}", "next": error.next}
        weight = self.weight(index)
        if mirrored:
            picture, weight = picture[:, ::-1], weight[:, ::-1]
        if self.recipe.autoencoder.jitter:
            picture = recoloured(picture, self.recipe.autoencoder.jitter, random)
        return {
            "picture": torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1),
            "weight": torch.from_numpy(np.ascontiguousarray(weight))[None],
        }

    def weight(self, index: int) -> npt.NDArray[np.float32]:
        """``(S, S)``: 1, and more where a clip's eyes and mouth are."""
        regions, size = self.regions[index], self.recipe.data.size
        close = regions.mask(regions.eyes, size) | regions.mask(regions.mouth, size)
        return np.where(close, self.recipe.autoencoder.region_weight, 1.0).astype(np.float32)

    def _picture(self, index: int, place: float) -> npt.NDArray[np.uint8]:
        if self._held is not None:
            frames = self._held[index]
            found: npt.NDArray[np.uint8] = frames[int(place * len(frames))]
            return found
        canonical = self.clips[index].canonical
        return next(iter(canonical.some([int(place * canonical.num_frames)])))

    @cached_property
    def _held(self) -> list[npt.NDArray[np.uint8]] | None:
        """Every picture, where memory has room for them."""
        if sum(clip.frames for clip in self.clips) * self.recipe.data.size**2 * 3 > IN_MEMORY:
            return None
        return [np.stack(list(clip.canonical.frames())) for clip in self.clips]


def recoloured(picture: npt.NDArray[np.uint8], strength: float, random: np.random.Generator) -> npt.NDArray[np.uint8]:
    """A picture with its three channels mixed, brightened and shifted by chance.

    Args:
        picture: ``(S, S, 3)``.
        strength: deviation of the mixing matrix from the identity, and of the shift as a share of white.
    """
    mix = np.eye(3) + strength * random.standard_normal((3, 3))
    shift = 127.5 * (1 + strength * random.standard_normal(3))
    return ((picture - 127.5) @ mix + shift).round().clip(0, 255).astype(np.uint8)
