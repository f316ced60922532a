"""The raw reply of a step, split into fields that are quick to read."""

from __future__ import annotations

import json
from typing import Any


def fields(reply: str) -> list[tuple[str, list[str]]] | None:
    """A JSON object as names with the lines under each; None for any other text, which is shown as it is."""
    try:
        document = json.loads(reply)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict) or not document:
        return None
    return [(str(name).replace("_", " "), _lines(value)) for name, value in document.items()]


def outline(reply: str) -> str:
    """The ``fields`` of a reply in plain lines; any other text as it is."""
    lines = []
    for name, entries in fields(reply) or ():
        many = any(" · " in entry for entry in entries)
        lines += [f"· {entry}" for entry in entries] if many else [f"{name}: {', '.join(entries)}"]
    return "\n".join(lines) or reply.strip()


def _lines(value: Any) -> list[str]:
    return [_line(entry) for entry in value] if isinstance(value, list) else [_line(value)]


def _line(value: Any) -> str:
    if isinstance(value, dict):
        said = (f"AU {entry}" if name == "au" else _line(entry) for name, entry in value.items() if entry is not None)
        return " · ".join(said)
    if value is None:
        return "–"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
