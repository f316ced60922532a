"""Classifier-free guidance with a scale of its own for picture, text and sound, also within an interval of noise alone."""

from __future__ import annotations

from dataclasses import dataclass

NAMES = ("picture", "text", "audio")


@dataclass(frozen=True)
class GuidanceScales:
    """How strongly each condition is followed; conditions join one after the other (Brooks et al. 2023).

    prediction = e(nothing) + picture * (e(picture) - e(nothing)) + text * (e(picture, text) - e(picture))
    + audio * (e(picture, text, audio) - e(picture, text)). With one number for all three this is the usual
    e(nothing) + scale * (e(everything) - e(nothing)).

    Attributes:
        picture, text, audio: 1 follows the condition as trained; 3.5 is usual.
        interval: guide only while the progress from noise (0) to picture (1) lies in [low, high)
            (Kynkäänniemi et al. 2024); outside, the network is asked once.
    """

    picture: float = 3.5
    text: float = 3.5
    audio: float = 3.5
    interval: tuple[float, float] = (0.0, 1.0)

    def branches(self, progress: float) -> dict[frozenset[str], float]:
        """Which conditions the network is asked with at a step, and what each answer counts; the counts add up to 1.

        Args:
            progress: 0 at pure noise, towards 1 at the clean picture.
        """
        low, high = self.interval
        scales = (self.picture, self.text, self.audio) if low <= progress < high else (1.0, 1.0, 1.0)
        steps = (1.0, *scales, 0.0)
        counts = {frozenset(NAMES[:joined]): steps[joined] - steps[joined + 1] for joined in range(4)}
        return {conditions: count for conditions, count in counts.items() if count}
