"""The contract between the one pass over the pixels and the metrics that it feeds.

A clip is decoded once, in order, in windows of at most ``WINDOW`` frames. Each metric opens an
accumulator for the clip, is handed every window, and finishes with one ``ClipScore``, which becomes
one row of ``clips.parquet``. The headline number is an aggregation of these rows and of nothing else.

A metric's module lies in ``tbd.evaluate.metrics``, imports nothing heavy at its top, and ends with
``METRICS``: its protocols as ``Metric`` objects, the default first.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar, runtime_checkable

import numpy as np
import numpy.typing as npt

from tbd.evaluate.measures.frames import Pixels, check_frames, check_pair
from tbd.schema import ManifestRow

if TYPE_CHECKING:
    from tbd.media.faces import Face

T = TypeVar("T")

WINDOW = 32
"""Most frames of a window: what a metric may count on, and what bounds memory."""

Direction = Literal["higher", "lower", "closest"]
"""Which values are better; ``closest`` is for numbers with a target, such as a sync offset of 0."""

Unit = Literal["clips", "frames", "windows"]
Compares = Literal["nothing", "frames", "sets"]


@dataclass(frozen=True, eq=False)
class Window:
    """Consecutive frames of one clip, in order.

    Attributes:
        pred: ``(T, H, W, 3)`` uint8 RGB, 1 <= T <= ``WINDOW``.
        ref: the ground truth, of the same shape; None unless the metric compares ``frames``.
        first: index of the first frame in the clip.

    Raises:
        FrameError: ``pred`` or ``ref`` is not such frames, so that no metric ever guesses what a float means.
    """

    pred: Pixels
    ref: Pixels | None
    first: int
    _of_pred: dict[str, Any] = field(default_factory=dict, repr=False)
    _of_ref: dict[str, Any] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        check_frames(self.pred, "pred") if self.ref is None else check_pair(self.pred, self.ref)

    def until(self, stop: float) -> Window:
        """The part before frame ``stop``, which lies behind ``first``; a shorter window begins a new memory."""
        count = stop - self.first
        return self if count >= len(self.pred) else Window(self.pred[: int(count)], None, self.first)

    def against(self, truth: Window) -> Window:
        """These frames with those of another window as their ground truth; what either has computed is shared."""
        return Window(self.pred, truth.pred, self.first, self._of_pred, truth._of_pred)

    @property
    def same(self) -> bool:
        """Both sides are the same frames: the ground truth held against itself."""
        return self.ref is self.pred

    def of_pred(self, name: str, compute: Callable[[Pixels], T]) -> T:
        """``compute(pred)``, computed once for all metrics that ask by this name."""
        if name not in self._of_pred:
            self._of_pred[name] = compute(self.pred)
        return self._of_pred[name]  # type: ignore[no-any-return]

    def of_ref(self, name: str, compute: Callable[[Pixels], T]) -> T:
        """``compute(ref)``, computed once for all metrics and all runs with this ground truth."""
        if self.ref is None:
            raise ValueError("this window has no ground truth")
        if name not in self._of_ref:
            self._of_ref[name] = compute(self.ref)
        return self._of_ref[name]  # type: ignore[no-any-return]

    def pred_faces(self) -> list[list[Face]]:
        """The faces of each frame of ``pred``, largest first (MTCNN); detected once for all metrics."""
        return self.of_pred("faces", _faces)

    def ref_faces(self) -> list[list[Face]]:
        """The faces of each frame of ``ref``, largest first (MTCNN); detected once for all metrics and runs."""
        return self.of_ref("faces", _faces)


@dataclass(frozen=True, eq=False)
class ClipInfo:
    """What is known of a clip before its first window.

    Attributes:
        clip_id: of the manifest row, or the name by which two files were paired.
        fps: frames a second of ``pred``.
        size: (width, height) of the frames in pixels.
        num_frames: that will come.
        audio: ``(n,)`` int16 at 16 kHz, mono, from the first frame on; None without sound.
        sound_rate: of the file's own sound, in Hz.
        row: the manifest row's ``clip_id`` and the ``columns`` that the metric declares; None between two folders.
        portrait: gives the picture that the generator started from, ``(H, W, 3)`` uint8 RGB; None where it is
            not known, or the metric does not declare ``needs_portrait``.
        device: where networks run, as torch names it.
        beside: the file of the same name with the suffix ``Metric.beside`` next to the video, where there is one.
        beside_truth: the same with ``Metric.beside_truth``, next to the source of the ground truth.
    """

    clip_id: str
    fps: float
    size: tuple[int, int]
    num_frames: int
    audio: npt.NDArray[np.int16] | None = None
    sound_rate: int = 16_000
    row: ManifestRow | None = None
    portrait: Callable[[], Pixels | None] = lambda: None
    device: str = "cpu"
    beside: Path | None = None
    beside_truth: Path | None = None


@dataclass(frozen=True, eq=False)
class ClipScore:
    """The real result: one a clip and metric.

    Attributes:
        value: None where it cannot be computed, and then ``reason`` says why. For metrics that compare
            sets it is None with an empty reason; their result is ``features``.
        n: frames or windows that made it.
        details: JSON-ready extras (frames at the cap, offset, box …).
        features: ``(m, d)`` float32 or float64, for metrics that compare sets.
    """

    value: float | None
    n: int
    reason: str = ""
    details: dict[str, Any] = field(default_factory=dict)
    features: npt.NDArray[Any] | None = None

    @property
    def usable(self) -> bool:
        """Whether the clip counts in the aggregate."""
        return not self.reason and (self.value is not None or self.features is not None)


@dataclass(frozen=True)
class Aggregate:
    """The headline number of one run, and how it came about.

    Attributes:
        value: None where it cannot be computed; ``reason`` says why.
        n, of: clips that made it, of the clips that should have.
        aggregate: in words, ``mean over clips``.
        ci95: 95 % interval.
        interval: how it was computed, in words.
        warnings: what a reader must know beside the number.
        details: JSON-ready extras: floor, extrapolation, counts.
    """

    value: float | None
    n: int
    of: int
    aggregate: str
    ci95: tuple[float, float] | None = None
    interval: str = ""
    reason: str = ""
    warnings: tuple[str, ...] = ()
    details: dict[str, Any] = field(default_factory=dict)


class Accumulator(Protocol):
    """One clip of one metric while its windows pass."""

    def update(self, window: Window) -> None:
        """Take the next window. Keep numbers, not frames, unless the metric's own window spans several."""

    def finish(self) -> ClipScore:
        """The score of the clip; called once, after the last window (there may have been none)."""


