"""Soft light and shadow on the skin, folds and wrinkles: what makes action units readable between the features."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from tbd.demo.identity import Colour, Identity
from tbd.demo.landmarks import Expression, Points
from tbd.demo.pen import UNIT, Pose, disc, flat, mixed, smooth


class Relief:
    """The relief of one moment.

    Args:
        identity: who.  expression: what they do.  points: their ``landmarks``.
    """

    def __init__(self, identity: Identity, expression: Expression, points: dict[str, Points]) -> None:
        self.identity, self.expression, self.points = identity, expression, points

    def layers(self, pose: Pose, side: int) -> Iterator[tuple[Colour, Image.Image]]:
        """A colour and where it lies, as a grey ``side`` x ``side`` picture, from the lowest layer up."""
        for paint, blur, colour in self._plan():
            layer = Image.new("L", (side, side))
            if paint(_Pencil(layer, pose)):
                yield colour, layer.filter(ImageFilter.GaussianBlur(blur * side))

    def _plan(self) -> list[tuple[Callable[[_Pencil], bool], float, Colour]]:
        """Who paints a layer, how far it is blurred in sides of the picture, and its colour."""
        skin, hairs = self.identity.skin, self.identity.hair_colour
        return [
            (self._hollows, 0.013, mixed(skin, (70, 20, 16), 0.74)),
            (self._stubble, 0.020, mixed(hairs, skin, 0.2)),
            (self._lights, 0.018, mixed(skin, (255, 246, 232), 0.7)),
            (self._folds, 0.0055, mixed(skin, (62, 16, 14), 0.72)),
        ]

    def _hollows(self, pencil: _Pencil) -> bool:
        """Eye sockets, the sides of the nose, below nose and lip, under the cheekbones."""
        points = self.points
        for sign, name in ((-1, "left"), (1, "right")):
            cheek = np.array([(1.05, 0.35), (0.80, 0.75), (0.62, 1.15), (0.72, 1.25), (1.0, 0.9)])
            pencil.area(cheek * (sign, 1), 96)
            brow = points[f"brow_{name}"]
            lid = points[f"lower_lid_{name}"] + (0, 0.10)
            raised = max(self.expression.both(1), self.expression.both(2)) * (1 - self.expression.both(4))
            top = np.maximum(brow + (0, 0.06), (-9, -0.36 - 0.05 * raised))
            pencil.area(np.concatenate([top, lid[::-1]]), round(170 - 50 * raised))
            side = np.array(
                [(0.14, -0.30), (0.10, 0.0), (0.13, 0.40), (0.27, 0.68), (0.33, 0.70), (0.24, 0.2), (0.25, 0)]
            )
            pencil.area(side * (sign, 1), 225 if sign > 0 else 160)
        wings = points["nose"]
        pencil.area(np.array([wings[0] + (0.02, 0.07), (0, 0.80), wings[2] + (-0.02, 0.07), (0, 0.94)]), 215)
        low = points["lower_lip_bottom"][2]
        pencil.area(
            np.array([(-0.26, low[1] + 0.05), (0, low[1] + 0.02), (0.26, low[1] + 0.05), (0, low[1] + 0.14)]), 225
        )
        pencil.spot((0.0, -0.32), 0.15, round(100 * max(self.expression.both(4), self.expression.both(9))))
        return True

    def _stubble(self, pencil: _Pencil) -> bool:
        beard = self.identity.beard
        if beard <= 0:
            return False
        contour = self.points["contour"]
        corner_l, corner_r = self.points["upper_lip_top"][0], self.points["upper_lip_top"][-1]
        top = self.points["upper_lip_top"][3]
        inner = [(0.98, 0.10), (0.86, 0.62), corner_r + (0.16, -0.06), (0.30, 0.90), (0, 0.93)]
        inner += [(-0.30, 0.90), corner_l + (-0.16, -0.06), (-0.86, 0.62), (-0.98, 0.10)]
        pencil.area(np.concatenate([contour[2:15] * (1.02, 1.02), np.array(inner)]), round(225 * beard), curve=False)
        pencil.area(np.array([corner_l, top + (0, -0.1), corner_r, top + (0, 0.35)]), round(120 * beard))
        return True

    def _lights(self, pencil: _Pencil) -> bool:
        """Forehead, bridge and tip of the nose, cheeks that smiles push up, chin."""
        e = self.expression
        pencil.area(np.array([(-0.55, -0.62), (-0.1, -0.86), (0.42, -0.72), (0.1, -0.55)]), 84)
        pencil.area(
            np.array([(-0.07, -0.22), (-0.02, 0.3), (-0.06, 0.66), (0.05, 0.66), (0.05, 0.3), (0.04, -0.22)]), 120
        )
        pencil.spot((-0.02, 0.62), 0.10, 130)
        for sign, half in ((-1, 0), (1, 1)):
            lift = 0.16 * max(e.pair(6)[half], 0.7 * e.pair(12)[half])
            bright = 66 + 90 * max(e.pair(12)[half], e.pair(6)[half]) - (24 if sign > 0 else 0)
            pencil.spot((sign * (0.60 + 0.03 * e.pair(12)[half]), 0.50 - lift), 0.20, round(bright))
        pencil.spot((-0.03, self.points["contour"][8, 1] - 0.20 - 0.04 * e.both(17)), 0.15, round(70 + 50 * e.both(17)))
        return True

    def _folds(self, pencil: _Pencil) -> bool:
        """Lines that age and units draw: brow furrows, crow's feet, the fold from nose to mouth, dimples."""
        for sign, name, half in ((-1, "left", 0), (1, "right", 1)):
            self._side_folds(pencil, sign, name, half)
        s = self.expression.both
        raised = max(s(1), s(2))
        reach = 0.36 + 0.34 * min(1.0, s(2) / max(s(1), 1e-6))
        for row in range(3):
            y = -0.66 - 0.13 * row - 0.05 * raised
            arch = 0.05 if s(2) >= s(1) else 0.07
            line = np.array(
                [
                    (-reach, y),
                    (-reach / 2, y - arch * 0.7),
                    (0, y - arch * 0.4),
                    (reach / 2, y - arch * 0.7),
                    (reach, y),
                ]
            )
            pencil.line(line, 0.026, (110 if s(2) else 80) * raised - 15)
        for row in range(3):
            y = -0.16 + 0.085 * row
            pencil.line(np.array([(-0.12, y + 0.03), (0, y - 0.01), (0.12, y + 0.03)]), 0.026, 170 * s(9))
        for row in range(2):  # the chin puckers
            y = self.points["lower_lip_bottom"][2, 1] + 0.13 + 0.09 * row
            pencil.line(np.array([(-0.2, y + 0.05), (0, y - 0.02), (0.2, y + 0.05)]), 0.03, 150 * s(17))
        return True

    def _side_folds(self, pencil: _Pencil, sign: int, name: str, half: int) -> None:
        def s(unit: int) -> float:
            return float(self.expression.pair(unit)[half])

        corner = self.points["upper_lip_top"][0 if sign < 0 else -1] * (sign, 1)
        wing = self.points["nose"][0 if sign < 0 else 2] * (sign, 1)

        def line(points: list[tuple[float, float]], width: float, value: float) -> None:
            pencil.line(np.array(points) * (sign, 1), width, value)

        fold = max(0.9 * s(12), s(10), s(9), s(11), 0.6 * s(14))
        bend = corner + (0.15 + 0.04 * s(12), -0.06)
        middle = ((wing + bend) / 2 + (0.055 + 0.06 * s(12), -0.035)).tolist()
        line([tuple(wing + (0.03, -0.06)), tuple(middle), tuple(bend)], 0.035, 42 + 165 * fold)
        inner = self.points[f"brow_{name}"][0] * (sign, 1)
        furrow = s(4) * (1 - 0.3 * s(1))
        line([(inner[0] - 0.035, inner[1] - 0.10), (inner[0] - 0.075, inner[1] + 0.11)], 0.04, 235 * furrow)
        low = self.points[f"lower_lid_{name}"] * (sign, 1)
        bag = max(s(6), 0.7 * s(7), 0.7 * s(9))
        under = [tuple(low[1] + (-0.02, 0.09)), tuple(low[2] + (0, 0.10)), tuple(low[3] + (0.06, 0.06))]
        line(under, 0.03, 40 + 140 * bag)
        outer = low[4]
        for angle in (-0.35, 0.05, 0.45):
            tip = outer + 0.22 * np.array([math.cos(angle), math.sin(angle)])
            line([tuple(outer + (tip - outer) * 0.3), tuple(tip)], 0.024, 190 * s(6) - 10)
        side = [
            (corner[0] + 0.07, corner[1] - 0.10),
            (corner[0] + 0.105, corner[1]),
            (corner[0] + 0.07, corner[1] + 0.09),
        ]
        line(side, 0.04, 235 * s(14))
        line([tuple(corner + (0.03, 0.02)), tuple(corner + (0.10, 0.20))], 0.04, 130 * s(15))
        line(
            [tuple(corner + (0.10, -0.08)), tuple(corner + (0.14, 0.05)), tuple(corner + (0.10, 0.17))],
            0.035,
            130 * s(20),
        )


class _Pencil:
    """Draws grey values in face coordinates on a small layer."""

    def __init__(self, layer: Image.Image, pose: Pose) -> None:
        self.pen, self.pose, self.side = ImageDraw.Draw(layer), pose, layer.width

    def area(self, points: Points, value: int, *, curve: bool = True) -> None:
        outline = self.pose.place(smooth(points, closed=True) if curve else points, self.side, 0.15)
        self.pen.polygon(flat(outline), fill=min(255, max(0, value)))

    def spot(self, centre: tuple[float, float], radius: float, value: int) -> None:
        if value > 0:
            disc(self.pen, self.pose.place(np.array([centre]), self.side, 0.2)[0], radius * UNIT * self.side, value)

    def line(self, points: Points, width: float, value: float) -> None:
        if value >= 1:
            curve = self.pose.place(smooth(points), self.side, 0.18)
            self.pen.line(flat(curve), fill=min(255, round(value)), width=max(1, round(width * UNIT * self.side)))
