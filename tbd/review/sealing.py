"""Ending a review: the manifest shows every decision, whoever ends at the same time."""

from __future__ import annotations

from pathlib import Path


def is_behind(file: Path, newest: float) -> bool:
    """Whether a manifest was sealed before its newest event (seconds since 1970), or may have been."""
    return newest > (file.stat().st_mtime - 1 if file.is_file() else 0.0)
