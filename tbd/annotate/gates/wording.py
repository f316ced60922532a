"""Gates on words of strength and on the label: the right emotion, at the level that was asked for."""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Iterator, Mapping

from tbd.annotate.facs import EMOTIONS, knowledge
from tbd.annotate.facs.knowledge_base import Knowledge
from tbd.annotate.facs.movements import any_of
from tbd.annotate.gates.coding import label
from tbd.annotate.gates.prompts import named_prompts
from tbd.annotate.gates.table import flag
from tbd.labels import SYNONYMS
from tbd.schema import INTENSITIES, Annotation, Flag

JUMP = 2
"""Levels between the words and what was asked for that make a flag."""

_LEVEL_OF_LETTER = {"A": 1, "B": 1, "C": 2, "D": 3, "E": 3}
_AT_REST = ("neutral", "calm")
"""A face may return to these in any emotion."""
_LABELS = {word: name for name, words in SYNONYMS.items() for word in words}
_SLOT = re.compile(
    r"(?i)\b(?:with|in|of|feel\w*|express\w*|convey\w*) an? (?:\w+ )?(?P<label>[a-z]+) (?:emotion|mood|feeling|expression|tone|manner)\b"
)
_DENIED = re.compile(
    r"(?i)\b(?:no|not|without|never|nor|neither|hardly|lack\w*|free of|far from|instead of|rather than|n['’]t|any|hides?|hiding|loses?|losing)\W+(?:\w+\W+){0,4}$|\btears? of $"
)
_GOING = re.compile(
    r"(?i)\W+(?:\w+\W+){0,1}?(?:fades?|faded|fading|vanish\w*|disappear\w*|dies|drops? away|is gone|gone|absent|missing|turns? (?:in)?to|gives way)\b"
)
_BRACED = re.compile(r"\{\s*([A-Za-z]+)\s*\}")


def wording_flags(annotation: Annotation) -> Iterator[Flag]:
    """Strength beside each unit and in the prompts (``cot`` only), then the label's slots."""
    if annotation.mode == "cot":
        yield from _jumps(annotation)
        yield from _label_strength(annotation)
        yield from _braced_labels(annotation)
    yield from _absent_strength(annotation)
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
    if annotation.intensity and annotation.prompts and not slots and not _says_strength(annotation):
        return  # worse: see _absent_strength
    if annotation.intensity and annotation.prompts and not slots:
        facts = EMOTIONS.get(annotation.emotion or "")
        wanted = f"{annotation.intensity} {facts.noun if facts else ''}".strip()
        yield flag("intensity_missing", f"no prompt says {wanted!r}", "expression")


def _absent_strength(annotation: Annotation) -> Iterator[Flag]:
    """No word of the level that was asked for, in any prompt."""
    if annotation.intensity and any(annotation.prompts) and not _says_strength(annotation):
        where = named_prompts(annotation)[min(1, len(annotation.prompts) - 1)][0]
        yield flag("intensity_absent", f"no prompt says how strong: {annotation.intensity} was asked for", where)


def _says_strength(annotation: Annotation) -> bool:
    said = [level for _, text in named_prompts(annotation) for _, level in strength_words(text)]
    return annotation.level in said or bool(annotation.level == 2 and said)


def _labels(annotation: Annotation) -> Iterator[Flag]:
    """Another emotion's words in a prompt, or the right label in unusual ones."""
    known, asked = knowledge(), annotation.emotion
    if asked is None or asked not in EMOTIONS:
        return
    for where, text in named_prompts(annotation):
        yield from _foreign_words(known, asked, where, text)
        for found in itertools.chain(_SLOT.finditer(text), _slots(known).finditer(text)):
            word = found["label"].lower()
            named = _LABELS.get(word)
            if named == asked and word not in _own_words(asked):
                message = f"{found['label']!r} instead of {EMOTIONS[asked].noun}"
                yield flag("label_drift", message, where, found["label"])
            elif named in _AT_REST and named != asked and asked not in _AT_REST:
                yield flag("label_mismatch", f"{found[0]!r} where {asked} was asked for", where, found[0])


def _foreign_words(known: Knowledge, asked: str, where: str, text: str) -> Iterator[Flag]:
    """ "cheerful", "laughs" or "joy" where anger was asked for; not what is denied, or fading."""
    borrowed = known.words.borrowed.get(asked, ())
    for emotion, pattern in _emotion_words(known).items():
        if emotion in (asked, *_AT_REST, *known.words.borrows.get(asked, ())):
            continue
        for found in pattern.finditer(text):
            before, after = text[max(0, found.start() - 40) : found.start()], text[found.end() :]
            if found[0].lower() not in borrowed and not _DENIED.search(before) and not _GOING.match(after):
                yield flag("label_mismatch", f"{found[0]!r} where {asked} was asked for", where, found[0])


def _braced_labels(annotation: Annotation) -> Iterator[Flag]:
    """``{happiness}`` in one step and ``{happy}`` in the next."""
    first: dict[str, str] = {}
    for number, text in enumerate(annotation.step_outputs, 1):
        for found in _BRACED.finditer(text):
            emotion = _LABELS.get(found[1].lower())
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
    labels = {word for word in _LABELS if len(word) > 2 and " " not in word}
    levels, _ = _strengths(known)
    single = sorted(word for word in levels if " " not in word and not word.endswith("ly"))
    return re.compile(
        rf"(?i)\b(?P<strength>{'|'.join(single)})\s+(?P<label>{'|'.join(sorted(labels, key=len, reverse=True))})\b"
    )


@functools.lru_cache(maxsize=4)
def _emotion_words(known: Knowledge) -> Mapping[str, re.Pattern[str]]:
    """All words of each emotion: its names and synonyms (``labels``), and what a face does that feels it."""
    return {
        name: any_of((*(re.escape(word) for word in words if len(word) > 2), *known.words.behaviour.get(name, ())))
        for name, words in SYNONYMS.items()
    }
