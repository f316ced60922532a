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
from tbd.evaluate.measures.drawn_truth import correlation
from tbd.evaluate.measures.separation import separation
from tbd.evaluate.measures.significance import paired_bootstrap
from tbd.replicate.readings import ClipReading, emotion_strength

Values = npt.NDArray[np.float64]
Verdict = str
HOLDS, FAILS, UNKNOWN = "holds", "does not hold", "cannot be told"
RESAMPLES = 2000
SHUFFLES = 200
PURE = 0.9
MOUTH, UNITS = 0.5, 0.6
"""What the goals for mouth and units are."""
FEWEST = 6
"""Clips, or pairs, below which an interval is an accident."""
RISING = 5 / 7
"""Share of the emotions that have to rise from Mild to Intense."""


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
    """Of a difference that should be above zero, by its interval; a handful of clips tells nothing."""
    if difference.clips < FEWEST:
        return UNKNOWN
    if difference.low > 0:
        return HOLDS
    return FAILS if difference.high < 0 else UNKNOWN


def over_clips(
    readings: Sequence[ClipReading], statistic: Callable[[Sequence[ClipReading]], float], seed: int = 0
) -> Estimate:
    """A statistic of a set of clips with its percentile interval: clips are resampled, each with all of its seeds."""
    clips: dict[str, list[ClipReading]] = {}
    for one in readings:
        clips.setdefault(one.clip_id, []).append(one)
    groups, random = list(clips.values()), np.random.default_rng(seed)
    drawn = [
        statistic([one for place in random.integers(0, len(groups), len(groups)) for one in groups[place]])
        for _ in range(RESAMPLES)
    ]
    finite = [one for one in drawn if np.isfinite(one)]
    low, high = np.quantile(finite, (0.025, 0.975)) if finite and len(groups) > 1 else (np.nan, np.nan)
    return Estimate(float(statistic(readings)), float(low), float(high), len(groups))


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
    gains: dict[str, list[float]] = {}
    for key in sorted(first.keys() & second.keys()):
        gains.setdefault(first[key].clip_id, []).append(_error(second[key]) - _error(first[key]))
    found = _mean([float(np.mean(values)) for values in gains.values()])
    change = f"{-found.value:+.3f} ({-found.high:+.3f} to {-found.low:+.3f}; {found.clips} clips)"
    words = f"The mean error of a unit changes by {change}: less is better."
    return Claim(name, question, verdict(found), words, {"difference": asdict(found)})


def intensities_graded(grids: Sequence[Mapping[tuple[str, int], ClipReading]]) -> Claim:
    """Is Intense stronger than Mild, for how many emotions? By chance 5 of 7 rise once in four times: the mean gain counts too.

    Args:
        grids: one a portrait: (emotion, level 1 to 3) -> reading.
    """
    gains: dict[str, list[float]] = {}
    for grid in grids:
        for emotion in sorted({emotion for emotion, level in grid if level == 3 and (emotion, 1) in grid}):
            mild, intense = (emotion_strength(grid[emotion, level], emotion) for level in (1, 3))
            gains.setdefault(emotion, []).append(intense - mild)
    means = {emotion: float(np.mean(values)) for emotion, values in sorted(gains.items())}
    rising = [emotion for emotion, gain in means.items() if gain > 0]
    whole = _mean([gain for values in gains.values() for gain in values])
    told = ", ".join(f"{emotion} {gain:+.2f}" for emotion, gain in means.items())
    words = (
        f"Intense shows its units more strongly than Mild for {len(rising)} of {len(means)} emotions ({told}), "
        f"by {whole.value:.2f} on average ({whole.low:.2f} to {whole.high:.2f})."
    )
    answer = verdict(whole)
    if answer == HOLDS and len(rising) < RISING * len(means):
        answer = UNKNOWN
    return Claim("intensity", "Are Mild and Intense graded?", answer, words, {"gains": means, "mean": asdict(whole)})


