"""Gates on replies that hand the question back: the form's own examples, or its sentences, instead of an answer."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tbd import workspace
from tbd.annotate.facs import find_action_unit, find_muscle
from tbd.annotate.gates.prompts import named_prompts
from tbd.annotate.gates.table import flag
from tbd.annotate.replies.objects import documents
from tbd.schema import Annotation, Flag

RUN = 4
"""Words in a row that are taken over."""
SHARE = 0.6
"""Share of a text's words in such runs that makes an echo."""


def echo_flags(annotation: Annotation) -> Iterator[Flag]:
    """Fields, descriptions, actions and prompts that only repeat the question."""
    for where, text in _texts(annotation):
        if is_echo(text):
            yield flag("form_echoed", f"words of the question instead of an answer: {text[:60]!r}", where, text[:60])


def hands_back(fields: Mapping[str, Any]) -> bool:
    """Whether what one reply filled is mostly the question's own words."""
    texts = [text for value in fields.values() for text in _told(value) if text]
    return bool(texts) and 2 * sum(map(is_echo, texts)) > len(texts)


def is_echo(text: str) -> bool:
    """Whether a text is one of the form's examples, or mostly made of the questions' sentences."""
    words = _words(text)
    if len(words) < 2:
        return False
    examples, runs = _questions()
    if " ".join(words) in examples:
        return True
    taken = [False] * len(words)
    for start in range(len(words) - RUN + 1):
        if tuple(words[start : start + RUN]) in runs:
            taken[start : start + RUN] = [True] * RUN
    return sum(taken) >= SHARE * len(words)


def _told(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    for one in value if isinstance(value, tuple) else ():
        yield one if isinstance(one, str) else str(getattr(one, "description", "") or getattr(one, "action", ""))


def _texts(annotation: Annotation) -> Iterator[tuple[str, str]]:
    for name in ("gender", "age_range", "ethnicity", "appearance"):
        yield "step1", getattr(annotation, name) or ""
    yield from (("step2", unit.description) for unit in annotation.action_units)
    yield from (("step3", muscle.action) for muscle in annotation.muscles)
    yield from named_prompts(annotation)


@functools.cache
def _questions() -> tuple[frozenset[str], frozenset[tuple[str, ...]]]:
    """Example values and runs of words of every prompt version, the user's and the shipped ones."""
    examples: set[str] = set()
    runs: set[tuple[str, ...]] = set()
    for root in (workspace.shipped(), Path.cwd()):
        for path in (root / "annotate/prompts").glob("*/*.md"):
            text = path.read_text(encoding="utf-8", errors="replace")
            for document in documents(text):
                examples.update(_values(document))
            for sentence in re.split(r"\$\w+", text):
                words = _words(sentence)
                runs.update(tuple(words[at : at + RUN]) for at in range(len(words) - RUN + 1))
    return frozenset(examples), frozenset(runs)


def _values(value: object) -> Iterator[str]:
    """Strings of a form that stand for something; real names of units and muscles are answers."""
    if isinstance(value, dict):
        for inner in value.values():
            yield from _values(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _values(inner)
    elif isinstance(value, str) and len(_words(value)) > 1 and not find_action_unit(value) and not find_muscle(value):
        yield " ".join(_words(value))


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z]+", text.lower())
