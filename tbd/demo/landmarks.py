"""Where the features of a face lie when action units move it: pure geometry, no picture.

Face coordinates: the origin is midway between the pupils, x runs to the right of the picture, y down, and the
unit is the distance between the pupils. Strengths run from 0 to 1 (FACS letters A to E are 0.2 to 1.0). What each
unit moves follows the Facial Action Coding System (Ekman, Friesen and Hager 2002); how far is our choice.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tbd.demo.identity import Identity

Points = npt.NDArray[np.float64]
"""``(n, 2)`` x and y."""
Units = Mapping[int, float | tuple[float, float]]
"""Action unit -> strength 0 to 1, or (left, right) strengths from the person's own view."""

VOICED = 0.32
"""How far the loudest speech opens the mouth."""
MOUTH_LINE = 1.14
"""How far the closed mouth lies below the eyes."""


@dataclass(frozen=True)
class Expression:
    """What a face does at one moment.

    Attributes:
        units: action units with strengths.
        energy: loudness of the voice, 0 to 1; it opens the mouth.
        gaze: x and y of the eyes' aim, -1 to 1 (right and down in the picture are positive).
    """

    units: Units
    energy: float = 0.0
    gaze: tuple[float, float] = (0.0, 0.0)

    def pair(self, unit: int) -> Points:
        """``(2,)`` strength of a unit on the picture's left and right half (the person's right and left)."""
        value = self.units.get(unit, 0.0)
        left, right = value if isinstance(value, tuple) else (value, value)
        return np.array([right, left])

    def both(self, unit: int) -> float:
        """Mean strength of a unit over the two sides."""
        return float(self.pair(unit).mean())


def landmarks(identity: Identity, expression: Expression) -> dict[str, Points]:
    """The control points of every feature, in face coordinates.

    Returns:
        Named points, left to right in the picture: ``contour`` (17, ear to ear by way of the chin),
        ``brow_left`` ``brow_right`` (5, inner to outer), ``upper_lid_*`` ``lower_lid_*`` (5, inner to outer),
        ``iris_*`` (1), ``nose`` (3: left wing, tip, right wing), ``upper_lip_top`` (7), ``upper_lip_bottom``
        ``lower_lip_top`` (5), ``lower_lip_bottom`` (5). "left" and "right" are the picture's.
    """
    points = {"contour": _contour(identity, expression), "nose": _nose(identity, expression)}
    for half, name in enumerate(("left", "right")):
        strength = functools.partial(_on, expression, half)
        mirror = np.array([1.0 if half else -1.0, 1.0])
        points[f"brow_{name}"] = _brow(identity, strength) * mirror
        upper, lower = _lids(identity, expression, strength)
        points[f"upper_lid_{name}"], points[f"lower_lid_{name}"] = upper * mirror, lower * mirror
        points[f"iris_{name}"] = np.array([[0.5, -0.012]]) * mirror + np.array(expression.gaze) * (0.07, 0.06)
    return points | _mouth(identity, expression)


def opening(expression: Expression) -> float:
    """How far the lips are apart at the middle of the mouth, in face units: parted, dropped, stretched, voiced."""
    parted = 0.07 * expression.both(25) + 0.15 * expression.both(26) + 0.46 * expression.both(27)
    pressed = 1 - 0.35 * max(expression.both(23), expression.both(24))
    return parted + VOICED * pressed * (1 - 0.6 * expression.both(27)) * expression.energy


def _on(expression: Expression, half: int, unit: int) -> float:
    return float(expression.pair(unit)[half])


def _contour(identity: Identity, expression: Expression) -> Points:
    """Ear to ear: the chin goes down with the jaw, cheeks swell with 6, 12 and 13."""
    drop = 0.10 * expression.both(26) + 0.26 * expression.both(27) + 0.11 * expression.energy
    width, jaw, chin = 1.03 * identity.width, 1.03 * identity.jaw, identity.chin
    swell = 0.03 * expression.both(12)
    side = np.array(
        [
            (0.985 * width, -0.62), (width, -0.15), (width + swell, 0.35), (0.965 * width + swell, 0.80),
            (jaw + swell / 2, 1.16 + drop * 0.35), (0.78 * jaw, 1.50 + drop * 0.7), (0.52 * jaw, chin - 0.17 + drop),
            (0.26 * jaw, chin - 0.03 + drop),
        ]
    )  # fmt: skip
    bottom = np.array([(0.0, chin + drop)])
    return np.concatenate([side * (-1, 1), bottom, side[::-1]])


def _brow(identity: Identity, s: functools.partial[float]) -> Points:
    """1 lifts the inner end, 2 the outer part, 4 lowers and draws in (with 1 it draws in and up)."""
    arch = 0.035 if identity.gender == "woman" else 0.01
    brow = np.array([(0.19, -0.365), (0.38, -0.41), (0.58, -0.42 - arch), (0.74, -0.385 - arch), (0.88, -0.28)])
    inner, outer, lower, nose = s(1), s(2), s(4), s(9)
    brow[:, 1] -= inner * np.array([0.19, 0.13, 0.05, 0.01, -0.01])
    brow[:, 1] -= outer * (1 - 0.5 * lower * inner) * np.array([0.02, 0.09, 0.17, 0.19, 0.14])
    down = lower * (1 - 0.75 * inner)
    brow[:, 1] += down * np.array([0.17, 0.15, 0.09, 0.03, 0.0]) + nose * np.array([0.10, 0.08, 0.05, 0.02, 0.0])
    brow[:, 1] += lower * inner * np.array([-0.08, -0.01, 0.07, 0.10, 0.11])
    brow[:, 0] -= lower * np.array([0.09, 0.07, 0.04, 0.02, 0.0])
    return brow


