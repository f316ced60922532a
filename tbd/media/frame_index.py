"""Which frames a video has: from its packets where those can be trusted, else by decoding it once.

Frame ``j`` is the ``j``-th that a decoder hands out, from the start of the file. Packets tell the same, for a fraction
of the time, in a container that stamps every frame, if decoding begins at a whole picture and nothing is damaged.
"""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import av
import numpy as np
import numpy.typing as npt

from tbd.media.damage import Damage

STAMPING = ("mov", "matroska")
"""Families of containers that give every frame a time stamp of its own."""
TRUSTED = ("h264", "hevc", "av1", "vp9", "mjpeg", "prores", "png", "ffv1", "dnxhd")
"""Codecs that put one shown frame into each packet; vp8 has hidden ones, mpeg4 may pack several."""
REORDERED = 16
"""Frames by which a codec may move one: more is another thing, such as a clock that begins anew."""


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
    pts = ascending(stamps, 1 / (rate * float(stream.time_base or 1)) if rate else 1.0)
    return FrameIndex(pts, np.unique(np.array(keys[: len(stamps)] or [0], np.int64)), last, exact=False)


def ascending(stamps: Sequence[int | None], step: float) -> npt.NDArray[np.int64]:
    """A time stamp for each frame, where a file gives some none, some twice, or some to their neighbours.

    Stamps that are only in another order, as far as codecs reorder, are put in order. Else the longest rising run of
    them stands, and the other frames lie evenly between its stamps, or ``step`` apart beyond its ends.

    Args:
        stamps: of the frames in order of presentation.
        step: from one frame to the next, where no stamps tell it.
    """
    count = np.arange(len(stamps))
    places = np.array(_rising(stamps), np.int64)
    if not len(places):
        return np.round(count * step).astype(np.int64)
    kept = np.array([stamps[place] for place in places], np.float64)
    usual = float(np.median(np.diff(kept) / np.diff(places))) if len(places) > 1 else step
    whole = np.sort(np.array([stamp for stamp in stamps if stamp is not None], np.int64))
    reach = REORDERED * usual
    if (
        len(np.unique(whole)) == len(stamps)
        and _swapped(stamps)
        and kept[0] - reach <= whole[0] <= whole[-1] <= kept[-1] + reach
    ):
        return whole
    before, after = np.minimum(count - places[0], 0), np.maximum(count - places[-1], 0)
    pts: npt.NDArray[np.int64] = np.round(np.interp(count, places, kept) + (before + after) * usual).astype(np.int64)
    if not (np.diff(pts) > 0).all():
        pts = np.round(kept[0] + (count - places[0]) * step).astype(np.int64)
    return pts


def _swapped(stamps: Sequence[int | None]) -> bool:
    """Whether frames have only taken stamps of their neighbours."""
    order = np.argsort(np.array(stamps, np.int64), kind="stable")
    return bool(np.abs(order - np.arange(len(stamps))).max(initial=0) <= REORDERED)


def _rising(stamps: Sequence[int | None]) -> list[int]:
    """Places of the longest run of rising stamps; what lies between may be left out (patience sorting)."""
    tails: list[int] = []
    tops: list[int] = []
    before: dict[int, int | None] = {}
    for place, stamp in enumerate(stamps):
        if stamp is None:
            continue
        at = bisect.bisect_left(tops, stamp)
        if tops[at : at + 1] == [stamp]:  # of two equal ones the first stands
            continue
        before[place] = tails[at - 1] if at else None
        tops[at : at + 1], tails[at : at + 1] = [stamp], [place]
    found, last = [], tails[-1] if tails else None
    while last is not None:
        found.append(last)
        last = before[last]
    return found[::-1]


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
