"""Text as the page shows it: escaped, with the words that bit marked by their severity."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup, escape

from tbd.review.quotes import spans
from tbd.schema import ERROR, INFO, WARNING, Flag

WORDS = {ERROR: "error", WARNING: "warning", INFO: "info"}
SIGNS = {ERROR: "✖", WARNING: "▲", INFO: "•"}


def marked(text: str, flags: Sequence[tuple[int, Flag]]) -> Markup:
    """A part of the card as HTML. Where the quotes of two flags meet, the severest marks.

    Args:
        text: as it is written; nothing in it is taken as markup.
        flags: number of the finding on the page, and the finding.
    """
    owner: list[int | None] = [None] * len(text)
    known = dict(flags)
    for number, flag in sorted(flags, key=lambda pair: pair[1].severity):
        for start, end in spans(text, flag.quote):
            owner[start:end] = [number] * (end - start)
    pieces, start = list[Markup](), 0
    for at in range(1, len(text) + 1):
        if at == len(text) or owner[at] != owner[start]:
            pieces.append(_piece(text[start:at], owner[start], known))
            start = at
    return Markup("").join(pieces)


def _piece(text: str, number: int | None, known: dict[int, Flag]) -> Markup:
    if number is None:
        return escape(text)
    flag = known[number]
    return Markup('<mark class="{}" title="{}" aria-describedby="finding-{}">{}</mark>').format(
        WORDS[flag.severity], flag.message, number, text
    )
