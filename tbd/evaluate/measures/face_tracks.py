"""Faces followed through a clip and cut out as SyncNet's pipeline cuts them, while the frames pass.

The rules are those of ``run_pipeline.py`` of joonson/syncnet_python. It holds the whole video; here a
track is followed online (each track, oldest first, takes the first box of the frame that overlaps its
last one) and a frame is let go once every track that runs has its picture. Both give the same tracks as
long as the boxes of one frame do not overlap each other by half, which the detector sees to.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from tbd.media.lip_window import GREY, SIDE, lip_square

Pixels = npt.NDArray[np.uint8]
Boxes = npt.NDArray[np.float64]

SAME = 0.5
"""Least intersection over union of a box with the last one of its track."""

PATIENCE = 25
"""Frames from one detection to the next at most; those between are interpolated."""

MEDIAN = 13
"""Frames of the median filter over position and size; outside the track it sees zeros."""

CUT = 30.0
"""Mean change of hue, saturation and value (of 180, 255 and 255) from frame to frame that is a new scene."""

SHORTEST_SCENE = 15

_REDUCTION = {3200: 12, 2100: 8, 1700: 6, 1200: 5, 900: 4, 600: 3, 400: 2}


@dataclass(eq=False)
class Track:
    """One face, from its first detection to its last.

    Attributes:
        first: frame of the first detection.
        boxes: ``(4,)`` x0 y0 x1 y1 in pixels of every frame from ``first`` on; between detections interpolated.
        seen: how many of them were detected.
        cut: how many of its pictures have been cut out.
    """

    first: int
    boxes: list[Boxes]
    seen: int = 1
    cut: int = 0

    @property
    def last(self) -> int:
        """Frame of the last detection so far."""
        return self.first + len(self.boxes) - 1

    @property
    def side(self) -> float:
        """Mean width or mean height of the box, whichever is larger, in pixels."""
        boxes = np.array(self.boxes)
        return float((boxes[:, 2:] - boxes[:, :2]).mean(0).max())

    def takes(self, frame: int, box: Boxes) -> bool:
        """Whether a detection is this face."""
        return frame - self.last <= PATIENCE and _overlap(box, self.boxes[-1]) > SAME

    def add(self, frame: int, box: Boxes) -> None:
        """Take a detection, and fill the gap before it."""
        gap, before = frame - self.last, self.boxes[-1]
        self.boxes += [before + (box - before) * i / gap for i in range(1, gap + 1)]
        self.seen += 1

    def place(self, i: int) -> tuple[float, float, float]:
        """Half the side, x and y of the middle in frame ``first + i``, after the median filter."""
        reach = MEDIAN // 2
        boxes = np.array(self.boxes[max(0, i - reach) : i + reach + 1])
        sides = boxes[:, 2:] - boxes[:, :2]
        middle = (boxes[:, :2] + boxes[:, 2:]) / 2
        values = np.zeros((MEDIAN, 3))
        values[: len(boxes)] = np.column_stack([sides.max(1) / 2, middle])
        half, x, y = np.median(values, axis=0)
        return float(half), float(x), float(y)

    def state(self) -> list[Any]:
        """Its attributes, in their order."""
        return [self.first, self.boxes, self.seen, self.cut]

    def ready(self, ended: bool) -> range:
        """Which of its pictures can be cut: those whose median filter sees all that it will ever see."""
        return range(self.cut, len(self.boxes) - (0 if ended else MEDIAN // 2))


class Tracker:
    """Follows the faces of a clip. Frames must come in order and without gaps."""

    def __init__(self) -> None:
        self.running: list[Track] = []
        self.scenes = Scenes()

    def step(self, index: int, frame: Pixels, boxes: Boxes) -> list[Track]:
        """Take a frame's detections, ``(n, 4 or more)``; returns the tracks that have come to an end before it."""
        new_scene = self.scenes.begins(index, frame)
        ended = [track for track in self.running if new_scene or index - track.last > PATIENCE]
        self.running = [track for track in self.running if track not in ended]
        left = [np.asarray(box[:4], np.float64) for box in boxes]
        for track in self.running:
            taken = next((i for i, box in enumerate(left) if track.takes(index, box)), None)
            if taken is not None:
                track.add(index, left.pop(taken))
        self.running += [Track(index, [box]) for box in left]
        return ended

    def needs(self, index: int) -> int:
        """The oldest frame, up to ``index``, that a running track has no picture of yet."""
        return min([index + 1, *(track.first + track.cut for track in self.running)])


@dataclass(eq=False)
class Scenes:
    """Finds cuts as PySceneDetect's ContentDetector does with the settings of its version 0.5."""

    _before: npt.NDArray[np.int16] | None = field(default=None, repr=False)
    _began: int = 0

    def begins(self, index: int, frame: Pixels) -> bool:
        """Whether a new scene begins with this frame, ``(H, W, 3)`` uint8 RGB."""
        step = next((step for width, step in _REDUCTION.items() if frame.shape[1] >= width), 1)
        now = np.asarray(Image.fromarray(np.ascontiguousarray(frame[::step, ::step])).convert("HSV"), np.int16)
        before, self._before = self._before, now
        if before is None or before.shape != now.shape or index - self._began < SHORTEST_SCENE:
            return False
        change = np.abs(now - before).mean((0, 1)) * (180 / 255, 1, 1)
        if change.mean() < CUT:
            return False
        self._began = index
        return True

    def state(self) -> list[Any]:
        """What the next frame is compared with."""
        return [self._before, self._began]

    def restore(self, state: list[Any]) -> None:
        """Go on from there."""
        self._before, self._began = state


def cut_out(frame: Pixels, half: float, x: float, y: float) -> Pixels:
    """The lower face and its surroundings, as SyncNet looks at them.

    Args:
        frame: ``(H, W, 3)`` uint8 RGB.
        half: half the side of the face in pixels, positive.
        x, y: its middle.

    Returns:
        ``(224, 224, 3)``: the square of ``lip_square``; grey outside the frame.
    """
    left, top, right, bottom = lip_square(half, x, y)
    piece = np.full((max(bottom - top, 1), max(right - left, 1), 3), GREY, np.uint8)
    y0, x0 = max(top, 0), max(left, 0)
    inside = frame[y0 : max(bottom, 0), x0 : max(right, 0)]
    piece[y0 - top : y0 - top + inside.shape[0], x0 - left : x0 - left + inside.shape[1]] = inside
    return resized(piece)


def resized(picture: Pixels) -> Pixels:
    """A picture at 224 x 224, bilinear between the nearest pixels (OpenCV's default), rounded."""
    import torch
    from torch.nn.functional import interpolate

    values = torch.from_numpy(picture).permute(2, 0, 1)[None].float()
    small = interpolate(values, size=(SIDE, SIDE), mode="bilinear")
    return (small[0] + 0.5).to(torch.uint8).permute(1, 2, 0).numpy()


def _overlap(one: Boxes, other: Boxes) -> float:
    """Intersection over union."""
    low, high = np.maximum(one[:2], other[:2]), np.minimum(one[2:], other[2:])
    common = float(np.prod(np.clip(high - low, 0, None)))
    union = float(np.prod(one[2:] - one[:2]) + np.prod(other[2:] - other[:2])) - common
    return common / union if union > 0 else 0.0
