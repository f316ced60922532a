"""Pictures that the reader of drawn faces learns from: people of its own, every expression, cut as canonical clips are.

A canonical clip of a drawn person shows 62 to 100 % of the picture, depending on the recipe's scale and on how far the face
moves; here the cut is drawn anew for each picture. Wall and clothes change from picture to picture, so that a person is a face.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from tbd import schema
from tbd.annotate.facs import EMOTIONS
from tbd.demo.acting import Acting
from tbd.demo.dataset import varied
from tbd.demo.face import DEPTH, Portrait
from tbd.demo.identity import Identity, person
from tbd.demo.landmarks import Expression, opening
from tbd.demo.pen import Pose
from tbd.evaluate.networks.drawn_reader import SIDE, UNITS
from tbd.pools import JobFailure, WorkerPool

Pixels = npt.NDArray[np.uint8]

LEARNT, HELD_OUT = 1_900_000_000, 1_900_000_001
"""Seeds of the people; nobody draws a data set with them."""
DRAWN = 128
"""Side of the pictures before they are cut."""
CUT = (0.62, 1.0)
"""Least and greatest side of the cut, in sides of the picture."""
MIDDLE, AROUND = (0.5, 0.515), 0.03
"""Where the middle of a drawn face lies, as a detector finds it, and how far the cut may lie beside it."""
PUPILS = np.array([(-0.5, 0.0), (0.5, 0.0)])
"""In face coordinates."""
LOOKS = 2
"""Walls and clothes of each person."""


@dataclass(frozen=True, eq=False)
class DrawnPictures:
    """Labelled pictures.

    Attributes:
        pictures: ``(n, 64, 64, 3)`` uint8 RGB.
        units: ``(n, 17)`` true strengths of ``UNITS``, the mean of both sides.
        opening: ``(n,)`` true distance of the lips.
        people: ``(n,)`` who it is.
        eyes: ``(n, 2, 2)`` x and y of the pupils, left to right, from -1 to 1 over the picture.
    """

    pictures: Pixels
    units: npt.NDArray[np.float32]
    opening: npt.NDArray[np.float32]
    people: npt.NDArray[np.int64]
    eyes: npt.NDArray[np.float32]


def draw_pictures(seed: int, people: int, each: int, *, takes: float = 0.5, workers: int = 0) -> DrawnPictures:
    """Draw ``each`` pictures of each of ``people`` persons.

    Args:
        seed: of the people: ``LEARNT`` or ``HELD_OUT``.
        takes: share of the pictures that show an emotion as the data set does; the others show any units.
        workers: processes; 0 draws here. They change nothing.
    """
    draw_one = functools.partial(_draw_person, seed=seed, each=each, takes=takes)
    with WorkerPool(draw_one, workers, failed=_give_up) as pool:
        found = sorted(pool.run(range(people)), key=lambda pair: pair[0])
    parts = [one for _, one in found]
    names = ("pictures", "units", "opening", "people", "eyes")
    return DrawnPictures(*(np.concatenate([getattr(one, name) for one in parts]) for name in names))


def _draw_person(index: int, seed: int, each: int, takes: float) -> DrawnPictures:
    random = np.random.default_rng([seed, index, 1])
    portraits = [Portrait(_dressed(person(index, seed), random), DRAWN) for _ in range(LOOKS)]
    pictures, units, gaps, eyes = [], [], [], []
    for number in range(each):
        expression, pose = _take(random) if random.random() < takes else _anything(random)
        picture, box = portraits[number % LOOKS].draw(expression, pose), _box(random)
        pictures.append(_cut(picture, box))
        eyes.append((pose.place(PUPILS, 1, DEPTH["eye"]) - box[:2]) / (box[2] - box[0]) * 2 - 1)
        units.append([expression.both(unit) for unit in UNITS])
        gaps.append(opening(expression))
    values = np.array(units, np.float32), np.array(gaps, np.float32)
    return DrawnPictures(np.stack(pictures), *values, np.full(each, index), np.array(eyes, np.float32))


def _dressed(identity: Identity, random: np.random.Generator) -> Identity:
    """The same face before another wall, in other clothes."""
    wall, clothes = (tuple(random.integers(40, 225, 3).tolist()) for _ in range(2))
    return replace(identity, wall=wall, clothes=clothes)


def _take(random: np.random.Generator) -> tuple[Expression, Pose]:
    """A moment of a clip as ``tbd demo`` draws them."""
    emotion = str(random.choice(schema.EMOTIONS))
    level = int(random.choice(list(EMOTIONS[emotion].levels)))
    acting = varied(emotion, level, int(random.integers(1 << 31)))
    now, loud = random.uniform(0, 3), _loudness(random)
    return acting.expression(now, loud), acting.pose(now, loud)


def _anything(random: np.random.Generator) -> tuple[Expression, Pose]:
    """Any units, alone or together, on both sides or more on one."""
    shown: dict[int, tuple[float, float]] = {}
    for unit in random.choice((*UNITS, 25, 26), random.integers(0, 7), replace=False).tolist():
        much, lean = random.uniform(0.1, 1.0), random.uniform(-1, 1) * (random.random() < 0.3)
        shown[unit] = (much * min(1.0, 1 - lean), much * min(1.0, 1 + lean))
    loud, moment = _loudness(random), Acting({}, int(random.integers(1 << 31)))
    now = random.uniform(0, 3)
    expression = Expression(shown, loud, (random.uniform(-0.3, 0.3), 0.0))
    return expression, moment.pose(now, loud)


def _loudness(random: np.random.Generator) -> float:
    """A pause a third of the time."""
    return 0.0 if random.random() < 0.33 else float(random.uniform(0, 1))


def _box(random: np.random.Generator) -> npt.NDArray[np.float64]:
    """Left, top, right and bottom of a cut, in sides of the picture."""
    side = random.uniform(*CUT)
    middle = np.array(MIDDLE) + random.uniform(-AROUND, AROUND, 2)
    corner = np.clip(middle - side / 2, 0, 1 - side)
    return np.concatenate([corner, corner + side])


def _cut(picture: Pixels, box: npt.NDArray[np.float64]) -> Pixels:
    edges = tuple((DRAWN * box).tolist())
    return np.asarray(Image.fromarray(picture).resize((SIDE, SIDE), Image.Resampling.BILINEAR, box=edges))


def _give_up(index: int, failure: JobFailure) -> Any:
    """What cannot be drawn once cannot be drawn."""
    raise failure.error
