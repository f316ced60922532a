"""The canonical clip: the one view of a clip that every stage shares.

Source file -> [start, end] -> ``crop_box`` -> size x size -> constant rate -> mono 16 kHz.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field

from tbd.errors import InputError
from tbd.recipe import Recipe
from tbd.schema import Box, ManifestRow

if TYPE_CHECKING:
    from tbd.media.audio import Sound
    from tbd.media.probe import Probe

Pixels = npt.NDArray[np.uint8]


class ClipRule(Recipe):
    """How a clip becomes canonical. Part of the recipe, recorded with every manifest."""

    version: int = 2
    """Raised when the rule itself changes. 1 padded where the frame was smaller than ``scale`` asks for."""
    size: int = Field(default=512, ge=16)
    """Side of the square picture in pixels."""
    fps: float = Field(default=25.0, gt=0)
    """Frames a second; canonical frame i is the source frame nearest to i / fps seconds."""
    sample_rate: int = Field(default=16_000, gt=0)
    """Sound, mono, in Hz."""
    scale: float = Field(default=1.7, ge=1)
    """Side of the crop in longer sides of the union of the face boxes, as far as the frame allows."""
    lift: float = Field(default=0.1, ge=-0.5, le=0.5)
    """How far the crop's centre lies above the union's, in its longer sides: detectors box a face from the
    forehead to the chin, so hair needs more room above than the neck below."""
    candidates: int = Field(default=8, ge=1)
    """Frames that are looked at for the reference picture, and for the union."""


HEARD_RATE = 16_000
"""Hz of the sound that wav2vec 2.0 hears, in training and in sampling, whatever rate a manifest was annotated with."""
TIGHT = 1.3
"""A crop of fewer sides of the face than this is flagged: hair and chin may be cut."""


def crop_box(faces: Sequence[Box], width: int, height: int, rule: ClipRule | None = None) -> Box:
    """The square of the canonical clip, in whole native pixels; rule version 2.

    Side: ``scale`` times the longer side of the union of the face boxes, at most the frame's shorter side as long as
    the union fits into that. Centre: the union's, ``lift`` longer sides higher. The square is moved inside the frame,
    so nothing is padded that need not be; only a face larger than the frame's shorter side is padded by ``crop``.

    Args:
        faces: one person's boxes on spread frames, at least one; clipped to the frame.
        width, height: of the frame.
        rule: None takes the default rule.
    """
    rule = rule or ClipRule()
    x0, y0, x1, y1 = _union(faces, width, height)
    longer = max(x1 - x0, y1 - y0)
    side = max(1, round(rule.scale * longer))
    side = min(side, max(min(width, height), math.ceil(longer)))
    left = _inside((x0 + x1 - side) / 2, side, width)
    lifted = max((y0 + y1 - side) / 2 - rule.lift * longer, y1 - side)  # not so far that the chin is cut
    top = _inside(lifted, side, height)
    return float(left), float(top), float(left + side), float(top + side)


def union_side(faces: Sequence[Box], width: int, height: int) -> float:
    """The longer side of the union of face boxes, clipped to the frame, in pixels; at least 1."""
    x0, y0, x1, y1 = _union(faces, width, height)
    return max(x1 - x0, y1 - y0, 1.0)


def _union(faces: Sequence[Box], width: int, height: int) -> tuple[float, float, float, float]:
    boxes = np.clip(np.asarray(faces, np.float64), 0, [width, height, width, height])
    (x0, y0), (x1, y1) = boxes[:, :2].min(0), boxes[:, 2:].max(0)
    return float(x0), float(y0), float(x1), float(y1)


def whole_box(width: int, height: int) -> Box:
    """The smallest square around a whole frame, centred on it."""
    side = max(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    return float(left), float(top), float(left + side), float(top + side)


def crop(frame: Pixels, box: Box, size: int) -> Pixels:
    """Cut ``box`` out of a frame and resize it: the one resize of the project (Lanczos, antialiased).

    Args:
        frame: ``(H, W, 3)`` uint8 RGB.
        box: in pixels of the frame; rounded to whole ones. Outside the frame its edge is repeated.
        size: side of the result in pixels.

    Returns:
        ``(size, size, 3)`` uint8 RGB.
    """
    from PIL import Image

    x0, y0, x1, y1 = (round(edge) for edge in box)
    height, width = frame.shape[:2]
    inside = frame[min(max(y0, 0), height - 1) : max(y1, 1), min(max(x0, 0), width - 1) : max(x1, 1)]
    margins = ((max(0, -y0), max(0, y1 - height)), (max(0, -x0), max(0, x1 - width)), (0, 0))
    if any(map(any, margins)):
        inside = np.pad(inside, margins, mode="edge")[: y1 - y0, : x1 - x0]
    if inside.shape[:2] == (size, size):
        return np.ascontiguousarray(inside)
    return np.asarray(Image.fromarray(np.ascontiguousarray(inside)).resize((size, size), Image.Resampling.LANCZOS))


@dataclass(frozen=True)
class CanonicalClip:
    """A row of the manifest as every stage sees it; nothing is read before it is asked for.

    A picture with a speech file is a clip too: its frames repeat the still for as long as the sound lasts, and
    ``start`` and ``end`` count in the sound.

    Attributes:
        path: video or picture.
        start, end: seconds from the beginning of the file; None takes the whole file.
        crop_box: square in native pixels; None takes the smallest square around the frame.
        rule: size, rates.
        audio_file: speech outside the video file; None takes the file's own sound.
    """

    path: Path
    start: float | None = None
    end: float | None = None
    crop_box: Box | None = None
    rule: ClipRule = field(default_factory=ClipRule)
    audio_file: Path | None = None

    @classmethod
    def of_row(cls, row: ManifestRow, root: Path, rule: ClipRule) -> Self:
        """The clip of a manifest row.

        Args:
            row: with ``file_name audio_file_name start end crop_box``.
            root: where its dataset lies.
            rule: as the manifest recorded it.

        Raises:
            InputError: the row has no crop box.
        """
        box, speech = row.get("crop_box"), row.get("audio_file_name")
        if box is None:
            raise InputError("no crop box: no face was found, or the file could not be read")
        x0, y0, x1, y1 = map(float, box)
        sound = root / speech if speech else None
        return cls(root / row["file_name"], row.get("start"), row.get("end"), (x0, y0, x1, y1), rule, sound)

    @property
    def media(self) -> tuple[Path, ...]:
        """The files that it is read from."""
        return tuple(file for file in (self.path, self.audio_file) if file is not None)

    @property
    def window(self) -> list[Any]:
        """What of those files it is: plain values for hashes."""
        rule = self.rule
        box = list(self.crop_box or ())
        return [self.start, self.end, box, rule.version, rule.size, rule.fps, rule.sample_rate]

    @cached_property
    def source(self) -> Probe:
        """What the file says about itself.

        Raises:
            InputError: it cannot be read.
        """
        from tbd.media.probe import probe

        return probe(self.path)

    @cached_property
    def duration(self) -> float:
        """Seconds between ``start`` and ``end``, within the file; 0 for a picture without speech.

        Raises:
            InputError: the file, or its speech, cannot be read.
        """
        from tbd.media import audio

        speaking = self.audio_file if self.source.is_picture else None
        whole = audio.duration(speaking) if speaking else self.source.duration
        return max(0.0, min(whole, whole if self.end is None else self.end) - (self.start or 0.0))

    @property
    def num_frames(self) -> int:
        """Canonical frames: ``duration * fps`` rounded (a half up), at least 1."""
        return max(1, int(self.duration * self.rule.fps + 0.5))

    @cached_property
    def indices(self) -> npt.NDArray[np.int64]:
        """``(num_frames,)`` source frame of each canonical frame: nearest to ``start + i / fps`` in the window."""
        if self.source.is_picture:
            return np.zeros(self.num_frames, np.int64)
        first, stop = self.source.window(self.start, self.end)
        nearest = self.source.nearest((self.start or 0.0) + np.arange(self.num_frames) / self.rule.fps)
        return np.clip(nearest, first, stop - 1)

    def frames(self) -> Iterator[Pixels]:
        """``num_frames`` pictures ``(size, size, 3)`` uint8 RGB at ``rule.fps``, in one forward pass.

        Raises:
            InputError: the file cannot be decoded.
        """
        return self.some(range(self.num_frames))

    def some(self, positions: Sequence[int]) -> Iterator[Pixels]:
        """Some of ``frames``: only what they need is decoded.

        Args:
            positions: canonical frames in [0, ``num_frames``), in rising order.

        Raises:
            InputError: the file cannot be decoded.
        """
        from tbd.media import video

        chosen, repeats = np.unique(self.indices[list(positions)], return_counts=True)
        found = video.frames(self.source, chosen.tolist())
        for (_, frame), times in zip(found, repeats, strict=True):
            picture = self._crop(frame)
            yield from (picture.copy() for _ in range(times))

    def picture(self, source_frame: int) -> Pixels:
        """The canonical crop of one source frame, counted from 0 at the start of the file.

        Raises:
            InputError: there is no such frame, or it cannot be decoded.
        """
        return next(self.pictures([source_frame]))

    def pictures(self, source_frames: Sequence[int]) -> Iterator[Pixels]:
        """The canonical crops of some source frames, in ascending order, in one pass; see ``picture``."""
        from tbd.media import video

        return (self._crop(frame) for _, frame in video.frames(self.source, source_frames))

    def audio(self) -> npt.NDArray[np.float32]:
        """Mono ``(round(num_frames / fps * sample_rate),)`` float32 in [-1, 1], exactly as long as ``frames``.

        Raises:
            InputError: there is no sound.
        """
        return self.sound().samples

    def sound(self) -> Sound:
        """``audio``, with the holes and the damage that were met.

        Raises:
            InputError: there is no sound.
        """
        from tbd.media import audio

        start, length = self.start or 0.0, self.num_frames / self.rule.fps
        return audio.read_sound(self.audio_file or self.path, start, start + length, self.rule.sample_rate)

    def _crop(self, frame: Pixels) -> Pixels:
        height, width = frame.shape[:2]
        return crop(frame, self.crop_box or whole_box(width, height), self.rule.size)


def _inside(low: float, side: int, length: int) -> int:
    """``low`` moved so that ``side`` pixels from it lie inside ``length`` pixels, or hold them all."""
    least, most = sorted((0, length - side))
    return round(min(max(low, least), most))
