"""Do the units of step II show the emotion that was asked for, and at the right strength?"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Literal

from tbd.annotate.facs import ACTION_UNITS, EMOTIONS, LETTERS, EmotionFacts, knowledge
from tbd.annotate.gates.coding import label
from tbd.annotate.gates.table import flag
from tbd.schema import ActionUnit, Annotation, Flag

Match = Literal["full", "partial", "mismatch"]


def match(emotion: EmotionFacts, units: Collection[ActionUnit]) -> Match:
    """How well units show an emotion (FACS reference, section 2.2).

    ``full``: one of its core sets is there and nothing contradicts it; ``partial``: a variant, a core
    set beside a contradicting unit, or a one-sided emotion on both sides; else ``mismatch``.
    A face without emotion is matched while nothing on it passes a trace.
    """
    coded = {unit.au for unit in units if unit.au not in emotion.two_sided or not _one_sided(units, unit.au)}
    letters = _letters(units)
    if emotion.core == ((),):
        loud = [au for au in coded & set(emotion.weak) if not ACTION_UNITS[au].speech and letters.get(au, "C") > "A"]
        return "mismatch" if loud else "full"
    core = [group for group in emotion.core if set(group) <= coded]
    variants = [one for one in emotion.variants if set(one.units) <= coded and _reaches(letters, one.at_least)]
    sided = not emotion.one_sided or any(_one_sided(units, au) for au in emotion.one_sided)
    if core and sided and not coded & set(emotion.contradicting):
        return "full"
    return "partial" if core or variants else "mismatch"


def emotion_flags(annotation: Annotation) -> Iterator[Flag]:
    """Match, contradicting units, and letters against the level."""
    emotion = EMOTIONS.get(annotation.emotion or "")
    units = annotation.action_units
    if emotion is None or not units:
        return
    verdict = match(emotion, units)
    shown = "+".join(str(au) for au in dict.fromkeys(unit.au for unit in units))
    if verdict == "mismatch":
        yield flag("emotion_mismatch", f"{shown} shows no form of {emotion.noun}; {_examples(emotion)}", "step2")
    elif verdict == "partial" and (annotation.level or 0) > 1:
        yield flag("emotion_partial", f"{shown} is a weak form of {emotion.noun}; {_examples(emotion)}", "step2")
    yield from _contradictions(emotion, units)
    yield from _strengths(annotation, emotion)


def _contradictions(emotion: EmotionFacts, units: Collection[ActionUnit]) -> Iterator[Flag]:
    for unit in units:
        facts = ACTION_UNITS.get(unit.au)
        if unit.au in emotion.contradicting:
            yield flag("contradicting_unit", f"{label(unit.au)} speaks against {emotion.noun}", "step2", unit.name)
        elif unit.au in emotion.weak and facts and not facts.speech:  # speech moves the mouth anyway
            message = f"{label(unit.au)} belongs to no form of {emotion.noun} and speaks a little against it"
            yield flag("weak_contradiction", message, "step2", unit.name)
    sidable = [unit for unit in units if unit.au in emotion.one_sided]
    if sidable and not any(_one_sided(units, unit.au) for unit in sidable):
        yield flag("one_sidedness", f"{emotion.noun} shows on one side of the face", "step2", sidable[0].name)


def _strengths(annotation: Annotation, emotion: EmotionFacts) -> Iterator[Flag]:
    letters = _letters(annotation.action_units)
    for au, most in emotion.at_most.items():
        if letters.get(au, "A") > most:
            yield flag("unit_too_strong", f"{label(au)} above {most} is not {emotion.noun}", "step2", f"{letters[au]}")
    tolerated = knowledge().rules.intensity.tolerated.get(annotation.level or 0, "")
    if not letters or not annotation.intensity or not tolerated:
        return
    strongest = max(letters.values())
    if strongest not in tolerated:
        message = f"the strongest letter is {strongest}; {annotation.intensity} takes {tolerated[0]} to {tolerated[-1]}"
        yield flag("letter_off_level", message, "step2", strongest)


def _letters(units: Collection[ActionUnit]) -> Mapping[int, str]:
    """The strongest letter of each unit that has one."""
    letters: dict[int, str] = {}
    for unit in units:
        if unit.intensity and unit.intensity in LETTERS:
            letters[unit.au] = max(letters.get(unit.au, "A"), unit.intensity)
    return letters


def _reaches(letters: Mapping[int, str], least: Mapping[int, str]) -> bool:
    """A unit without a letter gets the benefit of the doubt."""
    return all(letters.get(au, "E") >= letter for au, letter in least.items())


def _one_sided(units: Collection[ActionUnit], au: int) -> bool:
    sides = {unit.side for unit in units if unit.au == au}
    return len(sides) == 1 and None not in sides


def _examples(emotion: EmotionFacts) -> str:
    groups = [group for group in emotion.core if group][-2:]
    return "usual are " + ", ".join("+".join(map(str, group)) for group in groups) if groups else "nothing should show"
