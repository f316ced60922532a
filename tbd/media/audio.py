"""Sound in and out: mono float32 at one rate, in step with the pictures."""

from __future__ import annotations

import wave
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

from tbd import workspace
from tbd.errors import InputError
from tbd.media.probe import opened

Samples = npt.NDArray[np.float32]

PREROLL = 1.0
"""Seconds decoded before a window, so that codecs with overlap and the resampler have settled."""


def read(path: Path, start: float | None = None, end: float | None = None, sample_rate: int = 16_000) -> Samples:
    """The sound of a video or sound file, as the mean of its channels.

    Args:
        path: any file with a sound stream.
        start, end: seconds from time zero: the first frame of a video, else the first sample. What the file
            lacks of the window is silence.
        sample_rate: of the result, in Hz.

    Returns:
        ``(n,)`` float32 in [-1, 1]; ``n = round((end - start) * sample_rate)``, or what is left from ``start``
        where ``end`` is None.

    Raises:
        InputError: the file cannot be read, or has no sound stream.
    """
    start = start or 0.0
    with opened(Path(path)) as container:
        stream, zero = _stream(Path(path), container)
        if start > PREROLL:
            container.seek(int((start - PREROLL + zero) * av.time_base))
        pieces, begins = [], None
        stop = None if end is None else end + PREROLL
        for piece, seconds in _resampled(container, stream, sample_rate, stop, zero):
            begins = seconds if begins is None else begins
            pieces.append(piece)
    sound = np.concatenate(pieces) if pieces else np.zeros(0, np.float32)
    skip = round((start - (begins or 0.0)) * sample_rate)
    length = max(0, len(sound) - skip) if end is None else round((end - start) * sample_rate)
    return np.clip(_cut(sound, skip, length), -1, 1)


def duration(path: Path) -> float:
    """Seconds of sound in a file, from its header or, where that is silent, by decoding.

    Raises:
        InputError: the file cannot be read, or has no sound stream.
    """
    with opened(Path(path)) as container:
        stream, _ = _stream(Path(path), container)
        if stream.duration and stream.time_base:
            return float(stream.duration * stream.time_base)
    return len(read(path)) / 16_000


def write_wav(path: Path, samples: Samples, sample_rate: int = 16_000) -> None:
    """Write mono ``(n,)`` float32 in [-1, 1] as a 16-bit wav, whole or not at all.

    Raises:
        InputError: the folder cannot be written.
        MissingError: the disk is full.
    """
    pcm = np.round(np.clip(samples, -1, 1) * 32767).astype("<i2")

    def encode(temporary: Path) -> None:
        with wave.open(str(temporary), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(sample_rate)
            file.writeframes(pcm.tobytes())

    workspace.write_whole(Path(path), encode)


def _stream(path: Path, container: av.container.InputContainer) -> tuple[av.AudioStream, float]:
    """The sound stream, and time zero of the file in the container's seconds."""
    if not container.streams.audio:
        raise InputError(f"{path}: no sound in it (no audio stream)")
    sound = container.streams.audio[0]
    attached = av.stream.Disposition.attached_pic
    pictures = [stream for stream in container.streams.video if not stream.disposition & attached]
    first = pictures[0] if pictures else sound
    return sound, float((first.start_time or 0) * (first.time_base or 1))


def _resampled(
    container: av.container.InputContainer, stream: av.AudioStream, sample_rate: int, stop: float | None, zero: float
) -> Iterator[tuple[Samples, float]]:
    """Pieces of mono sound with the time of the first; the mean is ours, for a mixer may clip or amplify."""
    resampler = av.AudioResampler(format="fltp", rate=sample_rate)
    begins = None
    for frame in container.decode(stream):
        if begins is None:
            begins = (frame.time or 0.0) - zero
        if stop is not None and frame.time is not None and frame.time - zero > stop:
            break
        yield from ((_mean(piece), begins) for piece in resampler.resample(frame))
    if begins is not None:
        yield from ((_mean(piece), begins) for piece in resampler.resample(None))


def _mean(frame: av.AudioFrame) -> Samples:
    return np.asarray(frame.to_ndarray().mean(axis=0), np.float32)


def _cut(sound: Samples, skip: int, length: int) -> Samples:
    """``length`` samples from ``skip`` on, which may be negative; silence where there are none."""
    result = np.zeros(length, np.float32)
    piece = sound[max(skip, 0) : max(skip + length, 0)]
    result[max(-skip, 0) : max(-skip, 0) + len(piece)] = piece
    return result
