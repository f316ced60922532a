"""The raw reply of a step in a form that is quick to read."""

from __future__ import annotations

import json
from typing import Any


def outline(reply: str) -> str:
    """A JSON object as one line a field, and one line an entry of its lists; any other text as it is."""
    try:
        document = json.loads(reply)
    except (ValueError, RecursionError):
        return reply.strip()
    if not isinstance(document, dict) or not document:
        return reply.strip()
    return "\n".join(line for key, value in document.items() for line in _field(str(key), value))


def _field(key: str, value: Any) -> list[str]:
    entries = value if isinstance(value, list) else []
    if entries and all(isinstance(entry, dict) for entry in entries):
        return [
            "· " + " · ".join(_said(name, one) for name, one in entry.items() if one is not None) for entry in entries
        ]
    words = ", ".join(map(_words, entries)) if isinstance(value, list) else _words(value)
    return [f"{key.replace('_', ' ')}: {words}"]


def _said(name: str, value: Any) -> str:
    return f"AU {value}" if name == "au" else _words(value)


def _words(value: Any) -> str:
    if value is None:
        return "–"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
