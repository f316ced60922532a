"""Where the answer of a reply begins and ends: thoughts before it and chat around it are cut off."""

from __future__ import annotations

import json
import re

_THOUGHTS_END = re.compile(
    r"(?i)</\s*(?:think(?:ing)?|thoughts?|reason(?:ing)?|reflection|scratchpad|analysis)\s*>"
    r"|\[/THINK\]|◁/think▷|<\|?/think\|?>|<\|channel\|>final<\|message\|>|<\|end_of_thought\|>"
)
_THOUGHTS = re.compile(
    r"(?is)<\s*(?:think(?:ing)?|thoughts?|reason(?:ing)?|reflection|scratchpad|analysis)\s*>.*\Z|\[THINK\].*\Z|◁think▷.*\Z"
)
"""Thoughts that were never ended: the reply broke off inside them."""
_TAGGED = re.compile(r"(?is)<(answer|output|final_answer|response|result)>(.*?)(?:</\1>|\Z)")
_SPECIAL = re.compile(r"<\|[a-z_]+\|>|</?s>|<(?:start|end)_of_turn>|\[/?INST\]")
_FENCE = re.compile(r"^[ \t]*(?:```|~~~)[\w+-]*[ \t]*$", re.MULTILINE)
_CLOSING = re.compile(
    r"(?i)^\W*(?:let me know|i hope|hope (?:this|that|it)|feel free|please (?:let|feel|note|tell)|if you(?:['’]d| would| need| want| have)"
    r"|is there anything|would you like|do you (?:want|need)|note(?: that)?\b|disclaimer|th(?:is|ese) (?:json|answer|response|analysis|output|prompts?|descriptions?|captions?)\b"
    r"|(?:these|the above|all of these)\b.{0,40}\b(?:together|combin|describ|reflect|contribut|work)|in (?:summary|conclusion)\b|overall,"
    r"|happy to help|good luck|thank)"
)
_OPENING = re.compile(
    r"(?i)^\W*(?:sure|certainly|of course|okay|ok|absolutely|yes|here(?:['’]s| is| are)|as (?:a|an|requested)\b|based on|"
    r"below (?:is|are)|the following|let(?:['’]s| us| me))\b[^\n]*:\W*$"
)


def extract_answer(text: str) -> str:
    """The part of a reply that answers: after the thoughts, within the tags, without a JSON string's quotes."""
    ends = list(_THOUGHTS_END.finditer(text))
    text = _THOUGHTS.sub("", text[ends[-1].end() :] if ends else text)
    tagged = [match[2] for match in _TAGGED.finditer(text) if match[2].strip()]
    text = _SPECIAL.sub(" ", tagged[-1] if tagged else text)
    return _unescaped(text)


def unfenced(text: str) -> str:
    """A text without the lines that open and close code blocks."""
    return _FENCE.sub("", text)


def without_chat(text: str) -> str:
    """A text without "Sure, here it is:" before it and "Let me know if …" after it."""
    kept: list[str] = []
    lines = unfenced(text).splitlines()
    for number, line in enumerate(lines):
        if not kept and _OPENING.match(line):
            continue
        if kept and _CLOSING.match(line) and not any(map(_is_item, lines[number:])):
            break
        kept.append(line)
    return "\n".join(kept).strip()


def _is_item(line: str) -> bool:
    return re.match(r"^\s*(?:\d+[.)、]|[-*•|#])\s*\S", line) is not None


def _unescaped(text: str) -> str:
    """A reply that was written as one JSON string, or with its quotes escaped."""
    stripped = text.strip()
    if stripped.startswith('"') and stripped.endswith('"'):
        try:
            inner = json.loads(stripped)
        except ValueError:
            inner = None
        if isinstance(inner, str) and "{" in inner:
            return inner
    if re.match(r"[\[{]\s*\\\"|[\[{]\\n\s*\\\"", stripped):
        return text.replace('\\"', '"').replace("\\n", "\n")
    return text
