"""Videos as people have them, written by PyAV: any codec in any container, cut at a keyframe, with odd time stamps."""

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
from media import numbered

CODECS = {
    "libx264": (".mp4", ".mov", ".mkv", ".avi", ".ts", ".flv", ".nut", ".h264"),
    "libx265": (".mp4", ".mkv", ".ts", ".hevc"),
    "mpeg4": (".mp4", ".mkv", ".avi", ".nut"),
    "mpeg2video": (".mpg", ".ts", ".vob", ".mkv", ".m2v"),
    "wmv2": (".asf", ".wmv", ".avi"),
    "libvpx": (".webm", ".mkv", ".avi"),
    "libvpx-vp9": (".webm", ".mkv"),
    "mjpeg": (".avi", ".mov", ".mkv"),
    "ffv1": (".mkv", ".avi", ".nut"),
}
"""Encoder -> the endings of containers it is found in."""
FORMATS = {".h264": "h264", ".hevc": "hevc", ".m2v": "mpeg2video", ".vob": "vob"}
RAW = (".h264", ".hevc", ".m2v")
B_FRAMES = ("libx264", "libx265", "mpeg4", "mpeg2video")
STREAMS = (".ts", ".mpg", ".vob")
"""Containers in which a picture may come without a time stamp."""

DIVX = b"\x00\x00\x01\xb2DivX503b1393p"
"""What tells a decoder that two pictures may share a packet."""

PLACEHOLDER = b"\x00\x00\x01\xb6\x7f"
"""A packet that stands for a picture that came in the one before."""


@dataclass(frozen=True)
class Recipe:
    """How a video is made.

    Attributes:
        gop: frames from one keyframe to the next.
        bframes: between two others; with ``open_gop`` some of them lead in from the group before.
        cut: keyframes that are cut away at the front, packets as they are.
        stamps: ``plain``, ``late`` (beginning at 1.4 s), ``absent`` (some packets have none), ``doubled`` (some twice).
        lost: packets that are left out, counted after the cut.
        packed: the first picture between two others comes in the packet of the later one, as DivX and Xvid write ``.avi``.
    """

    codec: str
    ending: str
    frames: int = 40
    gop: int = 10
    bframes: int = 0
    open_gop: bool = False
    cut: int = 0
    stamps: str = "plain"
    lost: tuple[int, ...] = field(default=())
    packed: bool = False


def drawn_video(path: Path, recipe: Recipe) -> Path:
    """Write a video whose frames are ``numbered``; the path gets the recipe's ending."""
    path = path.with_suffix(recipe.ending)
    between = ".source.ts" if recipe.ending in RAW else ".source.nut"  # a transport stream repeats its headers in band
    packets, source = _encoded(path.with_suffix(between), recipe)
    with av.open(str(path), "w", format=FORMATS.get(recipe.ending)) as container:
        stream = container.add_stream_from_template(source.streams.video[0])
        for packet in _changed(packets, recipe):
            packet.stream = stream
            container.mux_one(packet)
    source.close()
    if recipe.stamps == "absent" and recipe.ending in STREAMS:
        path.write_bytes(_without_stamps(path.read_bytes()))
    return path


def _without_stamps(content: bytes) -> bytes:
    """A transport or program stream in which every third picture after the first has no time stamp."""
    found = bytearray(content)
    at = count = 0
    while (at := found.find(b"\x00\x00\x01\xe0", at + 1)) >= 0:
        count += 1
        if count % 3 == 0 and found[at + 6] >> 6 == 2 and found[at + 7] & 0xC0:
            found[at + 7] &= 0x3F
            found[at + 9 : at + 9 + found[at + 8]] = b"\xff" * found[at + 8]
    return bytes(found)


def _encoded(path, recipe):
    options = {"g": str(recipe.gop), "threads": "1"}
    if recipe.codec in B_FRAMES:
        options["bf"] = str(recipe.bframes)
    if recipe.codec == "libx264":
        options |= {"preset": "ultrafast", "x264-params": f"open-gop={int(recipe.open_gop)}:scenecut=0"}
    if recipe.codec == "libx265":
        closed = f"open-gop={int(recipe.open_gop)}:bframes={recipe.bframes}:keyint={recipe.gop}:min-keyint={recipe.gop}"
        options |= {"preset": "ultrafast", "x265-params": f"log-level=none:scenecut=0:{closed}"}
    if recipe.codec.startswith("libvpx"):
        options |= {"deadline": "realtime", "cpu-used": "8", "auto-alt-ref": "1", "lag-in-frames": "8"}
    with av.open(str(path), "w") as container:
        stream = container.add_stream(recipe.codec, rate=25, options=options)
        stream.width, stream.height, stream.bit_rate = 64, 48, 400_000
        stream.pix_fmt = "yuvj420p" if recipe.codec == "mjpeg" else "yuv420p"
        for number in range(recipe.frames):
            frame = av.VideoFrame.from_ndarray(numbered(number), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    source = av.open(str(path))
    return [packet for packet in source.demux(video=0) if packet.size], source


def _changed(packets, recipe):
    keys = [at for at, packet in enumerate(packets) if packet.is_keyframe]
    packets = packets[keys[min(recipe.cut, len(keys) - 1)] :]
    packets = [packet for at, packet in enumerate(packets) if at not in recipe.lost or packet.is_keyframe]
    step = round(1 / 25 / packets[0].time_base)
    shown = sorted(packet.pts for packet in packets)
    delay = max(early - packet.pts for early, packet in zip(shown, packets, strict=True))
    offset = (35 if recipe.stamps == "late" else 0) * step + delay - shown[0]
    for at, (early, packet) in enumerate(zip(shown, packets, strict=True)):
        packet.pts, packet.dts = packet.pts + offset, early - delay + offset
        if recipe.stamps == "doubled" and at % 7 == 3 and packet.pts - step >= packet.dts:
            packet.pts -= step
    yield from _packed(packets) if recipe.packed and recipe.ending == ".avi" else packets


def _packed(packets):
    """Each group P B B … becomes P+B, B …, placeholder: as many packets, at the same times."""
    kinds = [_kind(bytes(packet)) for packet in packets]
    for at, packet in enumerate(packets):
        data = bytes(packet)
        if packet.is_keyframe:
            data = DIVX + data
        if kinds[at] != "B" and kinds[at + 1 : at + 2] == ["B"]:
            data += bytes(packets[at + 1])
        elif kinds[at] == "B":
            data = bytes(packets[at + 1]) if kinds[at + 1 : at + 2] == ["B"] else PLACEHOLDER
        made = av.Packet(data)
        made.pts, made.dts, made.time_base = packet.pts, packet.dts, packet.time_base
        made.is_keyframe = packet.is_keyframe
        yield made


def _kind(data: bytes) -> str:
    """I, P, B or S of the first picture in an MPEG-4 packet."""
    return "IPBS"[data[data.index(b"\x00\x00\x01\xb6") + 4] >> 6]
