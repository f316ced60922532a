"""What of a file is broken: noted by whoever looks at it or decodes it first, told by everybody who uses it."""

from __future__ import annotations

from dataclasses import dataclass, field

_LEAST = 0.3
"""Seconds by which a file may be shorter than its header says: headers round, and count the other stream."""


@dataclass
class Damage:
    """The broken places of one file.

    Attributes:
        frames: frames that are lost, or that the decoder had to guess.
        missing: seconds that the header promises and the file does not hold.
        cut: the file ends in the middle of a part.
        sound: pieces of sound that could not be decoded.
    """

    frames: set[int] = field(default_factory=set)
    missing: float = 0.0
    cut: bool = False
    sound: int = 0

    def __bool__(self) -> bool:
        """Whether anything is broken."""
        return bool(self.frames or self.cut or self.sound or self.missing > _LEAST)

    def words(self, fps: float | None = None) -> str:
        """One line: ``3 frames damaged (0.12 s from 1.80 s)``; empty for a sound file.

        Args:
            fps: gives the seconds beside the frames.
        """
        parts = []
        if self.frames:
            count, at = len(self.frames), min(self.frames)
            where = f" ({count / fps:.2f} s, the first at {at / fps:.2f} s)" if fps else ""
            parts.append(f"{count} frame{'s' * (count > 1)} damaged{where}")
        if self.missing > _LEAST:
            parts.append(f"{self.missing:.2f} s are missing at the end")
        elif self.cut:
            parts.append("the file is cut off")
        if self.sound:
            parts.append(f"{self.sound} piece{'s' * (self.sound > 1)} of sound damaged")
        return "; ".join(parts)
