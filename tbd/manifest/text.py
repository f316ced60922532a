"""Manifest rows in words, and the replies in them as fields that are quick to read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from textwrap import fill
from typing import Any

from tbd.manifest.prompt_levels import coarse_and_fine, level_names
from tbd.manifest.tokens import count_tokens
from tbd.schema import ManifestRow

_WIDTH = 100


def table_words(rows: Sequence[ManifestRow], total: int) -> list[str]:
    """A line a row: clip, label, status, review, flags; and the coarse prompt below it."""
    lines = [f"{total} rows" + (f", the first {len(rows)}:" if len(rows) < total else ":")]
    for row in rows:
        label = " ".join(filter(None, (row["intensity"], row["emotion"])))
        state = "approved" if row["approved"] else row["review_status"] if row["status"] == "success" else row["status"]
        flags = f"  ! {', '.join(row['flags'])}" if row["flags"] else ""
        lines.append(f"{row['clip_id']}  {label}  {state}{flags}")
        lines.append(f"    {row['coarse_prompt_final'] or row['error'] or ''}"[:_WIDTH])
    return lines


def row_words(row: ManifestRow) -> list[str]:
    """One row in full: medium, chain, prompts with their tokens, outcome."""
    lines = [
        row["clip_id"],
        _pair("label", " ".join(filter(None, (row["intensity"], row["emotion"], f"({row['emotion_raw']})")))),
        _pair("file", row["file_name"]),
        _pair("medium", _medium(row)),
        _pair(
            "person", ", ".join(filter(None, (row["gender"], row["age_range"], row["ethnicity"], row["appearance"])))
        ),
    ]
    for unit in row["action_units"]:
        words = " ".join(filter(None, (unit["name"], unit["side"], unit["intensity"])))
        lines.append(_pair(f"AU{unit['au']}", f"{words}: {unit['description']}"))
    lines += [_pair("muscle", f"{muscle['name']} (AU{muscle['au']}): {muscle['action']}") for muscle in row["muscles"]]
    prompts = row["prompts_final"]
    lines += [
        _pair(name, f"{text} [{count_tokens(text)}]")
        for name, text in zip(level_names(len(prompts)), prompts, strict=True)
    ]
    coarse, fine = (len(text or "") and count_tokens(text or "") for text in coarse_and_fine(prompts))
    lines.append(_pair("tokens", f"coarse {coarse}, fine {fine}"))
    lines.append(_pair("outcome", row["status"] + (f": {row['error']}" if row["error"] else "")))
    lines.append(_pair("flags", ", ".join(row["flags"]) or "none"))
    state = "approved" if row["approved"] else "not approved"
    lines.append(_pair("review", f"{row['review_status']} {', '.join(row['reviewers'])}".strip() + f"; {state}"))
    lines.append(_pair("origin", " ".join(filter(None, (row["backend"], row["model"], row["prompt_version"])))))
    return lines


def _medium(row: ManifestRow) -> str:
    if not row["width"]:
        return "could not be read"
    rate = f"{row['fps']:g} fps" if row["fps"] else "picture"
    sound = "with sound" if row["has_audio"] else "silent"
    return f"{row['width']}x{row['height']}, {rate}, {row['num_frames']} frames, {row['duration'] or 0:.2f} s, {sound}"


def _pair(name: str, words: str) -> str:
    text = fill(words or "-", _WIDTH - 12, subsequent_indent=" " * 12)
    return f"{name:>10}  {text}"


def reply_fields(reply: str) -> list[tuple[str, list[str]]] | None:
    """A step's reply in JSON as names with the lines under each; None for any other text, which is shown as it is."""
    try:
        document = json.loads(reply)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict) or not document:
        return None
    return [(str(name).replace("_", " "), _lines(value)) for name, value in document.items()]


def reply_outline(reply: str) -> str:
    """The ``reply_fields`` of a reply in plain lines; any other text as it is."""
    lines = []
    for name, entries in reply_fields(reply) or ():
        many = any(" · " in entry for entry in entries)
        lines += [f"· {entry}" for entry in entries] if many else [f"{name}: {', '.join(entries)}"]
    return "\n".join(lines) or reply.strip()


def _lines(value: Any) -> list[str]:
    return [_line(entry) for entry in value] if isinstance(value, list) else [_line(value)]


def _line(value: Any) -> str:
    if isinstance(value, dict):
        filled = ((name, entry) for name, entry in value.items() if entry not in (None, ""))
        said = (f"AU {entry}" if name == "au" else _line(entry) for name, entry in filled)
        return " · ".join(said)
    if value is None:
        return "–"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
