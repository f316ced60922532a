"""What SyncNet is shown and hears at a time, and where the lips lie that it is shown (joonson/syncnet_python)."""

from __future__ import annotations

FPS = 25
"""Frames a second of the videos that it knows."""

FRAMES, COLUMNS = 5, 20
"""What one feature sees: frames, and the columns of MFCC of the same 0.2 s, 100 a second."""

SIDE = 224
"""Of the pictures of the lips, in pixels."""

AROUND = 0.4
"""How much more than the face the picture shows: to the sides and, twice as much, below."""

GREY = 110
"""What lies outside the frame."""


def lip_square(half: float, x: float, y: float) -> tuple[int, int, int, int]:
    """Left, top, right and bottom, in whole pixels, of the lower face and its surroundings.

    Args:
        half: half the longer side of the face's box in pixels, positive.
        x, y: the middle of the box.

    Returns:
        From ``y - half`` to ``y + 1.8 half``, and ``1.4 half`` to both sides; it may leave the frame.
    """
    pad = int(half * (1 + 2 * AROUND))  # the original pads first, so that its rounding is down
    left, right = int(x + pad - half * (1 + AROUND)) - pad, int(x + pad + half * (1 + AROUND)) - pad
    return left, int(y + pad - half) - pad, right, int(y + pad + half * (1 + 2 * AROUND)) - pad
