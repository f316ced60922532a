"""Intervals of what rendered clips show: people are resampled, for the clips of one person are alike."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar

import numpy as np

from tbd.demo.measures import Estimate

T = TypeVar("T")
RESAMPLES = 2000
FEWEST = 6
"""People below which an interval is an accident: six that agree by chance do so once in 64 times, five once in 32."""


def over_people(
    items: Sequence[T],
    person: Callable[[T], str],
    statistic: Callable[[Sequence[T]], float],
    *,
    clip: Callable[[T], Hashable] = id,
    seed: int = 0,
    tail: float = 0.025,
) -> Estimate:
    """A statistic with the percentile interval of a cluster bootstrap (Davison and Hinkley 1997, section 3.8).

    Args:
        items: what the statistic is of, such as clips, each of them once a training seed.
        person: whose an item is.
        statistic: of any number of items; resamples of which it is no number are left out.
        clip: names an item's clip: those that are counted. By default every item is one.
        seed: of the resampling.
        tail: share outside of the interval at each end.

    Returns:
        Its interval is nan for fewer than two people.
    """
    people: dict[str, list[T]] = {}
    for one in items:
        people.setdefault(person(one), []).append(one)
    groups, random, clips = list(people.values()), np.random.default_rng(seed), len({clip(one) for one in items})
    if not groups:
        return Estimate(float("nan"), float("nan"), float("nan"), 0, 0)
    drawn = [
        statistic([one for place in random.integers(0, len(groups), len(groups)) for one in groups[place]])
        for _ in range(RESAMPLES if len(groups) > 1 else 0)
    ]
    finite = [one for one in drawn if np.isfinite(one)]
    low, high = np.quantile(finite, (tail, 1 - tail)) if finite else (np.nan, np.nan)
    return Estimate(float(statistic(items)), float(low), float(high), clips, len(groups))


def mean_over_people(values: Sequence[tuple[str, float]]) -> Estimate:
    """The mean of a number a clip, each with the person whose it is."""
    return over_people(values, lambda one: one[0], lambda chosen: float(np.mean([value for _, value in chosen])))
