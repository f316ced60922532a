"""Finding weights on this machine. Nothing downloads unless somebody calls ``pull``.

Places, in order: the folder given by ``--weights-dir``, ``$TBD_WEIGHTS``, the Hugging Face cache, a
``pretrained_models/`` folder here (other projects' tree), and where the libraries keep their own.
A file whose hash is not the published one loads all the same; ``published`` tells the difference.
"""

from __future__ import annotations

import difflib
import importlib.util
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tbd import workspace
from tbd.catalogue import CATALOGUE, File, Weights, language_model
from tbd.downloads import Download, Told, fetch
from tbd.errors import InputError, MissingError, UsageError
from tbd.hashes import sha256_file as sha256

__all__ = [
    "CATALOGUE",
    "Check",
    "File",
    "Weights",
    "find",
    "lookup",
    "published",
    "pull",
    "recorded",
    "resolve",
    "sha256",
    "store",
    "use_folder",
    "used_folder",
    "verify",
]

_PUBLISHED = frozenset(file.sha256 for entry in CATALOGUE for file in entry.files if file.sha256)
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
_folder: Path | None = None


def use_folder(folder: Path | None) -> None:
    """Look here first from now on: what ``--weights-dir`` sets. None forgets it."""
    global _folder
    if folder and not folder.is_dir():
        raise InputError(f"--weights-dir {folder}: no such folder")
    _folder = folder


def used_folder() -> Path | None:
    """The folder that ``use_folder`` set, so that a worker process can look there too."""
    return _folder


