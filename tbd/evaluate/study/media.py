"""What raters see and hear, under names that say nothing: videos without the remarks in their files, and portraits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt

from tbd import workspace
from tbd.errors import InputError
from tbd.media import audio, video
from tbd.media.container import opened
from tbd.media.probe import probe

PLAYS = {"video": frozenset({"h264"}), "audio": frozenset({"aac", "mp3"})}
"""What every browser plays in an MP4 file; all else is encoded anew."""
SIDE, CHECK_SECONDS, RATE, SOUND_RATE = 512, 3.0, 25.0, 48_000


def neutral_copy(path: Path, target: Path) -> None:
    """Copy a video so that it plays in browsers and tells nothing of where it came from.

    The packets stay as they are where browsers can play them; titles, comments and names of streams are left out.

    Raises:
        InputError: the video cannot be read.
    """
    if _plays(path):
        workspace.write_whole(target, lambda temporary: _remux(path, temporary))
        return
    source = probe(path)
    if source.is_picture:
        raise InputError(f"{path}: one picture is no video", next="tbd study new, without this run")
    sound = audio.read(path, sample_rate=SOUND_RATE) if source.has_audio else None
    pictures = (frame for _, frame in video.frames(source))
    video.write(target, pictures, source.fps or RATE, audio=sound, sample_rate=SOUND_RATE)


def _plays(path: Path) -> bool:
    with opened(path) as container:
        streams = [one for one in container.streams if one.type in PLAYS]
        pixels = [one.format.name for one in container.streams.video if one.format]
        return all(one.codec_context.name in PLAYS[one.type] for one in streams) and pixels == ["yuv420p"]


def _remux(path: Path, temporary: Path) -> None:
    options = {"movflags": "+faststart"}
    with opened(path) as source, av.open(str(temporary), "w", format="mp4", options=options) as target:
        streams: dict[int, Any] = {
            one.index: target.add_stream_from_template(one) for one in source.streams if one.type in PLAYS
        }
        for stream in streams.values():
            stream.metadata.clear()
        for packet in source.demux(*[one for one in source.streams if one.index in streams]):
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                target.mux(packet)


def write_portrait(picture: npt.NDArray[np.uint8], target: Path) -> None:
    """Write ``(H, W, 3)`` uint8 RGB as JPEG, its longer side at most ``SIDE`` pixels."""
    from PIL import Image

    image = Image.fromarray(picture)
    image.thumbnail((SIDE, SIDE))
    workspace.write_whole(target, lambda temporary: image.save(temporary, "JPEG", quality=92))


def write_check(target: Path, answer: int, word: str) -> None:
    """Draw the video of an attention check: it asks for the same answer to every question."""
    from PIL import Image, ImageDraw, ImageFont

    image = Image.new("RGB", (SIDE, SIDE), (30, 34, 42))
    draw, words = ImageDraw.Draw(image), f"Attention check\n\nPlease answer\n{answer} ({word})\nto every question."
    font = ImageFont.load_default(size=44)
    draw.multiline_text((SIDE / 2, SIDE / 2), words, (240, 240, 240), font, "mm", spacing=12, align="center")
    frame = np.asarray(image)
    video.write(target, (frame for _ in range(int(CHECK_SECONDS * RATE))), RATE)
