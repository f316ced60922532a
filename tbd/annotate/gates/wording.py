"""Gates on words of strength and on the label: the right emotion, at the level that was asked for."""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Iterator, Mapping

from tbd.annotate.facs import EMOTIONS, knowledge
from tbd.annotate.facs.knowledge_base import Knowledge
from tbd.annotate.gates.coding import label
from tbd.annotate.gates.prompts import named_prompts
from tbd.annotate.gates.table import flag
from tbd.schema import INTENSITIES, Annotation, Flag

JUMP = 2
"""Levels between the words and what was asked for that make a flag."""

_LEVEL_OF_LETTER = {"A": 1, "B": 1, "C": 2, "D": 3, "E": 3}
_AT_REST = ("neutral", "calm")
"""A face may return to these in any emotion."""
_BRACED = re.compile(r"\{\s*([A-Za-z]+)\s*\}")


def wording_flags(annotation: Annotation) -> Iterator[Flag]:
    """Strength beside each unit and in the prompts (``cot`` only), then the label's slots."""
    if annotation.mode == "cot":
        yield from _jumps(annotation)
        yield from _label_strength(annotation)
        yield from _braced_labels(annotation)
    yield from _labels(annotation)


def strength_words(text: str) -> list[tuple[str, int]]:
    """Words of strength in a text with their level, 1 mild to 3 intense.

    Neighbours are one unit, and the mildest word in it decides: "very slight" is mild.
    """
    levels, pattern = _strengths(knowledge())
    units: list[tuple[int, int, int]] = []
    for found in pattern.finditer(text):
        level = levels[" ".join(found[0].lower().split())]
        if units and not text[units[-1][1] : found.start()].strip():
            start, _, before = units.pop()
            units.append((start, found.end(), 1 if 1 in (before, level) else max(before, level)))
        else:
            units.append((found.start(), found.end(), level))
    return [(text[start:end], level) for start, end, level in units]


def _jumps(annotation: Annotation) -> Iterator[Flag]:
    """Words two steps from the level. A unit's words may follow its own letter: surprise keeps AU5 slight."""
    if not annotation.intensity:
        return
    for unit in annotation.action_units:
        words = strength_words(unit.description)
        own = _LEVEL_OF_LETTER.get(unit.intensity or "")
        if (strongest := _strongest(words)) and strongest[1] != own:
            yield from _jump(annotation, strongest, label(unit.au), "step2")
    told = [(where, text) for where, text in named_prompts(annotation) if where in ("expression", "muscles", "fine")]
    said = [(word, where) for where, text in told for word in strength_words(_without_label(text))]
    if said:
        word, where = max(said, key=lambda pair: pair[0][1])
        yield from _jump(annotation, word, "the prompt", where)


def _strongest(words: list[tuple[str, int]]) -> tuple[str, int] | None:
    return max(words, key=lambda word: word[1], default=None)


def _jump(annotation: Annotation, word: tuple[str, int], what: str, where: str) -> Iterator[Flag]:
    if abs(word[1] - (annotation.level or word[1])) >= JUMP:
        yield flag(
            "intensity_jump", f"{what} is {word[0]!r} where {annotation.intensity} was asked for", where, word[0]
        )


def _without_label(text: str) -> str:
    return _slots(knowledge()).sub(" ", text)


def _label_strength(annotation: Annotation) -> Iterator[Flag]:
    """``Moderate Happiness``: is it there, and is it the level that was asked for?"""
    levels, _ = _strengths(knowledge())
    slots = [
        (where, found) for where, text in named_prompts(annotation) for found in _slots(knowledge()).finditer(text)
    ]
    for where, found in slots:
        level = levels[found["strength"].lower()]
        if not annotation.intensity:
            yield flag("intensity_invented", "no level was asked for", where, found[0])
        elif level != annotation.level:
            yield flag("intensity_mismatch", f"{annotation.intensity} was asked for", where, found[0])
    if annotation.intensity and annotation.prompts and not slots:
        facts = EMOTIONS.get(annotation.emotion or "")
        wanted = f"{annotation.intensity} {facts.noun if facts else ''}".strip()
        yield flag("intensity_missing", f"no prompt says {wanted!r}", "expression")


