"""What identifies a file: size and time for a quick look, a hash for a sure one."""

from __future__ import annotations

import hashlib
from pathlib import Path

from tbd.errors import InputError


def fingerprint_file(path: Path) -> tuple[int, int]:
    """``(size in bytes, time of last change in ns)``: equal while nobody wrote to the file.

    Raises:
        InputError: there is no such file, or it may not be read.
    """
    try:
        status = path.stat()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    return status.st_size, status.st_mtime_ns


def sha256_file(path: Path) -> str:
    """sha256 of the content as 64 hex digits; the file is streamed.

    Raises:
        InputError: the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
