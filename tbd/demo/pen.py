"""From face coordinates to pixels: where the head is, smooth curves, masks."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw
from scipy.interpolate import CubicSpline

from tbd.demo.identity import Colour
from tbd.demo.landmarks import Points

Box = tuple[int, int, int, int]

UNIT = 0.215
"""Distance between the pupils in sides of the picture: the face takes about 55 % of it."""
ORIGIN = (0.5, 0.44)
"""The middle between the pupils, in sides of the picture."""


@dataclass(frozen=True)
class Pose:
    """Where the head is: small motions only.

    Attributes:
        x, y: shift of the head in sides of the picture.
        roll, yaw, pitch: in radians; positive tilts clockwise, turns to the picture's right, and nods down.
        scale: 1 is the usual size.
    """

    x: float = 0.0
    y: float = 0.0
    roll: float = 0.0
    yaw: float = 0.0
    pitch: float = 0.0
    scale: float = 1.0

    def place(self, points: Points, side: int, depth: float = 0.0) -> Points:
        """Face coordinates ``(n, 2)`` -> pixels ``(n, 2)`` of a picture of this side."""
        turned = points + depth * np.array([math.sin(self.yaw), math.sin(self.pitch)])
        cos, sin = math.cos(self.roll), math.sin(self.roll)
        rolled: Points = turned @ np.array([[cos, sin], [-sin, cos]])
        placed: Points = side * (rolled * UNIT * self.scale + np.array(ORIGIN) + (self.x, self.y))
        return placed


STILL = Pose()


def smooth(points: Points, closed: bool = False, steps: int = 8) -> Points:
    """A smooth curve through ``(n, 2)`` points, ``steps`` pieces from each to the next."""
    result: Points = _curve(len(points), closed, steps) @ points
    return result


@functools.cache
def _curve(count: int, closed: bool, steps: int) -> npt.NDArray[np.float64]:
    """The cubic spline as a matrix: a spline is linear in the points it goes through."""
    knots = np.eye(count)
    if closed:
        knots = np.concatenate([knots, knots[:1]])
    at = np.linspace(0, len(knots) - 1, (len(knots) - 1) * steps + 1)
    matrix: npt.NDArray[np.float64] = CubicSpline(
        np.arange(len(knots)), knots, bc_type="periodic" if closed else "natural"
    )(at)
    return matrix


def cut(outline: Points, side: int) -> tuple[Box, Image.Image]:
    """The box around an outline within the picture, and a mask of that box."""
    left, top = np.clip(np.floor(outline.min(0)), 0, side - 1).astype(int).tolist()
    right, bottom = np.clip(np.ceil(outline.max(0)) + 1, 1, side).astype(int).tolist()
    mask = Image.new("L", (right - left, bottom - top))
    ImageDraw.Draw(mask).polygon(flat(outline - (left, top)), fill=255)
    return (left, top, right, bottom), mask


def flat(points: Points) -> list[float]:
    """``(n, 2)`` as Pillow wants it: x, y, x, y …"""
    values: list[float] = np.round(points, 2).ravel().tolist()
    return values


def disc(pen: ImageDraw.ImageDraw, centre: Points, radius: float, colour: Colour | int, press: float = 1.0) -> None:
    """A filled circle of this radius in pixels, pressed to ``press`` of its height."""
    x, y = float(centre[0]), float(centre[1])
    pen.ellipse((x - radius, y - radius * press, x + radius, y + radius * press), fill=colour)


def mixed(first: Colour, second: Colour, share: float) -> Colour:
    """``share`` of the second colour in the first."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue
