"""What a reader read of a drawn clip, held against the truth that lies beside it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tbd.evaluate.networks.drawn_reader import UNITS, Readings
from tbd.media.drawn_units import DrawnUnits

Values = npt.NDArray[Any]

SHOWN = 0.15
"""Mean strength over a clip from which a unit counts as shown, on both sides of the comparison."""
MOVES = 1e-3
"""Least standard deviation of an opening, in distances between the pupils, of a mouth that moves."""


@dataclass(frozen=True, eq=False)
class DrawnTruth:
    """The truth about each frame of a video.

    Attributes:
        units: ``(T, 17)`` strength of each of ``UNITS``, the mean of both sides.
        opening: ``(T,)`` distance of the lips in distances between the pupils.
    """

    units: Values
    opening: Values


def truth_at(drawn: DrawnUnits, start: float, fps: float, num_frames: int) -> DrawnTruth:
    """The truth at frame 0, 1, … of a video.

    Args:
        drawn: of the source file, frame by frame.
        start: second of the source at which the video begins.
        fps, num_frames: of the video; beyond the end of the source its last frame holds.
    """
    times = start + np.arange(num_frames) / fps
    rate = (len(drawn) - 1) / max(float(drawn.seconds[-1]), 1e-9) if len(drawn) > 1 else 0.0
    nearest = np.clip(np.floor(times * rate + 0.5).astype(int), 0, len(drawn) - 1)
    return DrawnTruth(drawn.mean(UNITS)[nearest], drawn.opening[nearest])


def compared(found: Readings, truth: DrawnTruth) -> dict[str, Any]:
    """Every number of one clip: ``au_f1 au_mae au_corr mouth_corr``, and what they are made of; None where undefined."""
    seen, true = found.units.mean(0), truth.units.mean(0)
    shown, asked = ({unit for unit, value in zip(UNITS, of, strict=True) if value >= SHOWN} for of in (seen, true))
    return {
        "au_f1": 2 * len(shown & asked) / (len(shown) + len(asked)) if shown or asked else 1.0,
        "au_mae": float(np.abs(found.units - truth.units).mean()),
        "au_corr": correlation(true, seen) if asked else None,
        "mouth_corr": correlation(truth.opening, found.opening),
        "asked": sorted(asked), "shown": sorted(shown),
        "units": np.round(seen, 4).tolist(), "true_units": np.round(true, 4).tolist(),
    }  # fmt: skip


def correlation(true: Values, found: Values) -> float | None:
    """Pearson's; 0 where nothing moves in what was found, None where nothing moves in the truth."""
    if len(true) < 2 or float(np.std(true)) < MOVES:
        return None
    if float(np.std(found)) < 1e-6:
        return 0.0
    return float(np.corrcoef(true, found)[0, 1])


def within_units(true: Values, found: Values) -> float | None:
    """Correlation over clips and units of what is left of ``(n, 17)`` strengths without each unit's mean over clips.

    One face for all clips gets 0, however well it hits the units that are frequent.
    """
    if len(true) < 2:
        return None
    return correlation((true - true.mean(0)).ravel(), (found - found.mean(0)).ravel())


def right_people(found: Values, portraits: Values, people: list[str]) -> float | None:
    """Share of clips whose nearest person, by the cosine to the mean of each person's portraits, is the right one.

    Args:
        found: ``(n, d)`` embeddings of the clips.  portraits: of the pictures that they started from.
        people: who each is; with fewer than two the share says nothing, and is None.
    """
    names = sorted(set(people))
    if len(names) < 2:
        return None
    means = np.stack([_unit(portraits[[one == name for one in people]].mean(0)) for name in names])
    return float(np.mean([names[place] == one for place, one in zip((found @ means.T).argmax(1), people, strict=True)]))


def _unit(vector: Values) -> Values:
    return vector / max(math.sqrt(float(vector @ vector)), 1e-9)
