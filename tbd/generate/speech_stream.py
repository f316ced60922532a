"""Speech of any length as features of video frames, piece by piece, so that memory does not grow with the length."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from tbd.errors import InputError
from tbd.model.speech import SAMPLE_RATE, SpeechEncoder, windows

WHOLE, CORE, MARGIN = 30.0, 20.0, 5.0
"""Seconds: speech up to ``WHOLE`` is heard at once, as in training; longer one in pieces of ``CORE`` whose encoder also
hears ``MARGIN`` on either side."""


class SpeechStream:
    """The wav2vec windows around any frame of a sound.

    Args:
        encoder: wav2vec.
        samples: ``(n,)`` mono at 16 kHz in [-1, 1].
        fps: video frames a second.
        context: entries on either side of a frame.
    """

    def __init__(self, encoder: SpeechEncoder, samples: npt.NDArray[np.float32], fps: float, context: int) -> None:
        self.encoder, self.fps, self.context = encoder, fps, context
        self.frames = max(1, round(len(samples) / SAMPLE_RATE * fps))
        self.samples = samples
        self.core = self.frames if self.frames <= WHOLE * fps else int(CORE * fps)
        self._piece: tuple[int, int, torch.Tensor] = (0, 0, torch.empty(0))

    def windows(self, first: int, last: int) -> torch.Tensor:
        """``(last - first, 2 * context + 1, layers, channels)`` around frames; beyond the end the last one repeats."""
        wanted = range(max(0, min(first, self.frames - 1) - self.context), min(last + self.context, self.frames))
        parts, at = [], wanted.start
        while at < wanted.stop:
            start, layers = self._layers(at // self.core)
            stop = min(wanted.stop, (at // self.core + 1) * self.core)
            parts.append(layers[at - start : stop - start])
            at = stop
        numbers = torch.arange(first, last).clamp(max=self.frames - 1) - wanted.start
        around = torch.cat(parts)
        return windows(around, numbers.to(around.device), self.context)

    def _layers(self, number: int) -> tuple[int, torch.Tensor]:
        """First frame and layers of a piece; the last one is kept."""
        if self._piece[2].numel() and self._piece[0] == number:
            return self._piece[1], self._piece[2]
        first, last = number * self.core, min(self.frames, (number + 1) * self.core)
        margin = 0 if self.core == self.frames else int(MARGIN * self.fps)
        low, high = max(0, first - margin), min(self.frames, last + margin)
        heard = self.samples[int(low / self.fps * SAMPLE_RATE) : round(high / self.fps * SAMPLE_RATE)]
        if len(heard) < self.encoder.shortest:
            heard = np.pad(heard, (0, self.encoder.shortest - len(heard)))
        layers = self.encoder.layers(heard, high - low)[first - low : last - low]
        self._piece = (number, first, layers)
        return first, layers


def read_speech(audio: Any) -> npt.NDArray[np.float32]:
    """``(n,)`` float32 mono at 16 kHz of a sound file or an array.

    Raises:
        InputError: it cannot be read, or has no sound in it.
    """
    if isinstance(audio, str | Path):
        from tbd.media import audio as files

        samples, name = files.read(Path(audio)), str(audio)
    else:
        samples, name = np.asarray(audio, np.float32), "the sound"
        if samples.ndim != 1:
            raise InputError(f"the sound is (n,) mono at 16 kHz, not {samples.shape}")
    if not len(samples):
        raise InputError(f"{name}: there is no sound in it", next="a file with speech")
    if not np.isfinite(samples).all():
        raise InputError(f"{name}: samples that are no numbers")
    return samples
