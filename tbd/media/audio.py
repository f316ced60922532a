"""Sound in and out: mono float32 at one rate, every piece at its own time, in step with the pictures."""

from __future__ import annotations

import wave
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

from tbd import workspace
from tbd.errors import InputError
from tbd.media.container import audio_stream, opened, video_stream
from tbd.media.downmix import downmix
from tbd.media.probe import HOLE

Samples = npt.NDArray[np.float32]
Channels = npt.NDArray[np.float32]
"""``(n, channels)``."""

PREROLL = 1.0
"""Seconds decoded before a window, so that codecs with overlap and the resampler have settled."""
TOLERANCE = 0.012
"""Seconds by which a piece may lie off its neighbour's end before it is moved: containers round to milliseconds."""
_INDEXED = ("mov", "matroska", "wav", "flac")
"""Families of containers that know where a second lies; in others a seek is a guess from the bit rate."""


@dataclass
class Sound:
    """What was read.

    Attributes:
        samples: ``(n,)`` float32 in [-1, 1].
        holes: seconds of silence that stand where the file has no sound between its first and its last.
        damaged: pieces that could not be decoded.
    """

    samples: Samples
    holes: float = 0.0
    damaged: int = 0


def read(path: Path, start: float | None = None, end: float | None = None, sample_rate: int = 16_000) -> Samples:
    """The sound of a video or sound file; see ``read_sound``."""
    return read_sound(path, start, end, sample_rate).samples


def read_sound(path: Path, start: float | None = None, end: float | None = None, sample_rate: int = 16_000) -> Sound:
    """The default sound track of a video or sound file, as mono.

    Every piece lies at its own time stamp: holes are silence, what overlaps is trimmed. Channels are mixed as in
    ``downmix``; a rate or a number of channels that changes on the way is followed.

    Args:
        path: any file with a sound stream.
        start, end: seconds from time zero: the first frame of a video, else the first sample. What the file
            lacks of the window is silence.
        sample_rate: of the result, in Hz.

    Returns:
        ``n = round((end - start) * sample_rate)`` samples, or what is left from ``start`` where ``end`` is None.

    Raises:
        InputError: the file cannot be read, or has no sound stream.
    """
    start = start or 0.0
    placed = _Placed(sample_rate)
    with opened(Path(path)) as container:
        stream, zero = audio_stream(Path(path), container), _zero(Path(path), container)
        if start > PREROLL and any(family in container.format.name for family in _INDEXED):
            container.seek(int((start - PREROLL + zero) * av.time_base))
        for frame in _decoded(container, stream, placed):
            seconds = None if frame.time is None else frame.time - zero
            if end is not None and seconds is not None and seconds > end + PREROLL:
                break
            placed.add(frame, seconds)
    placed.flush()
    length = None if end is None else round((end - start) * sample_rate)
    samples = np.clip(placed.cut(round(start * sample_rate), length), -1, 1)
    return Sound(samples, placed.holes(start, end), placed.damaged)


def duration(path: Path) -> float:
    """Seconds of sound in a file: from the first frame of a video, else the first sample, to the last sample.

    Counted from the packets, or decoded where those do not say; a header may only guess from the bit rate.

    Raises:
        InputError: the file cannot be read, or has no sound stream.
    """
    with opened(Path(path)) as container:
        stream, zero = audio_stream(Path(path), container), _zero(Path(path), container)
        ends = 0.0
        for packet in container.demux(stream):
            if not packet.size:
                continue
            if packet.pts is None or not packet.duration:
                break
            ends = max(ends, float((packet.pts + packet.duration) * packet.time_base) - zero)
        else:
            return ends
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


def _zero(path: Path, container: av.container.InputContainer) -> float:
    """Time zero of the file in the container's seconds: its first picture, else its first sound."""
    try:
        first: av.VideoStream | av.AudioStream = video_stream(path, container)
    except InputError:
        first = audio_stream(path, container)
    return float((first.start_time or 0) * (first.time_base or 1))


def _decoded(
    container: av.container.InputContainer, stream: av.AudioStream, placed: _Placed
) -> Iterator[av.AudioFrame]:
    """Every frame that the decoder gives, past packets that it cannot read."""
    for packet in container.demux(stream):
        try:
            found = stream.decode(packet)
        except av.error.InvalidDataError:
            placed.damaged += 1
            continue
        for frame in found:
            placed.damaged += frame.is_corrupt
            yield frame


@dataclass
class _Placed:
    """Pieces of mono sound, each at its own sample."""

    rate: int
    pieces: list[tuple[int, Samples]] = field(default_factory=list)
    damaged: int = 0
    _run: list[Channels] = field(default_factory=list)
    _kind: tuple[object, ...] = ()
    _begins: float = 0.0
    _ends: float | None = None
    _resampler: av.AudioResampler | None = None

    def add(self, frame: av.AudioFrame, seconds: float | None) -> None:
        """Append a frame, or begin anew where it does not follow the last, or is of another kind."""
        kind = (frame.sample_rate, frame.layout.name, frame.format.name)
        follows = self._ends is not None and (seconds is None or abs(seconds - self._ends) <= TOLERANCE)
        if kind != self._kind or not follows:
            begins = seconds if seconds is not None else (self._ends or 0.0)
            self.flush()
            self._kind, self._begins, self._ends = kind, begins, begins
            self._names = tuple(channel.name for channel in frame.layout.channels)
            self._resampler = av.AudioResampler(format="fltp", rate=self.rate)
        self._ends = (self._ends or 0.0) + frame.samples / frame.sample_rate
        self._take(frame)

    def flush(self) -> None:
        """Close the run: what the resampler still holds belongs to it."""
        if self._resampler is None:
            return
        self._take(None)
        if self._run:
            at = round(self._begins * self.rate)
            self.pieces.append((at, downmix(np.concatenate(self._run), self._names)))
        self._run, self._resampler = [], None

    def cut(self, first: int, length: int | None) -> Samples:
        """Samples from ``first`` on; silence where there are none. A later piece does not overwrite an earlier."""
        end = max((at + len(piece) for at, piece in self.pieces), default=first)
        result = np.zeros(max(0, end - first) if length is None else length, np.float32)
        filled = None
        for at, piece in sorted(self.pieces, key=lambda item: item[0]):
            skip = max(0, (filled if filled is not None else at) - at)
            at, piece = at + skip, piece[skip:]
            low, high = max(at, first), min(at + len(piece), first + len(result))
            if low < high:
                result[low - first : high - first] = piece[low - at : high - at]
            filled = max(filled or at, at + len(piece))
        return result

    def holes(self, start: float, end: float | None) -> float:
        """Seconds without sound between the pieces, inside a window, where one is at least ``HOLE`` long."""
        total, ends = 0.0, None
        for at, piece in sorted(self.pieces, key=lambda item: item[0]):
            if ends is not None:
                low, high = max(ends / self.rate, start), min(at / self.rate, np.inf if end is None else end)
                total += high - low if high - low >= HOLE else 0.0
            ends = max(ends or 0, at + len(piece))
        return total

    def _take(self, frame: av.AudioFrame | None) -> None:
        assert self._resampler is not None
        self._run += [np.asarray(piece.to_ndarray().T, np.float32) for piece in self._resampler.resample(frame)]
