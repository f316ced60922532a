"""FACS gates on steps II and III: codes, names, muscles, and what cannot be active together."""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Iterator

from tbd.annotate.facs import (
    ACTION_UNITS,
    EMOTIONS,
    MUSCLES,
    find_action_unit,
    find_muscle,
    knowledge,
    parse_action_units,
)
from tbd.annotate.gates.table import flag
from tbd.schema import ActionUnit, Annotation, Flag, Muscle

MOST_UNITS = 7
"""Step II asks for 3 to 7 units; a mild expression may have fewer."""

_CODE_OF = {"error": "impossible_combination", "warning": "unlikely_combination", "info": "unusual_combination"}


def coding_flags(annotation: Annotation) -> Iterator[Flag]:
    """Codes, then names, then muscles, then combinations (the order of the FACS reference, section 8)."""
    units = annotation.action_units
    yield from _parts(annotation)
    yield from _codes(annotation)
    yield from _open_choices(annotation)
    yield from itertools.chain.from_iterable(map(_name, units))
    yield from itertools.chain.from_iterable(map(_muscle, annotation.muscles))
    yield from _exclusions(units)
    yield from _code_rules(units)


def label(au: int) -> str:
    """``AU12 Lip Corner Puller``."""
    return f"AU{au} {ACTION_UNITS[au].name}" if au in ACTION_UNITS else f"AU{au}"


def _parts(annotation: Annotation) -> Iterator[Flag]:
    if not annotation.action_units:
        yield flag("missing_action_units", "step II has no action unit", "step2")
    if not annotation.muscles:
        yield flag("missing_muscles", "step III has no muscle", "step3")
        return
    units = dict.fromkeys(unit.au for unit in annotation.action_units)
    carried = {muscle.au for muscle in annotation.muscles}
    for au in units:
        if au in ACTION_UNITS and ACTION_UNITS[au].all_muscles and au not in carried:
            yield flag("unit_without_muscle", f"step III names no muscle for {label(au)}", "step3")
    for muscle in annotation.muscles:
        if units and muscle.au is not None and muscle.au not in units:
            yield flag("muscle_without_unit", f"{label(muscle.au)} is not in step II", "step3", muscle.name)


def _takes_more(annotation: Annotation) -> bool:
    """Whether an emotion above mild is shown by more than one unit (disgust is not)."""
    emotion = EMOTIONS.get(annotation.emotion or "")
    return emotion is not None and (annotation.level or 0) > 1 and len(emotion.at(annotation.level).mentions) > 1


def _codes(annotation: Annotation) -> Iterator[Flag]:
    units, seen = annotation.action_units, set()
    for unit in units:
        facts = ACTION_UNITS.get(unit.au)
        if (unit.au, unit.side) in seen:
            yield flag("duplicate_unit", f"{label(unit.au)} is listed twice", "step2", unit.name)
        seen.add((unit.au, unit.side))
        if facts is None:
            yield flag("unknown_code", f"FACS has no code {unit.au}", "step2", unit.name)
            continue
        if facts.legacy:
            yield flag("legacy_code", f"{label(unit.au)}: {facts.note}", "step2", unit.name)
        if unit.side and not facts.sided:
            yield flag("side_impossible", f"{label(unit.au)} has no side", "step2", unit.name)
    coded = {unit.au for unit in units}
    if len(coded) == 1 and not coded & set(knowledge().rules.codes.alone) and _takes_more(annotation):
        yield flag("too_few_units", f"only {label(*coded)} for {annotation.intensity} {annotation.emotion}", "step2")
    if len(seen) > MOST_UNITS:
        yield flag("too_many_units", f"{len(seen)} units; {MOST_UNITS} are enough for any expression", "step2")


def _open_choices(annotation: Annotation) -> Iterator[Flag]:
    """``AU25/26`` in a reply: the parser took the first, the author left it open."""
    for number, text in enumerate(annotation.step_outputs[1:3], 2):
        reported: set[int] = set()
        for mention in parse_action_units(text):
            if mention.alternatives and not mention.negated and mention.au not in reported:
                group = sorted({mention.au, *mention.alternatives})
                reported.update(group)
                choice = " or ".join(f"AU{au}" for au in group)
                quote = text[mention.start : mention.end]
                yield flag("ambiguous_code", f"{choice}: one has to be chosen", f"step{number}", quote)


