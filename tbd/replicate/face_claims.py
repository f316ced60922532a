"""The paper's claims about what a face shows: emotions and intensities of a portrait, a mouth that follows, people apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict

import numpy as np
import numpy.typing as npt

from tbd.evaluate.measures.drawn_truth import correlation
from tbd.evaluate.measures.separation import neighbour_shares, separation
from tbd.replicate.claims import HOLDS, UNKNOWN, Claim, reaches, verdict
from tbd.replicate.intervals import mean_over_people, over_people
from tbd.replicate.readings import ClipReading, emotion_strength

Values = npt.NDArray[np.float64]
PURE, MOUTH = 0.9, 0.5
"""The goals of neighbours that are the same person, and of loudness against opening."""
RISING = 5 / 7
"""Share of the emotions that have to rise from Mild to Intense."""


def intensities_graded(grids: Sequence[Mapping[tuple[str, int], ClipReading]]) -> Claim:
    """Is Intense stronger than Mild, for how many emotions? By chance 5 of 7 rise once in four times: the mean gain counts too.

    Args:
        grids: one a portrait: (emotion, level 1 to 3) -> reading.
    """
    shown = [_strengths(grid) for grid in grids]
    emotions = sorted({emotion for one in shown for emotion in one})
    means = {emotion: np.mean([one[emotion] for one in shown if emotion in one], axis=0) for emotion in emotions}
    gains = {emotion: float(levels[2] - levels[0]) for emotion, levels in means.items()}
    rising = [emotion for emotion, gain in gains.items() if gain > 0]
    ordered = [emotion for emotion, levels in means.items() if levels[0] < levels[1] < levels[2]]
    whole = mean_over_people(
        [(str(number), levels[2] - levels[0]) for number, one in enumerate(shown) for levels in one.values()]
    )
    told = ", ".join(f"{emotion} {gain:+.2f}" for emotion, gain in gains.items())
    words = (
        f"Intense shows its units more strongly than Mild for {len(rising)} of {len(gains)} emotions ({told}), by "
        f"{whole.value:.2f} on average ({whole.low:.2f} to {whole.high:.2f}; {whole.people} portraits). Moderate lies between "
        f"them for {len(ordered)}."
    )
    answer = verdict(whole)
    if answer == HOLDS and len(rising) < RISING * len(gains):
        answer = UNKNOWN
    numbers = {"gains": gains, "mean": asdict(whole), "moderate_between": ordered}
    return Claim("intensity", "Are Mild and Intense graded?", answer, words, numbers)


def happy_is_not_sad(grids: Sequence[Mapping[tuple[str, int], ClipReading]]) -> Claim:
    """Do happy faces show more of happiness than sad ones, and the other way round?"""
    gains = []
    for number, grid in enumerate(grids):
        for level in (1, 2, 3):
            happy, sad = grid.get(("happiness", level)), grid.get(("sadness", level))
            if happy and sad:
                mine = emotion_strength(happy, "happiness") - emotion_strength(sad, "happiness")
                theirs = emotion_strength(sad, "sadness") - emotion_strength(happy, "sadness")
                gains.append((str(number), mine + theirs))
    found = mean_over_people(gains)
    words = (
        f"Each shows its own units more than the other by {found.value:.2f} ({found.low:.2f} to {found.high:.2f}; "
        f"{found.clips} pairs of {found.people} portraits)."
    )
    numbers = {"difference": asdict(found)}
    return Claim("happy-sad", "Does happy differ from sad?", verdict(found), words, numbers)


def mouth_follows(readings: Sequence[ClipReading]) -> Claim:
    """Does the mouth open with the sound?"""
    values = [(one, followed) for one in readings if (followed := _mouth(one)) is not None]
    found = over_people(
        values,
        lambda one: one[0].subject,
        lambda chosen: float(np.mean([followed for _, followed in chosen])),
        clip=lambda one: one[0].clip_id,
    )
    words = f"Loudness and measured opening correlate {found.words()}. The goal was {MOUTH}."
    numbers = {"correlation": asdict(found), "goal": MOUTH}
    return Claim("mouth", "Does the mouth follow the sound?", reaches(found, MOUTH, 0), words, numbers)


def people_apart(readings: Sequence[ClipReading], drawn: Sequence[ClipReading] = ()) -> Claim:
    """Are people whom neither the model nor the reader has seen told apart (Fig. 11)?

    Args:
        readings: of the model's clips, each of them once.
        drawn: of the drawn clips themselves, which the same reader tells apart as well as it can.
    """
    features, subjects = np.stack([one.identity for one in readings]), [one.subject for one in readings]
    found, shares = separation(features, subjects), neighbour_shares(features, subjects)
    if found is None or shares is None:
        return Claim("identity", "Are people apart?", UNKNOWN, "Too few clips of one person.", {})
    ceiling = _purity(drawn)
    purity = mean_over_people(shares)
    words = (
        f"{purity.words()} of the clips' nearest neighbours (k = {found.k}) show the same person (chance {found.chance:.2f}"
        + (f"; the drawn clips themselves {ceiling:.2f}" if ceiling is not None else "")
        + f"). Nearly all clips of a person start from the same picture of theirs. The goal was {PURE}."
    )
    numbers = {"purity": found.purity, "interval": asdict(purity), "chance": found.chance, "k": found.k}
    numbers |= {"people": found.labels, "drawn": ceiling}
    return Claim("identity", "Are people apart?", reaches(purity, PURE, found.chance), words, numbers)


def _strengths(grid: Mapping[tuple[str, int], ClipReading]) -> dict[str, Values]:
    """Emotion -> ``(3,)`` measured strength of its own units at Mild, Moderate, Intense, where all are there."""
    return {
        emotion: np.array([emotion_strength(grid[emotion, level], emotion) for level in (1, 2, 3)])
        for emotion in sorted({emotion for emotion, level in grid if level == 3})
        if all((emotion, level) in grid for level in (1, 2, 3))
    }


def _purity(readings: Sequence[ClipReading]) -> float | None:
    if not readings:
        return None
    found = separation(np.stack([one.identity for one in readings]), [one.subject for one in readings])
    return None if found is None else found.purity


def _mouth(reading: ClipReading) -> float | None:
    """0 where the mouth stands still: a clip that does nothing is no clip less."""
    count = min(len(reading.opening), len(reading.energy))
    return correlation(reading.energy[:count], reading.opening[:count])
