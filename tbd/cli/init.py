"""``tbd init``: the folders a person edits, copied into the current directory."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from tbd import workspace
from tbd.cli.options import DryRun, Json
from tbd.console import document, out, say

SHIPPED_MANIFESTS = ("cards", "example")
"""What of ``data_manifests/`` ships; the rest of that folder is somebody's own work."""


def init(
    force: Annotated[bool, typer.Option("--force", help="Overwrite files that are there and differ.")] = False,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Copy recipes, prompts, protocols and dataset cards here, to edit them. What is here wins over what is shipped.

    Example: mkdir paper && cd paper && tbd init
    """
    written, same, kept = [], [], []
    for source in sorted(_shipped()):
        name = source.relative_to(workspace.shipped())
        if _equal(source, name):
            same.append(str(name))
        elif name.exists() and not force:
            kept.append(str(name))
        else:
            written.append(str(name))
            if not dry_run:
                workspace.write_whole(Path.cwd() / name, partial(shutil.copyfile, source))
    if json:
        document({"dry_run": dry_run, "written": written, "same": same, "kept": kept})
        return
    for line in written:
        out(line)
    verb = "would be written" if dry_run else "written"
    say(f"{len(written)} files {verb} in {Path.cwd()}, {len(same)} already the same")
    if kept:
        say("kept, because they differ (--force overwrites them):\n  " + "\n  ".join(kept))


def _equal(source: Path, target: Path) -> bool:
    return target.is_file() and target.read_bytes() == source.read_bytes()


def _shipped() -> Iterator[Path]:
    for name in workspace.SHIPPED_FOLDERS:
        root = workspace.shipped() / name
        parts = [root / part for part in SHIPPED_MANIFESTS] if name == "data_manifests" else [root]
        for part in parts:
            yield from (path for path in part.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
