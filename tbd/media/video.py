"""Moving pictures in and out: one forward pass that hands over chosen frames, and an encoder."""

from __future__ import annotations

import bisect
import functools
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
from av.video.reformatter import VideoReformatter

from tbd import workspace
from tbd.errors import InputError
from tbd.media.container import AGAIN, opened, video_stream
from tbd.media.damage import Damage
from tbd.media.display import deinterlaced, has_alpha
from tbd.media.frame_index import decode_all
from tbd.media.picture import over_background, read_picture
from tbd.media.probe import Probe, probe

__all__ = ["Probe", "decoded", "frames", "probe", "rgb", "write"]

Pixels = npt.NDArray[np.uint8]

SEEK = 12
"""Frames that must be saved before a seek, which empties the decoder, is worth it."""

X264 = {"preset": "veryfast", "x264-params": "mbtree=0"}
"""Without the macroblock tree, whose look ahead reads memory that nobody wrote: with it the same frames give other bytes
now and then, mostly in a process's first video."""

SKIPPABLE = ("h264", "hevc")
"""Codecs that mark frames on which no other frame depends; unwanted ones are not decoded at all."""


def frames(source: Probe | Path, indices: Iterable[int] | None = None) -> Iterator[tuple[int, Pixels]]:
    """Chosen frames as ``(index, (H, W, 3) uint8 RGB)``, upright, each once, in ascending order.

    Args:
        source: a video or a picture; a ``Probe`` saves looking at the file again.
        indices: 0-based frames in any order; None yields all.

    Raises:
        InputError: the file cannot be read, or has no such frame.
    """
    source = source if isinstance(source, Probe) else probe(source)
    chosen = range(source.num_frames) if indices is None else indices
    for index, frame in decoded(source, chosen):
        yield index, rgb(frame, source)


def rgb(frame: av.VideoFrame, source: Probe, longest: int | None = None) -> Pixels:
    """A decoded frame as it is shown: ``(H, W, 3)`` uint8 RGB, its longer side reduced to ``longest`` pixels."""
    size = _reduced(source, longest)
    if frame.interlaced_frame:
        fields = deinterlaced(_converted(frame, "rgb24", (frame.width, frame.height)))
        frame = av.VideoFrame.from_ndarray(fields, format="rgb24")
    elif has_alpha(frame):
        return source.display.upright(over_background(_converted(frame, "rgba", size)))
    return source.display.upright(_converted(frame, "rgb24", size))


def grey(frame: av.VideoFrame, source: Probe) -> Pixels:
    """The luma of a decoded frame as it is shown, ``(H, W)`` uint8, without the cost of colours."""
    return source.display.upright(_converted(frame, "gray", _reduced(source, None)))


def decoded(source: Probe, indices: Iterable[int]) -> Iterator[tuple[int, av.VideoFrame]]:
    """Chosen frames as the decoder gives them: one pass forward that ends at the last.

    Nothing is converted. The pass jumps where a keyframe lies well ahead, and h264 and hevc frames that
    are neither wanted nor needed by others are skipped, which changes no pixel of the rest. In place of a frame that
    cannot be decoded stands the one before it, as a player shows; it is noted in ``source.damage``.

    Raises:
        InputError: an index lies outside the file, or nothing of it can be decoded.
    """
    wanted = sorted(set(indices))
    if wanted and not 0 <= wanted[0] <= wanted[-1] < source.num_frames:
        raise InputError(f"{source.path}: frame {wanted[-1]} asked for, it has {source.num_frames}")
    if source.is_picture:
        yield from ((0, av.VideoFrame.from_ndarray(read_picture(source.path))) for _ in wanted)
        return
    with opened(source.path) as container:
        stream = video_stream(source.path, container)
        for keyframe, run in _runs(source, wanted):
            left = list(run)
            try:
                for index, frame in _pass(source, container, stream, keyframe, run, whole=bool(source.damage)):
                    left.remove(index)
                    yield index, frame
            except _LostError:
                yield from _from_the_start(source, left)


def write(
    path: Path,
    frames: Iterable[Pixels],
    fps: float,
    audio: npt.NDArray[np.float32] | None = None,
    *,
    sample_rate: int = 16_000,
    crf: int = 18,
    tags: Mapping[str, str] | None = None,
) -> int:
    """Write an mp4 (h264, yuv420p, aac), whole or not at all, while the frames stream in; equal frames give equal bytes.

    Args:
        path: ends in ``.mp4``.
        frames: ``(H, W, 3)`` uint8 RGB, all of one size; an odd side gets its last line repeated.
        fps: constant rate.
        audio: mono ``(n,)`` float32 in [-1, 1] that starts with the first frame.
        sample_rate: of ``audio``, in Hz.
        crf: x264 quality; 18 cannot be told from the original by eye.
        tags: metadata of the file, such as ``comment``.

    Returns:
        The number of frames written.

    Raises:
        InputError: there is no frame, or the folder cannot be written.
        MissingError: the disk is full.
    """
    count = 0

    def encode(temporary: Path) -> None:
        nonlocal count
        # No limit on the delay: all sound is handed over first and is woven in as the pictures come.
        options = {"movflags": "+faststart", "max_interleave_delta": "0"}
        with av.open(str(temporary.absolute()), "w", format="mp4", options=options) as container:
            container.metadata.update(tags or {})
            count = _encode(container, iter(frames), Fraction(fps).limit_denominator(1001), audio, sample_rate, crf)

    workspace.write_whole(Path(path), encode)
    return count


