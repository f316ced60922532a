"""Whether conditions are heard: the loss with the text, the sound or the picture of another clip, beside one's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tbd.train.clips import TrainingClip

CONDITIONS = {"text": "text", "sound": "audio", "picture": "reference"}
"""Condition -> field of a batch."""


@dataclass(frozen=True)
class Heard:
    """What another clip's condition does to the loss.

    Attributes:
        change: of the mean loss, as a share of it; above 0: the condition is heard.
        t: paired t over the clips: 3 and more is hardly chance; None where one clip or no spread tells nothing.
        clips: how many could be given another's condition.
    """

    change: float
    t: float | None
    clips: int

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def other_clip(clips: Sequence[TrainingClip], index: int, condition: str) -> int | None:
    """The next clip whose text, sound or person differs from that of ``index``; None where none does.

    What another manifest has of the same footage is neither another's sound nor another's picture.
    """
    mine = clips[index]
    for step in range(1, len(clips)):
        other = clips[(index + step) % len(clips)]
        elsewhere = other.footage != mine.footage
        differs = {
            "text": other.prompts != mine.prompts,
            "sound": elsewhere,
            "picture": elsewhere and other.person != mine.person,
        }
        if differs[condition]:
            return (index + step) % len(clips)
    return None


def heard(own: npt.NDArray[np.float64], others: npt.NDArray[np.float64]) -> Heard | None:
    """Compare losses.

    Args:
        own, others: ``(clips, timesteps)`` with a clip's own condition and with another's; NaN where there is none.
    """
    there = np.isfinite(others).all(1)
    if not there.any():
        return None
    before, after = own[there].mean(1), others[there].mean(1)
    difference = after - before
    error = float(difference.std(ddof=1) / np.sqrt(len(difference))) if len(difference) > 1 else 0.0
    t = float(difference.mean()) / error if error else None
    return Heard(float(after.mean() / before.mean() - 1), t, len(difference))


def words_of(found: dict[str, Heard], *, sure: bool = False) -> str:
    """``text +2.1 %, sound +0.3 %, picture +56 %``

    Args:
        sure: with the paired t: ``text +2.1 % (t 4.0)``.
    """

    def one_word(name: str, one: Heard) -> str:
        t = f" (t {one.t:.1f})" if sure and one.t is not None else ""
        return f"{name} {100 * one.change:+.1f} %{t}"

    return ", ".join(one_word(name, one) for name, one in found.items())
