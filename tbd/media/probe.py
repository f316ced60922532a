"""What a file says about itself, read from its headers and packets; decoded only where those cannot be trusted.

Time zero of a file is its first frame. Frame ``j`` is the ``j``-th in order of presentation, and its
time is its own time stamp, so that a variable rate needs no special case anywhere.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt

from tbd.errors import InputError
from tbd.media.container import AGAIN, announces_more, audio_stream, opened, video_stream
from tbd.media.damage import Damage
from tbd.media.display import Display, display_of
from tbd.media.frame_index import FrameIndex, Packet, index_by_decoding, index_of_packets
from tbd.media.picture import PICTURES, read_picture

TIE = 1e-9
"""Seconds by which two times may differ and still count as equal (rounding of float64)."""
HOLE = 0.04
"""Seconds, one frame of the canonical clip, from which a hole in the sound is worth telling."""
MOST_TRIES = 64
"""Packets that are decoded to see a first frame, before the whole file is."""


@dataclass(frozen=True, eq=False)
class Probe:
    """A video or a picture, as its headers and packets describe it.

    Attributes:
        path: the file.
        codec: ``h264``, ``hevc``, ``mpeg4``, …; for a picture its format, ``jpeg`` or ``png``.
        width, height: pixels of a shown frame: turned, mirrored, with square pixels.
        display: how stored frames become shown ones.
        fps: frames a second; the average where the rate varies; None for a picture.
        duration: seconds from the first frame to the end of the last; 0 for a picture.
        variable_rate: the gaps between frames differ by more than a fifth of their median.
        has_audio: the file has a sound stream.
        times: ``(num_frames,)`` float64, ascending seconds from the first frame.
        pts: ``(num_frames,)`` int64, the same as time stamps of the stream.
        keyframes: ``(k,)`` int64, frames at which decoding can begin.
        exact: frames are found by their time stamps; if not, by counting from the start of the file.
        damage: what is broken, as far as anybody has seen; decoding adds to it.
        sound_holes: lengths in seconds of the places inside the sound track that have no packet.
    """

    path: Path
    codec: str
    width: int
    height: int
    display: Display
    fps: float | None
    duration: float
    variable_rate: bool
    has_audio: bool
    times: npt.NDArray[np.float64]
    pts: npt.NDArray[np.int64]
    keyframes: npt.NDArray[np.int64]
    exact: bool
    damage: Damage = field(default_factory=Damage)
    sound_holes: list[float] = field(default_factory=list)

    @property
    def num_frames(self) -> int:
        """Frames of the whole file, 1 for a picture."""
        return len(self.times)

    @property
    def is_picture(self) -> bool:
        """A still picture: it has no rate."""
        return self.fps is None

    def window(self, start: float | None = None, end: float | None = None) -> tuple[int, int]:
        """The frames ``first <= j < stop`` whose time lies in ``[start, end)``, in seconds.

        Raises:
            InputError: no frame lies there.
        """
        if self.is_picture:
            return 0, 1
        first = 0 if start is None else int(np.searchsorted(self.times, start - TIE))
        stop = self.num_frames if end is None else int(np.searchsorted(self.times, end - TIE))
        if first >= stop:
            raise InputError(
                f"{self.path}: no frame between {start or 0:g} s and {'the end' if end is None else f'{end:g} s'}; "
                f"the file is {self.duration:.2f} s long"
            )
        return first, stop

    def nearest(self, seconds: npt.ArrayLike) -> npt.NDArray[np.int64]:
        """The frame whose time is nearest to each of ``seconds``; of two equally near, the earlier."""
        middles = (self.times[1:] + self.times[:-1]) / 2
        return np.searchsorted(middles, np.asarray(seconds, np.float64) - TIE).astype(np.int64)


def probe(path: Path) -> Probe:
    """Look at a video or a picture: headers and packets, and one decoded frame.

    A file whose packets do not tell its frames for sure is decoded once: transport streams, AVI, raw streams, pieces
    cut out of longer videos, whatever is damaged.

    Raises:
        InputError: the file is missing, empty, a git-lfs pointer, a text, without a video stream, or in a form that
            cannot be decoded; the message says which.
    """
    path = Path(path)
    if path.suffix.lower() in PICTURES:
        return _picture(path)
    with opened(path) as container:
        damage = Damage(cut=announces_more(path))
        stream = video_stream(path, container)
        packets, sample, sound = _packets(stream, container)
        index = index_of_packets(packets, stream.codec_context.name, container.format.name)
        promised = _promised(container, stream)
        promised_of_stream = "mov" in container.format.name  # others announce where they end, whenever they begin
        rate = float(stream.average_rate or 0)
        has_audio = bool(container.streams.audio)
        if index is not None and sample is not None:
            found = _describe(path, stream, index, sample, has_audio, rate, damage)
    if index is None or sample is None:
        with opened(path) as container:
            stream = video_stream(path, container)
            sample = sample or _first(stream, container)
        with opened(path) as container:
            stream = video_stream(path, container)
            index = index_by_decoding(container, stream, rate, damage)
            if sample is None or not len(index.pts):
                raise InputError(f"{path}: no frame can be decoded ({stream.codec_context.name})", next=AGAIN)
            found = _describe(path, stream, index, sample, has_audio, rate, damage)
    begins = float(found.pts[0]) * float(stream.time_base or 1)
    held = max(found.duration, sound.ends - begins)
    damage.missing = max(0.0, promised - held - (0.0 if promised_of_stream else begins))
    found.sound_holes.extend(sound.holes)
    return found


@dataclass
class _SoundPackets:
    """Where the packets of the sound lie, in the container's seconds."""

    ends: float = 0.0
    holes: list[float] = field(default_factory=list)
    begun: bool = False

    def add(self, packet: Any) -> None:
        if packet.pts is None or not packet.size:
            return
        at = float(packet.pts * packet.time_base)
        if self.begun and at - self.ends >= HOLE:
            self.holes.append(at - self.ends)
        self.ends, self.begun = max(self.ends, at + float((packet.duration or 0) * packet.time_base)), True


