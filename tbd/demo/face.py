"""A drawn face that action units and a voice move: no photograph, nobody real.

A ``Portrait`` keeps what never changes (wall, clothes, shaded skin and hair); ``draw`` adds one moment. Everything is
drawn larger than asked for and reduced at the end, which smooths the edges.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from tbd.demo import hair, still
from tbd.demo.identity import Colour, Identity
from tbd.demo.landmarks import Expression, Points, landmarks
from tbd.demo.pen import STILL, UNIT, Pose, cut, disc, flat, mixed, smooth
from tbd.demo.relief import Relief

Pixels = npt.NDArray[np.uint8]

DEPTH = {"nose": 0.34, "brow": 0.20, "eye": 0.12, "mouth": 0.22, "contour": 0.0, "hair": 0.02}
"""How far features lie before the outline, in face units: turning the head moves the near ones more."""

WORKING = 512
"""The least side that is drawn on, in pixels."""
SKULL = np.array([(0.90, -1.08), (0.55, -1.48), (0.0, -1.62), (-0.55, -1.48), (-0.90, -1.08)])
"""The head above the ears, right to left; hair hides most of it."""


class Portrait:
    """One person in front of a wall; ``draw`` gives pictures of them.

    Args:
        identity: who.
        size: side of the square pictures in pixels, from 32.
    """

    def __init__(self, identity: Identity, size: int = 256) -> None:
        self.identity, self.size = identity, size
        self.factor = max(2, math.ceil(WORKING / size)) if size < WORKING else 1
        self.factor = min(self.factor, 6)
        self.side = size * self.factor
        self.skin = still.skin(identity, self.side)
        self.hair = still.hair_texture(identity, self.side)
        self.wall = still.wall(identity, self.side)
        self.body = still.body(identity, self.side, self.skin)

    def draw(self, expression: Expression, pose: Pose = STILL) -> Pixels:
        """One moment as ``(size, size, 3)`` uint8 RGB. The same arguments give the same pixels."""
        painter = _Painter(self, expression, pose)
        painter.paint()
        return np.asarray(painter.picture.reduce(self.factor) if self.factor > 1 else painter.picture)


class _Painter:
    """Paints one moment, from the back to the front."""

    def __init__(self, portrait: Portrait, expression: Expression, pose: Pose) -> None:
        self.portrait, self.identity = portrait, portrait.identity
        self.expression, self.pose, self.side = expression, pose, portrait.side
        self.unit = UNIT * pose.scale * self.side
        self.picture = portrait.wall.copy()
        self.pen = ImageDraw.Draw(self.picture)
        self.points = landmarks(self.identity, expression)

    def paint(self) -> None:
        self._textured(self.portrait.hair, hair.behind(self.identity))
        self.picture.paste(self.portrait.body, (0, 0), self.portrait.body)
        self._textured(self.portrait.hair, hair.locks(self.identity))
        self._ears()
        self._skin()
        for name in ("left", "right"):
            self._eye(name)
        self._nose()
        self._mouth()
        for name in ("left", "right"):
            self._brow(name)
        self._textured(self.portrait.hair, hair.over(self.identity))
        self._glasses()

    def _at(self, points: Points, depth: str = "contour", *, closed: bool = False, curve: bool = True) -> Points:
        """Face coordinates as a smooth curve in pixels."""
        return self.pose.place(smooth(points, closed) if curve else points, self.side, DEPTH[depth])

    def _textured(self, texture: Image.Image, outlines: hair.Outlines) -> None:
        for outline in outlines:
            box, mask = cut(self._at(outline, "hair", closed=True), self.side)
            self.picture.paste(texture.crop(box), box, mask)

    def _skin(self) -> None:
        """The head, with soft light and shadow, folds and wrinkles: drawn small, blurred, laid over the skin."""
        box, mask = cut(self._at(np.concatenate([self.points["contour"], SKULL]), closed=True), self.side)
        head = self.portrait.skin.crop(box)
        small = self.side // 4
        left, top, right, bottom = (edge / self.side * small for edge in box)
        for colour, layer in Relief(self.identity, self.expression, self.points).layers(self.pose, small):
            layer = layer.resize(head.size, Image.Resampling.BILINEAR, box=(left, top, right, bottom))
            head.paste(colour, (0, 0), layer)
        self.picture.paste(head, box, mask)

    def _line(self, points: Points, width: float, colour: Colour) -> None:
        self.pen.line(flat(points), fill=colour, width=max(1, round(width * self.unit)), joint="curve")

    def _ears(self) -> None:
        if self.identity.hair in ("long", "bob", "curly"):
            return
        for sign in (-1, 1):
            ear = np.array([(0.98, -0.20), (1.12, -0.28), (1.20, -0.05), (1.13, 0.28), (1.0, 0.42), (0.94, 0.2)])
            ear = ear * (sign * self.identity.width / 1.06, 1)
            self.pen.polygon(flat(self._at(ear, closed=True)), fill=mixed(self.identity.skin, (120, 50, 40), 0.22))
            inner = (ear - ear.mean(0)) * 0.5 + ear.mean(0)
            self.pen.polygon(flat(self._at(inner, closed=True)), fill=mixed(self.identity.skin, (90, 35, 30), 0.42))

    def _eye(self, name: str) -> None:
        """White, iris, pupil and glint, cut out by the lids; then lash line and crease."""
        upper = self._at(self.points[f"upper_lid_{name}"], "eye")
        lower = self._at(self.points[f"lower_lid_{name}"], "eye")
        box, mask = cut(np.concatenate([upper, lower[::-1]]), self.side)
        left, top = box[:2]
        patch = Image.new("RGB", mask.size, (212, 204, 199))
        pen = ImageDraw.Draw(patch)
        centre = self._at(self.points[f"iris_{name}"], "eye", curve=False)[0] - (left, top)
        radius = 0.118 * self.unit
        for share, colour in (
            (1.0, mixed(self.identity.iris, (12, 10, 12), 0.6)),
            (0.86, self.identity.iris),
            (0.46, (10, 9, 10)),
        ):
            disc(pen, centre, radius * share, colour)
        disc(pen, centre + radius * np.array([-0.34, -0.40]), radius * 0.21, (250, 250, 250))
        pen.line(
            flat(upper - (left, top) + (0, 0.022 * self.unit)), fill=(150, 138, 134), width=round(0.035 * self.unit)
        )
        self.picture.paste(patch, box, mask)
        self._lids(name, upper, lower)

    def _lids(self, name: str, upper: Points, lower: Points) -> None:
        skin, sign = self.identity.skin, -1 if name == "left" else 1
        self._line(lower, 0.022, mixed(skin, (78, 32, 28), 0.68))
        lash = upper.copy()
        if self.identity.gender == "woman":
            lash = np.concatenate([upper, upper[-1:] + np.array([[sign * 0.06, -0.035]]) * self.unit])
        self._line(lash, self.identity.lashes, mixed((24, 16, 14), skin, 0.08))
        crease = self.points[f"upper_lid_{name}"] + np.array(
            [(0.03, -0.02), (0, -0.055), (0, -0.06), (0, -0.06), (0, -0.03)]
        )
        self._line(self._at(crease, "eye"), 0.016, mixed(skin, (80, 34, 28), 0.55))

    def _glasses(self) -> None:
        if self.identity.glasses == "none":
            return
        rim = mixed((32, 28, 30), self.identity.clothes, 0.25)
        power = 2 if self.identity.glasses == "round" else 5
        angle = np.linspace(0, 2 * np.pi, 48, endpoint=False)
        cos, sin = np.cos(angle), np.sin(angle)
        for sign in (-1, 1):
            ring = np.stack([np.sign(v) * np.abs(v) ** (2 / power) for v in (cos, sin)], 1) * (0.36, 0.30)
            ring = self._at(ring + (0.5 * sign, 0.0), "brow", closed=True)
            self._line(np.concatenate([ring, ring[:2]]), 0.034, rim)
            self._line(
                self._at(np.array([(0.86, -0.06), (1.04, -0.10)]) * (sign, 1), "contour", curve=False), 0.03, rim
            )
        self._line(self._at(np.array([(-0.14, -0.03), (0, -0.07), (0.14, -0.03)]), "brow"), 0.03, rim)

    def _nose(self) -> None:
        skin = self.identity.skin
        dark = mixed(skin, (58, 18, 16), 0.78)
        left, tip, right = self.points["nose"]
        for wing, sign in ((left, -1), (right, 1)):
            alar = wing + np.array([(-0.03, -0.15), (0.0, -0.06), (-0.02, 0.035), (-0.09, 0.05)]) * (sign, 1)
            self._line(self._at(alar, "nose"), 0.022, mixed(skin, (86, 34, 28), 0.5))
            hole = wing + np.array([(-0.18, 0.04), (-0.11, -0.005), (-0.055, 0.03), (-0.11, 0.065)]) * (sign, 1)
            self.pen.polygon(flat(self._at(hole, "nose", closed=True)), fill=dark)
        base = tip + np.array([(-0.09, 0.08), (0, 0.11), (0.09, 0.08)])
        self._line(self._at(base, "nose"), 0.020, mixed(skin, (86, 34, 28), 0.45))

    def _mouth(self) -> None:
        """Cavity, teeth and tongue, cut out by the inner lips; then the two lips."""
        points = {
            name: self._at(self.points[name], "mouth")
            for name in ("upper_lip_top", "upper_lip_bottom", "lower_lip_top", "lower_lip_bottom")
        }
        inside = np.concatenate([points["upper_lip_bottom"], points["lower_lip_top"][::-1]])
        gap = float(self.points["lower_lip_top"][2, 1] - self.points["upper_lip_bottom"][2, 1])
        if gap > 0.004:
            self._cavity(inside, points, gap)
        lips = self.identity.lips
        upper = np.concatenate([points["upper_lip_top"], points["upper_lip_bottom"][::-1]])
        lower = np.concatenate([points["lower_lip_top"], points["lower_lip_bottom"][::-1]])
        self.pen.polygon(flat(lower), fill=lips)
        self.pen.polygon(flat(upper), fill=mixed(lips, (70, 18, 22), 0.25))
        shine = (points["lower_lip_top"] * 0.55 + points["lower_lip_bottom"] * 0.45)[9:-9]
        self._line(shine, 0.026, mixed(lips, (255, 232, 224), 0.30))
        if gap < 0.03:
            self._line(points["upper_lip_bottom"], 0.022, mixed(lips, (42, 8, 12), 0.75))

    def _cavity(self, inside: Points, points: dict[str, Points], gap: float) -> None:
        box, mask = cut(inside, self.side)
        patch = Image.new("RGB", mask.size, (86, 34, 36))
        pen, offset, unit = ImageDraw.Draw(patch), np.array(box[:2]), self.unit
        if gap > 0.20:
            middle = points["lower_lip_top"][16] - offset
            disc(pen, middle + (0, -0.01 * unit), 0.21 * unit, (142, 64, 68), press=0.5)
        smile = max(self.expression.both(12), self.expression.both(10), self.expression.both(20))
        upper = min(0.10 + 0.04 * smile, (0.5 + 0.25 * smile) * gap) * unit
        rim = points["upper_lip_bottom"] - offset
        edge = rim * (1, 0.45) + (0, 0.55 * rim[:, 1].min() + upper)
        pen.polygon(flat(np.concatenate([rim - (0, unit * 0.2), edge[::-1]])), fill=(232, 226, 216))
        bare = max(self.expression.both(16), 0.6 * self.expression.both(20))
        if bare > 0.1:
            rim = points["lower_lip_top"] - offset
            depth = min(0.08 * bare + 0.01, 0.3 * gap) * unit
            pen.polygon(flat(np.concatenate([rim + (0, unit * 0.2), rim[::-1] - (0, depth)])), fill=(222, 214, 204))
        self.picture.paste(patch, box, mask)

    def _brow(self, name: str) -> None:
        spine = smooth(self.points[f"brow_{name}"])
        along = np.gradient(spine, axis=0)
        normal = np.stack([along[:, 1], -along[:, 0]], 1) / np.hypot(*along.T)[:, None]
        place = np.linspace(0, 1, len(spine))
        thick = self.identity.brow * np.minimum(0.60 + 1.4 * place, 1.0) * np.sqrt(np.clip(1 - place**3, 0.02, 1))
        half = normal * thick[:, None] / 2
        outline = np.concatenate([spine + half, (spine - half)[::-1]])
        colour = mixed(self.identity.hair_colour, self.identity.skin, 0.12)
        colour = mixed(colour, (40, 26, 20), 0.35)
        self.pen.polygon(flat(self.pose.place(outline, self.side, DEPTH["brow"])), fill=colour)
