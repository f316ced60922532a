"""How a file asks to be shown, apart from its pixels: each point is applied to every frame, or is a flag on the clip.

Applied: turning and mirroring (display matrix), pixels that are not square, interlaced fields, transparency, a size
that changes on the way, bit depth, range and matrix of the colours (by the conversion to RGB). Told by a flag: high
dynamic range and wide gamuts, whose tones would need a mapping that players do not agree on.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import av
import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]

POINTS = {
    "rotation": "applied: rows and columns are swapped",
    "mirroring": "applied: left is where the file says",
    "pixel aspect": "applied, and the flag stretched",
    "field order": "applied: the upper field alone, and the flag interlaced",
    "transparency": "applied: grey behind it, and the flag transparent",
    "size on the way": "applied: every frame gets the size of the first",
    "bit depth": "applied: eight bits of any number",
    "colour range": "applied: full and limited range show the same tones",
    "transfer": "the flag hdr_colours",
    "primaries": "the flag hdr_colours",
    "channel layout": "applied: mixed so that the speech stays",
    "default track": "applied: of pictures and of sound",
}
"""Every point in which a file says how it is to be shown or heard, and what becomes of it: applied or told."""

TRANSFERS = {16: "PQ", 18: "HLG"}
"""Transfer characteristics of high dynamic range (ITU-T H.273, table 3)."""
WIDE = {9: "BT.2020", 11: "DCI-P3", 12: "Display P3"}
"""Colour primaries wider than BT.709's (ITU-T H.273, table 2)."""


@dataclass(frozen=True)
class Display:
    """What a file says about how its frames are shown.

    Attributes:
        turn: ``(a, b, c, d)``, each -1, 0 or 1: a stored pixel (x, y) is shown at (a x + c y, b x + d y).
        aspect: width of a pixel over its height.
        interlaced: frames hold two fields of different moments.
        transparent: pixels have an alpha channel.
        transfer: ``PQ`` or ``HLG``; empty for ordinary tones.
        gamut: primaries wider than BT.709's by name; empty otherwise.
    """

    turn: tuple[int, int, int, int] = (1, 0, 0, 1)
    aspect: float = 1.0
    interlaced: bool = False
    transparent: bool = False
    transfer: str = ""
    gamut: str = ""

    @property
    def sideways(self) -> bool:
        """Rows become columns."""
        return self.turn[0] == 0

    def shown_size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height of the shown picture, from those of the stored one."""
        wide = max(1, round(width * self.aspect))
        return (height, wide) if self.sideways else (wide, height)

    def stored_size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height before turning of a picture that is shown with this size, its pixels already square."""
        return (height, width) if self.sideways else (width, height)

    def upright(self, pixels: Pixels) -> Pixels:
        """Turn and mirror ``(H, W, …)`` stored pixels, as a view."""
        a, b, c, d = self.turn
        if self.sideways:
            pixels = pixels.swapaxes(0, 1)
            across, down = c, b
        else:
            across, down = a, d
        return pixels[:: 1 if down > 0 else -1, :: 1 if across > 0 else -1]


def display_of(stream: av.VideoStream, frame: av.VideoFrame) -> Display:
    """What the stream and its first frame say."""
    aspect = stream.sample_aspect_ratio
    return Display(
        turn=_turn(frame),
        aspect=float(aspect) if aspect and 0.1 < float(aspect) < 10 else 1.0,
        interlaced=bool(frame.interlaced_frame),
        transparent=has_alpha(frame),
        transfer=TRANSFERS.get(int(frame.color_trc or 0), ""),
        gamut=WIDE.get(int(frame.color_primaries or 0), ""),
    )


def has_alpha(frame: av.VideoFrame) -> bool:
    """Whether the pixels of a decoded frame can be transparent."""
    name = frame.format.name
    return name.startswith(("yuva", "rgba", "bgra", "argb", "abgr", "gbrap", "ya", "pal8"))


def deinterlaced(pixels: Pixels) -> Pixels:
    """One moment out of two: the upper field's lines, and between them the mean of their neighbours.

    It needs no other frame, so a frame is the same however it is reached.
    """
    shown = pixels.copy()
    upper = pixels[0::2].astype(np.uint16)
    below = upper[1:] if len(pixels) % 2 else np.concatenate([upper[1:], upper[-1:]])
    shown[1::2] = ((upper[: len(below)] + below + 1) // 2).astype(np.uint8)
    return shown


def _turn(frame: av.VideoFrame) -> tuple[int, int, int, int]:
    """The display matrix, rounded to right angles (ISO/IEC 14496-12, 8.3.2); identity where there is none."""
    found: Any = frame.side_data.get("DISPLAYMATRIX")
    if found is None:
        return 1, 0, 0, 1
    values = struct.unpack("=9i", bytes(found)[:36])
    a, b, c, d = (values[at] / 65_536 for at in (0, 1, 3, 4))
    scale = max(abs(a), abs(b), abs(c), abs(d), 1e-6)
    a, b, c, d = (round(value / scale) for value in (a, b, c, d))
    return (a, b, c, d) if abs(a * d - b * c) == 1 else (1, 0, 0, 1)
