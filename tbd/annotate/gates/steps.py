"""Gates that hold the steps of one chain against each other, and phrases that cannot be right."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tbd.annotate.facs import MUSCLES, find_action_unit, knowledge, parse_action_units
from tbd.annotate.facs.names import muscles_in, unit_names_in
from tbd.annotate.gates.coding import label, wrong_names
from tbd.annotate.gates.prompts import named_prompts
from tbd.annotate.gates.table import flag
from tbd.schema import Annotation, Flag

_ELSEWHERE = re.compile(r'"(?:variation|social)"\s*:\s*"(?:[^"\\]|\\.)*"')
"""Sentences about other people and settings: they deny nothing about this face."""
_CONDITION = re.compile(r"(?i)\bwithout\W*(?:\w+\W+){0,3}$")
_DURATION = re.compile(r"(?i)(?:[<>≤≥~]\s*)?\b\d+(?:\.\d+)?\s*(?:s|secs?|seconds?|ms|milliseconds?)\b")
_HONESTY = re.compile(
    r"(?i)\b(?:posed|fake[ds]?|insincere|deceptive|deceit|lying|dishonest|forced|concealed|genuine|sincere|authentic)\b"
)
_SMILE_IS_FELT = {6, 12}
"""A smile with both is what the literature calls genuine (Duchenne)."""
_BROKEN = re.compile(r"\s+(?:or|and)\s+(?P<tail>[A-Za-z]+)\b(?!\s+[A-Za-z]+er\b)")


def step_flags(annotation: Annotation) -> Iterator[Flag]:
    """Contradictions, muscles out of nowhere, wrong names in running text, and claims nobody can see."""
    units = {unit.au for unit in annotation.action_units}
    texts = [(f"step{number}", text) for number, text in enumerate(annotation.step_outputs, 1) if number > 1]
    prompts = named_prompts(annotation)
    for where, text in texts:
        yield from _denials(units, where, _ELSEWHERE.sub("", text))
    yield from _off_steps(annotation, prompts)
    seen: set[tuple[str, str]] = set()
    for where, text in (*texts[:2], *prompts):
        for found in (*wrong_names(sorted(units), text, where), *_claims(units, where, text)):
            if (found.code, found.quote.lower()) not in seen:  # a prompt stands in step IV's reply, too
                seen.add((found.code, found.quote.lower()))
                yield found


def _denials(units: set[int], where: str, text: str) -> Iterator[Flag]:
    for mention in parse_action_units(text):
        if mention.negated and mention.au in units and not _CONDITION.search(text[: mention.start][-40:]):
            quote = text[mention.start : mention.end]
            yield flag("step_contradiction", f"step II has {label(mention.au)}, {where} denies it", where, quote)


def _off_steps(annotation: Annotation, prompts: list[tuple[str, str]]) -> Iterator[Flag]:
    """Muscles that a prompt names: spelled right, and asked for by step II or III."""
    asked = {unit.au for unit in annotation.action_units}
    named = {key for muscle in annotation.muscles for _, name in muscles_in(muscle.name) for key in name.muscles}
    for where, text in prompts:
        for words, name in muscles_in(text):
            if name.correction:
                yield flag("misspelled_muscle", f"{words!r}: {name.correction}", where, words)
            carried = {au for key in name.muscles for au in knowledge().units_of[key]}
            if asked and not carried & asked and not named & set(name.muscles):
                muscle = MUSCLES[name.muscles[0]].name
                yield flag("prompt_off_steps", f"no step asked for {muscle}", where, words)


def _claims(units: set[int], where: str, text: str) -> Iterator[Flag]:
    if found := _DURATION.search(text):
        yield flag("unseen_duration", f"{found[0]!r}: one picture tells no duration", where, found[0])
    felt = ("genuine", "sincere", "authentic") if units >= _SMILE_IS_FELT else ()
    for found in _HONESTY.finditer(text):
        if found[0].lower() not in felt:
            yield flag("no_facs_basis", f"{found[0]!r}: action units describe movement, not honesty", where, found[0])
            break
    for start, end in unit_names_in(text):
        tail = _BROKEN.match(text, end)
        if tail and tail["tail"].lower() in _tails() and not find_action_unit(tail["tail"]):
            yield flag("broken_phrase", "half of a second name is missing", where, text[start : tail.end()])


def _tails() -> set[str]:
    return {facts.name.split()[-1].lower() for facts in knowledge().action_units.values() if facts.kind == "AU"}
