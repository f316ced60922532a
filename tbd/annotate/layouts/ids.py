"""Names of clips: unique in their dataset, and safe as a file name everywhere."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import replace

from tbd.annotate.layouts.base import shown
from tbd.hashes import sha256_text
from tbd.schema import INFO, WARNING, Clip, Flag

LONGEST = 120
"""Characters of a clip_id."""

_SAFE = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._-]{{0,{LONGEST - 1}}}")


def is_safe(name: str) -> bool:
    """ASCII letters, digits, ``.``, ``_`` and ``-`` only, not hidden, and at most ``LONGEST`` long."""
    return _SAFE.fullmatch(name) is not None


def safe(name: str, origin: str | None = None) -> str:
    """``name`` itself where it is safe, else what is readable of it and eight hex digits.

    Args:
        name: the name wished for.
        origin: what the digits are a hash of; ``name`` when not given.
    """
    if is_safe(name):
        return name
    return f"{slug(name)}-{sha256_text(name if origin is None else origin)[:8]}"


def slug(name: str) -> str:
    """The ASCII letters and digits of a text, the rest as single ``-``; never empty."""
    ascii_only = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9._]+", "-", ascii_only).strip("-._")[: LONGEST - 20].strip("-._") or "clip"


def made_unique(clips: Iterable[Clip]) -> list[Clip]:
    """Clips sorted by ``clip_id``, each id safe and once only, letter case aside.

    Of clips that ask for the same id the first by file name keeps it; the others get eight hex
    digits of their file name and window, and a warning.
    """
    taken: dict[str, Clip] = {}
    for clip in sorted(clips, key=lambda clip: (clip.file_name, clip.start or 0.0, clip.end or 0.0, clip.clip_id)):
        name = _named(clip)
        first = taken.get(name.clip_id.lower())
        chosen = name if first is None else _renamed(name, first, taken)
        taken[chosen.clip_id.lower()] = chosen
    return sorted(taken.values(), key=lambda clip: clip.clip_id)


def _named(clip: Clip) -> Clip:
    if is_safe(clip.clip_id):
        return clip
    return replace(clip, clip_id=safe(clip.clip_id, f"{clip.clip_id}\n{clip.file_name}"))


def _renamed(clip: Clip, first: Clip, taken: dict[str, Clip]) -> Clip:
    flag = Flag(
        "duplicate_clip_id",
        WARNING,
        f"{shown(first.file_name)} has the same clip_id {first.clip_id}; is this a second copy?",
        "dataset",
    )
    stem, turn = clip.clip_id[: LONGEST - 9], 0
    while True:
        name = f"{stem}-{sha256_text(f'{clip.file_name} {clip.start} {clip.end} {turn or str()}'.rstrip())[:8]}"
        if name.lower() not in taken:
            return replace(clip, clip_id=name, flags=(*clip.flags, flag))
        turn += 1


def renamed_flag(wished: str) -> Flag:
    """The finding that a user's own clip_id could not be taken as it is."""
    return Flag("clip_id_changed", INFO, f"the clip_id {wished!r} is not safe as a file name", "dataset")