def happy_is_not_sad(grids: Sequence[Mapping[tuple[str, int], ClipReading]]) -> Claim:
    """Do happy faces show more of happiness than sad ones, and the other way round?"""
    gains = []
    for grid in grids:
        for level in (1, 2, 3):
            happy, sad = grid.get(("happiness", level)), grid.get(("sadness", level))
            if happy and sad:
                mine = emotion_strength(happy, "happiness") - emotion_strength(sad, "happiness")
                gains.append(mine + emotion_strength(sad, "sadness") - emotion_strength(happy, "sadness"))
    found = _mean(gains)
    words = f"Each shows its own units more than the other by {found.value:.2f} ({found.low:.2f} to {found.high:.2f}; {len(gains)} pairs)."
    numbers = {"difference": asdict(found)}
    return Claim("happy-sad", "Does happy differ from sad?", verdict(found), words, numbers)


def mouth_follows(readings: Sequence[ClipReading]) -> Claim:
    """Does the mouth open with the sound?"""
    values: dict[str, list[float]] = {}
    for one in readings:
        if (followed := _mouth(one)) is not None:
            values.setdefault(one.clip_id, []).append(followed)
    found = _mean([float(np.mean(seeds)) for seeds in values.values()])
    words = f"Loudness and measured opening correlate {found.words()}. The goal was {MOUTH}."
    answer, enough = UNKNOWN, found.clips >= FEWEST
    if enough and found.high < MOUTH:
        answer = FAILS
    elif enough and found.low > 0 and found.value >= MOUTH:
        answer = HOLDS
    numbers = {"correlation": asdict(found), "goal": MOUTH}
    return Claim("mouth", "Does the mouth follow the sound?", answer, words, numbers)


def people_apart(readings: Sequence[ClipReading]) -> Claim:
    """Are people whom neither the model nor the reader has seen told apart (Fig. 11)?"""
    found = separation(np.stack([one.identity for one in readings]), [one.subject for one in readings])
    if found is None:
        return Claim("identity", "Are people apart?", UNKNOWN, "Too few clips of one person.", {})
    words = (
        f"{found.purity:.2f} of a clip's {found.k} nearest neighbours show the same person "
        f"(chance {found.chance:.2f}; {found.labels} people, {found.points} clips). The goal was {PURE}."
    )
    numbers = {"purity": found.purity, "chance": found.chance, "k": found.k, "people": found.labels}
    return Claim("identity", "Are people apart?", HOLDS if found.purity >= PURE else FAILS, words, numbers)


def best_levels(correlations: Mapping[int, Estimate]) -> Claim:
    """Is k = 2 best (Fig. 9)? Told only where the intervals of 2 and of the best other do not overlap."""
    own, others = correlations[2], {k: one for k, one in correlations.items() if k != 2}
    rival = max(others, key=lambda k: others[k].value)
    told = ", ".join(f"k = {k}: {one.words()}" for k, one in sorted(correlations.items()))
    answer, enough = UNKNOWN, own.clips >= FEWEST
    if enough and own.low > others[rival].high:
        answer = HOLDS
    elif enough and own.high < others[rival].low:
        answer = FAILS
    numbers = {str(k): asdict(one) for k, one in sorted(correlations.items())}
    return Claim("levels", "Is k = 2 best?", answer, f"Asked against measured units: {told}.", numbers)


def _units(readings: Sequence[ClipReading]) -> tuple[Values, Values]:
    return np.stack([one.asked for one in readings]), np.stack([one.measured for one in readings])


def _error(reading: ClipReading) -> float:
    return float(np.abs(reading.asked - reading.measured).mean())


def _mouth(reading: ClipReading) -> float | None:
    """0 where the mouth stands still: a clip that does nothing is no clip less."""
    count = min(len(reading.opening), len(reading.energy))
    return correlation(reading.energy[:count], reading.opening[:count])


def _mean(values: Sequence[float]) -> Estimate:
    low, high = paired_bootstrap(values) or (float("nan"), float("nan"))
    return Estimate(float(np.mean(values)) if len(values) else float("nan"), low, high, len(values))
