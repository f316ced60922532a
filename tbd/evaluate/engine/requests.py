"""One accumulator's work: what is asked of which video, and what came of it."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from tbd.errors import InputError, TbdError
from tbd.evaluate.inputs.jobs import MetricGroup, RunVideo
from tbd.evaluate.metrics.base import Accumulator, ClipScore, Window


@dataclass(eq=False)
class ScoreRequest:
    """A group of metrics on one video, or on a video and its ground truth.

    Attributes:
        key: of the cache.
        video: that is scored.
        like: the video is the ground truth, seen as it is laid under this one.
        accumulator: that is being fed; None before, and where it could not be opened.
        answer: known as soon as the accumulator failed, or has finished.
        lasting: the answer depends on the files alone, and may be cached.
        repeated: the accumulator is shown one frame that stands for so many.
    """

    key: str
    group: MetricGroup
    video: RunVideo
    like: RunVideo | None = None
    accumulator: Accumulator | None = None
    answer: ClipScore | None = None
    lasting: bool = True
    repeated: int = 1

    @property
    def pair(self) -> bool:
        """The ground truth is compared frame by frame."""
        return self.group.compares == "frames"

    def update(self, window: Window) -> None:
        """Hand on a window; a failure ends this accumulator alone."""
        if self.answer is None and self.accumulator is not None:
            with self.guarded():
                self.accumulator.update(window)

    def finish(self) -> ClipScore:
        """The answer; what is not a number is not a score."""
        if self.answer is None and self.accumulator is not None:
            with self.guarded():
                self.answer = _times(_finite(self.accumulator.finish()), self.repeated)
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


def _finite(score: ClipScore) -> ClipScore:
    """A score that is no number, or whose features are none, says so instead of spoiling the mean."""
    if score.value is not None and math.isnan(score.value):
        return ClipScore(None, score.n, score.reason or "the value is not a number (NaN)", score.details)
    if score.features is not None and not np.isfinite(score.features).all():
        return ClipScore(None, score.n, "features that are not finite (NaN or infinite)", score.details)
    return score


def _times(score: ClipScore, repeated: int) -> ClipScore:
    """The score of as many equal frames as one stood for: what is counted in frames is that many."""
    if repeated == 1:
        return score
    counts = {key: value * repeated for key, value in score.details.items() if key.startswith("frames")}
    return replace(score, n=score.n * repeated, details=score.details | counts)
