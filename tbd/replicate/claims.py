"""The paper's claims as questions to the rendered clips, each with its number, its interval and its answer.

Units are compared after each unit's mean over the clips has been taken away: that some units are always shown more than
others would otherwise pass for obedience.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tbd.demo.measures import Estimate
from tbd.replicate.intervals import FEWEST, over_people
from tbd.replicate.readings import ClipReading

Values = npt.NDArray[np.float64]
Verdict = str
HOLDS, FAILS, UNKNOWN = "holds", "does not hold", "cannot be told"
SHUFFLES = 200
UNITS = 0.6
"""The goal of asked against measured units."""


@dataclass(frozen=True)
class Claim:
    """One claim of the paper and what came out.

    Attributes:
        name: unique, for the JSON.
        question: as a referee asks it.
        verdict: ``holds``, ``does not hold`` or ``cannot be told``.
        words: the answer with its numbers.
        numbers: the same for machines.
    """

    name: str
    question: str
    verdict: Verdict
    words: str
    numbers: dict[str, Any]

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "name": self.name,
            "question": self.question,
            "verdict": self.verdict,
            "words": self.words,
            **self.numbers,
        }


def verdict(difference: Estimate) -> Verdict:
    """Of a difference that should be above zero, by its interval; a handful of people tells nothing."""
    if difference.people < FEWEST:
        return UNKNOWN
    if difference.low > 0:
        return HOLDS
    return FAILS if difference.high < 0 else UNKNOWN


def reaches(found: Estimate, goal: float, chance: float) -> Verdict:
    """Whether a number reaches a goal and lies clear of chance; it fails where the goal lies above its interval."""
    if found.people < FEWEST:
        return UNKNOWN
    if found.high < goal:
        return FAILS
    return HOLDS if found.value >= goal and found.low > chance else UNKNOWN


def over_clips(readings: Sequence[ClipReading], statistic: Callable[[Sequence[ClipReading]], float]) -> Estimate:
    """A statistic of clips with its interval: people are resampled, with all of their clips, each with all of its seeds."""
    return over_people(readings, lambda one: one.subject, statistic, clip=lambda one: one.clip_id)


def unit_correlation(asked: Values, measured: Values) -> float:
    """Correlation of strengths asked for and measured, ``(clips, units)`` each, pooled after each unit's own mean is gone."""
    a, m = asked - asked.mean(0), measured - measured.mean(0)
    scale = float(np.sqrt((a**2).sum() * (m**2).sum()))
    return float((a * m).sum() / scale) if scale else float("nan")


def steering(readings: Sequence[ClipReading]) -> float:
    """``unit_correlation`` of clips."""
    return unit_correlation(*_units(readings))


def steering_above_chance(readings: Sequence[ClipReading], seed: int = 0) -> float:
    """How much better asked and measured agree than with the prompts of other clips: their mean over shuffles taken away."""
    asked, measured = _units(readings)
    random = np.random.default_rng(seed)
    return unit_correlation(asked, measured) - float(
        np.mean([unit_correlation(random.permutation(asked), measured) for _ in range(10)])
    )


def prompts_steer(readings: Sequence[ClipReading]) -> Claim:
    """Do the faces show what the fine prompts ask for?"""
    found = over_clips(readings, steering)
    above = over_clips(readings, steering_above_chance)
    asked, measured = _units(readings)
    random = np.random.default_rng(0)
    shuffled = float(np.mean([unit_correlation(random.permutation(asked), measured) for _ in range(SHUFFLES)]))
    words = (
        f"Units asked for and units measured correlate {found.words()}; with the prompts of other "
        f"clips {shuffled:.2f}, a difference of {above.words()}. The goal was {UNITS}."
    )
    numbers = {"correlation": asdict(found), "shuffled": shuffled, "difference": asdict(above), "goal": UNITS}
    return Claim("steering", "Do prompts steer the face?", verdict(above), words, numbers)