def _lids(identity: Identity, expression: Expression, s: functools.partial[float]) -> tuple[Points, Points]:
    """5 lifts the upper lid, 6 and 7 raise the lower one, 43 and 45 close; the upper lid follows the gaze down."""
    down = max(0.0, expression.gaze[1]) + s(64)
    closed = min(1.0, max(s(43), s(45), s(46)))
    sad = 0.035 * s(1) * s(4)
    high = identity.eye * (0.112 + 0.07 * s(5) - 0.035 * s(7) - 0.02 * s(6) - 0.025 * s(9) - 0.035 * down - sad)
    low = identity.eye * (0.088 + 0.01 * s(5) - 0.055 * s(7) - 0.042 * s(6) - 0.03 * s(9))
    high = high * (1 - closed) - (low - 0.012) * closed
    x = 0.5 + identity.eye * np.array([-0.225, -0.115, 0.01, 0.125, 0.225])
    tilt = np.array([0.022, 0.0, 0.0, -0.01, -0.018])
    angry = s(4) * (1 - s(1))
    upper = -high * np.array([0.0, 0.80, 1.0, 0.78, 0.0]) + tilt + angry * np.array([0, 0.03, 0.015, 0, 0])
    upper += s(1) * s(4) * np.array([0, -0.02, 0, 0.025, 0.015])
    lower = low * np.array([0.0, 0.72, 1.0, 0.88, 0.0]) + tilt + s(1) * s(4) * np.array([0, 0, 0, 0, 0.015])
    return np.stack([x, upper], 1), np.stack([x, np.maximum(lower, upper)], 1)


def _nose(identity: Identity, expression: Expression) -> Points:
    """9 lifts the wings, 10 a little; 38 widens the nostrils."""
    wings = np.zeros((2, 2))
    lift = 0.09 * expression.pair(9) + 0.03 * expression.pair(10)
    wide = identity.nose + 0.035 * expression.pair(38) + 0.02 * expression.pair(9) + 0.012 * expression.pair(12)
    wings[:, 0], wings[:, 1] = wide * (-1, 1), 0.74 - lift
    return np.array([wings[0], (0.0, 0.73 - 0.03 * expression.both(9)), wings[1]])


def _lip_line(
    shares: tuple[float, ...], middle: float, sides: Points, corners: tuple[Points, Points], roundness: float
) -> Points:
    """Corner to corner: ``shares`` say where each inner point lies between the middle (0) and its corner (1)."""
    inner = []
    for share in shares:
        corner, own = (corners[0], sides[0]) if share < 0 else (corners[1], sides[1])
        weight = abs(share)
        depth = middle if weight == 0 else own
        inner.append((corner[0] * weight, depth + (corner[1] - depth) * weight**roundness))
    return np.array([corners[0], *inner, corners[1]])


def _mouth(identity: Identity, expression: Expression) -> dict[str, Points]:
    e, both = expression, expression.both
    gap = opening(e)
    parted = min(1.0, gap / 0.05)
    quiet = 1 - 0.5 * e.energy
    gap += parted * (0.08 * both(16) + 0.05 * both(10) + 0.02 * both(9))
    corner_x = identity.mouth + 0.11 * e.pair(12) + 0.15 * e.pair(20) + 0.05 * e.pair(14) + 0.02 * e.pair(15)
    corner_x -= (0.03 * e.pair(23) + 0.05 * e.pair(24)) * quiet + 0.12 * e.pair(18) + 0.12 * both(27)
    corner_x -= 0.07 * e.energy * (1 - both(12))
    corner_y = MOUTH_LINE - 0.15 * e.pair(12) + 0.13 * e.pair(15) + 0.03 * e.pair(20) - 0.035 * e.pair(14)
    corner_y += 0.35 * gap - 0.03 * both(17)
    lift = 0.12 * e.pair(10) + 0.05 * e.pair(9) + 0.04 * e.pair(17)
    top = MOUTH_LINE - 0.22 * gap - lift
    middle_top, bulge = float(top.mean()), 0.06 * both(17)
    middle_low = middle_top + gap + (1 - parted) * 0.01 * both(24)
    thin = np.clip(1 - (0.5 * both(23) + 0.7 * both(24)) * quiet - 0.3 * both(20) - 0.25 * both(12), 0.22, 1)
    upper = 0.105 * identity.lip * thin * (1 - 0.15 * both(10))
    lower = 0.140 * identity.lip * thin * (1 + 0.25 * both(17)) * (1 + 0.15 * both(16))
    roundness = 2.2 + min(1.2, 4 * gap)
    left, right = np.array([-corner_x[0], corner_y[0]]), np.array([corner_x[1], corner_y[1]])

    def line(shares: tuple[float, ...], middle: float, sides: Points) -> Points:
        return _lip_line(shares, middle, sides, (left, right), roundness)

    bow = line((-0.62, -0.22, 0.0, 0.22, 0.62), middle_top, top)
    bow[1:-1, 1] -= upper * np.array([0.62, 1.0, 0.78, 1.0, 0.62])
    chin_low = np.full(2, middle_low)
    under = line((-0.55, 0.0, 0.55), middle_low, chin_low)
    under[1:-1, 1] += lower * np.array([0.85, 1.0, 0.85]) - bulge * 0.3
    return {
        "upper_lip_top": bow,
        "upper_lip_bottom": line((-0.55, 0.0, 0.55), middle_top, top),
        "lower_lip_top": line((-0.55, 0.0, 0.55), middle_low, chin_low),
        "lower_lip_bottom": under,
    }
