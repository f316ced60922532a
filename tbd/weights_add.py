"""Weights that a person fetched: recognised by their bytes, whatever their names, and put where ``tbd`` looks."""

from __future__ import annotations

import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tbd import weights, workspace
from tbd.catalogue import CATALOGUE, File, Weights
from tbd.errors import InputError

CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Added:
    """A file that was recognised, or not.

    Attributes:
        file: that was given; of an archive also the member's name.
        key: of the entry it belongs to; empty where nobody knows it.
        path: where it lies now.
        published: its bytes are the published ones; False where it was known by its name alone.
    """

    file: str
    key: str = ""
    path: Path | None = None
    published: bool = False


def add(files: Sequence[Path], folder: Path | None = None, *, dry_run: bool = False) -> list[Added]:
    """Recognise files, folders of files and zip archives, and copy what is known to ``folder/key/name``.

    A file of which nobody published a hash is taken by its name, and said to be so.

    Args:
        folder: None takes ``weights.store()``.
        dry_run: recognise, and copy nothing.

    Raises:
        InputError: a file does not exist or cannot be read, or the folder cannot be written.
    """
    place = None if dry_run else folder or weights.store()
    return [added for path in files for one in _files(path) for added in _add(one, place)]


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        return sorted(one for one in path.rglob("*") if one.is_file())
    if not path.is_file():
        raise InputError(f"{path}: no such file", next="tbd weights list")
    return [path]


def _add(path: Path, place: Path | None) -> Iterator[Added]:
    known = list(_known(path.name, weights.sha256(path)))
    if known or not zipfile.is_zipfile(path) or path.suffix == ".pth":
        yield from _placed(path, path.name, str(path), place)
        return
    with zipfile.ZipFile(path) as archive, tempfile.TemporaryDirectory(prefix="tbd-weights-") as folder:
        members = [one for one in archive.infolist() if not one.is_dir()]
        found = [one for member in members for one in _unpacked(archive, member, Path(folder), path, place)]
    yield from found or [Added(str(path))]


def _unpacked(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, folder: Path, path: Path, place: Path | None
) -> Iterator[Added]:
    """What is known of an archive's member; the rest of an archive is nobody's business."""
    name = Path(member.filename).name
    target = folder / "member"
    with archive.open(member) as source, target.open("wb") as file:
        shutil.copyfileobj(source, file, CHUNK)
    yield from (one for one in _placed(target, name, f"{path}#{member.filename}", place) if one.key)
    target.unlink()


def _placed(path: Path, name: str, said: str, place: Path | None) -> Iterator[Added]:
    digest = weights.sha256(path)
    known = list(_known(name, digest))
    for entry, file in known:
        target = place / entry.key / file.name if place else None
        if target and target.resolve() != path.resolve():
            workspace.write_whole(target, lambda temporary: _copied(path, temporary))
        yield Added(said, entry.key, target, file.sha256 == digest)
    if not known:
        yield Added(said)


def _known(name: str, digest: str) -> Iterator[tuple[Weights, File]]:
    """Entries that have these bytes; of files without a published hash, those of this name."""
    for entry in CATALOGUE:
        for file in entry.files:
            unknown = file.sha256 is None and Path(file.name).suffix not in (".json", ".txt")
            if file.sha256 == digest or (unknown and Path(file.name).name == name and len(entry.files) == 1):
                yield entry, file


def _copied(path: Path, temporary: Path) -> None:
    """A second name for the same bytes where the disk can do that, else a copy."""
    try:
        os.link(path.resolve(), temporary)
    except OSError:
        shutil.copyfile(path, temporary)
