"""Text as both faces show it: hidden signs made visible, quotes of the gates found, and the words that an edit changed."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Literal

from tbd.review.card import LEVELS
from tbd.schema import ERROR, INFO, WARNING, Flag

SIGNS = {ERROR: "✖", WARNING: "▲", INFO: "•"}
WORDS = {ERROR: "error", WARNING: "warning", INFO: "info"}
"""Severity -> how it is drawn and called."""

_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ud800-\udfff\U000e0000-\U000e0fff]"
)


def visible(text: str) -> str:
    """A text with a sign in place of everything that cannot be seen, or would command a terminal.

    Control characters get their picture (``␛``); marks that turn the direction of reading, signs of no width, soft
    hyphens, variation selectors and halves of a surrogate pair get their number (``⟨202E⟩``). Tabs become spaces.
    """
    return _HIDDEN.sub(_sign, text).replace("\t", " ")


def one_line(text: str | None) -> str:
    """A ``visible`` text with its white space joined, for a place that has a single line."""
    return " ".join(visible(text or "").split())


def without_hidden(text: str) -> str:
    """A text in one line without its hidden signs, as an edit is kept."""
    return " ".join(_HIDDEN.sub("", text.replace("\n", " ").replace("\r", " ")).split())


def hidden_flags(prompts: Sequence[str], levels: Sequence[str]) -> list[Flag]:
    """A warning for every prompt in which something cannot be seen."""
    found = []
    for level, text in zip(levels, prompts, strict=False):
        if signs := list(dict.fromkeys(_HIDDEN.findall(text))):
            names = ", ".join(unicodedata.name(sign, f"U+{ord(sign):04X}").lower() for sign in signs[:3])
            found.append(
                Flag("hidden_signs", WARNING, f"{len(_HIDDEN.findall(text))} hidden: {names}", level, signs[0])
            )
    return found


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


def concerning(flags: Iterable[Flag], place: str, levels: Sequence[str]) -> list[Flag]:
    """The flags that speak of one part of a card."""
    return [flag for flag in flags if part(flag.where, levels) == place]


def spans(text: str, quote: str) -> list[tuple[int, int]]:
    """Every place of a quote in a text, as (start, end): letter for letter, else whatever its case and white space."""
    if not quote or (not quote.strip() and not _HIDDEN.search(quote)):
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
    """An edit word by word, in reading order: runs of words that stayed, that are gone, and that are new."""
    old, new = before.split(), after.split()
    found: list[tuple[Change, str]] = []
    for kind, start, end, first, last in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "equal":
            found.append(("same", " ".join(old[start:end])))
            continue
        found += [("gone", " ".join(old[start:end]))] if end > start else []
        found += [("new", " ".join(new[first:last]))] if last > first else []
    return [(change, visible(words)) for change, words in found]


def _sign(match: re.Match[str]) -> str:
    code = ord(match[0])
    return "␡" if code == 127 else chr(0x2400 + code) if code < 32 else f"⟨{code:04X}⟩"