def _labels(annotation: Annotation) -> Iterator[Flag]:
    """Another emotion's name in a prompt, or the right one in unusual words."""
    canonical, slot, names = _label_words(knowledge())
    asked = annotation.emotion
    if asked is None or asked not in EMOTIONS:
        return
    for where, text in named_prompts(annotation):
        for found in names.finditer(text):
            named = canonical[found[0].lower()]
            if named not in (asked, *_AT_REST):
                yield flag("label_mismatch", f"{found[0]!r} where {asked} was asked for", where, found[0])
        for found in itertools.chain(slot.finditer(text), _slots(knowledge()).finditer(text)):
            word = found["label"].lower()
            if canonical.get(word) == asked and word not in _own_words(asked):
                message = f"{found['label']!r} instead of {EMOTIONS[asked].noun}"
                yield flag("label_drift", message, where, found["label"])


def _braced_labels(annotation: Annotation) -> Iterator[Flag]:
    """``{happiness}`` in one step and ``{happy}`` in the next."""
    canonical, _, _ = _label_words(knowledge())
    first: dict[str, str] = {}
    for number, text in enumerate(annotation.step_outputs, 1):
        for found in _BRACED.finditer(text):
            emotion = canonical.get(found[1].lower())
            if emotion and first.setdefault(emotion, found[1].lower()) != found[1].lower():
                message = f"{found[1]!r} after {first[emotion]!r}: one label, two words"
                yield flag("label_drift", message, f"step{number}", found[0])


def _own_words(emotion: str) -> frozenset[str]:
    facts = EMOTIONS[emotion]
    return frozenset({emotion, facts.noun, facts.adjective, facts.mead})


@functools.lru_cache(maxsize=4)
def _strengths(known: Knowledge) -> tuple[Mapping[str, int], re.Pattern[str]]:
    levels = {word: level for level, words in known.rules.intensity.words.items() for word in words}
    levels |= {word: level for level, word in INTENSITIES.items()}
    spelled = sorted(levels, key=lambda word: (-len(word), word))
    return levels, re.compile(rf"(?i)\b(?:{'|'.join(spelled)})\b".replace(" ", r"\s+"))


@functools.lru_cache(maxsize=4)
def _slots(known: Knowledge) -> re.Pattern[str]:
    """``Moderate Happiness``, with any word of strength and any label that is a noun or a synonym."""
    labels = {
        word for facts in known.emotions.values() for word in (facts.noun, facts.mead, *facts.synonyms) if len(word) > 3
    }
    labels |= set(known.emotions)
    levels, _ = _strengths(known)
    single = sorted(word for word in levels if " " not in word and not word.endswith("ly"))
    return re.compile(
        rf"(?i)\b(?P<strength>{'|'.join(single)})\s+(?P<label>{'|'.join(sorted(labels, key=len, reverse=True))})\b"
    )


@functools.lru_cache(maxsize=4)
def _label_words(known: Knowledge) -> tuple[Mapping[str, str], re.Pattern[str], re.Pattern[str]]:
    """Label word -> emotion; the scene's slot; the nouns and adjectives of all emotions."""
    canonical = {word: name for name, facts in known.emotions.items() for word in (*facts.synonyms, facts.noun, name)}
    own = {word: name for name, facts in known.emotions.items() for word in (facts.noun, facts.adjective, name)}
    names = "|".join(sorted(own, key=len, reverse=True))
    slot = re.compile(r"(?i)\bwith an? (?:\w+ )?(?P<label>[a-z]+) emotion\b")
    return canonical | own, slot, re.compile(rf"(?i)\b(?:{names})\b")
