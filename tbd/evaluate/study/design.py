"""Who rates what in which order, so that no system gains from its place.

Every rater sees every system on every clip once, in as many passes as there are systems: a clip comes once a pass,
and which system shows it then is a Latin square over raters, clips and passes. Within a pass the clips are shuffled
for each rater, and no clip comes twice in a row. Attention checks lie spread between.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

Item = tuple[int, int]
"""A clip and a system, by their places in the lists; an attention check is ``(number, -1)``."""

CHECK = -1


def latin_square(n: int) -> list[list[int]]:
    """``n`` orders of ``n`` things: each stands once in every place, and follows each other about equally often.

    For even ``n`` every thing is followed by every other exactly once (Williams 1949).
    """
    first = [0] + [(i + 1) // 2 if i % 2 else n - i // 2 for i in range(1, n)]
    return [[(one + shift) % n for one in first] for shift in range(n)]


def orders(clips: int, systems: int, raters: int, checks: int, seed: int = 0) -> list[list[Item]]:
    """For each rater the items in the order of their page.

    Args:
        clips, systems, raters: how many there are, each at least 1.
        checks: attention checks for each rater.
        seed: same numbers and seed, same orders.
    """
    square, generator = latin_square(systems), np.random.default_rng(seed)
    return [_with_checks(_passes(clips, square, rater, generator), checks, generator) for rater in range(raters)]


def _passes(clips: int, square: Sequence[Sequence[int]], rater: int, generator: np.random.Generator) -> list[Item]:
    items: list[Item] = []
    for number in range(len(square)):
        shuffled = [int(clip) for clip in generator.permutation(clips)]
        if items and len(shuffled) > 1 and shuffled[0] == items[-1][0]:
            shuffled = shuffled[1:] + shuffled[:1]
        items += [(clip, square[(clip + rater) % len(square)][number]) for clip in shuffled]
    return items


def _with_checks(items: list[Item], checks: int, generator: np.random.Generator) -> list[Item]:
    """One check in each of ``checks`` equal parts, never as the first item: nobody is tired then."""
    found, edges = list(items), np.linspace(0, len(items), checks + 1).astype(int)
    for number in reversed(range(checks)):
        low, high = max(1, edges[number]), max(1, edges[number + 1])
        found.insert(int(generator.integers(low, high + 1)), (number, CHECK))
    return found