@runtime_checkable
class Resumable(Protocol):
    """An accumulator that can go on where a killed run left it; what cannot begins again with the clip."""

    def state(self) -> dict[str, Any]:
        """All that it holds, as numbers, texts, lists, dictionaries and arrays."""

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state of another one that was opened for the same clip."""


class Metric(ABC):
    """One metric under one protocol. Instances are immutable and cheap; networks load in ``open``.

    Attributes:
        key: of ``scores.json``: ``psnr``, ``ssim`` …
        protocol: ``ssim@skimage``: everything that can change the number has a name here.
        title: for tables, ``SSIM``.
        direction: which values are better.
        unit: what ``n`` of a ``ClipScore`` counts. The headline's ``n`` and ``of`` always count clips.
        source: paper or program that defines it.
        compares: ``nothing``: looks at one video (``window.ref`` is None; the ground truth is scored by itself
            as a baseline); ``frames``: prediction against ground truth, frame by frame; ``sets``: looks at one
            video and returns ``features``, which ``aggregate`` compares with those of the ground truth.
        needs_audio, needs_faces: what a clip must have.
        columns: of the manifest row that can change the score; ``ClipInfo.row`` has these and ``clip_id`` alone.
        needs_portrait: the score depends on ``ClipInfo.portrait``, which is None for all other metrics.
        beside: suffix of a file next to the video that the score depends on (``.csv``); it comes as ``ClipInfo.beside``.
        beside_truth: the same for a file next to the source of the ground truth; ``ClipInfo.beside_truth``.
        by_name_only: no part of ``all``, nor of a name that several keys begin with; never a key's default.
        weights: catalogue keys that must resolve (``tbd.weights.resolve``).
        keeps_features: ``aggregate`` reads every clip's ``features``; true of all that compare ``sets``.
        version: raised when the numbers change; part of every cache key.
        shares: metrics that share one accumulator name it here (FID and KID their features; the three sync
            scores their pass): it is opened once, by the first of them, and ``read`` takes each one's part.
    """

    key: str
    protocol: str
    title: str
    direction: Direction
    unit: Unit
    source: str
    compares: Compares
    needs_audio: bool = False
    needs_faces: bool = False
    columns: tuple[str, ...] = ()
    needs_portrait: bool = False
    beside: str = ""
    beside_truth: str = ""
    by_name_only: bool = False
    keeps_features: bool = False
    weights: tuple[str, ...] = ()
    version: int = 1
    shares: str = ""

    def missing(self) -> str:
        """What besides ``weights`` this machine lacks (a package, a detector) and how to get it; empty if nothing."""
        return ""

    @abstractmethod
    def open(self, clip: ClipInfo) -> Accumulator:
        """Start a clip.

        Raises:
            TbdError: the clip cannot be scored; the message becomes the reason in its row.
        """

    def read(self, score: ClipScore) -> ClipScore:
        """This metric's part of what the accumulator finished with; metrics without ``shares`` take it whole."""
        return score

    @abstractmethod
    def aggregate(self, scores: Sequence[ClipScore], reference: Sequence[ClipScore] = ()) -> Aggregate:
        """The headline number.

        Args:
            scores: one a clip, unusable ones included (``of`` counts them).
            reference: for metrics that compare ``sets``: the ground truth of the same clips, in the same order.
        """


def _faces(frames: Pixels) -> list[list[Face]]:
    from tbd.media.faces import detector

    return detector().find(list(frames))