def _packets(
    stream: av.VideoStream, container: av.container.InputContainer
) -> tuple[list[Packet], av.VideoFrame | None, _SoundPackets]:
    """The packets of the pictures, the first frame, and where the sound lies."""
    packets: list[Packet] = []
    sample, sound, tried = None, _SoundPackets(), 0
    speech = [audio_stream(Path(), container)] if container.streams.audio else []
    for packet in container.demux(stream, *speech):
        if packet.stream is not stream:
            sound.add(packet)
            continue
        if sample is None and tried < MOST_TRIES:
            tried += 1
            sample = _try(stream, packet)
        if packet.size:
            marks = (packet.is_keyframe, packet.is_discard, packet.is_corrupt)
            packets.append(Packet(packet.pts, packet.dts, packet.duration or 0, *marks))
    return packets, sample, sound


def _try(stream: av.VideoStream, packet: Any) -> av.VideoFrame | None:
    try:
        return next(iter(stream.decode(packet)), None)
    except av.error.InvalidDataError:
        return None


def _first(stream: av.VideoStream, container: av.container.InputContainer) -> av.VideoFrame | None:
    for packet in container.demux(stream):
        if (frame := _try(stream, packet)) is not None:
            return frame
    return None


def _promised(container: av.container.InputContainer, stream: av.VideoStream) -> float:
    """Seconds that the header announces; 0 where it says nothing that it knows for sure."""
    if "mov" in container.format.name:
        return float((stream.duration or 0) * (stream.time_base or 1))
    if any(family in container.format.name for family in ("matroska", "avi", "flv")):
        return float((container.duration or 0) / av.time_base)
    return 0.0


def _describe(
    path: Path,
    stream: av.VideoStream,
    index: FrameIndex,
    sample: av.VideoFrame,
    has_audio: bool,
    rate: float,
    damage: Damage,
) -> Probe:
    unit = float(stream.time_base or 1)
    gaps = np.diff(index.pts)
    if len(gaps) and gaps.sum() > 0:
        measured = len(gaps) / (float(gaps.sum()) * unit)
        rate = rate if rate and abs(rate / measured - 1) < 0.001 else measured
    rate = rate or 1 / (index.last * unit or 1)
    display = display_of(stream, sample)
    width, height = display.shown_size(sample.width, sample.height)
    return Probe(
        path=path,
        codec=stream.codec_context.name,
        width=width,
        height=height,
        display=display,
        fps=rate,
        duration=float(index.pts[-1] - index.pts[0]) * unit + (index.last * unit or 1 / rate),
        variable_rate=len(gaps) > 1 and float(np.ptp(gaps)) > 0.2 * float(np.median(gaps)),
        has_audio=has_audio,
        times=(index.pts - index.pts[0]) * unit,
        pts=index.pts,
        keyframes=index.keyframes,
        exact=index.exact,
        damage=damage,
    )


def _picture(path: Path) -> Probe:
    height, width = read_picture(path).shape[:2]
    zero = np.zeros(1, np.int64)
    return Probe(
        path=path,
        codec=path.suffix.lower().removeprefix(".").replace("jpg", "jpeg"),
        width=width,
        height=height,
        display=Display(),
        fps=None,
        duration=0.0,
        variable_rate=False,
        has_audio=False,
        times=zero.astype(np.float64),
        pts=zero,
        keyframes=zero,
        exact=True,
    )
