"""sha256 of large files, computed once: remembered by path, size and modification time."""

from __future__ import annotations

import contextlib
import hashlib
import json
from pathlib import Path

from tbd import workspace
from tbd.errors import InputError, TbdError


def sha256(path: Path) -> str:
    """sha256 of a file as 64 hex digits; a file that has not changed is not read again.

    Raises:
        InputError: the file cannot be read.
    """
    try:
        path = path.resolve(strict=True)
        status = path.stat()
        stamp = [status.st_size, status.st_mtime_ns]
        known = _remembered().get(str(path))
        if isinstance(known, list) and known[:2] == stamp:
            return str(known[2])
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    with contextlib.suppress(TbdError):  # a memory that cannot be written costs time, not truth
        workspace.write_json(_memory(), _remembered() | {str(path): [*stamp, digest]})
    return digest


def _memory() -> Path:
    return workspace.cache() / "sha256.json"


def _remembered() -> dict[str, object]:
    try:
        known = json.loads(_memory().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}
