"""Which accumulator is fed from which stream: every stream is decoded once, in step with the ground truth."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tbd.errors import TbdError
from tbd.evaluate.engine.clip import ClipContext
from tbd.evaluate.engine.feeds import Decoder, Feed
from tbd.evaluate.engine.progress import ClipProgress
from tbd.evaluate.engine.requests import ScoreRequest
from tbd.evaluate.inputs.align import ToPicture
from tbd.evaluate.inputs.jobs import TRUTH, RunVideo
from tbd.evaluate.inputs.streams import FrameStream
from tbd.evaluate.metrics.base import ClipScore, Window


@dataclass(eq=False)
class Subscription:
    """A request with the queues that its windows come from.

    Attributes:
        own: windows of the video.
        truth: windows of the ground truth, for a pair.
        stop: frame at which the comparison ends.
        frame: that comes next; what lies before it was handed on already, by a run that was killed.
    """

    request: ScoreRequest
    own: deque[Window]
    truth: deque[Window] | None = None
    stop: float = math.inf
    frame: int = 0

    def windows(self) -> Iterator[Window]:
        """The windows that are ready, in order, up to where the comparison ends."""
        while self._ready():
            own = self.own.popleft().until(self.stop)
            truth = self.truth.popleft().until(self.stop) if self.truth is not None else None
            if own.first >= self.frame:
                yield own if truth is None else own.against(truth)
                self.frame = own.first + len(own.pred)

    def _ready(self) -> bool:
        """Whether every queue holds a window; what nobody needs any more is thrown away."""
        queues = [self.own] if self.truth is None else [self.own, self.truth]
        for queue in queues:
            while queue and (self.request.answer is not None or queue[0].first >= self.stop):
                queue.popleft()
        return all(queues)


class Scheduler:
    """Plays the streams of a clip to all who subscribed."""

    def __init__(self, context: ClipContext, progress: ClipProgress | None = None) -> None:
        self._context, self._progress = context, progress or ClipProgress()
        self._feeds: dict[RunVideo, dict[str, Feed]] = {}
        self._streams: dict[RunVideo, FrameStream] = {}
        self._subscriptions: dict[RunVideo, list[Subscription]] = {}

    def subscribe(self, request: ScoreRequest) -> None:
        """Open a request's accumulator and subscribe it.

        Raises:
            TbdError: the clip cannot be scored; the message is the reason.
        """
        context, video, group = self._context, request.video, request.group
        transform = context.transform(request.like or video, group)
        stream = context.stream(video)
        one, other = context.frames_compared(video) if request.pair else (None, None)
        info = context.info(request.like or video, group, stream.num_frames if one is None else len(one))
        if group.lead.needs_audio and info.audio is None:
            request.answer = ClipScore(None, 0, "no sound in the video")
            return
        request.accumulator = group.lead.open(info)
        place = TRUTH if video.kind == "truth" else video
        picture = transform.truth if request.like else transform.pred
        found = Subscription(request, self._queue(place, stream, transform.name, picture, one))
        if request.pair:
            found.truth = self._queue(TRUTH, context.truth, transform.name, transform.truth, other)
            found.stop = info.num_frames
        elif video.kind == "still" and group.compares == "nothing" and group.lead.unit == "frames":
            found.stop, request.repeated = 1, stream.num_frames  # every frame is the same picture
        found.frame = self._progress.restore(request)
        self._subscriptions.setdefault(place, []).append(found)

    def _queue(
        self, place: RunVideo, stream: FrameStream, name: str, picture: ToPicture, select: npt.NDArray[np.int64] | None
    ) -> deque[Window]:
        self._streams.setdefault(place, stream)
        if select is not None and not (np.diff(select) != 1).any():
            select = None  # it begins at the first frame, and the subscription knows where it ends
        name = name if select is None else f"{name} {hash(select.tobytes())}"
        return self._feeds.setdefault(place, {}).setdefault(name, Feed(picture, select)).queue()

    def play(self, pool: ThreadPoolExecutor) -> None:
        """Decode everything, a window of the truth at a time, and the other videos as far as they are needed."""
        decoders = {place: Decoder(self._streams[place], feeds.values()) for place, feeds in self._feeds.items()}
        truth = decoders.pop(TRUTH, None)
        while (truth is not None and not truth.done) or not all(decoder.done for decoder in decoders.values()):
            if truth is not None:
                self._step(TRUTH, truth)
            for place, decoder in decoders.items():
                self._follow(place, decoder, truth is None or truth.done)
            everyone = [one for every in self._subscriptions.values() for one in every]
            list(pool.map(_feed, everyone))
            self._progress.store((one.request, one.frame) for one in everyone)

    def _follow(self, place: RunVideo, decoder: Decoder, alone: bool) -> None:
        """Decode a video until it has caught up with the truth; without one, a window at a time."""
        pairs = [found for found in self._subscriptions.get(place, ()) if found.truth is not None]
        if alone or not pairs:
            self._step(place, decoder)
        while not decoder.done and any(found.truth and not found.own for found in pairs):
            self._step(place, decoder)

    def _step(self, place: RunVideo, decoder: Decoder) -> None:
        try:
            decoder.step()
        except TbdError as error:
            decoder.done = True
            self._break_off(place, f"unreadable: {self._context.without_folders(error.message)}")

    def _break_off(self, place: RunVideo, reason: str) -> None:
        """A stream ended too soon: what was fed from it has no result."""
        for own, subscriptions in self._subscriptions.items():
            for found in subscriptions:
                if own == place or (place == TRUTH and found.truth is not None):
                    found.request.answer = ClipScore(None, 0, reason)


def _feed(subscription: Subscription) -> None:
    """Every accumulator takes what is ready, in order; several work at a time."""
    for window in subscription.windows():
        subscription.request.update(window)
