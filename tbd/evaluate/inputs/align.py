"""How two videos are laid over each other: in the frame, in time, and which part of them counts.

``canvas``  both already show the same picture at the same size; anything else is an error.
``crop``    the ground truth is cut (a manifest row by its crop box, a file to the other's aspect, around
            its middle) and resized to the size of the prediction.
``face``    both are turned and scaled so that eyes, nose and mouth lie on one template of 256 x 256
            pixels; one transform a video, from up to 8 frames spread over what is compared, so that head motion
            survives.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

from tbd.errors import InputError
from tbd.evaluate.inputs.streams import FrameStream
from tbd.media.canonical import crop

if TYPE_CHECKING:
    from tbd.media.faces import Face

Pixels = npt.NDArray[np.uint8]
Points = npt.NDArray[np.float64]
ToPicture = Callable[[Pixels], Pixels]
"""From a frame of a file to the picture that is compared."""

Box = tuple[int, int, int, int]

Align = Literal["canvas", "crop", "face"]
Length = Literal["strict", "truncate", "resample"]
Region = Literal["full", "face", "mouth"]

SPREAD = 8
"""Frames in which faces are sought, spread evenly over a video."""

SIDE = 256
"""Of the template, in pixels."""

TEMPLATE: Points = np.array([(92.0, 108.0), (164.0, 108.0), (128.0, 148.0), (99.0, 186.0), (157.0, 186.0)])
"""Eyes, nose and corners of the mouth on the template: (x, y) in pixels of its 256 x 256."""

SMALLEST = 16
"""Least side of a region, in pixels."""


@dataclass(frozen=True, eq=False)
class Transform:
    """How source frames of a video and of its ground truth become comparable pictures of one size.

    Attributes:
        pred, truth: from a source frame to the picture that is compared.
        size: (width, height) of both.
        name: equal names give equal pictures of one stream.
    """

    pred: ToPicture
    truth: ToPicture
    size: tuple[int, int]
    name: str

    @classmethod
    def alone(cls, stream: FrameStream) -> Transform:
        """A video as it is."""
        return cls(stream.picture, stream.picture, stream.size, _times(stream.size))

    def cut(self, box: Box) -> Transform:
        """Only a region of the pictures."""
        x0, y0, x1, y1 = box

        def inside(picture: ToPicture) -> ToPicture:
            return lambda frame: np.ascontiguousarray(picture(frame)[y0:y1, x0:x1])

        return Transform(inside(self.pred), inside(self.truth), (x1 - x0, y1 - y0), f"{self.name} {box}")

    def sized(self, side: int | None) -> Transform:
        """The pictures with a shorter side of ``side`` pixels (Lanczos); None leaves them."""
        size = scaled_size(self.size, side)
        if size == self.size:
            return self

        def resized(picture: ToPicture) -> ToPicture:
            return lambda frame: at_size(picture(frame), size)

        return Transform(resized(self.pred), resized(self.truth), size, f"{self.name} {_times(size)}")


def transform(pred: FrameStream, truth: FrameStream, align: Align, size: int | None = None) -> Transform:
    """Lay a prediction and its ground truth over each other.

    Args:
        size: shorter side that both are brought to; with it ``canvas`` takes pictures of different sizes.

    Raises:
        InputError: they cannot be: another size (canvas), another aspect (crop), no face (face).
    """
    if align == "canvas":
        return _canvas(pred, truth, size)
    if align == "crop":
        return _crop(pred, truth, size)
    both = _to_template(pred, "the video"), _to_template(truth, "the ground truth")
    return Transform(*both, (SIDE, SIDE), f"face {pred.num_frames} {truth.num_frames}").sized(size)


def same_moments(pred: FrameStream, truth: FrameStream) -> tuple[FrameStream, FrameStream]:
    """Both as long as the shorter one: frames spread over each would show a head at different times, and so places."""
    count = min(pred.num_frames, truth.num_frames)
    return replace(pred, indices=pred.indices[:count]), replace(truth, indices=truth.indices[:count])


def scaled_size(size: tuple[int, int], side: int | None) -> tuple[int, int]:
    """(width, height) scaled so that the shorter side has ``side`` pixels; None leaves it."""
    scale = 1 if side is None else side / min(size)
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def pairing(pred: int, truth: int, length: Length) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Which frames of two videos of ``pred`` and ``truth`` frames are compared: two ``(n,)`` arrays.

    ``truncate`` leaves the longer one's end out; ``resample`` takes ``min`` frames of each, evenly from the
    first on (as the EAT evaluation does); ``strict`` refuses unequal lengths.

    Raises:
        InputError: ``strict``, and the lengths differ.
    """
    least = min(pred, truth)
    if length == "strict" and pred != truth:
        raise InputError(f"{pred} frames against {truth} of the ground truth, and the policy is strict")
    if length == "resample":
        one, other = (np.linspace(0, count, least, endpoint=False).astype(np.int64) for count in (pred, truth))
        return one, other
    return np.arange(least), np.arange(least)


