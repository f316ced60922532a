"""What a drawn person does over time: the expression builds up and holds, eyes blink, the head sways a little."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tbd.demo.landmarks import Expression, Units
from tbd.demo.pen import Pose

ONSET = 0.4
"""Seconds until an expression has its full strength, usually."""
BLINK = 0.22
"""Seconds from open to open."""


@dataclass(frozen=True)
class Acting:
    """One take. The same numbers always give the same take.

    Attributes:
        units: action units at full strength.
        seed: phases of the head motion, moments of the blinks.
        onset: seconds until the expression has its full strength.
    """

    units: Units
    seed: int = 0
    onset: float = ONSET

    def expression(self, seconds: float, energy: float) -> Expression:
        """The face at a moment, with a voice of this loudness (0 to 1)."""
        share = self.strength(seconds)
        units = {unit: _times(strength, share) for unit, strength in self.units.items()}
        if blink := self.blink(seconds):
            units[45] = blink
        drift = 0.18 * math.sin(1.1 * seconds + self._phases()[4])
        return Expression(units, energy, (drift, 0.0))

    def strength(self, seconds: float) -> float:
        """Share of the full strength: 0.5 at the beginning, 1 from ``onset`` on, breathing by 5 %."""
        rise = min(1.0, seconds / self.onset)
        held = 1 - 0.05 * (0.5 - 0.5 * math.cos(2.2 * max(0.0, seconds - self.onset)))
        return (0.5 + 0.5 * rise * rise * (3 - 2 * rise)) * held

    def blink(self, seconds: float) -> float:
        """How far the eyes are closed, 0 to 1: every 2.2 to 3 seconds, first after about one."""
        phases = self._phases()
        period = 2.2 + 0.8 * phases[5] / (2 * math.pi)
        since = (seconds - 0.5 - phases[6] / (2 * math.pi)) % period
        reached = seconds >= 0.5 + phases[6] / (2 * math.pi)
        return math.sin(math.pi * since / BLINK) if reached and since < BLINK else 0.0

    def pose(self, seconds: float, energy: float = 0.0) -> Pose:
        """The head: slow sways, and a small nod with the voice."""
        a, b, c, d = (math.sin(speed * seconds + phase) for speed, phase in zip(SPEEDS, self._phases(), strict=False))
        return Pose(
            x=0.008 * a, y=0.004 * b + 0.004 * energy, roll=0.022 * c, yaw=0.10 * d, pitch=0.05 * b + 0.05 * energy,
            scale=1 + 0.008 * a,
        )  # fmt: skip

    def _phases(self) -> tuple[float, ...]:
        return tuple(np.random.default_rng([7, self.seed]).uniform(0, 2 * math.pi, 7).tolist())


SPEEDS = (1.3, 1.9, 1.1, 1.6)
"""Radians a second of the four sways."""


def _times(strength: float | tuple[float, float], share: float) -> float | tuple[float, float]:
    return (strength[0] * share, strength[1] * share) if isinstance(strength, tuple) else strength * share
