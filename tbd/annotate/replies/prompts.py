"""Step IV and ``describe``: the prompts, under any of their names, in four parts, in two, or as one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tbd.annotate.replies.answer import without_chat
from tbd.annotate.replies.fields import first_of, key, keyed, plain, text_of
from tbd.annotate.replies.objects import documents, last_object
from tbd.annotate.replies.sections import Item, items, sections, table_rows

PROMPTS = ("scene", "expression", "muscles", "dynamics")
"""The four levels of a chain-of-thought row, coarse to fine."""

_LEVEL = (
    ("coarse", re.compile(r"coarse|global")),
    ("fine", re.compile(r"fine|local|detail(?:ed)?prompt")),
    ("dynamics", re.compile(r"dynamic|temporal|motion|timing|transition|movementovertime")),
    ("scene", re.compile(r"scene|overalldescription|context|setting")),
    ("muscles", re.compile(r"muscle|muscular")),
    ("expression", re.compile(r"expression|wholeface|facial|emotion")),
)
"""Names of a level in an answer; the first that fits decides."""
_WORDS = ("prompt", "text", "description", "value", "content", "caption", "words")
_ORDERED = re.compile(r"^(?:prompt|level|part|step|stage|p|l)?([1-4])$")
_QUOTED = re.compile(r"[\"“](?P<inside>[^\"”]{20,})[\"”]")


def levels(text: str) -> tuple[dict[str, Any], list[str]]:
    """``prompts`` of step IV: four levels, or coarse and fine where there are only two parts."""
    found = last_object(text, lambda value: bool(_named(value)))
    named = _named(found) if found is not None else {}
    if not named:
        named = _from_table(text) or _from_text(without_chat(text))
    prompts = _ordered(named)
    return ({"prompts": prompts} if any(prompts) else {}), []


def description(text: str) -> tuple[dict[str, Any], list[str]]:
    """``prompts`` of mode ``describe``: one."""
    found = last_object(text, lambda value: isinstance(value, Mapping) and bool(first_of(keyed(value), _WORDS)))
    if found is not None:
        return {"prompts": (text_of(first_of(keyed(found), _WORDS)),)}, []
    if documents(text) or text.lstrip()[:1] in "{[":
        return {}, []
    body = without_chat(text)
    labelled = re.search(
        r"(?is)(?:^|\n)[\s*_#]*(?:final\s+)?(?:prompt|description|caption)[\s*_]*[:：][\s*_]*(?P<rest>.+)", body
    )
    words = plain(" ".join((labelled["rest"] if labelled else body).split()))
    return ({"prompts": (words,)} if re.search(r"\w", words) else {}), []


def _ordered(named: Mapping[str, str]) -> tuple[str, ...]:
    """Four levels; two where only two are there and the first of them is the scene or the coarse one."""
    four = tuple(named.get(name, "") for name in PROMPTS)
    coarse, fine = named.get("coarse", ""), named.get("fine", "")
    if coarse or fine:
        return four if sum(map(bool, four)) > 2 else (coarse or four[0], fine or " ".join(filter(None, four[1:])))
    parts = [part for part in four if part]
    return (four[0], parts[1]) if four[0] and len(parts) == 2 else four


def _level(name: Any) -> str:
    plainest = key(name)
    if plainest in PROMPTS:
        return plainest
    return next((level for level, pattern in _LEVEL if pattern.search(plainest)), "")


def _named(value: Any) -> dict[str, str]:
    """The levels that an object or array holds, by name; a list of four, or of two, is in order."""
    if isinstance(value, list):
        return _from_list(value)
    if not isinstance(value, Mapping):
        return {}
    named: dict[str, str] = {}
    numbered = [words_of(inner) for name, inner in value.items() if _ORDERED.match(key(name))]
    for name, inner in value.items():
        level, words = _level(name), words_of(inner)
        entries = isinstance(inner, list) and any(isinstance(one, Mapping) for one in inner)
        if level and words and not entries and level not in named:
            named[level] = words
    if set(named) & {*PROMPTS, "coarse", "fine"} and (len(named) > 1 or len(value) == 1 or "scene" in named):
        return named
    return _in_order(numbered) or (named if set(named) - {"expression"} else {})


def _from_list(value: list[Any]) -> dict[str, str]:
    if all(isinstance(one, str) for one in value):
        return _in_order([words_of(one) for one in value])
    named: dict[str, str] = {}
    for one in value:
        if isinstance(one, Mapping):
            own = keyed(one)
            level = _level(text_of(first_of(own, ("level", "name", "type", "key", "title", "part", "prompttype"))))
            if level:
                named.setdefault(level, text_of(first_of(own, _WORDS)))
            else:
                named = {**_named(one), **named}
    return {level: words for level, words in named.items() if words}


def words_of(value: Any) -> str:
    """The words of one level: a text, or an object that holds one."""
    if isinstance(value, Mapping):
        return text_of(first_of(keyed(value), _WORDS) or value)
    return plain(text_of(value)) if isinstance(value, str) else text_of(value)


def _in_order(parts: list[str]) -> dict[str, str]:
    parts = [plain(part) for part in parts if part]
    if len(parts) == len(PROMPTS):
        return dict(zip(PROMPTS, map(_unlabelled, parts), strict=True))
    return dict(zip(("coarse", "fine"), map(_unlabelled, parts), strict=True)) if len(parts) == 2 else {}


def _unlabelled(part: str) -> str:
    label = re.match(r"^[*_]*(?P<name>[A-Za-z][A-Za-z \-]{1,40})[*_]*\s*[:：]\s*", part)
    return part[label.end() :] if label and _level(label["name"]) else part


def _from_table(text: str) -> dict[str, str]:
    """A table with a row, or a column, for each level."""
    rows = [list(row.items()) for row in table_rows(text)] if "|" in text else []
    pairs = [(row[0][1], row[1][1]) for row in rows if len(row) > 1] + [pair for row in rows for pair in row]
    if rows and len(rows[0]) > 1:
        pairs.append((rows[0][0][0], rows[0][1][0]))
    named: dict[str, str] = {}
    for name, words in pairs:
        if (level := _level(name)) and len(words.split()) > 2:
            named.setdefault(level, plain(words))
    return named if len(named) > 1 else {}


def _from_text(text: str) -> dict[str, str]:
    """Labelled lines and titles; parts without a label in the order of Fig. 4 (scene, then the rest)."""
    named: dict[str, str] = {}
    for section in sections(text):
        level = _level(section.name)
        if level and len(section.name.split()) <= 6 and section.text:
            named.setdefault(level, _inside_quotes(section.text))
    if len(named) > 1:
        return named
    listed = [item for item in items(text) if len(item.text.split()) > 2]
    if "scene" in named or "coarse" in named:
        rest = _behind_scene(listed)
        return {"coarse": _scene(listed, named), "fine": rest} if rest else named
    marked = [_inside_quotes(item.text) for item in listed if re.match(r"[(\d#*\-•]", item.mark)]
    paragraphs = [" ".join(part.split()) for part in re.split(r"\n\s*\n", text) if len(part.split()) > 2]
    return _in_order(marked) or (_in_order(paragraphs) if len(paragraphs) == len(PROMPTS) else {})


def _scene(listed: list[Item], named: Mapping[str, str]) -> str:
    first = next((item for item in listed if _level(item.head.partition(":")[0]) in ("scene", "coarse")), None)
    return _inside_quotes(_unlabelled(first.text)) if first else named.get("scene") or named["coarse"]


def _behind_scene(listed: list[Item]) -> str:
    """What Fig. 4's second part says: the items after the one with the scene."""
    at = next((n for n, item in enumerate(listed) if _level(item.head.partition(":")[0]) in ("scene", "coarse")), None)
    return "" if at is None else " ".join(plain(_unlabelled(item.text)) for item in listed[at + 1 :])


def _inside_quotes(words: str) -> str:
    quoted = _QUOTED.fullmatch(plain(words).rstrip(".")) or None
    return quoted["inside"] if quoted else plain(words)
