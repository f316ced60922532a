"""Text as both faces show it: the quotes of the gates found in it, and the words that an edit changed."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Literal

from tbd.hidden_characters import hidden_characters, visible
from tbd.manifest.prompt_levels import LEVELS
from tbd.schema import ERROR, INFO, WARNING, Flag

SIGNS = {ERROR: "✖", WARNING: "▲", INFO: "•"}
WORDS = {ERROR: "error", WARNING: "warning", INFO: "info"}
"""Severity -> how it is drawn and called."""


def part(where: str, levels: Sequence[str]) -> str:
    """The part of a card that a flag's ``where`` means.

    Gates name the four levels. In a row with two prompts ``scene`` is the coarse one and the others are the
    fine one; in a row with one prompt that one is meant by all.
    """
    if where not in LEVELS or where in levels or not levels:
        return where
    coarse_or_fine = "coarse" if where == "scene" else "fine"
    return coarse_or_fine if coarse_or_fine in levels else levels[0]


def concerning(flags: Iterable[Flag], place: str, levels: Sequence[str]) -> list[Flag]:
    """The flags that speak of one part of a card."""
    return [flag for flag in flags if part(flag.where, levels) == place]


def spans(text: str, quote: str) -> list[tuple[int, int]]:
    """Every place of a quote in a text, as (start, end): letter for letter, else whatever its case and white space."""
    if not quote or (not quote.strip() and not hidden_characters(quote)):
        return []
    exact = [match.span() for match in re.finditer(re.escape(quote), text)]
    loose = r"\s+".join(map(re.escape, quote.split()))
    return exact or ([match.span() for match in re.finditer(loose, text, re.IGNORECASE)] if loose else [])


def pieces(text: str, flags: Iterable[Flag]) -> Iterator[tuple[str, Flag | None]]:
    """A text cut where quotes begin and end, each piece ``visible``, with the severest flag that quotes it."""
    owners: list[Flag | None] = [None] * len(text)
    for flag in sorted(flags, key=lambda flag: flag.severity):
        for start, end in spans(text, flag.quote):
            owners[start:end] = [flag] * (end - start)
    at = 0
    for owner, run in groupby(owners, key=lambda flag: flag and id(flag)):
        length = len(list(run))
        yield visible(text[at : at + length]), owners[at] if owner else None
        at += length


Change = Literal["same", "gone", "new"]


def word_changes(before: str, after: str) -> list[tuple[Change, str]]:
    """An edit word by word, in reading order: runs of words that stayed, are gone, are new; none when all stayed."""
    old, new = before.split(), after.split()
    found: list[tuple[Change, list[str]]] = []
    for kind, start, end, first, last in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        found += [("same", old[start:end])] if kind == "equal" else [("gone", old[start:end]), ("new", new[first:last])]
    runs: list[tuple[Change, str]] = [(change, visible(" ".join(words))) for change, words in found if words]
    return [] if all(change == "same" for change, _ in runs) else runs
