"""Who sits where while a clip plays: streams, the looks at them, and the accumulators that they feed."""

from __future__ import annotations

import contextlib
import math
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tbd.errors import InputError, TbdError
from tbd.evaluate.engine.clip import Scene, View
from tbd.evaluate.engine.frame_stream import Feed, Reel, Shot
from tbd.evaluate.inputs.jobs import Group, Take
from tbd.evaluate.inputs.streams import Stream
from tbd.evaluate.metrics.base import Accumulator, ClipScore, Window


@dataclass(frozen=True, eq=False)
class Question:
    """One accumulator's work: a group of metrics on one video, or on a pair.

    Attributes:
        key: of the cache.
        view: under which look, and against which ground truth.
        pair: the ground truth is compared frame by frame.
    """

    key: str
    group: Group
    take: Take
    view: View
    pair: bool


@dataclass(eq=False)
class Work:
    """An accumulator that is being fed. What is ``lasting`` depends on the files alone and may be cached."""

    question: Question
    accumulator: Accumulator | None = None
    answer: ClipScore | None = None
    lasting: bool = True

    def update(self, window: Window) -> None:
        """Hand on a window; a failure ends this accumulator alone."""
        if self.answer is None and self.accumulator is not None:
            with self.guarded():
                self.accumulator.update(window)

    def finish(self) -> ClipScore:
        """The sober end: what is not a number is not a score."""
        if self.answer is None and self.accumulator is not None:
            with self.guarded():
                self.answer = _sober(self.accumulator.finish())
        return self.answer or ClipScore(None, 0, "not finished")

    @contextlib.contextmanager
    def guarded(self) -> Iterator[None]:
        """What goes wrong inside becomes this accumulator's answer."""
        try:
            yield
        except InputError as error:
            self.answer = ClipScore(None, 0, error.message)
        except TbdError as error:  # what this machine lacks, another may have
            self.answer, self.lasting = ClipScore(None, 0, error.message), False
        except Exception as error:  # noqa: BLE001 (one metric's bug must not cost the others their result)
            self.answer, self.lasting = ClipScore(None, 0, f"bug: {type(error).__name__}: {error}"), False


@dataclass(eq=False)
class Seat:
    """An accumulator with the queues its shots come from."""

    work: Work
    own: deque[Shot]
    truth: deque[Shot] | None = None
    stop: float = math.inf
    once: bool = False

    def windows(self) -> Iterator[Window]:
        """The windows that are ready, in order, up to where the comparison ends."""
        while self._ready():
            own = self.own.popleft().until(self.stop)
            truth = self.truth.popleft().until(self.stop) if self.truth is not None else None
            if not (self.once and own.first):
                yield Window(
                    own.frames, truth.frames if truth else None, own.first, own.memo, truth.memo if truth else {}
                )

    def _ready(self) -> bool:
        """Whether a shot has come from everywhere; what nobody needs any more is thrown away."""
        queues = [self.own] if self.truth is None else [self.own, self.truth]
        for queue in queues:
            while queue and (self.work.answer is not None or queue[0].first >= self.stop):
                queue.popleft()
        return all(queues)


@dataclass(eq=False)
class Table:
    """Who sits where: feeds by stream and look, and the accumulators that take from them."""

    scene: Scene
    feeds: dict[str, dict[str, Feed]] = field(default_factory=dict)
    streams: dict[str, Stream] = field(default_factory=dict)
    seats: dict[str, list[Seat]] = field(default_factory=dict)

    def seat(self, work: Work) -> None:
        """Open a question's accumulator and subscribe it.

        Raises:
            TbdError: the clip cannot be scored; the message is the reason.
        """
        question, scene = work.question, self.scene
        shown = scene.shown(question.take, question.view, question.pair)
        stream = scene.stream(question.take)
        info = scene.info(question.take, shown, question.group)
        if question.group.lead.needs_audio and info.audio is None:
            work.answer = ClipScore(None, 0, "no sound in the video")
            return
        work.accumulator = question.group.lead.open(info)
        name = TRUTH if question.take.kind == "truth" else question.take.name
        seat = Seat(work, self._feed(name, stream, shown.name, shown.pred, shown.select).taker())
        if question.pair:
            truth = self._feed(TRUTH, scene.truth, shown.name, shown.truth, shown.truth_select)
            seat.truth, seat.stop, seat.once = truth.taker(), shown.compared, name == TRUTH
        elif (
            question.take.kind == "still"
            and question.group.lead.compares == "nothing"
            and question.group.lead.unit == "frames"
        ):
            seat.stop = 1  # every frame is the same picture, so one tells the mean of all
        self.seats.setdefault(name, []).append(seat)

    def _feed(self, name: str, stream: Stream, look: str, see: Any, select: Any) -> Feed:
        self.streams[name] = stream
        feeds = self.feeds.setdefault(name, {})
        look = look if select is None else f"{look} {hash(select.tobytes())}"
        if look not in feeds:
            feeds[look] = Feed(see, select)
        return feeds[look]

    def play(self, pool: ThreadPoolExecutor) -> None:
        """Decode everything, a window of the truth at a time, and the other videos as far as they are needed."""
        reels = {name: Reel(self.streams[name], feeds.values()) for name, feeds in self.feeds.items()}
        truth = reels.pop(TRUTH, None)
        while (truth is not None and not truth.done) or not all(reel.done for reel in reels.values()):
            if truth is not None:
                self._step(TRUTH, truth)
            for name, reel in reels.items():
                self._follow(name, reel, truth is None or truth.done)
            self._run(pool, [seat for seats in self.seats.values() for seat in seats])

    def _follow(self, name: str, reel: Reel, alone: bool) -> None:
        """Decode a video until it has caught up with the truth; without one, a window at a time."""
        pairs = [seat for seat in self.seats.get(name, ()) if seat.truth is not None]
        if alone or not pairs:
            self._step(name, reel)
        while not reel.done and any(seat.truth and not seat.own for seat in pairs):
            self._step(name, reel)

    def _step(self, name: str, reel: Reel) -> None:
        try:
            reel.step()
        except TbdError as error:
            reel.done = True
            self._spoil(name, f"unreadable: {self.scene.without_folders(error.message)}")

    def _spoil(self, name: str, reason: str) -> None:
        """A stream broke off: what was fed from it has no result."""
        for own, seats in self.seats.items():
            for seat in seats:
                if own == name or (name == TRUTH and seat.truth is not None):
                    seat.work.answer = ClipScore(None, 0, reason)

    def _run(self, pool: ThreadPoolExecutor, seats: Iterable[Seat]) -> None:
        """Every accumulator takes what is ready, several at a time, each in order."""

        def serve(seat: Seat) -> None:
            for window in seat.windows():
                seat.work.update(window)

        list(pool.map(serve, seats))


TRUTH = "truth"
"""Name of the ground truth among the streams."""


def _sober(score: ClipScore) -> ClipScore:
    """A score that is no number, or whose features are none, says so instead of spoiling the mean."""
    if score.value is not None and math.isnan(score.value):
        return ClipScore(None, score.n, score.reason or "the value is not a number (NaN)", score.details)
    if score.features is not None and not np.isfinite(score.features).all():
        return ClipScore(None, score.n, "features that are not finite (NaN or infinite)", score.details)
    return score
