"""Reading the model's replies: JSON first, headings second.

A schema may be ignored by the server, and a model may answer as the paper's Fig. 4 shows: under
headings, with a two-part step IV. What can be read is read; the raw reply is kept in any case.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from tbd.annotate.facs import parse_action_units
from tbd.schema import ActionUnit, Muscle, Side

PROMPTS = ("scene", "expression", "muscles", "dynamics")
"""The four levels of a chain-of-thought row, coarse to fine."""

_UNKNOWN = {"", "unknown", "n/a", "na", "none", "not visible", "unclear", "null", "undetermined"}
_GENDERS = {"female": "woman", "woman": "woman", "girl": "woman", "male": "man", "man": "man", "boy": "man"}
_HEADING = re.compile(r"^[\s#>*_\-–•\d.)]*(?P<name>[A-Za-z][A-Za-z \-/]{1,30}?)[\s*_]*[:：][\s*_]*(?P<rest>.*)$")
_LETTER = re.compile(r"(?<![A-Za-z])([A-E])(?![A-Za-z])")


class Unreadable(Exception):
    """The reply has none of the step's parts; ``str(error)`` says what is missing."""


def read(step: str, text: str) -> dict[str, Any]:
    """The fields of ``tbd.schema.Annotation`` that one step's reply fills.

    Args:
        step: ``step1`` … ``step4`` or ``describe``.
        text: the raw reply.

    Raises:
        Unreadable: nothing of the step's parts could be found.
    """
    return _READERS[step](find_json(text), text)


def find_json(text: str) -> dict[str, Any]:
    """The first JSON object in a reply, whatever stands around it; empty when there is none."""
    decoder = json.JSONDecoder()
    start = text.find("{")
    while start >= 0:
        try:
            found, _ = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            start = text.find("{", start + 1)
            continue
        return found if isinstance(found, dict) else {}
    return {}


def headings(text: str) -> dict[str, str]:
    """``Name: words`` lines of a reply, names in lower case; lines below a heading belong to it."""
    found: dict[str, str] = {}
    name = ""
    for line in text.splitlines():
        match = _HEADING.match(line)
        if match:
            name = " ".join(match["name"].lower().split())
            found[name] = match["rest"].strip(' *_"')
        elif name and line.strip():
            found[name] = f"{found[name]} {line.strip()}".strip()
    return found


def _facial_information(document: Mapping[str, Any], text: str) -> dict[str, Any]:
    lines = {} if document else headings(text)
    fields = {
        "gender": _known(document.get("gender", lines.get("gender", lines.get("sex")))),
        "age_range": _known(document.get("age_range", lines.get("age range", lines.get("age")))),
        "ethnicity": _known(document.get("ethnicity", lines.get("ethnicity", lines.get("race")))),
        "appearance": _known(document.get("appearance", lines.get("appearance"))),
    }
    if not document.keys() & fields.keys() and not any(fields.values()):
        raise Unreadable("none of gender, age_range, ethnicity, appearance")
    if fields["gender"]:
        fields["gender"] = _GENDERS.get(fields["gender"].lower(), fields["gender"])
    return fields


def _action_units(document: Mapping[str, Any], text: str) -> dict[str, Any]:
    entries = document.get("action_units")
    if isinstance(entries, list):
        units = [unit for entry in entries if (unit := _unit_from_json(entry))]
    else:
        units = [unit for line in text.splitlines() if (unit := _unit_from_line(line))]
    if not units:
        raise Unreadable("no action units")
    return {"action_units": tuple(units)}


def _unit_from_json(entry: Any) -> ActionUnit | None:
    if not isinstance(entry, Mapping):
        return _unit_from_line(str(entry))
    code = entry.get("au", entry.get("code"))
    if isinstance(code, bool) or not isinstance(code, int | str):
        return None
    mentions = parse_action_units(f"AU{code}" if str(code).strip().isdigit() else str(code))
    if not mentions or not 0 <= mentions[0].au < 1000:
        return None
    letter = _LETTER.search(_text(entry.get("intensity")).upper())
    return ActionUnit(
        au=mentions[0].au,
        name=_text(entry.get("name")),
        side=_side(_text(entry.get("side"))) or mentions[0].side,
        intensity=letter[1] if letter else mentions[0].intensity,
        description=_text(entry.get("description")),
    )


