"""``tbd doctor --like``: whether a run may use this machine beside another one: same versions, same data, room on the disk."""

from __future__ import annotations

import importlib.metadata
import json
import platform
import shutil
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tbd
from tbd import workspace
from tbd.errors import InputError
from tbd.hashes import sha256_file
from tbd.manifest import MANIFEST
from tbd.manifest.run import recorded_roots

ALIKE = ("torch", "accelerate", "diffusers", "transformers", "pyarrow", "av", "numpy", "pillow")
"""Libraries that are the same on all nodes of a run."""
ROOM = 5e9
"""Bytes that are free where a node works."""
EMPTY = "nothing is there"


def node_report(data: Sequence[Path]) -> dict[str, Any]:
    """What this node says of itself: ``name versions data free``. Loads nothing heavy.

    Args:
        data: manifest folders and dataset folders that the run reads.
    """
    versions = {"python": platform.python_version(), "tbd": tbd.__version__}
    for name in ALIKE:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = "none"
    seen = {str(path.absolute()): _content(path) for path in data}
    for path in data:
        roots = recorded_roots(path).values() if (path / MANIFEST).is_file() else ()
        seen |= {root: _content(Path(root)) for root in roots if not workspace.url_of(root)}
    free = shutil.disk_usage(Path.cwd()).free
    return {"name": socket.gethostname(), "versions": versions, "data": seen, "free": free}


def read_report(path: Path) -> dict[str, Any]:
    """The report in what ``tbd doctor --json`` printed on another node.

    Raises:
        InputError: there is none in it.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))["node"]
        return {"name": str(found["name"]), "versions": dict(found["versions"]), "data": dict(found["data"])}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path}: no report of a node ({type(error).__name__}: {error})",
            next=f"tbd doctor --fast --json > {path}   # on the first node",
        ) from None


def unfit(here: Mapping[str, Any], other: Mapping[str, Any] | None = None) -> list[str]:
    """Why a run should not use this node, in words, one a reason; ``other``: the report of a node that it uses."""
    words = [f"{path}: {EMPTY}" for path, content in here["data"].items() if content == EMPTY]
    if here["free"] < ROOM:
        words.append(f"{here['free'] / 1e9:.1f} GB are free in {Path.cwd()}")
    if other is None:
        return words
    words += [
        f"{name} {here['versions'].get(name, 'none')}, and {version} on {other['name']}"
        for name, version in other["versions"].items()
        if here["versions"].get(name, "none") != version
    ]
    for path, content in other["data"].items():
        if path not in here["data"]:
            words.append(f"{path}: looked at on {other['name']} alone (--data {path})")
        elif EMPTY != here["data"][path] != content:
            words.append(f"{path}: not what lies there on {other['name']} ({here['data'][path]}, and {content})")
    return words


def _content(path: Path) -> str:
    """What lies under a path: the hash of a manifest, or how much is in a folder."""
    if (path / MANIFEST).is_file():
        return f"manifest {sha256_file(path / MANIFEST)[:16]}"
    count = sum(1 for _ in path.iterdir()) if path.is_dir() else 0
    return f"{count} entries" if count else EMPTY
