"""What the published SyncNet pipeline does to pictures and sound before it looks: files written and read again.

joonson/syncnet_python's ``run_pipeline.py`` writes the video as an AVI (MPEG-4 at quantiser 2, sound as MP3), every
frame as a JPEG (quantiser 2), and the crops as a second AVI; ``SyncNetInstance.py`` writes the crops as JPEG once more,
at the encoder's default 200 kbit/s. An MP3 in an AVI is heard 1,105 samples late: nobody takes away what the encoder
(576) and the decoder (529) put before it. The second AVI is written at so high a rate that it is left out here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any

import av
import numpy as np
import numpy.typing as npt

from tbd.media.mfcc import RATE

Pixels = npt.NDArray[np.uint8]
Sound = npt.NDArray[np.int16]

QUANTISER = 2
"""``-qscale:v 2`` of the pipeline, for MPEG-4 and for JPEG."""

LATE = 1105
"""Samples, at the rate of the file, by which an MP3 in an AVI is late."""

_LAMBDA = 118
"""FFmpeg's unit of quality for each step of a quantiser."""


class Recoder:
    """Pictures through an encoder and its decoder, in order.

    Args:
        codec: ``mpeg4`` or ``mjpeg``.
        quantiser: constant; None takes the encoder's default rate.
    """

    def __init__(self, codec: str, quantiser: int | None) -> None:
        self._codec, self._quantiser = codec, quantiser
        self._encoder: Any = None
        self._decoder: Any = av.CodecContext.create(codec, "r")
        self._count = 0

    def push(self, pictures: Sequence[Pixels]) -> list[Pixels]:
        """Take the next ``(H, W, 3)`` uint8 RGB pictures; gives those that have come out again."""
        return [one for picture in pictures for one in self._push(picture)]

    def flush(self) -> list[Pixels]:
        """Those still inside; call once, at the end."""
        if self._encoder is None:
            return []
        left = [one for packet in self._encoder.encode(None) for one in self._decoded(packet)]
        return left + [_rgb(frame) for frame in self._decoder.decode(None)]

    def _push(self, picture: Pixels) -> Iterator[Pixels]:
        if self._encoder is None:
            self._encoder = self._opened(picture)
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
        frame = frame.reformat(format=self._encoder.pix_fmt)
        frame.pts, frame.time_base = self._count, Fraction(1, 25)
        self._count += 1
        for packet in self._encoder.encode(frame):
            yield from self._decoded(packet)

    def _opened(self, picture: Pixels) -> Any:
        encoder: Any = av.CodecContext.create(self._codec, "w")
        encoder.height, encoder.width = picture.shape[:2]
        encoder.pix_fmt = "yuvj420p" if self._codec == "mjpeg" else "yuv420p"
        encoder.time_base, encoder.framerate = Fraction(1, 25), Fraction(25)
        encoder.thread_count = 1
        if self._quantiser is not None:
            encoder.qmin = encoder.qmax = self._quantiser
            encoder.options = {"global_quality": str(self._quantiser * _LAMBDA), "flags": "+qscale"}
        return encoder

    def _decoded(self, packet: Any) -> Iterator[Pixels]:
        yield from (_rgb(frame) for frame in self._decoder.decode(packet))


class Pictures:
    """The frames of a clip as the pipeline finds them in its JPEG files."""

    def __init__(self) -> None:
        self._stages = [Recoder("mpeg4", QUANTISER), Recoder("mjpeg", QUANTISER)]

    def push(self, pictures: Sequence[Pixels]) -> list[Pixels]:
        """Take the next frames; gives those that have come out again."""
        for stage in self._stages:
            pictures = stage.push(pictures)
        return list(pictures)

    def flush(self) -> list[Pixels]:
        """Those still inside."""
        first, second = self._stages
        return second.push(first.flush()) + second.flush()


def sound(samples: Sound, rate: int) -> Sound:
    """Speech as the pipeline reads it from its AVI: through MP3 at the file's rate, and late by 1,105 of its samples.

    Args:
        samples: ``(n,)`` int16 at 16 kHz.
        rate: of the file's sound in Hz.

    Returns:
        ``(n,)`` int16 at 16 kHz.
    """
    mp3_rate = min((one for one in (16_000, 22_050, 24_000, 32_000, 44_100, 48_000)), key=lambda one: abs(one - rate))
    there = _resampled(samples, RATE, mp3_rate)
    encoder: Any = av.CodecContext.create("libmp3lame", "w")
    encoder.sample_rate, encoder.layout, encoder.format = mp3_rate, "mono", "s16p"
    encoder.time_base = Fraction(1, mp3_rate)
    decoder: Any = av.CodecContext.create("mp3float", "r")
    heard: list[npt.NDArray[np.float32]] = []
    size = 1152 if mp3_rate >= 32_000 else 576
    for begin in range(0, len(there), size):
        piece = np.zeros(size, np.int16)
        piece[: len(there) - begin] = there[begin : begin + size]
        frame = av.AudioFrame.from_ndarray(piece[None], format="s16p", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = mp3_rate, begin, Fraction(1, mp3_rate)
        heard += _heard(decoder, encoder.encode(frame))
    heard += _heard(decoder, encoder.encode(None))
    late = np.concatenate(heard)[: len(there)]
    late = np.pad(late, (0, len(there) - len(late)))
    back = _resampled(np.round(np.clip(late, -1, 1) * 32767).astype(np.int16), mp3_rate, RATE)
    return np.pad(back, (0, max(0, len(samples) - len(back))))[: len(samples)]


def _heard(decoder: Any, packets: Sequence[Any]) -> list[npt.NDArray[np.float32]]:
    """Whole frames: a lone packet, without its container, tells nothing of what to skip."""
    return [frame.to_ndarray().mean(axis=0) for packet in packets for frame in decoder.decode(av.Packet(bytes(packet)))]


def _resampled(samples: Sound, rate: int, wanted: int) -> Sound:
    from scipy.signal import resample_poly

    if rate == wanted:
        return samples
    ratio = Fraction(wanted, rate)
    found = resample_poly(samples.astype(np.float64), ratio.numerator, ratio.denominator)
    rounded: Sound = np.round(np.clip(found, -32768, 32767)).astype(np.int16)
    return rounded


def _rgb(frame: Any) -> Pixels:
    return np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
