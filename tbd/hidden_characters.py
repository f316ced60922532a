"""Characters that cannot be seen, or would command a terminal: found, shown by a sign, or taken out."""

from __future__ import annotations

import re
import unicodedata

_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ud800-\udfff\U000e0000-\U000e0fff]"
)
"""Controls, marks of reading direction, signs of no width, soft hyphens, variation selectors, halves of pairs, tags."""


def hidden_characters(text: str) -> list[str]:
    """Every hidden character of a text, in its order."""
    return _HIDDEN.findall(text)


def visible(text: str) -> str:
    """A text with a sign in place of everything that cannot be seen, or would command a terminal.

    Control characters get their picture (``␛``), all others their number (``⟨202E⟩``). Tabs become spaces.
    """
    return _HIDDEN.sub(_sign, text).replace("\t", " ")


def one_line(text: str | None) -> str:
    """A ``visible`` text with its white space joined, for a place that has a single line."""
    return " ".join(visible(text or "").split())


def without_hidden(text: str) -> str:
    """A text in one line without its hidden characters."""
    return " ".join(_HIDDEN.sub("", text.replace("\n", " ").replace("\r", " ")).split())


def look_alike(name: str) -> str:
    """A name without what the eye does not tell apart: case, width of letters, characters that are not seen."""
    seen = "".join(sign for sign in unicodedata.normalize("NFKC", name) if unicodedata.category(sign) != "Cf")
    return " ".join(seen.casefold().split())


def _sign(match: re.Match[str]) -> str:
    code = ord(match[0])
    return "␡" if code == 127 else chr(0x2400 + code) if code < 32 else f"⟨{code:04X}⟩"
