"""FACS codes in free text: every notation that people, models and detectors write.

    AU12  AU 12C  au-12  AU_12  AU01  AD19  AU12_r      prefix, number, intensity, OpenFace columns
    L12B  R14A  AUL12  U14  T23  B28  M59               one side, unilateral, top or bottom lip, movement
    6+12+25  AU6+12  AU1, 2 and 4                       series
    AU25/26  AU25-27  AU25 or 26                        alternatives: one of them is meant
    no AU6  without AU6  AU6 absence  AU6 is absent     negation

A bare number is never a code; ``12C`` is one, ``3D`` is not.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from tbd.schema import Side

LETTERS = "ABCDE"
"""FACS intensities from trace to maximum."""

LARGEST = 98
"""Codes without a prefix are believed up to this number."""


@dataclass(frozen=True, slots=True)
class Mention:
    """One code found in a text.

    Attributes:
        au: the number, known to FACS or not.
        side: the person's own left or right; None means both, or not said.
        intensity: ``A`` to ``E``, or None.
        negated: the text says that it is absent.
        mark: ``U`` (one side, not said which), ``T``, ``B`` (top, bottom lip), ``M`` (a movement that
            goes with another code), else empty.
        alternatives: the other numbers, when the text leaves open which one is meant.
        start, end: where it stands: ``text[start:end]``.
    """

    au: int
    side: Side | None = None
    intensity: str | None = None
    negated: bool = False
    mark: str = ""
    alternatives: tuple[int, ...] = ()
    start: int = 0
    end: int = 0


_TAIL = r"(?:(?P<letter>[A-E])(?![A-Za-z0-9])|_[rc]\b)?(?![A-Za-z])"
_PREFIX = r"(?i:\b(?:AUs?|ADs?|action\s+units?))[\s_\-:#]{0,2}"
_CODE = r"(?P<code>(?P<mark>[LRUTBM]?)(?P<number>\d{1,3}))(?!\d)"
_PREFIXED = re.compile(rf"(?P<whole>{_PREFIX}{_CODE}(?:(?P<letter>[A-Ea-e])(?![A-Za-z0-9])|_[rc]\b)?)(?![A-Za-z])")
_MARKED = re.compile(r"(?<![A-Za-z0-9.#])(?P<whole>(?P<mark>[LRUTBM])(?P<number>\d{1,2})(?![\d.])" + _TAIL + ")")
_BARE = re.compile(
    r"(?<![A-Za-z0-9.,#])(?P<whole>(?P<mark>)(?P<number>\d{1,2})(?=[A-E](?![A-Za-z0-9])|[ ]?\+[ ]?[LRUTBM]?\d)"
    + _TAIL
    + ")"
)
_NEXT = re.compile(
    r"(?P<link>[ \t]*[/+&,][ \t]*(?:(?i:and|or|nor)[ \t]+)?|[-–]|[ \t]+(?i:and|or|nor)[ \t]+)"
    rf"(?P<whole>(?i:(?:AUs?|ADs?)[ _\-]?)?{_CODE}{_TAIL})(?!%|\.\d)"
)
_COUNTED = re.compile(
    r"(?i)\s*(?:%|x\b|fps|hz|ms\b|s\b|sec|min|px|pixel|frame|year|percent|degree|time|clip|token|word|muscle|people|"
    r"person|of\b|more|other|step|level|unit|action)"
)
_BEFORE = re.compile(
    r"(?i)\b(?:no|not|without|non|neither|nor|lack(?:s|ing)?|absence|absent|excluding|except|minus)"
    r"(?:[\s\-:]+(?:any|visible|clear|the|an?|signs?|evidence|trace|activation|activity|use|of|with|in))*[\s\-:]*[(\[]?$"
)
_AFTER = re.compile(
    r"(?i)(?:\s*\([^()\n]{0,60}\))?[\s:=\-–(\[]*(?:(?P<verb>is|are|was|were|remains?)\s+(?:both\s+|all\s+|also\s+)?)?"
    r"(?:(?:is|are)n['’]t\b(?:\s+(?:present|active|activated|visible|seen|shown|used))?|absen(?:t|ce)|missing|inactive|lacking|not\s+(?:present|active|activated|visible|seen|shown|observed|coded|used))\b"
)
_NEGATION_REACH = 60
"""Characters before a code in which a negation may stand."""

_Series = list[tuple[re.Match[str], str]]
"""Codes that belong together, each with the link before it: ``+``, ``and``, ``/`` …"""


def parse_action_units(text: str) -> list[Mention]:
    """All FACS codes in a text, in order of appearance.

    Args:
        text: anything; a text without codes gives an empty list, and nothing raises.

    Returns:
        One mention a code. ``AU25/26`` gives two that name each other as alternatives; a negated
        code is in the list too, so look at ``negated`` before you count it.
    """
    found: list[Mention] = []
    while series := _next_series(text, found[-1].end if found else 0):
        choices, negated = _choices(series), _negated(text, series)
        for index, (match, _) in enumerate(series):
            mention = _mention(match)
            others = tuple(number for number in choices[index] if number != mention.au)
            found.append(replace(mention, negated=index in negated, alternatives=others))
    return found


def _next_series(text: str, at: int) -> _Series | None:
    heads = [match for head in (_PREFIXED, _MARKED, _BARE) if (match := _search(head, text, at))]
    if not heads:
        return None
    series: _Series = [(min(heads, key=lambda match: match.start()), "")]
    while (match := _NEXT.match(text, series[-1][0].end())) and not _counts_things(text, match):
        series.append((match, match["link"].strip(" \t,").lower() or ","))
    return series


def _search(head: re.Pattern[str], text: str, at: int) -> re.Match[str] | None:
    for match in head.finditer(text, at):
        if head is _PREFIXED or (int(match["number"]) <= LARGEST and not _is_dimension(text, match)):
            return match
    return None


def _is_dimension(text: str, match: re.Match[str]) -> bool:
    """``3D`` alone is a dimension; in ``4D+7D`` it is a code."""
    return match["whole"] in ("1D", "2D", "3D", "4D") and not text[match.end() :].lstrip().startswith("+")


def _counts_things(text: str, match: re.Match[str]) -> bool:
    """In ``AU12, 25 frames`` the second number counts something."""
    return match["whole"].isdigit() and _COUNTED.match(text, match.end()) is not None


def _mention(match: re.Match[str]) -> Mention:
    mark, letter = match["mark"], match["letter"]
    side: Side | None = "left" if mark == "L" else "right" if mark == "R" else None
    return Mention(
        au=int(match["number"]),
        side=side,
        intensity=letter.upper() if letter else None,
        mark="" if side else mark,
        start=match.start("whole"),
        end=match.end("whole"),
    )


def _choices(series: _Series) -> list[list[int]]:
    """For each code, all numbers among which the text leaves the choice, its own included."""
    choices: list[list[int]] = []
    for match, link in series:
        number = int(match["number"])
        if link in ("/", "-", "–", "or"):
            group = choices[-1]
            step_in = range(group[-1] + 1, number) if link in "-–" and number - group[-1] < 10 else ()
            group += [*step_in, number]
        else:
            group = [number]
        choices.append(group)
    return choices


def _negated(text: str, series: _Series) -> set[int]:
    """Indices of the codes that are said to be absent."""
    everything = set(range(len(series)))
    start, end = series[0][0].start("whole"), series[-1][0].end()
    negated: set[int] = set()
    if _BEFORE.search(text[max(0, start - _NEGATION_REACH) : start]):
        negated |= everything if any(link != "," for _, link in series[1:]) else {0}
    if after := _AFTER.match(text, end):
        negated |= everything if (after["verb"] or "").lower() in ("are", "were") else {len(series) - 1}
    return negated
