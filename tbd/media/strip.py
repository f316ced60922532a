"""Frame strips: eight moments of a clip as one picture, so that it can be seen without being played."""

from __future__ import annotations

import io
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future

import numpy as np

from tbd.media.canonical import CanonicalClip, Pixels, crop, whole_box

FRAMES = 8
SIDE = 192
"""Of one frame in the strip, in pixels."""
KEPT = 128
"""Strips that are kept in memory: about 100 kB each."""


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


class Strips:
    """Strips by name, drawn once: who asks meanwhile waits for that drawing, and a failure is kept too."""

    def __init__(self) -> None:
        self._lock, self._kept = threading.Lock(), OrderedDict[str, Future[bytes]]()

    def get(self, name: str, draw: Callable[[], bytes]) -> bytes:
        """The strip ``name``; ``draw`` is called unless it is kept, and its error is raised as often as it is asked for."""
        with self._lock:
            first = name not in self._kept
            found = self._kept.setdefault(name, Future())
            self._kept.move_to_end(name)
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        if first:
            try:
                found.set_result(draw())
            except BaseException as error:  # noqa: BLE001 - else who waits would wait for ever
                found.set_exception(error)
        return found.result()
