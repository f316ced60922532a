"""Who is drawn: a handful of people who do not exist, each a few numbers.

Lengths are in units of the distance between the pupils.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

Colour = tuple[int, int, int]
"""Red, green, blue, 0 to 255."""
Gender = Literal["woman", "man"]
Hair = Literal["cropped", "parted", "curly", "long", "bob", "bun"]
Glasses = Literal["none", "round", "square"]


@dataclass(frozen=True)
class Identity:
    """One invented person.

    Attributes:
        name: MEAD-like speaker id; ids from 901 belong to nobody in MEAD.
        gender: ``woman`` or ``man``.
        skin, hair_colour, iris, lips, clothes, wall: colours.
        hair: the hair style.
        width: half of the face at the cheekbones.  jaw: half of the face beside the mouth.
        chin: from the eyes to the chin.  brow: thickness of a brow.  nose: half of the nose's width.
        mouth: half of the mouth's width.  lip: fullness of the lips, 1 is average.
        eye: size of the eyes, 1 is average.  beard: 0 is shaven, 1 is a full beard.
        lashes: thickness of the lash line.  pitch: of the voice, in Hz.  glasses: their shape.
    """

    name: str
    gender: Gender
    skin: Colour
    hair_colour: Colour
    iris: Colour
    lips: Colour
    clothes: Colour
    wall: Colour
    hair: Hair
    width: float = 1.06
    jaw: float = 0.84
    chin: float = 1.92
    brow: float = 0.10
    nose: float = 0.27
    mouth: float = 0.46
    lip: float = 1.0
    eye: float = 1.0
    beard: float = 0.0
    lashes: float = 0.030
    pitch: float = 120.0
    glasses: Glasses = "none"


PEOPLE = (
    Identity(
        "M901", "man", (226, 178, 148), (74, 50, 34), (86, 112, 132), (190, 116, 104), (58, 78, 104), (150, 160, 168),
        "parted", width=1.08, jaw=0.89, chin=1.96, brow=0.115, beard=0.12, lip=0.85, pitch=118,
        glasses="square",
    ),
    Identity(
        "W901", "woman", (166, 112, 78), (34, 26, 26), (62, 38, 26), (158, 72, 74), (214, 186, 92), (140, 134, 154),
        "curly", width=1.04, jaw=0.79, chin=1.86, brow=0.08, nose=0.29, mouth=0.47, lip=1.3, eye=1.06, lashes=0.048,
        pitch=196,
    ),
    Identity(
        "M902", "man", (148, 98, 68), (30, 24, 22), (58, 36, 24), (142, 78, 70), (168, 142, 92), (128, 146, 150),
        "cropped", width=1.08, jaw=0.90, chin=1.95, brow=0.115, nose=0.32, mouth=0.49, lip=1.25, beard=0.55, pitch=104,
    ),
    Identity(
        "W902", "woman", (234, 190, 163), (122, 74, 42), (98, 130, 104), (204, 98, 100), (136, 64, 82), (176, 170, 158),
        "long", width=1.05, jaw=0.81, chin=1.86, brow=0.088, nose=0.25, mouth=0.42, lip=1.1, eye=1.08, lashes=0.048,
        pitch=212,
    ),
    Identity(
        "M903", "man", (234, 190, 150), (26, 24, 28), (104, 78, 58), (192, 118, 104), (84, 92, 84), (166, 164, 162),
        "parted", width=1.10, jaw=0.86, chin=1.90, brow=0.105, nose=0.29, eye=1.0, lip=0.95, pitch=126,
    ),
    Identity(
        "W903", "woman", (236, 196, 163), (28, 24, 28), (108, 80, 60), (206, 92, 96), (70, 102, 112), (174, 174, 176),
        "bob", width=1.06, jaw=0.81, chin=1.83, brow=0.08, nose=0.265, mouth=0.43, lip=1.05, lashes=0.045, pitch=224,
        glasses="round",
    ),
    Identity(
        "M904", "man", (218, 166, 138), (150, 146, 142), (92, 116, 128), (178, 112, 100), (66, 66, 76), (158, 166, 160),
        "cropped", width=1.07, jaw=0.92, chin=1.98, brow=0.11, beard=0.8, lip=0.8, eye=0.95, pitch=98,
    ),
    Identity(
        "W904", "woman", (246, 208, 186), (196, 140, 74), (88, 120, 150), (208, 104, 104), (92, 112, 92), (162, 170, 180),
        "bun", width=1.03, jaw=0.76, chin=1.88, brow=0.07, nose=0.24, mouth=0.44, lip=0.95, eye=1.06, lashes=0.045,
        pitch=204,
    ),
)  # fmt: skip
"""Eight people for seed 0; everybody else is invented (``person``)."""

SKINS = ((248, 214, 190), (234, 190, 160), (214, 164, 128), (176, 122, 86), (132, 86, 60), (92, 60, 44))
HAIRS = ((26, 22, 24), (58, 38, 28), (104, 64, 38), (150, 96, 52), (206, 160, 96), (150, 148, 146), (140, 58, 30))
IRISES = ((60, 38, 26), (98, 76, 52), (86, 118, 92), (84, 116, 146), (112, 124, 132))
STYLES: dict[Gender, tuple[Hair, ...]] = {
    "man": ("cropped", "parted", "curly", "bun"), "woman": ("long", "bob", "bun", "curly", "parted")
}  # fmt: skip
"""What invented people are put together from; colours lie between neighbours of a list."""


def person(index: int, seed: int = 0) -> Identity:
    """The ``index``-th person of a seed; the same numbers always give the same face.

    Args:
        index: from 0; men and women in turn.
        seed: 0 begins with ``PEOPLE``; all others are invented: skin, hair, proportions, beard, glasses, voice.
    """
    if seed == 0 and index < len(PEOPLE):
        return PEOPLE[index]
    random = np.random.default_rng([seed, index])
    gender: Gender = "woman" if index % 2 else "man"
    name, woman = f"{gender[0].upper()}{901 + index // 2}", gender == "woman"
    skin = _between(SKINS, random)
    wide = random.uniform
    return Identity(
        name, gender, skin, _between(HAIRS, random), _between(IRISES, random), _lips(skin, woman, random),
        _any(random, 50, 220), _any(random, 115, 190), str(random.choice(STYLES[gender])),  # type: ignore[arg-type]
        width=wide(0.98, 1.16), jaw=wide(0.74, 0.84) if woman else wide(0.82, 0.95),
        chin=wide(1.80, 1.90) if woman else wide(1.86, 2.02), brow=wide(0.06, 0.10) if woman else wide(0.09, 0.13),
        nose=wide(0.23, 0.33), mouth=wide(0.40, 0.51), lip=wide(0.75, 1.35), eye=wide(0.90, 1.10),
        beard=0.0 if woman or random.random() < 0.4 else wide(0.15, 0.95), lashes=0.046 if woman else 0.030,
        pitch=wide(180, 230) if woman else wide(95, 135),
        glasses=str(random.choice(("none", "none", "none", "round", "square"))),  # type: ignore[arg-type]
    )  # fmt: skip


def _between(colours: tuple[Colour, ...], random: np.random.Generator) -> Colour:
    """A colour on the way from one of a list to the next."""
    place = random.uniform(0, len(colours) - 1)
    low, high = np.array(colours[int(place)]), np.array(colours[min(int(place) + 1, len(colours) - 1)])
    return _colour(low + (high - low) * (place % 1))


def _any(random: np.random.Generator, low: int, high: int) -> Colour:
    return _colour(random.integers(low, high, 3))


def _lips(skin: Colour, woman: bool, random: np.random.Generator) -> Colour:
    rose = np.array((196, 78, 84))
    return _colour(np.array(skin) + (rose - np.array(skin)) * random.uniform(0.45, 0.75 if woman else 0.6))


def _colour(values: object) -> Colour:
    red, green, blue = (int(value) for value in np.clip(np.round(np.asarray(values, float)), 0, 255))
    return red, green, blue
