"""Gates on what is said to move: units against their descriptions, muscles against what they can do, prompts against step II."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from tbd.annotate.facs import ACTION_UNITS, EMOTIONS, MUSCLES, find_muscle, knowledge
from tbd.annotate.facs.movements import Movement, movements_in
from tbd.annotate.facs.names import muscles_in
from tbd.annotate.gates.coding import label
from tbd.annotate.gates.prompts import named_prompts
from tbd.annotate.gates.table import flag
from tbd.schema import ActionUnit, Annotation, Flag

OPPOSED = {
    1: {4}, 2: {4}, 4: {1, 2}, 5: {7, 41, 43, 44}, 7: {5}, 12: {15}, 13: {15}, 15: {12, 13},
    16: {17}, 17: {16}, 23: {25, 26, 27}, 24: {25, 26, 27}, 25: {24}, 26: {24}, 27: {24}, 43: {5},
}  # fmt: skip
"""Codes that move one part of the face in opposite directions."""

UPPER, BOTH = {1, 2, 3, 4, 5, 7, 41, 42, 43, 44, 45, 46}, {0, 6, 9}
"""Codes of the upper face, and those that show in both halves."""

_RETURNING = re.compile(
    r"(?i)\b(?:return|relax|releas|fad|settl|recover|subsid|eas)\w*|\b(?:rests?|back to|again|then|lets? go)\b"
)
_TOLD_AT_ONCE = ("scene", "expression", "muscles", "coarse", "fine", "prompt")
"""Prompts that speak of the height of the expression; dynamics also tell how it ends."""


def movement_flags(annotation: Annotation) -> Iterator[Flag]:
    """Every movement in words, held against the codes that belong to it."""
    for unit in annotation.action_units:
        yield from _description(unit)
    for muscle in annotation.muscles:
        yield from _muscle_action(muscle.name, muscle.action, "step3")
    for where, text in named_prompts(annotation):
        for words, clause in _muscle_clauses(text):
            yield from _muscle_action(words, clause, where)
        if where in _TOLD_AT_ONCE:
            yield from _against_emotion(annotation, where, text)


def _description(unit: ActionUnit) -> Iterator[Flag]:
    """``AU12: the lip corners sink`` describes another unit."""
    told = movements_in(unit.description)
    if not told or unit.au not in ACTION_UNITS or any(unit.au in move.units for move in told):
        return
    for move in told:
        if move.units & OPPOSED.get(unit.au, set()) or _elsewhere(unit.au, move.units):
            quote = unit.description[move.start : move.end]
            yield flag("description_mismatch", f"{quote!r} is not {label(unit.au)}", "step2", quote)
            return


def _elsewhere(au: int, units: Collection[int]) -> bool:
    """The movement is in the other half of the face."""
    if au in BOTH or set(units) & BOTH:
        return False
    return all((au in UPPER) != (other in UPPER) for other in units)


def _muscle_action(name: str, text: str, where: str) -> Iterator[Flag]:
    """Zygomaticus does not lower the brow."""
    known = find_muscle(name)
    told = movements_in(text)
    if known is None or not told:
        return
    able = {au for key in known.muscles for au in (*knowledge().units_of[key], *knowledge().words.also.get(key, ()))}
    if able and not any(move.units & able for move in told):
        quote = text[told[0].start : told[0].end]
        muscle = MUSCLES[known.muscles[0]].name
        yield flag("muscle_action", f"{muscle} cannot do this: {quote!r}", where, quote)


def _muscle_clauses(text: str) -> Iterator[tuple[str, str]]:
    """Each muscle that a text names, with the words up to the next one or to the end of its clause."""
    at = 0
    names = [words for words, _ in muscles_in(text)]
    for number, words in enumerate(names):
        start = text.index(words, at) + len(words)
        end = text.index(names[number + 1], start) if number + 1 < len(names) else len(text)
        yield words, re.split(r"[.;]|\bwhile\b", text[start:end])[0]
        at = start


def _against_emotion(annotation: Annotation, where: str, text: str) -> Iterator[Flag]:
    """A drooping mouth under "Intense Happiness": the movement speaks against the emotion, and step II has it not."""
    emotion = EMOTIONS.get(annotation.emotion or "")
    coded = {unit.au for unit in annotation.action_units}
    if emotion is None:
        return
    against = set(emotion.contradicting) | (set(emotion.weak) if emotion.core == ((),) else set())
    for move in movements_in(text):
        units = move.units - {3}
        if units & coded or _RETURNING.search(_around(text, move)):
            continue
        opposed = coded and all(OPPOSED.get(au, set()) & coded for au in units)
        if units <= against or opposed:
            quote = text[move.start : move.end]
            codes = " or ".join(label(au) for au in sorted(units))
            yield flag(
                "movement_contradiction", f"{quote!r} is {codes}, which speaks against {emotion.noun}", where, quote
            )
            return


def _around(text: str, move: Movement) -> str:
    return text[max(0, move.start - 25) : move.end + 25]
