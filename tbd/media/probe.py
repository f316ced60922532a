"""What a file says about itself, read from its headers and packets: one frame at most is decoded.

Time zero of a file is its first frame. Frame ``j`` is the ``j``-th in order of presentation, and its
time is its own time stamp, so that a variable rate needs no special case anywhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from tbd.errors import InputError

PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
"""Endings of still pictures; everything else is opened as a video."""

TIE = 1e-9
"""Seconds by which two times may differ and still count as equal (rounding of float64)."""


@dataclass(frozen=True, eq=False)
class Probe:
    """A video or a picture, as its headers and packets describe it.

    Attributes:
        path: the file.
        codec: ``h264``, ``hevc``, ``mpeg4``, …; for a picture its format, ``jpeg`` or ``png``.
        width, height: pixels as stored and after rotation (pixels are taken as square).
        rotation: degrees counter-clockwise, 0, 90, 180 or 270, by which a stored frame is turned.
        fps: frames a second; the average where the rate varies; None for a picture.
        duration: seconds from the first frame to the end of the last; 0 for a picture.
        variable_rate: the gaps between frames differ by more than a fifth of their median.
        has_audio: the file has a sound stream.
        times: ``(num_frames,)`` float64, ascending seconds from the first frame.
        pts: ``(num_frames,)`` int64, the same as time stamps of the stream.
        keyframes: ``(k,)`` int64, frames at which decoding can begin.
        exact: every frame has its own time stamp; if not, frames are found by counting.
    """

    path: Path
    codec: str
    width: int
    height: int
    rotation: int
    fps: float | None
    duration: float
    variable_rate: bool
    has_audio: bool
    times: npt.NDArray[np.float64]
    pts: npt.NDArray[np.int64]
    keyframes: npt.NDArray[np.int64]
    exact: bool

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
    """Look at a video or a picture without decoding more than one frame.

    Raises:
        InputError: the file is missing, empty, a git-lfs pointer, a text, cut off, without a video
            stream, or in a form that cannot be decoded; the message says which.
    """
    path = Path(path)
    if path.suffix.lower() in PICTURES:
        return _picture(path)
    with opened(path) as container:
        stream = video_stream(path, container)
        packets, sample = _packets(stream, container)
        if sample is None:
            raise InputError(f"{path}: no frame can be decoded ({stream.codec_context.name})")
        expected = stream.frames if "mp4" in container.format.name else 0
        if len(packets) < expected:
            raise InputError(f"{path}: cut off: {expected} frames are announced, {len(packets)} are there", next=AGAIN)
        shown = [packet for packet in packets if not packet.is_discard]
        return _describe(path, stream, shown, sample, bool(container.streams.audio))


def read_picture(path: Path) -> npt.NDArray[np.uint8]:
    """A still picture, upright, as ``(H, W, 3)`` uint8 RGB.

    Raises:
        InputError: it cannot be read.
    """
    check_readable(path)
    try:
        with Image.open(path) as picture:
            return np.asarray(ImageOps.exif_transpose(picture).convert("RGB"))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(f"{path}: not a picture that can be read ({error})") from None


@contextmanager
def opened(path: Path) -> Iterator[av.container.InputContainer]:
    """The container of a media file, decoding with one thread; what fails inside is explained.

    Raises:
        InputError: it cannot be opened, or its content cannot be decoded.
    """
    check_readable(path)
    try:
        with av.open(str(path.absolute()), metadata_errors="replace") as container:
            for stream in container.streams.video:
                stream.thread_count = 1
            yield container
    except (av.error.FFmpegError, UnicodeError) as error:
        raise InputError(_why(path, error), next=AGAIN) from None


def video_stream(path: Path, container: av.container.InputContainer) -> av.VideoStream:
    """The moving pictures of a container; cover art does not count.

    Raises:
        InputError: there are none, or no decoder for them is at hand.
    """
    attached = av.stream.Disposition.attached_pic
    for stream in container.streams.video:
        if not stream.disposition & attached:
            if stream.codec_context is None:
                raise InputError(f"{path}: no decoder for its video stream")
            return stream
    raise InputError(f"{path}: no video stream{' (only sound)' if container.streams.audio else ''}")


AGAIN = "copy or download the file again"


def check_readable(path: Path) -> None:
    """Refuse what is certainly no medium before a decoder sees it.

    Raises:
        InputError: missing, a folder, empty, a git-lfs pointer, or a text.
    """
    try:
        with path.open("rb") as file:
            head = file.read(1024)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    if not head:
        raise InputError(f"{path}: empty (0 bytes)", next=AGAIN)
    if head.startswith(b"version https://git-lfs"):
        raise InputError(f"{path}: a git-lfs pointer, not the medium itself", next="git lfs pull")
    if _is_text(head):
        beginning = head[:40].decode("utf-8", "ignore")
        raise InputError(f"{path}: a text, not a medium (it begins {beginning!r})")


def _is_text(head: bytes) -> bool:
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 3:  # not just a letter that the 1,024th byte cuts through
            return False
        text = head[: error.start].decode("utf-8")
    return all(letter.isprintable() or letter.isspace() for letter in text)


def _why(path: Path, error: Exception) -> str:
    if _lacks_index(path):
        return f"{path}: cut off: the mp4 ends before its index (moov)"
    return f"{path}: cannot be decoded ({getattr(error, 'strerror', None) or error})"


def _lacks_index(path: Path) -> bool:
    """An mp4 whose boxes, walked from the front, never come to a whole ``moov``."""
    size, position = path.stat().st_size, 0
    with path.open("rb") as file:
        while position + 8 <= size:
            file.seek(position)
            head = file.read(16)
            length, kind = int.from_bytes(head[:4], "big"), head[4:8]
            if position == 0 and kind != b"ftyp":
                return False
            if length == 1:
                length = int.from_bytes(head[8:16], "big")
            if kind == b"moov":
                return position + length > size
            position += length if length >= 8 else size
    return True


class _Packet(NamedTuple):
    """What a packet says; its data, which for a long video is the whole file, is let go."""

    pts: int | None
    dts: int | None
    duration: int | None
    is_keyframe: bool
    is_discard: bool


def _packets(
    stream: av.VideoStream, container: av.container.InputContainer
) -> tuple[list[_Packet], av.VideoFrame | None]:
    packets, sample = [], None
    for packet in container.demux(stream):
        if sample is None:
            sample = next(iter(stream.decode(packet)), None)
        if packet.size:
            packets.append(_Packet(packet.pts, packet.dts, packet.duration, packet.is_keyframe, packet.is_discard))
    return packets, sample


def _describe(
    path: Path, stream: av.VideoStream, packets: list[_Packet], sample: av.VideoFrame, has_audio: bool
) -> Probe:
    stamps = [packet.pts for packet in packets]
    exact = None not in stamps and len(set(stamps)) == len(stamps)
    pts = np.sort(np.array([_stamp(packet) for packet in packets], np.int64))
    unit = float(stream.time_base or 1)
    gaps = np.diff(pts)
    rate = float(stream.average_rate or 0)
    if len(pts) > 1 and gaps.sum() > 0:
        measured = len(gaps) / (float(gaps.sum()) * unit)
        rate = rate if abs(rate / measured - 1) < 0.001 else measured
    last = (packets[int(np.argmax([_stamp(packet) for packet in packets]))].duration or 0) * unit
    rate = rate or 1 / (last or 1)
    rotation = sample.rotation % 360
    keys = [_stamp(packet) for packet in packets if packet.is_keyframe]
    return Probe(
        path=path,
        codec=stream.codec_context.name,
        width=sample.height if rotation % 180 else sample.width,
        height=sample.width if rotation % 180 else sample.height,
        rotation=rotation,
        fps=rate,
        duration=float(pts[-1] - pts[0]) * unit + (last or 1 / rate),
        variable_rate=len(gaps) > 1 and float(np.ptp(gaps)) > 0.2 * float(np.median(gaps)),
        has_audio=has_audio,
        times=(pts - pts[0]) * unit,
        pts=pts,
        keyframes=np.unique(np.searchsorted(pts, np.array(keys, np.int64))),
        exact=exact,
    )


def _stamp(packet: _Packet) -> int:
    return next((stamp for stamp in (packet.pts, packet.dts) if stamp is not None), 0)


def _picture(path: Path) -> Probe:
    height, width = read_picture(path).shape[:2]
    zero = np.zeros(1, np.int64)
    return Probe(
        path=path,
        codec=path.suffix.lower().removeprefix(".").replace("jpg", "jpeg"),
        width=width,
        height=height,
        rotation=0,
        fps=None,
        duration=0.0,
        variable_rate=False,
        has_audio=False,
        times=zero.astype(np.float64),
        pts=zero,
        keyframes=zero,
        exact=True,
    )
