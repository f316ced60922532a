"""MFCC: what SyncNet hears. Coefficients and defaults of python_speech_features, which no longer is maintained.

Davis and Mermelstein 1980, with these settings: pre-emphasis 0.97; frames of 25 ms every 10 ms without
a window; a 512 point power spectrum; 26 triangular filters from 0 to 8000 Hz; logarithm; DCT-II
(orthonormal), 13 coefficients; lifter 22; the first coefficient replaced by the log energy. No
normalisation of any kind. SyncNet was trained on the numbers of 16 bit samples, so these are not scaled.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import numpy.typing as npt

from tbd.errors import InputError

RATE = 16_000
LENGTH, STEP = 400, 160
"""Samples of a frame, and from one frame to the next: 25 and 10 ms."""

FFT, FILTERS, KEPT, LIFTER = 512, 26, 13, 22
EMPHASIS = 0.97
BLOCK = 4096
"""Frames at a time: bounds memory on long sound."""


class SoundError(InputError, ValueError):
    """An array that is no sound of the promised kind; also a ``ValueError``, for programs that call the function."""

    kind = "input"


def mfcc(samples: npt.NDArray[np.int16]) -> npt.NDArray[np.float64]:
    """Mel-frequency cepstral coefficients of speech.

    Args:
        samples: ``(n,)`` int16 at 16 kHz, mono, n >= 1.

    Returns:
        ``(frames, 13)`` float64; one frame for n <= 400, else ``1 + ceil((n - 400) / 160)``: the last one is
        filled with zeros, and a second has 99 frames.

    Raises:
        SoundError: not such samples. Floats are refused: their scale would change every number.
    """
    _check(samples)
    count = 1 + max(0, -(-(len(samples) - LENGTH) // STEP))
    return np.concatenate([_cepstrum(_frames(samples, i, min(i + BLOCK, count))) for i in range(0, count, BLOCK)])


@functools.cache
def mel_filters() -> npt.NDArray[np.float64]:
    """``(26, 257)``: triangles whose corners are equally far apart in mel = 2595 log10(1 + f / 700)."""
    top = 2595 * np.log10(1 + RATE / 2 / 700)
    hertz = 700 * (10 ** (np.linspace(0, top, FILTERS + 2) / 2595) - 1)
    corners = np.floor((FFT + 1) * hertz / RATE)
    bins = np.arange(FFT // 2 + 1)
    low, middle, high = (corners[i : i + FILTERS, None] for i in range(3))
    rising = (bins - low) / (middle - low) * ((low <= bins) & (bins < middle))
    falling = (high - bins) / (high - middle) * ((middle <= bins) & (bins < high))
    filters: npt.NDArray[np.float64] = rising + falling
    filters.setflags(write=False)
    return filters


def _frames(samples: npt.NDArray[np.int16], first: int, last: int) -> npt.NDArray[np.float64]:
    """``(last - first, 400)`` frames after pre-emphasis; before the first sample and after the last are zeros."""
    begin, end = first * STEP, (last - 1) * STEP + LENGTH
    sound = samples[max(begin - 1, 0) : end].astype(np.float64)
    before = 1 if begin == 0 else 0
    sound = np.pad(sound, (before, end - begin + 1 - before - len(sound)))
    emphasised = sound[1:] - EMPHASIS * sound[:-1]
    emphasised[max(len(samples) - begin, 0) :] = 0
    return np.lib.stride_tricks.sliding_window_view(emphasised, LENGTH)[::STEP]


def _cepstrum(frames: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    from scipy.fft import dct

    power = np.abs(np.fft.rfft(frames, FFT)) ** 2 / FFT
    energy = _positive(power.sum(1))
    mel = np.log(_positive(power @ mel_filters().T))
    cepstrum: npt.NDArray[np.float64] = dct(mel, type=2, axis=1, norm="ortho")[:, :KEPT]
    cepstrum *= 1 + LIFTER / 2 * np.sin(np.pi * np.arange(KEPT) / LIFTER)
    cepstrum[:, 0] = np.log(energy)
    return cepstrum


def _positive(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Zeros, which have no logarithm, as the smallest step of float64."""
    return np.where(values == 0, np.finfo(np.float64).eps, values)


def _check(samples: Any) -> None:
    if not isinstance(samples, np.ndarray) or samples.dtype != np.int16 or samples.ndim != 1 or not len(samples):
        kind = (
            f"{samples.dtype} {samples.shape}" if isinstance(samples, np.ndarray) else type(samples).__name__
        )  # the two things that people get wrong
        raise SoundError(
            f"samples: {kind}, not (n,) int16 with n >= 1",
            next="numpy.round(sound * 32767).astype(numpy.int16) of floats in [-1, 1]",
        )