def better_row(name: str, question: str, first: Mapping[str, ClipReading], second: Mapping[str, ClipReading]) -> Claim:
    """Whether the first row's clips show their true units better than the second's: paired over clips, by mean error.

    Args:
        first, second: seed and clip -> reading.
    """
    gains = [
        (first[key].subject, first[key].clip_id, _error(second[key]) - _error(first[key]))
        for key in sorted(first.keys() & second.keys())
    ]
    found = over_people(
        gains,
        lambda one: one[0],
        lambda chosen: float(np.mean([gain for _, _, gain in chosen])),
        clip=lambda one: one[1],
    )
    change = f"{-found.value:+.3f} ({-found.high:+.3f} to {-found.low:+.3f}; {found.counted()})"
    words = f"The mean error of a unit changes by {change}: less is better."
    return Claim(name, question, verdict(found), words, {"difference": asdict(found)})


def beyond_labels(rows: Mapping[str, Sequence[ClipReading]]) -> Claim:
    """Do prompts tell the face what their label does not? Takes of one label differ, and a label tells only what is usual.

    Args:
        rows: row of Table 2 -> its clips; ``label`` is among them, and ``cot``.
    """
    known = {row: [one for one in clips if np.isfinite(one.usual).all()] for row, clips in rows.items()}
    told = ", ".join(f"{row} {over_clips(clips, beyond_usual).words()}" for row, clips in known.items())
    gain = _gain(known["cot"], known["label"], beyond_usual)
    words = (
        "What the units asked for have beyond the mean of the training clips with that emotion and level, against the same of the "
        f"units measured: {told}. Fine prompts in one text are above labels by {gain.words()}."
    )
    numbers = {row: asdict(over_clips(clips, beyond_usual)) for row, clips in known.items()}
    question = "Do fine prompts tell what their labels do not?"
    return Claim("beyond-labels", question, verdict(gain), words, numbers | {"difference": asdict(gain)})


def beyond_usual(readings: Sequence[ClipReading]) -> float:
    """``unit_correlation`` of what is asked for and measured beyond what is usual for the label."""
    asked, measured = _units(readings)
    usual = np.stack([one.usual for one in readings])
    return unit_correlation(asked - usual, measured - usual)


def best_levels(runs: Mapping[int, Sequence[ClipReading]]) -> Claim:
    """Is k = 2 best (Fig. 9)? The same clips of k = 2 and of each other k, differences resampled in pairs.

    Their intervals share the 5 % of error among them (Bonferroni), for the best of several is chosen.

    Args:
        runs: k -> clips of it.
    """
    told = ", ".join(f"k = {k}: {over_clips(one, steering).words()}" for k, one in sorted(runs.items()))
    gains = {k: _gain(runs[2], one, steering, 0.025 / (len(runs) - 1)) for k, one in sorted(runs.items()) if k != 2}
    verdicts = {verdict(one) for one in gains.values()}
    answer = FAILS if FAILS in verdicts else HOLDS if verdicts == {HOLDS} else UNKNOWN
    above = ", ".join(f"{one.value:+.2f} ({one.low:+.2f} to {one.high:+.2f}) above k = {k}" for k, one in gains.items())
    words = f"Asked against measured units: {told}. On the same clips k = 2 lies {above}."
    numbers = {str(k): asdict(over_clips(one, steering)) for k, one in sorted(runs.items())}
    return Claim(
        "levels",
        "Is k = 2 best?",
        answer,
        words,
        numbers | {"above": {str(k): asdict(one) for k, one in gains.items()}},
    )


def _gain(
    first: Sequence[ClipReading],
    second: Sequence[ClipReading],
    statistic: Callable[[Sequence[ClipReading]], float],
    tail: float = 0.025,
) -> Estimate:
    """How much greater a statistic of the first run's clips is than of the second's, in pairs of one clip and seed."""
    pairs = list(zip(*(sorted(part, key=lambda one: one.clip_id) for part in (first, second)), strict=True))
    return over_people(
        pairs,
        lambda pair: pair[0].subject,
        lambda chosen: statistic([one for one, _ in chosen]) - statistic([other for _, other in chosen]),
        clip=lambda pair: pair[0].clip_id,
        tail=tail,
    )


def _units(readings: Sequence[ClipReading]) -> tuple[Values, Values]:
    return np.stack([one.asked for one in readings]), np.stack([one.measured for one in readings])


def _error(reading: ClipReading) -> float:
    return float(np.abs(reading.asked - reading.measured).mean())
