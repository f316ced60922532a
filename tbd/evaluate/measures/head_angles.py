"""How a head is turned: from six of its landmarks, by the perspective of an average head."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

POINTS = (30, 8, 36, 45, 48, 54)
"""Of the 68: tip of the nose, chin, outer corners of the eyes, corners of the mouth."""

HEAD = np.array(
    [
        (0, 0, 0),
        (0, -63.6, -12.5),
        (-43.3, 32.7, -26.0),
        (43.3, 32.7, -26.0),
        (-28.9, -28.9, -24.1),
        (28.9, -28.9, -24.1),
    ]
)
"""Where these lie on an average head, in mm, from the tip of the nose: to the right, up, towards the camera."""


def rotations(track: Floats, side: float = 256.0) -> Floats:
    """``(T, 3, 3)`` rotations of a head, NaN on frames without a face.

    Args:
        track: ``(T, 68, 2)`` landmarks in pixels.
        side: longer side of the picture in pixels; the camera's focal length is taken to be as long.
    """
    import cv2  # insightface brings it

    camera = np.array([[side, 0, side / 2], [0, side, side / 2], [0, 0, 1]])
    found = np.full((len(track), 3, 3), np.nan)
    for i, points in enumerate(track[:, list(POINTS)]):
        if np.isnan(points).any():
            continue
        flipped = HEAD * (1, -1, -1)  # a picture's axes: to the right, down, away
        _, vector, _ = cv2.solvePnP(flipped, np.ascontiguousarray(points), camera, None, flags=cv2.SOLVEPNP_SQPNP)
        found[i] = cv2.Rodrigues(vector)[0]
    return found


def angles(turned: Floats) -> Floats:
    """``(T, 3)`` degrees of pitch, yaw and roll of ``(T, 3, 3)`` rotations."""
    pitch = np.arctan2(turned[:, 2, 1], turned[:, 2, 2])
    yaw = np.arctan2(-turned[:, 2, 0], np.hypot(turned[:, 0, 0], turned[:, 1, 0]))
    roll = np.arctan2(turned[:, 1, 0], turned[:, 0, 0])
    return np.asarray(np.degrees(np.stack([pitch, yaw, roll], 1)), np.float64)


def apart(one: Floats, other: Floats) -> Floats:
    """``(T,)`` degrees of the one rotation that takes each of ``(T, 3, 3)`` to the other."""
    trace = np.einsum("tij,tij->t", one, other)
    return np.asarray(np.degrees(np.arccos(np.clip((trace - 1) / 2, -1, 1))), np.float64)
