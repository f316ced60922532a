"""Which frames a video has: from its packets where those can be trusted, else by decoding it once.

Frame ``j`` is the ``j``-th that a decoder hands out, from the start of the file. Packets tell the same, for a fraction
of the time, in a container that stamps every frame, if decoding begins at a whole picture and nothing is damaged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import av
import numpy as np
import numpy.typing as npt

from tbd.media.damage import Damage

STAMPING = ("mov", "matroska")
"""Families of containers that give every frame a time stamp of its own."""
TRUSTED = ("h264", "hevc", "av1", "vp9", "mjpeg", "prores", "png", "ffv1", "dnxhd")
"""Codecs that put one shown frame into each packet; vp8 has hidden ones, mpeg4 may pack several."""


@dataclass(frozen=True, eq=False)
class FrameIndex:
    """The frames of a video in order of presentation.

    Attributes:
        pts: ``(n,)`` int64 time stamps in units of the stream, ascending.
        keyframes: ``(k,)`` int64, frames at which decoding can begin.
        last: how long the last frame is shown, in units of the stream; 0 where it is not known.
        exact: frames are found by their time stamps; if not, by counting from the start of the file.
    """

    pts: npt.NDArray[np.int64]
    keyframes: npt.NDArray[np.int64]
    last: int
    exact: bool


class Packet(NamedTuple):
    """What a packet says; its data, which for a long video is the whole file, is let go."""

    pts: int | None
    dts: int | None
    duration: int
    is_keyframe: bool
    is_discard: bool
    is_corrupt: bool

    @property
    def stamp(self) -> int:
        """The time stamp for presentation, or the next best."""
        return next((stamp for stamp in (self.pts, self.dts) if stamp is not None), 0)


def index_of_packets(packets: list[Packet], codec: str, container: str) -> FrameIndex | None:
    """The index where packets can be trusted to tell it, else None."""
    if not any(family in container for family in STAMPING) or codec not in TRUSTED or not packets:
        return None
    shown = [packet for packet in packets if not packet.is_discard]
    stamps = [packet.pts for packet in shown]
    plain = shown and packets[0].is_keyframe and None not in stamps and len(set(stamps)) == len(stamps)
    if not plain or any(packet.is_corrupt for packet in packets):
        return None
    if min(packet.stamp for packet in packets) < packets[0].stamp:  # pictures that lead in from what was cut away
        return None
    pts = np.sort(np.array(stamps, np.int64))
    keys = np.array([packet.stamp for packet in shown if packet.is_keyframe], np.int64)
    last = next(packet.duration for packet in shown if packet.stamp == pts[-1])
    return FrameIndex(pts, np.unique(np.searchsorted(pts, keys)), last, exact=True)


def index_by_decoding(
    container: av.container.InputContainer, stream: av.VideoStream, rate: float, damage: Damage
) -> FrameIndex:
    """Decode a video from its start to its end, and note what is broken.

    Args:
        container: newly opened.
        rate: frames a second, for frames without a usable time stamp.
    """
    stamps: list[int | None] = []
    keys, last = [0], 0
    for frame in decode_all(container, stream, damage):
        if frame.key_frame:
            keys.append(len(stamps))
        stamps.append(frame.pts)
        last = frame.duration or 0
    known = [stamp for stamp in stamps if stamp is not None]
    if len(known) == len(stamps) and all(a < b for a, b in pairwise(known)):
        pts = np.array(known, np.int64)
    else:
        step = 1 / (rate * float(stream.time_base or 1)) if rate else 1.0
        pts = np.round(np.arange(len(stamps)) * step).astype(np.int64) + (known[0] if known else 0)
    return FrameIndex(pts, np.unique(np.array(keys[: len(stamps)] or [0], np.int64)), last, exact=False)


def decode_all(
    container: av.container.InputContainer,
    stream: av.VideoStream,
    damage: Damage,
    prepare: Callable[[av.VideoStream, av.Packet[av.VideoStream]], None] | None = None,
) -> Iterator[av.VideoFrame]:
    """Every frame that the decoder gives, past packets that it cannot read, as a player does.

    Args:
        damage: takes the numbers of the frames that are broken, counted from here.
        prepare: called before each packet is decoded.
    """
    count = 0
    for packet in container.demux(stream):
        if prepare is not None:
            prepare(stream, packet)
        if packet.is_corrupt:
            damage.frames.add(count)
        try:
            found = stream.decode(packet)
        except av.error.InvalidDataError:
            damage.frames.add(count)
            continue
        for frame in found:
            if frame.is_corrupt:
                damage.frames.add(count)
            count += 1
            yield frame
