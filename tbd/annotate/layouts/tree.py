"""One walk over a folder: every visible file once, whatever links and odd names it meets."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from tbd.annotate.layouts.base import Problems, Tree, shown
from tbd.errors import InputError
from tbd.schema import ERROR, INFO, WARNING

ARCHIVES = (".tar", ".tar.gz", ".tgz", ".zip", ".7z", ".rar")
END_OF_TAR = 1024
"""A whole tar ends with this many zero bytes."""


def walk(root: Path, problems: Problems) -> Tree:
    """List the visible files below ``root``.

    Hidden files (``._x`` of macOS too) are passed over. Links are followed, real folders first, and
    no folder is entered twice, so loops end.

    Raises:
        InputError: ``root`` is no folder, or cannot be listed.
    """
    if not root.is_dir():
        raise InputError(f"{shown(str(root))}: {'a file, not a folder' if root.exists() else 'no such folder'}")
    try:
        os.scandir(root).close()
    except OSError as error:
        raise InputError(f"{shown(str(root))}: cannot be listed ({error.strerror})") from None
    files: list[str] = []
    seen: dict[tuple[int, int], str] = {}
    links: list[str] = [""]
    while links:
        files += _below(root, links.pop(0), seen, links, problems)
    files.sort()
    _check_archives(root, files, problems)
    return Tree(root, files)


def _below(
    root: Path, top: str, seen: dict[tuple[int, int], str], links: list[str], problems: Problems
) -> Iterator[str]:
    folders = [top]
    while folders:
        folder = folders.pop()
        if not _is_new(root, folder, seen, problems):
            continue
        found: list[str] = []
        for entry in _entries(root, folder, problems):
            name = f"{folder}/{entry.name}" if folder else entry.name
            if not _is_text(name):
                problems.add(name, "name_not_text", ERROR, "passed over: its name is not UTF-8; rename it")
            elif _is_folder(entry):
                (links if entry.is_symlink() else found).append(name)
            elif _is_file(entry):
                yield name
            elif entry.is_symlink():
                problems.add(name, "broken_link", WARNING, "passed over: a link to nothing")
        folders += sorted(found, reverse=True)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:
        return False


def _entries(root: Path, folder: str, problems: Problems) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(root / folder) as entries:
            return sorted((entry for entry in entries if not entry.name.startswith(".")), key=lambda entry: entry.name)
    except OSError as error:
        problems.add(folder, "folder_unreadable", ERROR, f"passed over: {error.strerror}")
        return []


def _is_new(root: Path, folder: str, seen: dict[tuple[int, int], str], problems: Problems) -> bool:
    try:
        status = os.stat(root / folder)  # noqa: PTH116 (follows links, as meant)
    except OSError as error:
        problems.add(folder, "folder_unreadable", ERROR, f"passed over: {error.strerror}")
        return False
    key = (status.st_dev, status.st_ino)
    if key in seen:
        problems.add(folder, "linked_twice", INFO, f"passed over: the same folder as {shown(seen[key] or '.')}")
        return False
    seen[key] = folder
    return True


def _is_text(name: str) -> bool:
    if name.isascii():
        return True
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _check_archives(root: Path, files: list[str], problems: Problems) -> None:
    for name in files:
        if name.lower().endswith(ARCHIVES):
            if name.lower().endswith(".tar") and not _is_whole_tar(root / name):
                problems.add(name, "archive_cut_off", ERROR, "cut off: a tar without its end; download it again")
            else:
                problems.add(name, "archive", WARNING, "an archive; its content is seen only when it is unpacked")


def _is_whole_tar(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - END_OF_TAR))
            return size >= END_OF_TAR and not any(file.read(END_OF_TAR))
    except OSError:
        return False
