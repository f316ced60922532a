"""The chat-completion document of an OpenAI-compatible server, read without trusting it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from tbd.annotate.backends.base import Reply, Usage
from tbd.annotate.replies import extract_answer
from tbd.annotate.replies.objects import documents

WITHHELD = "I'm sorry, but I cannot answer: the server's content filter withheld this reply."
"""Stands before what is left of a filtered reply, so that it is judged as the refusal that it is."""


def read_completion(document: Any) -> tuple[Reply, str]:
    """The first choice of a completion, and the model that the server says it used.

    A refusal is a reply in words. Reasoning that a server returns beside the content is left out, unless the content is
    empty and the reasoning holds the JSON that was asked for: some engines put a constrained answer there.

    Args:
        document: the parsed JSON body; nothing is assumed about it.

    Raises:
        ValueError: it holds no reply; the message says what is missing.
    """
    match document:
        case {"choices": [{"message": {**message}, **choice}, *_]}:
            text = _content(message.get("content"))
            aside = "" if text.strip() else _reasoning({str(name): value for name, value in message.items()})
        case {"choices": []}:
            raise ValueError("a completion without choices")
        case _:
            raise ValueError("a document that is no completion")
    finish = choice.get("finish_reason")
    refusal = message.get("refusal")
    if isinstance(refusal, str) and refusal.strip():
        text = refusal
    elif finish == "content_filter":
        text = f"{WITHHELD}\n{text}".strip()
    name = document.get("model")
    note = "" if text.strip() or not aside else "answers in its reasoning field; that is read"
    ended: Literal["stop", "length"] = "length" if finish == "length" else "stop"
    reply = Reply(_storable(text if not note else aside), ended, _usage(document.get("usage")), note=note)
    return reply, name if isinstance(name, str) else ""


def _content(content: Any) -> str:
    """Text as one string, or as a list of parts; None when the model said nothing."""
    match content:
        case None:
            return ""
        case str():
            return content
        case [*parts]:
            return "".join(part["text"] for part in parts if _is_text(part))
    raise ValueError("a completion whose content is no text")


def _reasoning(message: Mapping[str, Any]) -> str:
    """The reasoning beside an empty content, where it holds an object; its thoughts alone are no answer."""
    for name in ("reasoning_content", "reasoning", "thinking"):
        text = message.get(name)
        if isinstance(text, str) and documents(extract_answer(text)):
            return text
    return ""


def _is_text(part: Any) -> bool:
    return isinstance(part, Mapping) and isinstance(part.get("text"), str)


def _storable(text: str) -> str:
    """JSON can spell half of a surrogate pair; no file can hold it."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _usage(usage: Any) -> Usage:
    if not isinstance(usage, Mapping):
        return Usage()
    details = usage.get("prompt_tokens_details")
    cached = details.get("cached_tokens") if isinstance(details, Mapping) else 0
    prompt = _count(usage.get("prompt_tokens"))
    return Usage(prompt, min(_count(cached), prompt), _count(usage.get("completion_tokens")))


def _count(value: Any) -> int:
    """A number of tokens, or 0 for anything that cannot be one."""
    return value if isinstance(value, int) and 0 < value < 2**31 else 0
