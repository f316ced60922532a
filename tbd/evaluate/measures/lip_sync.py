"""What sync scores are made of: distances of two streams of features, and what a clip must have for them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from tbd.evaluate.measures.frames import FrameError
from tbd.media.lip_window import FPS
from tbd.media.mfcc import RATE

SAMPLES = RATE // FPS
"""Of sound, in one frame."""

BLOCK = 512
"""Rows whose distances are computed at a time: bounds memory."""

SHIFT = 15
EPS = 1e-6
"""PyTorch's pairwise distance adds it to every component, so the published numbers have it too."""

LARGER_THAN = 100
"""Pixels that a tracked face must be larger than."""

SILENCE = 32
"""Loudest sample of a silent clip: -60 dB of full scale."""


@dataclass(frozen=True)
class SyncScores:
    """How well lips and speech agree.

    Attributes:
        offset: frames by which the sound has to be delayed to fit the lips.
        distance: LSE-D.
        confidence: LSE-C.
        distances: ``(2 vshift + 1,)`` float64, the mean distance at each shift of the sound.
    """

    offset: int
    distance: float
    confidence: float
    distances: npt.NDArray[np.float64] = field(repr=False)


def sync_scores(video_features: npt.ArrayLike, audio_features: npt.ArrayLike, vshift: int = SHIFT) -> SyncScores:
    """Offset, distance and confidence of two streams of features (``calc_pdist`` of joonson/syncnet_python).

    Args:
        video_features, audio_features: ``(T, D)``, row i of both from the same moment. Where the shifted sound
            ends its features are zeros, so below some 36 rows the median, and with it the confidence, is biased.
        vshift: frames that the sound is shifted to both sides, at most.

    Raises:
        FrameError: not such features, or NaN among them.
    """
    video, audio = np.asarray(video_features), np.asarray(audio_features)
    if video.ndim != 2 or video.shape != audio.shape or not video.size or vshift < 0:
        raise FrameError(f"features {video.shape} and {audio.shape}, shift {vshift}: not twice (T, D) and 0 or more")
    if not (np.isfinite(video).all() and np.isfinite(audio).all()):
        raise FrameError("features that are not finite: the network or its input is broken")
    distances = np.zeros(2 * vshift + 1)
    for i in range(0, len(video), BLOCK):
        lips = video[i : i + BLOCK].astype(np.float64)
        heard = _rows(audio, i - vshift, i + len(lips) + vshift)
        shifted = (heard[j : j + len(lips)] for j in range(len(distances)))
        distances += [np.linalg.norm(lips - sound + EPS, axis=1).sum() for sound in shifted]
    distances /= len(video)
    least = int(distances.argmin())
    lowest = float(distances[least])
    return SyncScores(vshift - least, lowest, float(np.median(distances)) - lowest, distances)


def _rows(features: npt.NDArray[Any], begin: int, end: int) -> npt.NDArray[np.float64]:
    """Rows from ``begin`` to ``end``, zeros where there are none."""
    inside = features[max(begin, 0) : end].astype(np.float64)
    return np.pad(inside, ((max(-begin, 0), end - max(begin, 0) - len(inside)), (0, 0)))


@dataclass(frozen=True)
class SyncProtocol:
    """How the lips of a clip are found.

    Attributes:
        name: after the ``@``.
        detector: catalogue key of what finds faces; None shows the network the whole frame.
        least: frames with a detection that a track must have.
        describes: for people.
        files: pictures and sound go through the files that the published pipeline writes.
    """

    name: str
    detector: str | None
    least: int
    describes: str
    files: bool = False
