"""A stream on its way: decoded once, shown under several looks, handed out in windows."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from tbd.evaluate.inputs.streams import Stream
from tbd.evaluate.metrics.base import WINDOW

Pixels = npt.NDArray[np.uint8]
Look = Callable[[Pixels], Pixels]


@dataclass(frozen=True, eq=False)
class Shot:
    """Consecutive pictures of one feed: ``frames`` is ``(T, H, W, 3)``, ``memo`` what was computed from them."""

    frames: Pixels
    first: int
    memo: dict[str, Any] = field(default_factory=dict)

    def until(self, stop: float) -> Shot:
        """The part before frame ``stop``, which lies behind ``first``; a shorter shot begins a new memo."""
        count = stop - self.first
        return self if count >= len(self.frames) else Shot(self.frames[: int(count)], self.first)


class Feed:
    """Pictures of one stream under one look, collected into shots of ``WINDOW`` frames.

    Args:
        look: from a source frame to a picture.
        select: ``(n,)`` ascending frames of the stream that count; None takes all.
    """

    def __init__(self, look: Look, select: npt.NDArray[np.int64] | None = None) -> None:
        self.look = look
        self.select = None if select is None else deque(select.tolist())
        self.takers: list[deque[Shot]] = []
        self._held: list[Pixels] = []
        self._first = 0
        self._source: Pixels | None = None
        self._picture: Pixels | None = None

    def taker(self) -> deque[Shot]:
        """A queue that receives every shot from now on."""
        self.takers.append(deque())
        return self.takers[-1]

    def push(self, index: int, frame: Pixels) -> None:
        """Take the next frame of the stream, if it counts."""
        if self.select is not None:
            if not self.select or self.select[0] != index:
                return
            self.select.popleft()
        if frame is not self._source or self._picture is None:
            self._source, self._picture = frame, self.look(frame)
        self._held.append(self._picture)
        if len(self._held) == WINDOW:
            self.flush()

    def flush(self) -> None:
        """Hand out what is held."""
        if not self._held:
            return
        shot = Shot(np.stack(self._held), self._first)
        self._first += len(self._held)
        self._held = []
        for taker in self.takers:
            taker.append(shot)


class Reel:
    """Decodes a stream once, in order, into its feeds."""

    def __init__(self, stream: Stream, feeds: Iterable[Feed]) -> None:
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
