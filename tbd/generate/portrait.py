"""Any portrait as the model was trained to see one: upright, RGB, cropped around the face as the training data was."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tbd.errors import InputError
from tbd.media.canonical import ClipRule, crop, crop_box
from tbd.schema import Box

Pixels = npt.NDArray[np.uint8]

SMALLEST = 32
"""Least side of a picture in which a face can be found."""


@dataclass(frozen=True)
class PreparedPortrait:
    """A portrait, ready for the model.

    Attributes:
        picture: ``(size, size, 3)`` uint8 RGB.
        box: what of the picture it shows, in pixels; None: all of it.
        notes: what a person should know, a line each.
    """

    picture: Pixels
    box: Box | None
    notes: tuple[str, ...] = ()


def prepare_portrait(image: Any, rule: ClipRule, name: str = "") -> PreparedPortrait:
    """Crop a portrait around its face by the rule of the canonical clip.

    Args:
        image: a file, a PIL picture, or ``(H, W, 3)`` uint8 RGB. Rotation by EXIF, CMYK, 16 bit, transparency and the
            first frame of an animation are taken care of.
        rule: of the training data; its ``size`` is the side of the result.
        name: for notes and errors; a file has one.

    Raises:
        InputError: it cannot be read, is too small, or shows no face.
    """
    from tbd.media.faces import detector

    name = name or (str(image) if isinstance(image, str | Path) else "the picture")
    pixels = read_pixels(image)
    height, width = pixels.shape[:2]
    if min(height, width) < SMALLEST:
        raise InputError(f"{name}: {width} x {height} pixels; at least {SMALLEST} are needed", next="a larger picture")
    found = detector().find([pixels])[0]
    if not found:
        raise InputError(f"{name}: no face was found", next="a picture that shows one face from the front")
    notes = []
    if len(found) > 1:
        notes.append(f"{name}: {len(found)} faces; the largest is taken")
    box = crop_box([found[0].box], width, height, rule)
    scale = rule.size / (box[2] - box[0])
    if scale > 2:
        notes.append(f"{name}: the face is small; it is enlarged {scale:.1f} times")
    return PreparedPortrait(crop(pixels, box, rule.size), box, tuple(notes))


def read_pixels(image: Any) -> Pixels:
    """``(H, W, 3)`` uint8 RGB of a file, a PIL picture or an array.

    Raises:
        InputError: it is none of them, or cannot be read.
    """
    if isinstance(image, str | Path):
        from tbd.media.picture import read_picture

        return np.asarray(read_picture(Path(image)))
    if isinstance(image, np.ndarray):
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
            raise InputError(f"a picture is (H, W, 3) uint8 RGB, not {image.shape} {image.dtype}")
        return image
    if not hasattr(image, "convert"):
        raise InputError(f"a picture is a file, a PIL image or an array, not {type(image).__name__}")
    from PIL import ImageOps

    upright = ImageOps.exif_transpose(image)
    return np.asarray(upright.convert("RGB"))