def _name(unit: ActionUnit) -> Iterator[Flag]:
    """Does the name belong to the number? Lid against lip is the commonest slip."""
    if unit.au not in ACTION_UNITS:
        return
    known = find_action_unit(unit.name)
    if known is None:
        yield flag("unknown_name", f"{unit.name!r} is no name of {label(unit.au)}", "step2", unit.name)
    elif unit.au not in known.units:
        readings = " or ".join(label(au) for au in known.units) or "no action unit"
        why = knowledge().rules.reasons.get(unit.name.lower().strip())
        message = f"AU{unit.au} is {ACTION_UNITS[unit.au].name}; {unit.name!r} is {readings}" + (
            f" ({why})" if why else ""
        )
        yield flag("name_mismatch", message, "step2", unit.name)
    elif unit.au in knowledge().rules.codes.rare:
        yield flag("rare_code", f"{label(unit.au)}: {ACTION_UNITS[unit.au].note}", "step2", unit.name)


def wrong_names(units: Collection[int], text: str, where: str) -> Iterator[Flag]:
    """Names in running text that are often, and wrongly, given to one of these units."""
    for au in dict.fromkeys(units):
        for name in ACTION_UNITS[au].wrong_names if au in ACTION_UNITS else ():
            match = re.search(rf"(?i)\b{re.escape(name)}\b", text)
            owner = find_action_unit(name)
            if match and not (owner and set(owner.units) & set(units)):
                why = knowledge().rules.reasons.get(name, "")
                yield flag("name_mismatch", f"{match[0]!r} is not {label(au)}: {why}", where, match[0])


def _muscle(muscle: Muscle) -> Iterator[Flag]:
    known = find_muscle(muscle.name)
    if known is None:
        yield flag("unknown_muscle", f"no muscle of the face is called {muscle.name!r}", "step3", muscle.name)
        return
    if known.correction:
        yield flag("misspelled_muscle", f"{muscle.name!r}: {known.correction}", "step3", muscle.name)
    facts = ACTION_UNITS.get(muscle.au) if muscle.au is not None else None
    if facts and facts.all_muscles and not set(known.muscles) & set(facts.all_muscles):
        right = " or ".join(MUSCLES[key].name for key in facts.all_muscles)
        yield flag("muscle_mismatch", f"{label(muscle.au or 0)} is carried by {right}", "step3", muscle.name)


def _exclusions(units: Collection[ActionUnit]) -> Iterator[Flag]:
    coded = {unit.au for unit in units}
    for rule in knowledge().rules.exclusions:
        one, other = rule.units
        if one in coded and other in coded and _meet(units, one, other) and not _listed(coded, rule.units):
            message = f"{label(one)} with {label(other)}: {rule.why}"
            yield flag(_CODE_OF[rule.severity], message, "step2", _quote(units, other))


def _meet(units: Collection[ActionUnit], one: int, other: int) -> bool:
    """Two units meet unless one is on the left and the other on the right only."""
    sides = ({unit.side for unit in units if unit.au == au} for au in (one, other))
    return any(a is None or b is None or a == b for a, b in itertools.product(*sides))


def _listed(coded: Collection[int], part: Collection[int]) -> bool:
    """FACS lists a combination of the coded units that holds this part of them."""
    return any(set(part) <= accepted <= set(coded) for accepted in knowledge().rules.accepted_sets)


def _code_rules(units: Collection[ActionUnit]) -> Iterator[Flag]:
    rules, coded = knowledge().rules.codes, {unit.au for unit in units}
    for unit in units:
        au = unit.au
        if au in rules.alone and len(coded) > 1:
            yield flag("not_alone", f"{label(au)} leaves no room for another code", "step2", unit.name)
        if au in rules.in_video_only:
            yield flag("movement_code", f"{label(au)} is a movement; one picture cannot show it", "step2", unit.name)
        if au in rules.needs_side and not unit.side:
            yield flag("side_missing", f"{label(au)} has to say which side", "step2", unit.name)
    for au in rules.one_side_only:
        if {"left", "right"} <= {unit.side for unit in units if unit.au == au}:
            yield flag("both_sides", f"{label(au)} to the left and to the right", "step2", _quote(units, au))
    for au, hidden in rules.hides.items():
        if au in coded and (shown := sorted(coded & set(hidden))):
            message = f"{label(au)}, yet {', '.join(map(label, shown))} is coded"
            yield flag("hidden_region", message, "step2", _quote(units, shown[0]))
    for au, need in rules.needs.items():
        if au in coded and not coded & set(need.units) and not _listed(coded, (au,)):
            partners = " or ".join(map(label, need.units))
            code = "partner_missing" if need.severity == "warning" else "partner_expected"
            yield flag(code, f"{label(au)} goes with {partners}", "step2", _quote(units, au))


def _quote(units: Collection[ActionUnit], au: int) -> str:
    return next((unit.name for unit in units if unit.au == au), "")
