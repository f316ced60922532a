"""How far a mouth is open, read from the pixels around it by a ridge regression, and how well that follows a sound."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image
from sklearn.linear_model import Ridge

from tbd.demo.pen import ORIGIN, UNIT
from tbd.demo.voice import SAMPLE_RATE, energy
from tbd.evaluate.measures.drawn_truth import correlation
from tbd.media import audio, video
from tbd.media.drawn_units import read_units

Values = npt.NDArray[np.float64]
SIDE = 64
"""Pixels to which every picture is brought."""
CENTRE, HALF_HIGH, HALF_WIDE = 1.15, 0.5, 0.55
"""Of the patch below the eyes, in distances of the pupils: closed and open lips lie in it."""
PENALTY = 10.0
"""Of the regression, for pixels from 0 to 1."""


class MouthReader:
    """Reads the opening against a clip's own mean, so that a lipstick or a beard is no opening.

    Args:
        clips: drawn ones to learn from, with the truth beside them; none of those that are read later.

    Raises:
        InputError: a clip cannot be read, or was not drawn.
    """

    def __init__(self, clips: Sequence[Path]) -> None:
        pixels, openings = [], []
        for path in clips:
            truth, seen = read_units(path).opening, _patches(path)
            count = min(len(truth), len(seen))
            pixels.append(_changes(seen[:count]))
            openings.append(truth[:count] - truth[:count].mean())
        self._ridge = Ridge(PENALTY, fit_intercept=False).fit(np.concatenate(pixels), np.concatenate(openings))

    def opening(self, path: Path) -> Values:
        """``(T,)`` above the clip's mean, in distances between the pupils; the face stands where ``tbd demo`` draws it."""
        return np.asarray(self._ridge.predict(_changes(_patches(path))))


def follows_truth(opening: Values, path: Path) -> float:
    """Correlation of an opening that was read with the true one of a drawn clip; 0 where the mouth stands still."""
    return _correlation(read_units(path).opening, opening)


def follows_sound(opening: Values, path: Path) -> float:
    """Correlation of an opening with the loudness of a file's sound; 0 where the mouth stands still, nan in silence."""
    sound, fps = audio.read(path), video.probe(path).fps or 25.0
    return _correlation(energy(sound, fps, min(len(opening), int(len(sound) / SAMPLE_RATE * fps))), opening)


def _patches(path: Path) -> Values:
    """``(T, pixels)`` around the mouth, 0 to 1."""
    pictures = (Image.fromarray(frame).resize((SIDE, SIDE), Image.Resampling.BOX) for _, frame in video.frames(path))
    x, y = ORIGIN[0] * SIDE, (ORIGIN[1] + CENTRE * UNIT) * SIDE
    wide, high = HALF_WIDE * UNIT * SIDE, HALF_HIGH * UNIT * SIDE
    box = (round(x - wide), round(y - high), round(x + wide), round(y + high))
    return np.stack([np.asarray(picture.crop(box), np.float64).ravel() / 255 for picture in pictures])


def _changes(pixels: Values) -> Values:
    return np.asarray(pixels - pixels.mean(0))


def _correlation(true: Values, found: Values) -> float:
    count = min(len(true), len(found))
    known = correlation(true[:count], found[:count])
    return float("nan") if known is None else known
