"""What of a drawn person never changes: skin and hair under the light, the wall, neck and clothes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

from tbd.demo.identity import Identity
from tbd.demo.pen import ORIGIN, STILL, UNIT, flat, mixed, smooth


def _grid(side: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Face coordinates of every pixel of a still head: x as ``(1, side)``, y as ``(side, 1)``."""
    at = (np.arange(side) + 0.5) / side
    return ((at - ORIGIN[0]) / UNIT)[None], ((at - ORIGIN[1]) / UNIT)[:, None]


def _picture(colours: npt.NDArray[np.float64]) -> Image.Image:
    return Image.fromarray(np.clip(colours, 0, 255).astype(np.uint8))


def skin(identity: Identity, side: int) -> Image.Image:
    """Skin as a rounded surface lit from the upper left, with blood in cheeks and nose."""
    x, y = _grid(side)
    nx, ny = np.clip(x / 1.32, -0.95, 0.95), np.clip((y - 0.25) / 2.3, -0.9, 0.9)
    nz = np.sqrt(np.clip(1 - nx**2 - ny**2, 0.04, 1))
    light = np.clip(-0.34 * nx - 0.36 * ny + 0.87 * nz, 0, 1)
    shade = (0.50 + 0.56 * light)[..., None] ** np.array([0.85, 1.05, 1.2])
    colours = np.array(identity.skin) * shade
    for cx, cy, wide, much in ((-0.66, 0.55, 0.30, 0.20), (0.66, 0.55, 0.30, 0.20), (0, 0.62, 0.18, 0.14)):
        red = much * np.exp(-(((x - cx) / wide) ** 2) - ((y - cy) / (wide * 0.8)) ** 2)[..., None]
        colours = colours * (1 - red * np.array([0.05, 0.5, 0.45]))
    return _picture(colours)


def hair_texture(identity: Identity, side: int) -> Image.Image:
    """Strands that run down from the crown, with a band of light."""
    x, y = _grid(side)
    angle = np.arctan2(x, y + 1.9)
    strands = 0.07 * np.sin(angle * 46) + 0.05 * np.sin(angle * 97 + 1) + 0.03 * np.sin(angle * 171 + 2)
    radius = np.hypot(x + 0.25, (y + 0.55) / 1.05)
    band = 0.42 * np.exp(-(((radius - 0.95) / 0.16) ** 2)) / (1 + np.exp(np.clip((y + 0.55) / 0.12, -50, 50)))
    shade = (0.82 + strands + band * (0.8 + 2 * strands) - 0.06 * np.clip(y, 0, 2.5))[..., None]
    return _picture(np.array(identity.hair_colour) * shade + 26 * band[..., None])


def wall(identity: Identity, side: int) -> Image.Image:
    """A plain wall with a pool of light behind the head."""
    x, y = _grid(side)
    glow = np.exp(-((x + 0.6) ** 2 + (y + 0.6) ** 2) / 9)[..., None]
    return _picture(np.array(identity.wall) * (0.62 + 0.42 * glow))


def body(identity: Identity, side: int, skin: Image.Image) -> Image.Image:
    """Neck and clothes, with transparency around them; the head throws its shadow on the neck."""
    picture = Image.new("RGBA", (side, side))
    width = 0.60 if identity.gender == "woman" else 0.72
    base = identity.chin
    neck = np.array([(-width, 0.9), (-width, base + 0.2), (-width - 0.22, base + 0.75), (-width - 0.6, base + 1.3)])
    neck = np.concatenate([neck, neck[::-1] * (-1, 1)])
    mask = Image.new("L", (side, side))
    ImageDraw.Draw(mask).polygon(flat(STILL.place(neck, side)), fill=255)
    shadow = Image.new("L", (side, side))
    chin = np.array([(-1.0, 0.6), (-0.9, base - 0.25), (0, base + 0.42), (0.9, base - 0.25), (1.0, 0.6)])
    ImageDraw.Draw(shadow).polygon(flat(STILL.place(smooth(chin), side)), fill=200)
    shadow = shadow.filter(ImageFilter.GaussianBlur(0.02 * side))
    tone = Image.composite(Image.new("RGB", skin.size, mixed(identity.skin, (56, 16, 12), 0.72)), skin, shadow)
    picture.paste(tone, (0, 0), mask)
    _clothes(identity, picture, base, width)
    return picture


def _clothes(identity: Identity, picture: Image.Image, base: float, width: float) -> None:
    side, x = picture.width, _grid(picture.width)[0]
    mask = Image.new("L", picture.size)
    half = [(-2.9, base + 1.6), (-2.5, base + 0.85), (-1.7, base + 0.52), (-width - 0.28, base + 0.30)]
    outline = np.array(
        [*half, (-0.5, base + 0.62), (0, base + 0.78), (0.5, base + 0.62), *[(-x, y) for x, y in half[::-1]]]
    )
    pen = ImageDraw.Draw(mask)
    pen.polygon(flat(STILL.place(smooth(outline), side)), fill=255)
    shade = np.broadcast_to((1.0 - 0.16 * np.clip(x / 2, -1, 1))[..., None], (side, side, 1))
    picture.paste(_picture(np.array(identity.clothes) * shade), (0, 0), mask)
    collar = STILL.place(smooth(outline[3:8]), side)
    ImageDraw.Draw(picture).line(
        flat(collar), fill=(*mixed(identity.clothes, (0, 0, 0), 0.35), 255), width=round(0.05 * UNIT * side)
    )
