"""Where a flag bites: which part of a card it speaks of, and where its quote stands in that part."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tbd.review.card import LEVELS


def part(where: str, levels: Sequence[str]) -> str:
    """The part of a card that a flag's ``where`` means.

    Gates name the four levels. In a row with two prompts ``scene`` is the coarse one and the others are the
    fine one; in a row with one prompt that one is meant by all.

    Args:
        where: ``Flag.where``.
        levels: ``Card.levels``.
    """
    if where not in LEVELS or where in levels or not levels:
        return where
    coarse_or_fine = "coarse" if where == "scene" else "fine"
    return coarse_or_fine if coarse_or_fine in levels else levels[0]


def spans(text: str, quote: str) -> list[tuple[int, int]]:
    """Every place of a quote in a text, as (start, end): letter for letter, else whatever its case and white space."""
    if not quote.strip():
        return []
    exact = [match.span() for match in re.finditer(re.escape(quote), text)]
    loose = r"\s+".join(map(re.escape, quote.split()))
    return exact or [match.span() for match in re.finditer(loose, text, re.IGNORECASE)]
