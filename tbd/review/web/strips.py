"""Frame strips: eight moments of a clip as one picture, drawn once and kept."""

from __future__ import annotations

import io
import threading
from collections import OrderedDict
from collections.abc import Callable

import numpy as np

from tbd.errors import InputError
from tbd.media.canonical import CanonicalClip, Pixels, crop, whole_box

FRAMES = 8
SIDE = 192
"""Of one frame in the strip, in pixels."""
KEPT = 128
"""Strips that are kept in memory: about 100 kB each."""


def moments(clip: CanonicalClip) -> list[Pixels]:
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


def strip(clip: CanonicalClip, columns: int = FRAMES) -> bytes:
    """A JPEG of the ``moments`` in reading order, ``columns`` in a row.

    Raises:
        InputError: the file cannot be decoded.
    """
    from PIL import Image

    found = moments(clip)
    rows = [np.concatenate(found[start : start + columns], axis=1) for start in range(0, FRAMES, columns)]
    file = io.BytesIO()
    Image.fromarray(np.concatenate(rows)).save(file, "JPEG", quality=82)
    return file.getvalue()


class Strips:
    """Strips by name. Two requests for one strip wait for one drawing, and a failure is kept too."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._drawing: dict[str, threading.Lock] = {}
        self._kept: OrderedDict[str, bytes | InputError] = OrderedDict()

    def get(self, name: str, draw: Callable[[], bytes]) -> bytes:
        """The strip ``name``; ``draw`` is called unless it is kept.

        Raises:
            InputError: it cannot be drawn.
        """
        with self._lock:
            drawing = self._drawing.setdefault(name, threading.Lock())
        with drawing:
            found = self._find(name)
            if found is None:
                try:
                    found = draw()
                except InputError as error:
                    found = error
                self._keep(name, found)
        if isinstance(found, InputError):
            raise InputError(found.message, next=found.next)
        return found

    def _find(self, name: str) -> bytes | InputError | None:
        with self._lock:
            if name in self._kept:
                self._kept.move_to_end(name)
            return self._kept.get(name)

    def _keep(self, name: str, found: bytes | InputError) -> None:
        with self._lock:
            self._kept[name] = found
            self._drawing.pop(name, None)
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
