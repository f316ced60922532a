"""Movements of the face in plain words: "the lip corners sink" is AU15, whoever says so.

A movement is a part of the face and what it does (``words.toml``, sections parts, moves, movements).
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from tbd.annotate.facs.knowledge_base import Knowledge, knowledge

REACH = 40
"""Characters between a part and its move."""

_CLAUSES = re.compile(r"[.;:,]|\b(?:while|whereas|as|but|then)\b")
_DENIED = re.compile(r"(?i)\b(?:no|not|without|never|nor|neither|hardly|n['’]t)\W+(?:\w+\W+){0,3}$")


@dataclass(frozen=True, slots=True)
class Movement:
    """What a clause says a part of the face does. ``units`` are the codes it may mean; ``start``, ``end`` where it stands."""

    units: frozenset[int]
    start: int
    end: int


def movements_in(text: str) -> list[Movement]:
    """The movements that a text affirms, in order; parts without a known move are passed over."""
    found = []
    for start, end in _spans(text):
        found += [move for move in _in_clause(text, start, end) if not _DENIED.search(text[start : move.start])]
    return found


def any_of(patterns: Iterable[str]) -> re.Pattern[str]:
    """Any of these patterns as whole words, the longest first, letter case aside."""
    return re.compile(rf"(?i)\b(?:{'|'.join(sorted(patterns, key=lambda one: (-len(one), one)))})(?![\w])")


def _spans(text: str) -> Iterator[tuple[int, int]]:
    at = 0
    for match in _CLAUSES.finditer(text):
        yield at, match.start()
        at = match.end()
    yield at, len(text)


def _in_clause(text: str, start: int, end: int) -> Iterator[Movement]:
    """Each part takes the nearest of the moves that it can make."""
    known = knowledge()
    parts = _matches(_parts(known), text, start, end)
    moves = [
        move
        for move in _matches(_moves(known), text, start, end)
        if not any(p.start() <= move.start() < p.end() for p in parts)
    ]
    for part in parts:
        table = known.words.movements.get(part.lastgroup or "", {})
        able = [move for move in moves if move.lastgroup in table and _gap(part, move) <= REACH]
        if able:
            move = min(able, key=lambda one: _gap(part, one))
            span = min(part.start(), move.start()), max(part.end(), move.end())
            yield Movement(frozenset(table[move.lastgroup or ""]), *span)


def _matches(pattern: re.Pattern[str], text: str, start: int, end: int) -> list[re.Match[str]]:
    return list(pattern.finditer(text, start, end))


def _gap(one: re.Match[str], other: re.Match[str]) -> int:
    return max(other.start() - one.end(), one.start() - other.end())


@functools.lru_cache(maxsize=4)
def _parts(known: Knowledge) -> re.Pattern[str]:
    """Named groups, the more special parts first: ``lower lip`` before ``lips``."""
    return _grouped(known.words.parts)


@functools.lru_cache(maxsize=4)
def _moves(known: Knowledge) -> re.Pattern[str]:
    return _grouped(known.words.moves)


def _grouped(table: Mapping[str, Iterable[str]]) -> re.Pattern[str]:
    groups = [rf"(?P<{name}>{'|'.join(sorted(words, key=len, reverse=True))})" for name, words in table.items()]
    return re.compile(rf"(?i)\b(?:{'|'.join(groups)})\b")
