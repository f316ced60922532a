"""The small parts of an answer: keys in their many spellings, known and unknown values, sides, letters."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from tbd.schema import Side

_UNKNOWN = re.compile(
    r"(?i)^\W*(?:unknown|unclear|undetermined|indeterminate|unspecified|undisclosed|unidentifi\w+|uncertain|ambiguous|null|none|nil|n/?a|"
    r"not\s+(?:\w+\s+)?(?:visible|clear|clearly|sure|applicable|given|specified|determin\w+|discernible|stated|provided|known|available|identif\w+|possible)|"
    r"(?:can ?not|can['’]t|could not|unable to|impossible to|difficult to|hard to|i(?:['’]m| am) (?:unable|not able)|i (?:can ?not|can['’]t))\b|unknown)"
    r"|\b(?:can ?not|can['’]t|could not|unable to|impossible to|not possible to)\s+(?:be\s+)?(?:reliably\s+|accurately\s+)?(?:determin|tell|infer|identif|assess|discern)"
)
_LETTER_NAMES = {
    "trace": "A",
    "slight": "B",
    "marked": "C",
    "pronounced": "C",
    "severe": "D",
    "extreme": "D",
    "maximum": "E",
}
_LETTER = re.compile(
    r"(?i:\b(?:intensit(?:y|ies)|level|strength|grade|score|letter)|强度)(?:\s+(?:is|of|at|level|letter|grade|rated))*\W{0,4}(?P<after>[A-E])(?![A-Za-z])"
    r"|(?<![A-Za-z])(?P<before>[A-E])[ -](?i:level|intensity|grade|marked|severe|slight|trace|maximum)\b"
    r"|[(\[（](?P<bracket>[A-E])(?![A-Za-z])"
    r"|(?<![A-Za-z'’])(?P<alone>[B-E]|A(?!\s*[a-z]))(?![A-Za-z'’])"
)


def key(name: Any) -> str:
    """``"AU_Number"`` -> ``aunumber``: letters and digits, lower case."""
    return re.sub(r"[^a-z0-9]+", "", str(name).lower())


def keyed(entry: Mapping[Any, Any]) -> dict[str, Any]:
    """A mapping under normalised keys; the first of two that become equal stands."""
    found: dict[str, Any] = {}
    for name, value in entry.items():
        found.setdefault(key(name), value)
    return found


def first_of(entry: Mapping[str, Any], names: Iterable[str]) -> Any:
    """The first of these keys that holds something; None when none does."""
    return next((entry[name] for name in names if entry.get(name) not in (None, "", [], {})), None)


def text_of(value: Any) -> str:
    """A value in words on one line: texts, numbers, and lists and objects of them."""
    if isinstance(value, bool) or value is None:
        return ""
    if isinstance(value, Mapping):
        return ", ".join(filter(None, map(text_of, value.values())))
    if isinstance(value, list):
        return ", ".join(filter(None, map(text_of, value)))
    whole = str(value).encode("utf-8", "replace").decode()  # half a surrogate pair can be neither counted nor stored
    return " ".join(whole.split())


def plain(text: str) -> str:
    """Words without the quotes, stars, hashes and bullets around them."""
    text = text.strip()
    previous = ""
    while text != previous:
        previous = text
        text = re.sub(r"^(?:\*+|_+(?=\w)|#+|>|[-•–]\s|`+|[:：])\s*|\s*(?:\*+|(?<=\w)_+|`+|\|)$", "", text).strip()
        for opened, closed in ('""', "''", "“”", "‘’", "「」"):
            if len(text) > 1 and text[0] == opened and text[-1] == closed and opened not in text[1:-1]:
                text = text[1:-1].strip()
    return text


def known(value: Any) -> str | None:
    """A value of step I: None where it says in any words that the picture does not tell."""
    text = plain(text_of(value)).strip(" .;,。；，")
    return None if not text or _UNKNOWN.search(text) else text


def letter_of(text: str, *, cell: bool = False) -> str | None:
    """The FACS letter that a text speaks of; "A wide smile" speaks of none.

    Args:
        cell: the text is an intensity and nothing else: numbers 1 to 5 and FACS's own words count, too.
    """
    stripped = text.strip(" .*_`\"'")
    if cell and re.fullmatch(r"[a-eA-E]|[1-5](?:\.0)?(?:\s*/\s*5)?", stripped):
        return stripped.upper() if stripped.isalpha() else "ABCDE"[int(stripped[0]) - 1]
    for group in ("after", "before", "bracket", "alone"):
        for match in _LETTER.finditer(text):
            if match[group]:
                return match[group]
    names = [letter for name, letter in _LETTER_NAMES.items() if cell and re.search(rf"(?i)\b{name}\b", text)]
    return names[0] if len(names) == 1 else None


def side_of(words: str) -> Side | None:
    """The one side that the words speak of; None when both or neither."""
    short = words.strip(" .()*").lower()
    left = short == "l" or re.search(r"(?i)\bleft\b|左", words)
    right = short == "r" or re.search(r"(?i)\bright\b(?!\s+(?:away|before|after|now))|右", words)
    if bool(left) == bool(right):
        return None
    return "left" if left else "right"