def lookup(name: str) -> Weights:
    """The catalogue entry for a key or a hub repository; a repository it does not know gets a plain entry.

    Raises:
        UsageError: ``name`` is neither; the message names the nearest key.
    """
    for entry in CATALOGUE:
        if name == entry.key or name in entry.ids:
            return entry
    if _HUB_ID.fullmatch(name):
        return language_model(name)
    close = difflib.get_close_matches(name, [entry.key for entry in CATALOGUE], 1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    raise UsageError(f"no weights called {name!r}{hint}", next="tbd weights list")


def resolve(name: str | Path) -> Path:
    """Where weights lie on this machine.

    Args:
        name: a catalogue key, a hub repository (``Qwen/Qwen2-VL-7B-Instruct``), or a path, which is taken as it is.

    Returns:
        The file when the entry has one file, else the folder that holds its files.

    Raises:
        MissingError: it is nowhere, or incomplete; says what, where it looked, and how to get it.
        UsageError: there are no weights of this name.
    """
    text = str(name)
    path = Path(text).expanduser()
    if text not in {entry.key for entry in CATALOGUE}:
        if path.exists():
            return path
        if isinstance(name, Path) or text.startswith((".", "/", "~")) or text.count("/") > 1:
            raise MissingError(f"{text}: no such file or folder", next="tbd weights list")
    entry = lookup(text)
    found = find(entry)
    if found is None:
        raise _missing(entry)
    return found


def find(entry: Weights) -> Path | None:
    """Like ``resolve`` for one entry; None when no place has all of its files."""
    return next((_inside(entry, place) for place in _places(entry) if not lacking(entry, place)), None)


def lacking(entry: Weights, place: Path) -> list[str]:
    """The files of ``entry`` that are not in the folder ``place``; the shards of an index count too."""
    names = [file.name for file in entry.files]
    if names == ["config.json"]:
        shards = {shard for index in place.glob("*.safetensors.index.json") for shard in _shards(index)}
        names += sorted(shards) if shards or any(place.glob("*.safetensors")) else ["*.safetensors"]
    return [name for name in names if not (place / name).is_file()]


def published(path: Path) -> bool:
    """Whether this file is byte for byte one of the published ones of the catalogue."""
    return path.is_file() and sha256(path) in _PUBLISHED


@dataclass(frozen=True, slots=True)
class Check:
    """One file of an entry after ``verify``.

    ``unknown``: nobody published a hash to compare with; ``as pulled``: nor here, but it is what was first pulled.
    """

    file: str
    state: Literal["published", "different", "unknown", "as pulled", "missing"]
    bytes: int | None = None
    sha256: str | None = None


def verify(entry: Weights) -> list[Check]:
    """Hash every file of an entry and compare with what was published.

    Raises:
        MissingError: the entry is not on this machine.
    """
    place = find(entry)
    if place is None:
        raise _missing(entry)
    return [_check(entry, file, place if place.is_file() else place / file.name) for file in entry.files]


def pull(name: str, folder: Path | None = None, told: Told = lambda done, of: None) -> Path:
    """Download weights from the places where they are published: the only function of ``tbd`` that does.

    Broken downloads go on where they ended, every published hash is checked, and size and hash of a file of
    which none is published are recorded (``recorded``).

    Args:
        name: a catalogue key or a hub repository.
        folder: put it below here (``<folder>/<key>``); None takes the Hugging Face cache for what the hub has,
            and ``store()`` for what it has not.
        told: is told bytes so far and bytes in all.

    Raises:
        MissingError: no network, no permission, or only a person can fetch it; says what to do.
    """
    entry = lookup(name)
    if entry.package and (found := find(entry)):
        return found
    elsewhere = all(file.urls for file in entry.files)
    if entry.hub is None and not elsewhere:
        raise MissingError(
            f"{entry.key} can only be fetched by a person; it comes from {entry.origin}", next=_next(entry)
        )
    try:
        place = _from_hub(entry, folder) if entry.hub else _from_web(entry, folder, told)
    except MissingError:
        if not (entry.hub and elsewhere):
            raise
        place = _from_web(entry, folder, told)
    if lack := lacking(entry, place):
        raise MissingError(
            f"{entry.hub or entry.key} was downloaded to {place}, but has no {', '.join(lack)}", next="tbd weights list"
        )
    for file in entry.files:
        _accept_bytes(entry, file, place / file.name)
    return _inside(entry, place)


def store() -> Path:
    """Where files go that no library has a place for: ``$TBD_WEIGHTS``, else ``weights`` in the cache."""
    environment = os.environ.get("TBD_WEIGHTS")
    return Path(environment).expanduser() if environment else workspace.cache() / "weights"


def recorded() -> dict[str, dict[str, Any]]:
    """``key/name`` -> bytes and sha256 as first pulled, of files of which nobody published them."""
    try:
        known = json.loads(_record().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def licence_accepted(entry: Weights) -> bool:
    """Whether somebody on this machine agreed to the licence of an entry."""
    return recorded().get(f"{entry.key}/licence", {}).get("accepted") == entry.licence


def accept_licence(entry: Weights) -> None:
    """Remember that somebody agreed."""
    workspace.write_json(_record(), recorded() | {f"{entry.key}/licence": {"accepted": entry.licence}})


def _record() -> Path:
    return workspace.cache() / "weights.json"


def _from_web(entry: Weights, folder: Path | None, told: Told) -> Path:
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        raise MissingError(f"{entry.key}: HF_HUB_OFFLINE forbids downloads", next="unset HF_HUB_OFFLINE")
    place = (folder or store()) / entry.key
    for file in entry.files:
        path = place / file.name
        if not (path.is_file() and file.sha256 in (None, sha256(path))):
            fetch(Download(file.urls, path, file.bytes, file.sha256), told)
    return place


def _from_hub(entry: Weights, folder: Path | None) -> Path:
    from huggingface_hub import snapshot_download

    target = folder / entry.key if folder else None
    try:
        found = Path(snapshot_download(str(entry.hub), allow_patterns=entry.patterns, local_dir=target))
        return found / entry.subfolder
    except OSError as error:  # a refused folder, or a network or hub failure
        raise _cannot_pull(entry, error) from error
    except Exception as error:
        if type(error).__module__.split(".")[0] not in ("huggingface_hub", "httpx", "hf_xet"):
            raise
        raise _cannot_pull(entry, error) from error


def _accept_bytes(entry: Weights, file: File, path: Path) -> None:
    """Refuse other bytes than the published ones, and record those of which nobody published a hash."""
    found = sha256(path)
    if file.sha256 and found != file.sha256:
        raise MissingError(f"{path}: other bytes than the published ones (sha256 {found[:16]}…)", next=f"rm {path}")
    if not file.sha256 and f"{entry.key}/{file.name}" not in recorded():
        facts = {"bytes": path.stat().st_size, "sha256": found}
        workspace.write_json(_record(), recorded() | {f"{entry.key}/{file.name}": facts})


def _inside(entry: Weights, place: Path) -> Path:
    """The file of an entry that is one file, else its folder."""
    return place / entry.files[0].name if len(entry.files) == 1 and entry.files[0].name != "config.json" else place


def _places(entry: Weights) -> Iterator[Path]:
    """Folders that may hold the files of ``entry``, the first choice first."""
    for root in _roots():
        names = (entry.key, *entry.ids, *(name.rpartition("/")[2] for name in entry.ids), *entry.trees)
        for name in names:
            yield root / name / entry.subfolder
            yield root / name
        if "config.json" not in {file.name for file in entry.files}:  # that name says nothing about whose it is
            yield root
    yield from _cached(entry)
    yield from (Path.cwd() / "pretrained_models" / tree for tree in entry.trees)
    yield from (Path(place).expanduser() for place in entry.elsewhere)
    if entry.package:
        spec = importlib.util.find_spec(entry.package[0])
        yield from (Path(place) / entry.package[1] for place in (spec and spec.submodule_search_locations) or ())


def _roots() -> list[Path]:
    """Folders of weights: ``--weights-dir``, ``$TBD_WEIGHTS``, and where ``pull`` and ``add`` put files."""
    return list(dict.fromkeys(root for root in (_folder, store(), workspace.cache() / "weights") if root))


def _cached(entry: Weights) -> Iterator[Path]:
    if not entry.ids:
        return
    from huggingface_hub import try_to_load_from_cache

    first = f"{entry.subfolder}/{entry.files[0].name}".lstrip("/")
    for hub in entry.ids:
        path = try_to_load_from_cache(hub, first)
        if isinstance(path, str):
            yield Path(path.removesuffix(first)) / entry.subfolder


def _shards(index: Path) -> set[str]:
    try:
        return set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
    except (OSError, ValueError, KeyError, AttributeError):
        return {f"{index.name} (unreadable)"}


def _check(entry: Weights, file: File, path: Path) -> Check:
    if not path.is_file():
        return Check(file.name, "missing")
    digest = sha256(path)
    known = file.sha256 or recorded().get(f"{entry.key}/{file.name}", {}).get("sha256")
    state: Literal["published", "different", "unknown", "as pulled"] = "unknown"
    if known:
        state = "different" if digest != known else "published" if file.sha256 else "as pulled"
    return Check(file.name, state, path.stat().st_size, digest)


def _missing(entry: Weights) -> MissingError:
    from huggingface_hub import constants

    title = entry.hub if entry.without else f"{entry.key} ({', '.join(file.name for file in entry.files)})"
    lines = [f"{title} is not on this machine; it is for {entry.purpose}"]
    for place in dict.fromkeys(_places(entry)):
        lack = lacking(entry, place) if place.is_dir() else []
        if any((place / file.name).is_file() for file in entry.files):
            lines.append(f"  {place} has a part of it, but not {', '.join(lack)}")
    unset = [] if os.environ.get("TBD_WEIGHTS") else ["$TBD_WEIGHTS (not set)"]
    lines.append(
        f"  looked in {', '.join([*map(str, _roots()), *unset])}, the Hugging Face cache ({constants.HF_HUB_CACHE}), pretrained_models/"
    )
    lines += [f"  {entry.without}"] if entry.without else []
    return MissingError("\n".join(lines), next=_next(entry))


def _next(entry: Weights) -> str:
    if entry.made:
        return entry.made
    if entry.hub or all(file.urls for file in entry.files):
        return f"tbd weights pull {entry.key}"
    return f"get it from {entry.origin}, then: tbd weights add {' '.join(file.name for file in entry.files)}"


def _cannot_pull(entry: Weights, error: Exception) -> MissingError:
    kind = type(error).__name__
    if kind == "GatedRepoError":
        return MissingError(f"{entry.hub}: its publisher asks you to accept terms first", next="hf auth login")
    if kind == "RepositoryNotFoundError":
        return MissingError(f"{entry.hub}: no such repository on the hub, or it is private", next="tbd weights list")
    words = str(error).strip().splitlines()[0] if str(error).strip() else kind
    return MissingError(
        f"{entry.hub} cannot be downloaded: {words}\n"
        "  without a network: download the files on another machine and copy them here",
        next="tbd weights add FILE…",
    )
