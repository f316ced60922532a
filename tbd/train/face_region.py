"""Where the face and the mouth lie in a canonical picture, as weights of the loss: from the row's face box, no detector runs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from tbd.schema import ManifestRow

Region = tuple[float, float, float, float]
"""Left, top, right, bottom as shares of the canonical picture."""
Weights = npt.NDArray[np.float32]

LIPS: Region = (0.2, 0.6, 0.8, 1.0)
"""Of the face's box (forehead to chin): the mouth, with room for a falling jaw and a small turn of the head."""


def face_region(row: ManifestRow) -> Region | None:
    """The face's box of a manifest row within its crop; None where it has none."""
    face, crop = row.get("face_box"), row.get("crop_box")
    if not face or not crop:
        return None
    left, top, side = crop[0], crop[1], max(crop[2] - crop[0], 1.0)
    x0, y0, x1, y1 = ((value - start) / side for value, start in zip(face, (left, top) * 2, strict=True))
    return x0, y0, x1, y1


def region_weights(face: Region | None, side: int, face_weight: float, lips_weight: float) -> Weights:
    """Weights ``(side, side)`` of the latents' loss with mean 1; all 1 without a face.

    Args:
        face: its box.
        side: of the latent.
        face_weight, lips_weight: of what lies in the box, and in its mouth, against 1 around it.
    """
    weights = np.ones((side, side), np.float32)
    if face is not None:
        _fill(weights, face, face_weight)
        _fill(weights, _within(face, LIPS), lips_weight)
    return np.asarray(weights / weights.mean(), np.float32)


def _within(outer: Region, share: Region) -> Region:
    width, height = outer[2] - outer[0], outer[3] - outer[1]
    x0, y0, x1, y1 = share
    return outer[0] + x0 * width, outer[1] + y0 * height, outer[0] + x1 * width, outer[1] + y1 * height


def _fill(weights: Weights, region: Sequence[float], value: float) -> None:
    """Set the cells whose centre lies in a region; at least one."""
    side = len(weights)
    first_x, first_y, last_x, last_y = (min(max(round(edge * side), 0), side) for edge in region)
    weights[min(first_y, side - 1) : max(last_y, first_y + 1), min(first_x, side - 1) : max(last_x, first_x + 1)] = (
        value
    )
