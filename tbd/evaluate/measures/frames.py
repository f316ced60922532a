"""What counts as frames, and their grey levels."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from tbd.errors import InputError

Pixels = npt.NDArray[np.uint8]
Scores = npt.NDArray[np.float64]
"""One number a frame."""


class FrameError(InputError, ValueError):
    """An array that is no picture of the promised kind; also a ``ValueError``, for programs that call the functions."""

    kind = "input"


def check_frames(frames: Any, name: str = "frames") -> None:
    """Refuse everything but ``(T, H, W, 3)`` uint8 RGB with T, H, W >= 1.

    Nothing is converted: a float picture may lie in [0, 1], [-1, 1] or [0, 255], and a wrong guess is a wrong number.

    Raises:
        FrameError: what it is instead, and how to make frames of it.
    """
    if not isinstance(frames, np.ndarray):
        raise FrameError(f"{name}: {type(frames).__name__}, not a numpy array", next="pass frames.numpy()")
    if frames.dtype != np.uint8:
        raise FrameError(
            f"{name}: {frames.dtype}, not uint8 (grey levels 0 to 255)",
            next="bring them to 0..255, round, then .astype(numpy.uint8)",
        )
    if frames.ndim != 4 or frames.shape[3] != 3:
        raise FrameError(
            f"{name}: shape {frames.shape}, not (frames, height, width, 3) in RGB", next="frames[None] of one picture"
        )
    if 0 in frames.shape:
        raise FrameError(f"{name}: shape {frames.shape} holds no pixel", next="pass at least one frame")


def check_pair(pred: Any, ref: Any) -> None:
    """Refuse two stacks of frames that cannot be compared pixel by pixel.

    Raises:
        FrameError: either is not frames (``check_frames``), or the shapes differ.
    """
    check_frames(pred, "pred")
    check_frames(ref, "ref")
    if pred.shape != ref.shape:
        raise FrameError(
            f"pred {pred.shape} and ref {ref.shape} differ in shape", next="resize or cut one of them to the other"
        )


def grey(frames: Pixels) -> Pixels:
    """Grey levels ``(T, H, W)`` uint8 of RGB frames, as PIL's mode L: (19595 R + 38470 G + 7471 B + 2^15) >> 16."""
    from tbd.evaluate.measures.kernels import grey_levels

    found = np.empty(frames.shape[:3], np.uint8)
    for frame, levels in zip(frames, found, strict=True):
        grey_levels(frame, levels)
    return found
