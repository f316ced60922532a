"""Names of action units and muscles in words: synonyms, old names, wrong names, misspellings."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tbd.annotate.facs.knowledge_base import Knowledge, knowledge

LONG_WORD = 8
"""Letters from which a word may be misspelled; shorter ones are too easily another word."""
TYPO = 2
"""Edits (insert, delete, replace) that make a misspelling."""


@dataclass(frozen=True, slots=True)
class UnitName:
    """What a name stands for. ``units`` are several for words such as "smirk", none for "tears"."""

    units: tuple[int, ...]
    correction: str = ""
    """The right spelling, when the name was misspelled; the text is never rewritten."""


@dataclass(frozen=True, slots=True)
class MuscleName:
    """What a name stands for. ``muscles`` are several for a group such as "orbicularis oculi"."""

    muscles: tuple[str, ...]
    correction: str = ""


def find_action_unit(name: str) -> UnitName | None:
    """The action units that a name stands for; None when nobody calls one so.

    Case, hyphens, plurals, word order and a bracketed remark do not matter.
    """
    index = _unit_index(knowledge())
    key = unit_key(name)
    if key in index:
        return UnitName(index[key])
    mended = " ".join(sorted(_mend(key.split(), _words(index)).split()))
    if not index.get(mended):
        return None
    return UnitName(index[mended], knowledge().action_units[index[mended][0]].name)


def find_muscle(name: str) -> MuscleName | None:
    """The muscles that a name stands for; None when it is no muscle of the face.

    Case, commas, ``m.``, ``musculus``, ``muscle`` and the place of ``pars …`` do not matter.
    """
    known = knowledge()
    names, misspelled = _muscle_index(known)
    key = muscle_key(name)
    if key in names:
        return MuscleName(names[key])
    if key in misspelled:
        return MuscleName((misspelled[key],), known.muscles[misspelled[key]].name)
    mended = " ".join(sorted(_mend(key.split(), _words(names)).split()))
    if mended not in names:
        return None
    shared = set.intersection(*(set(known.muscles[muscle].groups) for muscle in names[mended]))
    one = known.muscles[names[mended][0]].name
    return MuscleName(names[mended], max(shared, key=len) if len(names[mended]) > 1 and shared else one)


def muscles_in(text: str) -> list[tuple[str, MuscleName]]:
    """Muscle names in running text, the longest where they overlap: the words, and what they stand for."""
    matches = (match[0] for match in _muscle_pattern(knowledge()).finditer(text))
    return [(words, name) for words in matches if (name := find_muscle(words))]


def unit_names_in(text: str) -> list[tuple[int, int]]:
    """Where the official names of action units stand in running text, as (start, end)."""
    return [match.span() for match in _unit_pattern(knowledge()).finditer(text)]


@functools.lru_cache(maxsize=4096)
def unit_key(name: str) -> str:
    """A name without case, remarks, punctuation, plurals and word order."""
    words = re.findall(r"[a-z]+", re.sub(r"\([^)]*\)", " ", name.lower().replace("'s", "s").replace("’s", "s")))
    return " ".join(sorted(word[:-1] if len(word) > 3 and word.endswith("s") else word for word in words))


_FILLER = set("m mm musculus muscle muscles the of part pars fibers fibres left right both bilateral".split())


@functools.lru_cache(maxsize=4096)
def muscle_key(name: str) -> str:
    """A name without case, punctuation, filler words and word order."""
    return " ".join(sorted(word for word in re.findall(r"[a-zé]+", name.lower()) if word not in _FILLER))


def distance(a: str, b: str, most: int = TYPO) -> int:
    """Levenshtein distance; ``most + 1`` as soon as it is larger than ``most``."""
    if abs(len(a) - len(b)) > most:
        return most + 1
    row = list(range(len(b) + 1))
    for i, letter in enumerate(a, 1):
        before, row[0] = row[0], i
        for j, other in enumerate(b, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (letter != other))
        if min(row) > most:
            return most + 1
    return row[-1]


def _words(index: Iterable[str]) -> frozenset[str]:
    return frozenset(word for name in index for word in name.split())


def _mend(words: list[str], known: frozenset[str]) -> str:
    """The words, each unknown long one replaced by the nearest known one."""
    return " ".join(word if word in known else _nearest(word, known) for word in words)


def _nearest(word: str, known: Iterable[str]) -> str:
    if len(word) < LONG_WORD or len(word) > 3 * LONG_WORD:
        return word
    measured = [(distance(word, other), other) for other in known if len(other) >= LONG_WORD - TYPO]
    return min((pair for pair in measured if pair[0] <= TYPO), default=(0, word))[1]


_Index = Mapping[str, tuple[int, ...]]


@functools.lru_cache(maxsize=4)
def _unit_index(known: Knowledge) -> _Index:
    index: dict[str, tuple[int, ...]] = {}
    for au, facts in known.action_units.items():
        for name in (facts.name, *facts.synonyms):
            index.setdefault(unit_key(name), (au,))
    for term, units in known.rules.ambiguous.items():
        own = index.get(unit_key(term), ())
        index[unit_key(term)] = tuple(dict.fromkeys((*own, *units)))
    return index


@functools.lru_cache(maxsize=4)
def _muscle_index(known: Knowledge) -> tuple[Mapping[str, tuple[str, ...]], Mapping[str, str]]:
    names: dict[str, tuple[str, ...]] = {}
    misspelled: dict[str, str] = {}
    for key, facts in known.muscles.items():
        for name in (facts.name, *facts.synonyms, *facts.groups):
            names[muscle_key(name)] = tuple(dict.fromkeys((*names.get(muscle_key(name), ()), key)))
        misspelled |= {muscle_key(name): key for name in facts.misspellings}
    return names, misspelled


@functools.lru_cache(maxsize=4)
def _muscle_pattern(known: Knowledge) -> re.Pattern[str]:
    every = known.muscles.values()
    names = {name for each in every for name in (each.name, *each.synonyms, *each.groups, *each.misspellings)}
    return _any_of(name for name in names if len(name) > 3)


@functools.lru_cache(maxsize=4)
def _unit_pattern(known: Knowledge) -> re.Pattern[str]:
    return _any_of(facts.name for facts in known.action_units.values())


def _any_of(names: Iterable[str]) -> re.Pattern[str]:
    """Any of these names as whole words, the longest first; commas in them are optional."""
    spelled = sorted(names, key=lambda name: (-len(name), name))
    return re.compile(rf"(?i)\b(?:{'|'.join(map(re.escape, spelled))})\b".replace(",", ",?"))
