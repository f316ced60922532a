"""Still pictures: any of the kinds that people have, as the 8-bit RGB that a viewer shows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from tbd.errors import InputError
from tbd.filenames import PICTURES
from tbd.media.container import check_readable

__all__ = ["BACKGROUND", "PICTURES", "over_background", "read_picture"]

BACKGROUND = 128
"""Grey level behind what is transparent."""
_DEEP = ("I;16", "I;16B", "I;16L", "I;16N", "I", "F")
"""Pillow's modes with more than 8 bits a pixel."""


def read_picture(path: Path) -> npt.NDArray[np.uint8]:
    """A still picture, upright, as ``(H, W, 3)`` uint8 RGB.

    16 bits become 8, CMYK and palettes become RGB, transparent parts show the grey ``BACKGROUND``.

    Raises:
        InputError: it cannot be read.
    """
    check_readable(path)
    try:
        with Image.open(path) as picture:
            return _eight_bits(ImageOps.exif_transpose(picture))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(f"{path}: not a picture that can be read ({error})") from None


def over_background(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """``(H, W, 4)`` RGBA laid over ``BACKGROUND``, as ``(H, W, 3)`` RGB."""
    alpha = pixels[..., 3:].astype(np.uint16)
    shown = (pixels[..., :3] * alpha + BACKGROUND * (255 - alpha) + 127) // 255
    return shown.astype(np.uint8)


def _eight_bits(picture: Image.Image) -> npt.NDArray[np.uint8]:
    if picture.mode in _DEEP:
        values = np.asarray(picture, np.float64)
        grey = np.clip(np.round(values / _white(picture.mode, values) * 255), 0, 255).astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=2)
    if picture.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in picture.info:
        return over_background(np.asarray(picture.convert("RGBA")))
    return np.asarray(picture.convert("RGB"))


def _white(mode: str, values: npt.NDArray[np.float64]) -> float:
    """The value of white: that of 16 bits, whatever the brightest pixel is; floats say by their size what they count."""
    brightest = float(values.max(initial=0))
    if mode == "F" and brightest <= 255:
        return 1.0 if brightest <= 1 else 255.0
    return 65_535.0 if brightest <= 65_535 else float(2**31 - 1)
