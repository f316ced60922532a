"""Text as a card shows it: exactly as it is written, with marks where the gates bite."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from textual.content import Content

from tbd.schema import ERROR, INFO, WARNING, Flag

SIGNS = {ERROR: "✖", WARNING: "▲", INFO: "•"}
WORDS = {ERROR: "error", WARNING: "warning", INFO: "info"}
COLOURS = {ERROR: "bold $text-error", WARNING: "bold $text-warning", INFO: "$text-secondary"}
MARKS = {ERROR: "bold reverse $text-error", WARNING: "bold underline $text-warning", INFO: "italic $text-secondary"}
"""How the words that bit are drawn; without colour they are inverted, underlined or slanted."""

_UNSEEN = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def plain(text: str) -> str:
    """``text`` with a visible sign for everything that would command the terminal instead of being seen.

    Control characters, marks that turn the direction of reading, and halves of a surrogate pair are replaced one
    for one; a tab becomes a space and line ends stay.
    """
    return _UNSEEN.sub(_sign, text)


def one_line(text: str) -> str:
    """``plain`` text with its white space joined, for a place that has a single line."""
    return " ".join(plain(text).split())


def marked(text: str, flags: Iterable[Flag]) -> Content:
    """A part of the card with the quote of each flag drawn by its severity; the severest wins where two meet."""
    shown = plain(text)
    content = Content(shown)
    for flag in sorted(flags, key=lambda flag: flag.severity):
        for start, end in places(shown, plain(flag.quote)):
            content = content.stylize(MARKS[flag.severity], start, end)
    return content


def places(text: str, quote: str) -> list[tuple[int, int]]:
    """Where a quote stands in a text, as (start, end): letter for letter, else whatever its case and white space."""
    if not quote.strip():
        return []
    loose = r"\s+".join(map(re.escape, quote.split()))
    exact = [match.span() for match in re.finditer(re.escape(quote), text)]
    return exact or [match.span() for match in re.finditer(loose, text, re.IGNORECASE)]


def worst_sign(flags: Iterable[Flag]) -> tuple[str, str]:
    """The sign of the severest flag, for the end of a title, and its colour; nothing when there is no flag."""
    worst = max((flag.severity for flag in flags), default=0)
    return (f" {SIGNS[worst]}", COLOURS[worst]) if worst else ("", "")


def concerning(flags: Iterable[Flag], part: str, parts: tuple[str, ...]) -> Iterator[Flag]:
    """The flags that speak of one of the ``parts`` on a card.

    Gates name the four levels; in a row with two prompts ``scene`` is the coarse one and the others are the fine
    one, and in a row with one prompt that is meant by all.
    """
    for flag in flags:
        where = flag.where
        if where in ("scene", "expression", "muscles", "dynamics") and where not in parts:
            where = "coarse" if where == "scene" else "fine"
            where = where if where in parts else parts[0]
        if where == part:
            yield flag


def _sign(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code == 9:
        return " "
    return "␡" if code == 127 else chr(0x2400 + code) if code < 32 else "\N{REPLACEMENT CHARACTER}"