def _runs(source: Probe, wanted: Sequence[int]) -> list[tuple[int, list[int]]]:
    """Wanted frames grouped by the keyframe from which their pass begins."""
    keyframes = source.keyframes.tolist() if source.exact else []
    runs: list[tuple[int, list[int]]] = []
    position = 0
    for index in wanted:
        place = bisect.bisect_right(keyframes, index)
        keyframe = keyframes[place - 1] if place else 0
        if not runs or keyframe > position + SEEK:
            runs.append((keyframe if keyframe > position + SEEK else 0, []))
        runs[-1][1].append(index)
        position = index + 1
    return runs


class _LostError(Exception):
    """A wanted frame did not come out of a decoder that left others out, or that began in the middle."""


def _pass(
    source: Probe,
    container: av.container.InputContainer,
    stream: av.VideoStream,
    keyframe: int,
    run: Sequence[int],
    *,
    whole: bool,
) -> Iterator[tuple[int, av.VideoFrame]]:
    """The frames of one run, from its keyframe forward; a lost one is the one before it.

    Raises:
        _LostError: one is lost, and not every frame from the start of the file was decoded (``whole``).
    """
    if keyframe:
        container.seek(int(source.pts[keyframe]), stream=stream)
    waiting, before = deque(run), None
    for index, frame in _numbered(source, container, stream, set(run), whole=whole and not keyframe):
        while waiting and waiting[0] < index:
            if keyframe or not whole:
                raise _LostError
            source.damage.frames.add(waiting[0])
            yield waiting.popleft(), before or frame
        if waiting and waiting[0] == index:
            yield waiting.popleft(), frame
        if not waiting:
            return
        before = frame
    if keyframe or not whole:
        raise _LostError
    if before is None:
        raise InputError(f"{source.path}: frame {waiting[0]} cannot be decoded", next=AGAIN)
    source.damage.frames.update(waiting)
    yield from ((index, before) for index in waiting)


def _from_the_start(source: Probe, run: Sequence[int]) -> Iterator[tuple[int, av.VideoFrame]]:
    with opened(source.path) as container:
        yield from _pass(source, container, video_stream(source.path, container), 0, run, whole=True)


def _numbered(
    source: Probe,
    container: av.container.InputContainer,
    stream: av.VideoStream,
    wanted: set[int],
    *,
    whole: bool,
) -> Iterator[tuple[int, av.VideoFrame]]:
    """Decoded frames with their index."""
    stamps = {int(source.pts[index]) for index in wanted}
    skip = functools.partial(_skipped, stamps) if source.exact and source.codec in SKIPPABLE and not whole else None
    seen = Damage()
    for count, frame in enumerate(decode_all(container, stream, seen, skip)):
        index = count
        if source.exact:
            if frame.pts is None:
                raise _LostError
            index = int(np.searchsorted(source.pts, frame.pts))
            if index == source.num_frames or source.pts[index] != frame.pts:
                continue  # no frame that the file announces, such as one before an edit list's beginning
        if frame.is_corrupt or seen.frames:  # broken itself, or a packet on the way to it could not be read
            source.damage.frames.add(index)
            seen.frames.clear()
        yield index, frame
    if seen.frames:
        source.damage.frames.add(source.num_frames - 1)


def _skipped(stamps: set[int], stream: av.VideoStream, packet: av.Packet[av.VideoStream]) -> None:
    stream.codec_context.skip_frame = "DEFAULT" if packet.pts in stamps else "NONREF"


def _reduced(source: Probe, longest: int | None) -> tuple[int, int]:
    """Width and height, before turning, at which a frame of this file is converted."""
    scale = min(1.0, (longest or np.inf) / max(source.width, source.height))
    return source.display.stored_size(*(max(1, round(side * scale)) for side in (source.width, source.height)))


def _converted(frame: av.VideoFrame, format: str, size: tuple[int, int]) -> Pixels:
    width, height = size
    converter = _converter(threading.get_ident(), format, width, height)
    made = converter.reformat(frame, width=width, height=height, format=format, interpolation="AREA")
    return made.to_ndarray()  # type: ignore[return-value]


@functools.lru_cache(maxsize=32)
def _converter(thread: int, format: str, width: int, height: int) -> VideoReformatter:
    """The tables of a conversion take longer to make than one frame to convert, so they are kept."""
    return VideoReformatter()


def _encode(
    container: av.container.OutputContainer,
    pictures: Iterator[Pixels],
    rate: Fraction,
    audio: npt.NDArray[np.float32] | None,
    sample_rate: int,
    crf: int,
) -> int:
    first = next(pictures, None)
    if first is None:
        raise InputError("a video without a frame cannot be written")
    stream: Any = container.add_stream("libx264", rate=rate, options={"crf": str(crf), **X264})
    stream.height, stream.width = (side + side % 2 for side in first.shape[:2])
    stream.pix_fmt, stream.thread_count = "yuv420p", 1  # the bytes depend on the number of threads
    if audio is not None:
        _encode_audio(container, audio, sample_rate)
    count = 0
    picture: Pixels | None = first
    while picture is not None:
        odd = [(0, side % 2) for side in picture.shape[:2]]
        picture = np.pad(picture, [*odd, (0, 0)], mode="edge") if any(map(any, odd)) else picture
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
        frame.pts, frame.time_base = count, 1 / rate
        container.mux(stream.encode(frame))
        count, picture = count + 1, next(pictures, None)
    container.mux(stream.encode(None))
    return count


def _encode_audio(container: av.container.OutputContainer, audio: npt.NDArray[np.float32], sample_rate: int) -> None:
    stream: Any = container.add_stream("aac", rate=sample_rate, layout="mono")
    samples = np.clip(audio, -1, 1).astype(np.float32)[None]
    for start in range(0, samples.shape[1], 1024):
        chunk = np.ascontiguousarray(samples[:, start : start + 1024])
        frame = av.AudioFrame.from_ndarray(chunk, format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = sample_rate, start, Fraction(1, sample_rate)
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))
