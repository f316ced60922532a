"""Frames on their way from one decoded stream to the windows that accumulators take."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from tbd.evaluate.inputs.align import ToPicture
from tbd.evaluate.inputs.streams import FrameStream
from tbd.evaluate.measures.frames import Pixels
from tbd.evaluate.metrics.base import WINDOW, Window


class Feed:
    """Pictures of one stream in one form, collected into windows of ``WINDOW`` frames.

    Args:
        picture: from a source frame to a picture.
        select: ``(n,)`` ascending frames of the stream that count; None takes all.
    """

    def __init__(self, picture: ToPicture, select: npt.NDArray[np.int64] | None = None) -> None:
        self.picture = picture
        self.select = None if select is None else deque(select.tolist())
        self.queues: list[deque[Window]] = []
        self._held: list[Pixels] = []
        self._first = 0
        self._last: tuple[Pixels, Pixels] | None = None

    def queue(self) -> deque[Window]:
        """A queue that receives every window from now on."""
        self.queues.append(deque())
        return self.queues[-1]

    def push(self, index: int, frame: Pixels) -> None:
        """Take the next frame of the stream, if it counts."""
        if self.select is not None:
            if not self.select or self.select[0] != index:
                return
            self.select.popleft()
        if self._last is None or self._last[0] is not frame:  # a frame may come again
            self._last = frame, self.picture(frame)
        self._held.append(self._last[1])
        if len(self._held) == WINDOW:
            self.flush()

    def flush(self) -> None:
        """Hand out what is held."""
        if not self._held:
            return
        window = Window(np.stack(self._held), None, self._first)
        self._first += len(self._held)
        self._held = []
        for queue in self.queues:
            queue.append(window)


class Decoder:
    """Decodes a stream once, in order, into its feeds."""

    def __init__(self, stream: FrameStream, feeds: Iterable[Feed]) -> None:
        self.feeds = list(feeds)
        self.done = not self.feeds
        self._frames = stream.raw()

    def step(self, frames: int = WINDOW) -> None:
        """Decode up to so many frames; after the last the feeds hand out what they hold.

        Raises:
            InputError: a frame cannot be decoded.
        """
        for _ in range(0 if self.done else frames):
            found = next(self._frames, None)
            if found is None:
                self.done = True
                for feed in self.feeds:
                    feed.flush()
                return
            for feed in self.feeds:
                feed.push(*found)
