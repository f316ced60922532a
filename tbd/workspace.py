"""Where things lie: the shipped folders, the user's project, and writing files that cannot tear.

``annotate/``, ``evaluate/``, ``train/``, ``replicate/`` and ``data_manifests/`` hold what a person edits. A wheel
carries them inside the package, a checkout has them beside it, and a file in the user's current
directory wins over both.
"""

from __future__ import annotations

import contextlib
import errno
import glob
import json
import os
import re
import secrets
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tbd.errors import InputError, MissingError, UsageError

SHIPPED_FOLDERS = ("annotate", "evaluate", "train", "replicate", "data_manifests")
MANIFESTS = Path("data_manifests")
_URL = re.compile(r"([a-z][a-z0-9+]+):/+(.+)")


def shipped() -> Path:
    """The folder that holds the shipped ``annotate/``, ``evaluate/``, ``train/``, ``replicate/``, ``data_manifests/``."""
    inside = Path(__file__).parent / "shipped"
    return inside if inside.is_dir() else inside.parent.parent


def find(relative: str | Path) -> Path:
    """The file or folder to use for ``relative``: the user's project first, then the shipped one.

    Raises:
        InputError: neither has it; the message names both places and what lies there.
    """
    for root in (Path.cwd(), shipped()):
        if (root / relative).exists():
            return root / relative
    parent = shipped() / Path(relative).parent
    names = sorted(path.name for path in parent.iterdir()) if parent.is_dir() else []
    raise InputError(
        f"{relative}: not in {Path.cwd()} and not shipped with tbd"
        + (f" (shipped there: {', '.join(names)})" if names else "")
    )


def cache() -> Path:
    """Where results that can be computed again are kept: ``$TBD_CACHE``, else ``~/.cache/tbd``."""
    return Path(os.environ.get("TBD_CACHE") or "~/.cache/tbd").expanduser()


def url_of(path: str | Path) -> str | None:
    """The address (``s3://…``) that a path stands for (a ``Path`` folds ``//``); None: a path of this machine."""
    found = _URL.fullmatch(str(path))
    return f"{found[1]}://{found[2]}" if found and not Path(path).exists() else None


def copies() -> Path:
    """Where copies of what lies elsewhere are kept to be read (``tbd.storage``). Nothing else is written there."""
    return cache() / "remote"


def refuse_elsewhere(path: Path) -> None:
    """Refuse to write where nothing of it would last.

    Raises:
        UsageError: the path is an address, or in the copy of what lies at one.
    """
    if url := url_of(path):
        raise UsageError(f"{url}: this is written to a disk of this machine only", next="take a folder, and copy it")
    if path.absolute().is_relative_to(copies().absolute()):
        place = path.absolute().relative_to(copies().absolute())
        raise UsageError(
            f"{place}: a copy of what lies elsewhere, which is only read; what is written there would be lost",
            next="copy it into data_manifests/ first",
        )


def manifests(root: Path | None = None) -> list[Path]:
    """Every manifest folder below ``data_manifests/``, sorted; ``example/`` and ``cards/`` are passed over."""
    folder = (root or Path.cwd()) / MANIFESTS
    found = folder.iterdir() if folder.is_dir() else ()
    return sorted(
        path
        for path in found
        if path.name not in ("example", "cards")
        and any((path / name).is_file() for name in ("manifest.parquet", "journal.sqlite"))
    )


def only_manifest() -> Path:
    """The single manifest of this project, for commands called without one.

    Raises:
        UsageError: there is none, or more than one; the message lists them.
    """
    found = manifests()
    if len(found) == 1:
        return found[0]
    if not found:
        raise UsageError(f"no manifest in {MANIFESTS}/", next="tbd annotate DATASET")
    names = "\n".join(f"  {MANIFESTS / path.name}" for path in found)
    raise UsageError(f"{len(found)} manifests here, name one:\n{names}", next=f"tbd review {MANIFESTS / found[0].name}")


def write_whole(path: Path, write: Callable[[Path], Any]) -> None:
    """Write a file so that readers see the old one or the whole new one, never a part.

    Args:
        path: where the file shall be.
        write: is given a temporary name in the same folder and writes everything there.

    Raises:
        MissingError: the disk is full.
        InputError: the folder cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    with writing(path):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _sweep(path)
            write(temporary)
            sync(temporary)
            temporary.replace(path)
            sync(path.parent)
        finally:
            temporary.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Bring a file, or a folder's list of names, to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_text(path: Path, text: str) -> None:
    """``write_whole`` for UTF-8 text."""
    write_whole(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def write_json(path: Path, document: Any) -> None:
    """``write_whole`` for a JSON document, indented, keys in the given order."""
    write_text(path, json.dumps(document, indent=2, ensure_ascii=False) + "\n")


@contextlib.contextmanager
def writing(path: Path) -> Any:
    """Turn the operating system's refusal to write ``path`` into an error a user can act on."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            free = shutil.disk_usage(path.parent if path.parent.exists() else Path.cwd()).free
            raise MissingError(
                f"{path}: the disk is full ({free / 1e6:.0f} MB free); nothing that was saved is lost",
                next="free some space, then run the same command again",
            ) from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.EEXIST):
            raise InputError(
                f"{path}: cannot be written ({error.strerror})",
                next=f"ls -ld {path.parent}   # who may write there; or work in another folder",
            ) from error
        raise


def _sweep(path: Path) -> None:
    """Remove what killed runs left beside ``path``: temporary files that nobody touched for an hour."""
    for left in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime > 3600:
                left.unlink()
