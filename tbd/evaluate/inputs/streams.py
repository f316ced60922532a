"""One video as frames at a constant rate, with its sound: what the one pass decodes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tbd.errors import InputError
from tbd.media.canonical import CanonicalClip, ClipRule, crop
from tbd.media.probe import Probe, probe
from tbd.schema import Box, ManifestRow

Pixels = npt.NDArray[np.uint8]

SAME_RATE = 0.01
"""Rates that differ by less, in frames a second, are equal."""


@dataclass(frozen=True, eq=False)
class FrameStream:
    """A video whose frame ``i`` is the source frame nearest to ``i / fps`` seconds.

    Attributes:
        source: the file.
        indices: ``(num_frames,)`` source frame of each frame, ascending.
        fps: frames a second.
        box: square that is cut out of each frame; None takes it whole.
        side: of the cut square after resizing, in pixels.
        clip: the canonical clip, for a manifest row.
        note: what was done to it that a reader should know (``30 -> 25 frames a second``).
        damaged: source frames that the decoder marked as corrupt; filled while ``raw`` is read.
        sound_problems: what is damaged or missing of the sound, in words; filled by ``audio``.
    """

    source: Probe
    indices: npt.NDArray[np.int64]
    fps: float
    box: Box | None = None
    side: int = 0
    clip: CanonicalClip | None = None
    note: str = ""
    damaged: set[int] = field(default_factory=set)
    sound_problems: list[str] = field(default_factory=list)

    @property
    def num_frames(self) -> int:
        """Frames that ``raw`` yields."""
        return len(self.indices)

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels, after the crop."""
        return (self.side, self.side) if self.box else (self.source.width, self.source.height)

    def raw(self) -> Iterator[tuple[int, Pixels]]:
        """``(i, source frame)`` in order, decoded in one forward pass; a frame may come more than once.

        Raises:
            InputError: the file cannot be decoded.
        """
        from tbd.media import video

        chosen, first, repeats = np.unique(self.indices, return_index=True, return_counts=True)
        frames = video.decoded(self.source, chosen.tolist())
        for (index, frame), begin, times in zip(frames, first.tolist(), repeats.tolist(), strict=True):
            if frame.is_corrupt or index in self.source.damage.frames:
                self.damaged.add(index)
            picture = video.rgb(frame, self.source)
            for i in range(begin, begin + times):
                yield i, picture

    def picture(self, frame: Pixels) -> Pixels:
        """A source frame as this stream shows it."""
        return crop(frame, self.box, self.side) if self.box else frame

    def sources(self, count: int) -> list[Pixels]:
        """Up to ``count`` source frames, spread evenly over the stream."""
        from tbd.media import video

        places = np.linspace(0, self.num_frames - 1, count).round().astype(np.int64)
        return [frame for _, frame in video.frames(self.source, np.unique(self.indices[places]).tolist())]

    def some(self, count: int) -> list[Pixels]:
        """Up to ``count`` frames, spread evenly over the stream."""
        return [self.picture(frame) for frame in self.sources(count)]

    def sound_rate(self) -> int:
        """Of the file's own sound, in Hz; 16,000 where it has none.

        Raises:
            InputError: the file cannot be opened.
        """
        from tbd.media.container import audio_stream, opened

        file = self.clip.audio_file if self.clip is not None and self.clip.audio_file else self.source.path
        with opened(file) as container:
            if not container.streams.audio:
                return 16_000
            return int(audio_stream(file, container).codec_context.sample_rate or 16_000)

    def audio(self) -> npt.NDArray[np.int16] | None:
        """``(n,)`` int16 at 16 kHz, mono, exactly as long as the frames; None where the file has no sound.

        Raises:
            InputError: there is sound, and it cannot be decoded.
        """
        from tbd.media import audio

        length = self.num_frames / self.fps
        if self.clip is not None and self.clip.rule.sample_rate == 16_000:
            if not self.source.has_audio and self.clip.audio_file is None:
                return None
            found = self.clip.sound()
        elif self.source.has_audio:
            found = audio.read_sound(self.source.path, 0.0, length)
        else:
            return None
        if found.damaged and not found.samples.any():
            raise InputError(f"{self.source.path}: its sound cannot be decoded ({found.damaged} pieces damaged)")
        if found.damaged or found.holes:
            told = [f"{found.damaged} pieces of sound damaged"] * bool(found.damaged)
            self.sound_problems[:] = told + [f"{found.holes:.2f} s of sound missing"] * bool(found.holes)
        return np.round(np.clip(found.samples, -1, 1) * 32767).astype(np.int16)


def of_file(path: Path, fps: float | None = None) -> FrameStream:
    """A video file as it is, or brought to another rate.

    Args:
        fps: wished; None keeps the file's own (its average where it varies).

    Raises:
        InputError: it cannot be read, or is a still picture.
    """
    source = probe(path)
    if source.fps is None:
        raise InputError(f"{path}: a picture, not a video")
    if source.codec == "gif":
        raise InputError(f"{path}: a gif, whose colours and rate are not those of a video", next="make it an mp4")
    rate = source.fps if fps is None else fps
    if abs(rate - source.fps) < SAME_RATE and not source.variable_rate:
        return FrameStream(source, np.arange(source.num_frames), source.fps)
    count = max(1, int(source.duration * rate + 0.5))
    kind = "variable rate" if source.variable_rate else f"{source.fps:.5g}"
    return FrameStream(
        source, source.nearest(np.arange(count) / rate), rate, note=f"{kind} -> {rate:.5g} frames a second"
    )


def of_row(row: ManifestRow, root: Path, rule: ClipRule) -> FrameStream:
    """The canonical clip of a manifest row: the ground truth.

    Args:
        row: with ``file_name audio_file_name start end crop_box``.
        root: where its dataset lies.

    Raises:
        InputError: the row has no crop box, is a portrait with speech, or its file cannot be read.
    """
    clip = CanonicalClip.of_row(row, root, rule)
    if clip.source.is_picture:
        raise InputError("the row is a portrait with speech: nobody filmed the ground truth")
    return FrameStream(clip.source, clip.indices, rule.fps, clip.crop_box, rule.size, clip)