def _unit_from_line(line: str) -> ActionUnit | None:
    mentions = [mention for mention in parse_action_units(line) if not mention.negated]
    if not mentions:
        return None
    code = re.search(r"(?i)\bA[UD]?[LR]?[\s_-]?\d+[A-E]?\b(?:\s*/\s*\d+)?", line)
    rest = line[code.end() :] if code else line
    name, _, description = rest.strip(" *_()-–:.").partition(":")
    name = re.split(r"[(),–-]", name)[0]
    letter = _LETTER.search(rest)
    return ActionUnit(
        au=mentions[0].au,
        name=name.strip(" *_"),
        side=mentions[0].side or _side(rest),
        intensity=mentions[0].intensity or (letter[1] if letter else None),
        description=description.strip(" *_"),
    )


def _muscles(document: Mapping[str, Any], text: str) -> dict[str, Any]:
    entries = document.get("muscles")
    if isinstance(entries, list):
        muscles = [muscle for entry in entries if (muscle := _muscle_from_json(entry))]
    else:
        muscles = [muscle for line in text.splitlines() if (muscle := _muscle_from_line(line))]
    if not muscles:
        raise Unreadable("no muscles")
    return {"muscles": tuple(muscles)}


def _muscle_from_json(entry: Any) -> Muscle | None:
    if not isinstance(entry, Mapping) or not _text(entry.get("name")):
        return None
    mentions = parse_action_units(f"AU{entry.get('au')}".replace("AUAU", "AU"))
    return Muscle(_text(entry["name"]), mentions[0].au if mentions else None, _text(entry.get("action")))


def _muscle_from_line(line: str) -> Muscle | None:
    mentions = parse_action_units(line)
    match = re.match(r"^[\s#>*_\-–•\d.)]*(?P<name>[A-Za-z][A-Za-z ,]+?)\s*[*_]*\s*[(:–-]", line)
    if not mentions or not match or mentions[0].negated:
        return None
    return Muscle(match["name"].strip(), mentions[0].au, line.partition(":")[2].strip(" *_"))


def _prompts(document: Mapping[str, Any], text: str) -> dict[str, Any]:
    parts = document or headings(text)
    four = tuple(_text(parts.get(name)) for name in PROMPTS)
    if any(four):
        return {"prompts": four}
    coarse = next((_text(parts[name]) for name in parts if "coarse" in name.lower()), "")
    fine = next((_text(parts[name]) for name in parts if "fine" in name.lower()), "")
    if not coarse and not fine:
        raise Unreadable("none of scene, expression, muscles, dynamics")
    return {"prompts": (coarse, fine)}


def _description(document: Mapping[str, Any], text: str) -> dict[str, Any]:
    prompt = _text(document.get("prompt")) if document else headings(text).get("prompt", "") or text.strip(' "\n')
    if not prompt or prompt.startswith("{"):
        raise Unreadable("no prompt")
    return {"prompts": (prompt,)}


_READERS: dict[str, Callable[[Mapping[str, Any], str], dict[str, Any]]] = {
    "step1": _facial_information,
    "step2": _action_units,
    "step3": _muscles,
    "step4": _prompts,
    "describe": _description,
}


def _text(value: Any) -> str:
    if not isinstance(value, str | int | float):
        return ""
    whole = str(value).encode("utf-8", "replace").decode()  # half a surrogate pair can be neither counted nor stored
    return " ".join(whole.split())


def _known(value: Any) -> str | None:
    text = _text(value)
    return None if text.lower().strip(" .") in _UNKNOWN else text


def _side(words: str) -> Side | None:
    left, right = re.search(r"(?i)\bleft\b", words), re.search(r"(?i)\bright\b", words)
    if bool(left) == bool(right):
        return None
    return "left" if left else "right"