def region_box(frames: Sequence[Pixels], region: Region) -> Box:
    """The part of the picture that counts, as whole pixels (x0, y0, x1, y1) inside it.

    ``face``: the union of the person's boxes. ``mouth``: a rectangle around the corners of the mouth, as wide as
    the distance between the eyes' and the mouth's lines times 1.5, three quarters as high; its union likewise.

    Args:
        frames: ``(H, W, 3)`` uint8 RGB, spread over the clip, of one size.

    Raises:
        InputError: no face is found, or the region is smaller than 16 pixels.
    """
    height, width = frames[0].shape[:2]
    boxes = np.array([face.box if region == "face" else _mouth(face) for face in _persons(frames)])
    if not len(boxes):
        raise InputError(f"no face on {len(frames)} spread frames, so no region {region!r}")
    x0, y0 = np.floor(boxes[:, :2].min(0)).astype(int).clip(0, (width, height))
    x1, y1 = np.ceil(boxes[:, 2:].max(0)).astype(int).clip(0, (width, height))
    if min(x1 - x0, y1 - y0) < SMALLEST:
        raise InputError(f"the region {region!r} is {x1 - x0} x {y1 - y0} pixels: too small to measure")
    return int(x0), int(y0), int(x1), int(y1)


def similarity(points: Points, template: Points) -> Points:
    """The ``(2, 3)`` rotation, scale and shift that takes ``points`` nearest to ``template``.

    Least squares over ``(n, 2)`` points without mirroring: Umeyama 1991, equations 40 to 42.
    """
    mean, goal = points.mean(0), template.mean(0)
    centred = points - mean
    u, s, vt = np.linalg.svd((template - goal).T @ centred)
    sign = np.array([1.0, np.sign(np.linalg.det(u @ vt))])
    rotation = (u * sign) @ vt
    scale = float(s @ sign) / max(float((centred**2).sum()), 1e-12)
    return np.column_stack([scale * rotation, goal - scale * rotation @ mean])


def warp(frame: Pixels, matrix: Points, side: int) -> Pixels:
    """``frame`` under a ``(2, 3)`` transform, as ``(side, side, 3)`` (bicubic; black outside)."""
    inverse = np.linalg.inv(np.vstack([matrix, [0, 0, 1]]))[:2]
    picture = Image.fromarray(np.ascontiguousarray(frame))
    return np.asarray(
        picture.transform((side, side), Image.Transform.AFFINE, inverse.ravel().tolist(), Image.Resampling.BICUBIC)
    )


def _canvas(pred: FrameStream, truth: FrameStream, size: int | None) -> Transform:
    wanted = scaled_size(pred.size, size), scaled_size(truth.size, size)
    if wanted[0] != wanted[1]:
        raise InputError(
            f"{_times(pred.size)} pixels, the ground truth has {_times(truth.size)}",
            next=f"--size {min(*pred.size, *truth.size)} (both at one size), --align crop (the ground truth at the video's size) or --align face",
        )
    one = Transform.alone(pred).sized(size)
    other = Transform.alone(truth).sized(size)
    return Transform(one.pred, other.truth, wanted[0], _times(wanted[0]))


def _crop(pred: FrameStream, truth: FrameStream, size: int | None) -> Transform:
    one = Transform.alone(pred).sized(size)
    width, height = one.size
    box = truth.box
    if box is None:
        return Transform(one.pred, lambda frame: _middle(frame, width, height), one.size, _times(one.size))
    if width != height:
        raise InputError(f"{_times(pred.size)} pixels, the ground truth is a square crop", next="--align face")
    return Transform(one.pred, lambda frame: crop(frame, box, width), one.size, _times(one.size))


def _middle(frame: Pixels, width: int, height: int) -> Pixels:
    """The largest part around the middle with this aspect, resized."""
    scale = min(frame.shape[1] / width, frame.shape[0] / height)
    w, h = width * scale, height * scale
    x, y = (frame.shape[1] - w) / 2, (frame.shape[0] - h) / 2
    picture = Image.fromarray(np.ascontiguousarray(frame))
    return np.asarray(picture.resize((width, height), Image.Resampling.LANCZOS, box=(x, y, x + w, y + h)))


def _to_template(stream: FrameStream, name: str) -> ToPicture:
    faces = _persons(stream.some(SPREAD))
    if not faces:
        raise InputError(f"no face on {SPREAD} spread frames of {name}, so it cannot be aligned by the face")
    points = np.median([face.points for face in faces], axis=0)
    matrix = similarity(points, TEMPLATE)
    return lambda frame: warp(stream.picture(frame), matrix, SIDE)


def _persons(frames: Sequence[Pixels]) -> list[Face]:
    """The largest face of each frame that has one."""
    from tbd.media.faces import detector

    return [faces[0] for faces in detector().find(list(frames)) if faces]


def _mouth(face: Face) -> tuple[float, float, float, float]:
    eyes, mouth = face.points[:2].mean(0), face.points[3:].mean(0)
    half = 0.75 * max(float(np.linalg.norm(mouth - eyes)), 1.0)
    x, y = mouth
    return x - half, y - 0.75 * half, x + half, y + 0.75 * half


def at_size(picture: Pixels, size: tuple[int, int]) -> Pixels:
    """A picture, ``(H, W, 3)`` uint8, at another width and height (Lanczos, antialiased)."""
    return np.asarray(Image.fromarray(np.ascontiguousarray(picture)).resize(size, Image.Resampling.LANCZOS))


def _times(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"
