"""How far reviewers agree: percent, Krippendorff's alpha and Gwet's AC1, each with a bootstrap interval.

Three figures, because one misleads: where nearly every card is accepted, alpha is near zero although
nearly all judgements are equal; AC1 stays meaningful there (Gwet 2008).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tbd.manifest import reviews
from tbd.manifest.decision_log import DecisionLog, opened_log

CATEGORIES = ("accept", "edit", "reject")
Counts = npt.NDArray[np.int64]
"""``(items, categories)``: how many reviewers put the item into the category."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A coefficient and its 95 % interval; None where it is not defined.

    Attributes:
        value: 1 is perfect agreement; 0 (alpha, AC1) is what chance would give.
        low, high: percentiles 2.5 and 97.5 of the same figure over resampled items.
    """

    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Agreement:
    """Agreement over the texts that several reviewers judged, each for himself.

    Attributes:
        items: texts with two judgements or more; the clips of one card count once.
        reviewers: who judged them, sorted.
        percent: mean share of agreeing pairs of judgements, 0 to 1.
        alpha: Krippendorff's, nominal.
        ac1: Gwet's AC1 over ``accept``, ``edit``, ``reject``.
        disagreements: clips that wait in the queue of that name.
    """

    items: int
    reviewers: tuple[str, ...]
    percent: Figure
    alpha: Figure
    ac1: Figure
    disagreements: int


def percent(counts: Counts) -> float | None:
    """Mean over the items of the share of agreeing pairs; None when no item has two judgements."""
    judged = counts.sum(axis=1)
    pairs = judged * (judged - 1)
    if not (pairs > 0).any():
        return None
    agreeing = (counts * (counts - 1)).sum(axis=1)
    return float((agreeing[pairs > 0] / pairs[pairs > 0]).mean())


def alpha(counts: Counts) -> float | None:
    """Krippendorff's alpha for nominal data (Krippendorff 2011); None without pairs or without variation."""
    import krippendorff

    paired = counts[counts.sum(axis=1) > 1]
    if (paired.sum(axis=0) > 0).sum() < 2:
        return None
    return float(krippendorff.alpha(value_counts=paired, level_of_measurement="nominal"))


def ac1(counts: Counts) -> float | None:
    """Gwet's AC1 (Gwet 2008): chance is ``sum p (1 - p) / (categories - 1)``.

    An item with one judgement tells how common a category is, and nothing of agreement.
    """
    observed, judged = percent(counts), counts.sum(axis=1, keepdims=True)
    if observed is None:
        return None
    common = (counts / np.maximum(judged, 1))[judged[:, 0] > 0].mean(axis=0)
    chance = float((common * (1 - common)).sum() / (counts.shape[1] - 1))
    return (observed - chance) / (1 - chance)


def interval(
    figure: Callable[[Counts], float | None], counts: Counts, *, seed: int = 0, resamples: int = 1000
) -> Figure:
    """A figure with its 95 % percentile bootstrap interval over items; the same seed gives the same interval."""
    value = figure(counts)
    if value is None or not resamples:
        return Figure(value)
    random = np.random.default_rng(seed)
    drawn = (figure(counts[random.integers(0, len(counts), len(counts))]) for _ in range(resamples))
    known = [one for one in drawn if one is not None]
    low, high = np.quantile(known, [0.025, 0.975]).tolist()
    return Figure(value, low, high)


def agreement(folder: str | Path, *, seed: int = 0, resamples: int = 1000) -> Agreement:
    """``agreement_in`` the reviews of a manifest folder, or of its Parquet file.

    Raises:
        InputError: no manifest, or a damaged store.
    """
    with opened_log(folder) as log:
        return agreement_in(log, seed=seed, resamples=resamples)


def agreement_in(log: DecisionLog, *, seed: int = 0, resamples: int = 1000) -> Agreement:
    """Agreement between the reviewers of a manifest about its present texts.

    Counted are the latest standing judgements of the model's own text. Decisions that settle a
    disagreement, and judgements of a text that another reviewer had edited, are not independent and
    do not count.

    Args:
        resamples: of the intervals; 0 leaves them out.
    """
    items = [item for item in _judgements(log) if len(item) > 1]
    counts = tally(item.values() for item in items)
    names = sorted({reviewer for item in items for reviewer in item})
    share, nominal, gwet = (
        interval(figure, counts, seed=seed, resamples=resamples) for figure in (percent, alpha, ac1)
    )
    return Agreement(len(items), tuple(names), share, nominal, gwet, len(log.conflicts()))


def tally(items: Iterable[Iterable[str]], categories: Sequence[str] = CATEGORIES) -> Counts:
    """Judgements of each item as counts by category."""
    rows = [[list(item).count(category) for category in categories] for item in map(list, items)]
    return np.array(rows, np.int64).reshape(len(rows), len(categories))


def _judgements(log: DecisionLog) -> list[Mapping[str, str]]:
    """Reviewer -> action for every text, once for the clips of a chain that were judged alike."""
    found: dict[object, Mapping[str, str]] = {}
    for clip_id, number in log.judged().items():
        origin = reviews.text_hash(log.rows.prompts(number))
        own = {
            event.reviewer: str(event.action)
            for event in log.standing(clip_id)
            if event.before_hash == origin and event.queue != "disagreements" and not event.bulk
        }
        found[log.rows.chain(number), origin, tuple(sorted(own.items()))] = own
    return list(found.values())
