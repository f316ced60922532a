"""JSON in a reply: every value, in order, mended by ``json_repair`` where it is broken."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import json_repair

DEEPEST = 4
"""Levels of nesting below which an answer is no longer looked for."""

_OPENERS = {"{": "}", "[": "]"}


def documents(text: str) -> list[Any]:
    """The JSON objects and arrays of a text in order of appearance, whatever stands around them.

    Broken ones are mended: trailing commas, comments, single or curly quotes, line breaks in strings,
    missing commas and brackets.
    """
    found, at = [], 0
    while (start := _next_opener(text, at)) is not None:
        value, at = _decoded(text, start)
        if value and isinstance(value, Mapping if text[start] == "{" else list):
            found.append(value)
    return found


def last_object(text: str, fits: Callable[[Any], bool]) -> Any:
    """Of all values in the text that fit, the last one's outermost; None when none fits.

    A model that drafts writes its answer last; an answer may lie a few levels deep.
    """
    for document in reversed(documents(text)):
        for value in _outer_first(document, 0):
            if fits(value):
                return value
    return None


def _outer_first(value: Any, depth: int) -> Iterator[Any]:
    level = [value]
    while level and depth <= DEEPEST:
        yield from level
        level = [inner for outer in level for inner in _inside(outer)]
        depth += 1


def _inside(value: Any) -> list[Any]:
    if isinstance(value, Mapping):
        return list(map(_opened, value.values()))
    return list(map(_opened, value)) if isinstance(value, list) else []


def _opened(value: Any) -> Any:
    """A string that holds JSON is what it holds."""
    if isinstance(value, str) and value.lstrip()[:1] in _OPENERS and len(value) < 20_000:
        inner = documents(value)
        return inner[0] if len(inner) == 1 else value
    return value


def _next_opener(text: str, at: int) -> int | None:
    """Where the next object begins, or an array of objects or strings; ``[a]`` in prose is none."""
    match = re.compile(r"\{\s*(?=[\"'“‘/]|\w[\w ]{0,40}:)|\[\s*(?=[\[{\"'“])").search(text, at)
    return match.start() if match else None


def _decoded(text: str, start: int) -> tuple[Any, int]:
    """The value that begins at ``start``, and where to look on."""
    try:
        return json.JSONDecoder().raw_decode(text, start)
    except (ValueError, RecursionError):
        end = _closing(text, start)
    if end - start > 200_000:
        return None, end
    broken = text[start:end] if end < len(text) else re.sub(r"[-\d.]+$", "", text[start:])  # 1 of a 12 that broke off
    try:
        return json_repair.loads(broken, skip_json_loads=True), end
    except (ValueError, RecursionError):
        return None, end


def _closing(text: str, start: int) -> int:
    """Behind the bracket that closes the one at ``start``; else at the end of its code block, or of the text."""
    depth = 0
    for match in re.compile(r"[{\[\]}]|\n[ \t]*```").finditer(text, start):
        sign = match[0]
        if sign in "{[":
            depth += 1
        elif sign in "}]":
            depth -= 1
            if depth <= 0:
                return match.end()
        else:
            return match.start()
    return len(text)
