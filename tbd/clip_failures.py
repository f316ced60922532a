"""The boundary around one clip: whatever it raises becomes the reason of its own failure, and the run goes on."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tbd.errors import MissingError, TbdError

BUGS = "bugs.log"
"""In the output folder: tracebacks of clips that failed for no reason that tbd knows."""
_BUG = "a bug in tbd ("
_MEMORY = ("MemoryError", "OutOfMemoryError")
"""Names of the errors of this machine and of its GPU, whichever library raises them."""


def why_failed(error: Exception, clip_id: str, step: str, folder: Path, trace: str | None = None) -> str:
    """Why a clip failed, for its row. Call it where the error was caught; a bug's traceback goes into ``bugs.log``.

    Args:
        step: what was being done: ``encode``, ``render``.
        folder: the output folder.
        trace: the traceback, where the error was caught in another process; None takes the present one.

    Raises:
        MissingError: ``error`` is one, so it is no clip's fault: the disk is full.
    """
    if isinstance(error, MissingError):
        raise error
    if isinstance(error, TbdError):
        return error.message
    if type(error).__name__ in _MEMORY:
        return f"{step}: not enough memory"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / BUGS).open("a", encoding="utf-8") as file:
        file.write(f"{clip_id}\n{traceback.format_exc() if trace is None else trace}\n")
    return f"{step}: {_BUG}{type(error).__name__}: {error}); its traceback is in {folder / BUGS}"


def raise_if_all_bugs(failed: Mapping[Any, str], tried: int) -> None:
    """A run in which every clip met a bug is itself one (exit 70).

    Raises:
        RuntimeError: each of ``tried`` clips failed of a bug; the first is repeated.
    """
    bugs = [reason for reason in failed.values() if _BUG in reason]
    if tried and len(bugs) == tried:
        raise RuntimeError(f"every clip failed of a bug in tbd: {bugs[0]}")
