"""Frame strips: eight moments of a clip as one picture, so that it can be seen without being played."""

from __future__ import annotations

import io

import numpy as np

from tbd.media.canonical import CanonicalClip, Pixels, crop, whole_box

FRAMES = 8
SIDE = 192
"""Of one frame in the strip, in pixels."""


def strip_frames(clip: CanonicalClip) -> list[Pixels]:
    """``FRAMES`` pictures ``(SIDE, SIDE, 3)`` uint8 RGB, evenly over the canonical clip, in one pass of the decoder.

    Raises:
        InputError: the file cannot be decoded.
    """
    from tbd.media import video

    indices = clip.indices
    chosen = [int(indices[(2 * at + 1) * len(indices) // (2 * FRAMES)]) for at in range(FRAMES)]
    drawn = {}
    for index, frame in video.frames(clip.source, set(chosen)):
        height, width = frame.shape[:2]
        drawn[index] = crop(frame, clip.crop_box or whole_box(width, height), SIDE)
    return [drawn[index] for index in chosen]


def draw_strip(clip: CanonicalClip, columns: int = FRAMES) -> bytes:
    """A JPEG of the ``strip_frames`` in reading order, ``columns`` in a row.

    Raises:
        InputError: the file cannot be decoded.
    """
    from PIL import Image

    found = strip_frames(clip)
    rows = [np.concatenate(found[start : start + columns], axis=1) for start in range(0, FRAMES, columns)]
    file = io.BytesIO()
    Image.fromarray(np.concatenate(rows)).save(file, "JPEG", quality=82)
    return file.getvalue()
