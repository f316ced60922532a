"""Whom the demo's videos show, beside the real ones; and estimates over clips with their intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from tbd.media import video

DRAWS = 2000
"""Of the bootstrap."""


@dataclass(frozen=True)
class Estimate:
    """A mean with its 95 % bootstrap interval.

    Attributes:
        value, low, high: finite, or nan where there is nothing to tell it from.
        clips: that it was made of.
        people: that were resampled, each with all of their clips; 0 where clips were.
    """

    value: float
    low: float
    high: float
    clips: int
    people: int = 0

    def words(self) -> str:
        """``0.31 (0.20 to 0.42; 8 clips of 3 people)``"""
        return f"{self.value:.2f} ({self.low:.2f} to {self.high:.2f}; {self.counted()})"

    def counted(self) -> str:
        """``8 clips of 3 people``"""
        return f"{self.clips} clips of {self.people} people" if self.people else f"{self.clips} clips"


def recognised(made: Mapping[str, Path], subjects: Mapping[str, str], gallery: Mapping[str, Path]) -> dict[str, bool]:
    """Whether each video looks most like its own person among all people of the gallery.

    Args:
        made: clip_id -> video.
        subjects: clip_id -> person.
        gallery: person -> a real clip of theirs that none of the videos was made from.
    """
    looks = {person: _look(path) for person, path in gallery.items()}
    found = {}
    for clip_id, path in made.items():
        own = _look(path)
        nearest = min(looks, key=lambda person: float(np.abs(looks[person] - own).mean()))
        found[clip_id] = nearest == subjects[clip_id]
    return found


def estimate(values: Sequence[float], seed: int = 0) -> Estimate:
    """The mean of per-clip values, without those that are not numbers."""
    known = np.array([value for value in values if np.isfinite(value)])
    if not len(known):
        return Estimate(float("nan"), float("nan"), float("nan"), 0)
    random = np.random.default_rng(seed)
    means = known[random.integers(0, len(known), (DRAWS, len(known)))].mean(1)
    low, high = np.percentile(means, (2.5, 97.5))
    return Estimate(float(known.mean()), float(low), float(high), len(known))


def _look(path: Path) -> npt.NDArray[np.float64]:
    """A person as their mean picture, coarse: ``(16, 16, 3)``."""
    mean = np.mean([frame for _, frame in video.frames(path)], axis=0).round().astype(np.uint8)
    return np.asarray(Image.fromarray(mean).resize((16, 16), Image.Resampling.BOX), np.float64)
