"""Data sets and results on ``s3://``, ``gs://``, ``hf://`` and whatever else fsspec opens: copied here to be read, sent there when whole.

What is read lies under ``$TBD_CACHE/remote/SCHEME/BUCKET/…`` with the names it has there, so that everything behind this
module sees files. What is made lies under ``$TBD_CACHE/outgoing/…`` until it is whole; journals never leave this machine.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from importlib import metadata
from pathlib import Path, PurePosixPath
from typing import Any

from tbd import workspace
from tbd.console import human_bytes, say
from tbd.errors import InputError, MissingError, TbdError
from tbd.workspace import url_of

LIMIT, LIMIT_GB = "TBD_REMOTE_GB", 100.0
"""How much of other places is kept here at most: the environment's word, and what holds without it."""
SEEN, SENT = ".tbd-remote.json", ".tbd-sent.json"
"""What was copied and what was sent, by name: tags tell whether a file is still the same."""
AT_ONCE = 8
"""Files that are on their way here at a time."""
LAST = ("run.json", "scores.json", "manifest.parquet")
"""Sent after everything else, in this order: who sees them sees the whole."""
_TAGS = (
    "ETag",
    "etag",
    "md5Hash",
    "oid",
    "blob_id",
    "generation",
    "LastModified",
    "updated",
    "last_modified",
    "mtime",
    "modified",
    "created",
)
_TIMES = ("LastModified", "updated", "last_modified", "mtime", "modified", "created")


@dataclass(frozen=True)
class RemoteFile:
    """A file over there: its name in the folder, its bytes, what changes when it does, seconds of its time if known."""

    name: str
    size: int
    tag: str
    time: float | None


def local_path(url: str, place: Path | None = None) -> Path:
    """Where the copy of something lies on this machine, whether it is there or not.

    Args:
        place: of all copies.

    Raises:
        InputError: the address leads out of its own folder.
    """
    scheme, _, rest = url.partition("://")
    if ".." in PurePosixPath(rest).parts:
        raise InputError(f"{url}: an address with .. in it", next="name the folder itself")
    return (place or workspace.copies()) / scheme / rest.strip("/")


def copied(path: str | Path) -> Path:
    """A folder to read: itself, or the copy of what its address holds, brought up to date.

    Files whose tag (etag, hash, else time and size) is as it was are not fetched again.

    Raises:
        MissingError: a package or the right to read is lacking, the place does not answer, or the cache is too small.
        InputError: nothing is there.
    """
    if (url := url_of(path)) is None:
        return Path(path)
    folder = local_path(url)
    with _words(url):
        system, root = _opened(url)
        found = _listed(system, root)
        if not found:
            raise InputError(
                f"{url}: nothing is there", next="list it with the tool of that store; an address names a folder"
            )
        seen = _record(folder / SEEN)
        fresh = [one for one in found if seen.get(one.name) != one.tag or not _whole(folder / one.name, one.size)]
        _check_room(url, folder, sum(one.size for one in found), sum(one.size for one in fresh))
        if fresh:
            say(
                f"copies {len(fresh)} of {len(found)} files, {human_bytes(sum(one.size for one in fresh))}: {url} -> {folder}"
            )
        try:
            _bring(system, root, folder, fresh, seen)
        finally:
            if fresh:
                workspace.write_json(folder / SEEN, seen)
    for gone in seen.keys() - {one.name for one in found}:
        del seen[gone]
        (folder / gone).unlink(missing_ok=True)
    workspace.write_json(folder / SEEN, seen)
    return folder


@contextmanager
def sent(path: Path | None) -> Iterator[Path | None]:
    """A folder to write: itself, or one of this machine whose files are sent to the address when the block ends.

    They are sent too when the block ends with a ``TbdError``: what was sealed is whole. Journals, locks and reviews stay.

    Raises:
        MissingError: the place does not take the files; all of them are here, and the same command sends them.
        InputError: the address holds what was made on another machine.
    """
    if path is None or (url := url_of(path)) is None:
        yield path
        return
    folder = local_path(url, workspace.cache() / "outgoing")
    _refuse_foreign(url, folder)
    say(f"works in {folder}, a disk of this machine, and sends what is whole to {url}; the journal stays here")
    try:
        yield folder
    except TbdError:
        with suppress(TbdError):
            _send(folder, url)
        raise
    _send(folder, url)


def _refuse_foreign(url: str, folder: Path) -> None:
    with _words(url):
        system, root = _opened(url)
        if not (folder / SENT).is_file() and any(Path(one.name).name in LAST for one in _listed(system, root)):
            raise InputError(
                f"{url} holds what another machine made: its journal is not here, so it cannot be gone on with",
                next=f"-o {url}-2   # or run it on that machine",
            )


def _send(folder: Path, url: str) -> None:
    """Bring over what is not there yet; each object appears whole."""
    known = _record(folder / SENT)
    names = sorted(
        (
            str(file.relative_to(folder))
            for file in folder.rglob("*")
            if file.is_file() and _leaves(file.relative_to(folder))
        ),
        key=lambda name: (LAST.index(name) if name in LAST else -1, name),
    )
    with _words(url, next=f"the same command sends what lies in {folder}"):
        system, root = _opened(url)
        for name in names:
            file = folder / name
            tag = f"{file.stat().st_size} {file.stat().st_mtime_ns}"
            if known.get(name) != tag:
                system.makedirs(f"{root}/{name}".rpartition("/")[0], exist_ok=True)
                system.put_file(str(file), f"{root}/{name}")
                known[name] = tag
                workspace.write_json(folder / SENT, known)


def _leaves(name: Path) -> bool:
    """Journals, reviews and locks are this machine's; what begins with a dot is on its way."""
    return not any(part.startswith(".") for part in name.parts) and ".sqlite" not in name.name


def _opened(url: str) -> tuple[Any, str]:
    """The file system of an address, and the folder in it."""
    import fsspec

    system, root = fsspec.core.url_to_fs(url)
    system.invalidate_cache()  # a listing of a minute ago is not what is there
    return system, str(root).rstrip("/")


def _listed(system: Any, root: str) -> list[RemoteFile]:
    """Every file under a folder, by name."""
    try:
        found: Mapping[str, Any] = system.find(root, detail=True)
    except FileNotFoundError:
        return []
    files = []
    for path, info in sorted(found.items()):
        name = path.strip("/").removeprefix(root.strip("/")).strip("/")
        if name and info.get("type", "file") == "file" and ".." not in PurePosixPath(name).parts:
            files.append(RemoteFile(name, int(info.get("size") or 0), _tag(info), _time(info)))
    return files


def _tag(info: Mapping[str, Any]) -> str:
    return f"{info.get('size')} {next((info[key] for key in _TAGS if info.get(key)), '')}"


def _time(info: Mapping[str, Any]) -> float | None:
    value = next((info[key] for key in _TIMES if info.get(key)), None)
    if isinstance(value, str):
        with suppress(ValueError):
            value = datetime.fromisoformat(value)
    if isinstance(value, datetime):
        return value.timestamp()
    return float(value) if isinstance(value, int | float) else None


def _bring(system: Any, root: str, folder: Path, files: Sequence[RemoteFile], seen: dict[str, str]) -> None:
    """Fetch files, several at a time; ``seen`` hears of each that is whole, also where another one fails."""
    with ThreadPoolExecutor(AT_ONCE) as threads:
        asked = {
            threads.submit(_fetch, system, f"{root}/{one.name}", folder / one.name, one.time): one for one in files
        }
        try:
            for done in as_completed(asked):
                done.result()
        finally:
            threads.shutdown(cancel_futures=True)
            seen |= {one.name: one.tag for done, one in asked.items() if not done.cancelled() and not done.exception()}


def _fetch(system: Any, there: str, here: Path, time: float | None) -> None:
    def write(temporary: Path) -> None:
        system.get_file(there, str(temporary))
        if time is not None:
            os.utime(temporary, (time, time))  # stamps by size and time stay what they are when the cache is lost

    workspace.write_whole(here, write)


def _whole(file: Path, size: int) -> bool:
    return file.is_file() and file.stat().st_size == size


def _record(file: Path) -> dict[str, str]:
    with suppress(OSError, ValueError):
        return dict(json.loads(file.read_text(encoding="utf-8")))
    return {}


def _check_room(url: str, folder: Path, total: int, fresh: int) -> None:
    """Hold the stated size of the cache, and the disk, against what would lie here."""
    try:
        limit = float(os.environ.get(LIMIT) or LIMIT_GB) * 1e9
    except ValueError:
        raise InputError(f"{LIMIT}={os.environ[LIMIT]}: not a number of GB", next=f"export {LIMIT}=500") from None
    place = workspace.copies()
    others = sum(file.stat().st_size for file in place.rglob("*") if file.is_file() and not file.is_relative_to(folder))
    if others + total > limit:
        raise MissingError(
            f"{url} has {human_bytes(total)}; with {human_bytes(others)} of other places in {place} that is more than the "
            f"cache's {human_bytes(limit)}",
            next=f"export {LIMIT}={(others + total) / 1e9 + 1:.0f}   # or remove what is not needed there",
        )
    free = shutil.disk_usage(next(path for path in (place, *place.parents) if path.is_dir())).free
    if fresh > free:
        raise MissingError(
            f"{url}: {human_bytes(fresh)} are to be copied and {human_bytes(free)} free in {place}",
            next="export TBD_CACHE=DIR   # on a larger disk, then the same command again",
        )


@contextmanager
def _words(url: str, next: str = "") -> Iterator[None]:
    """Turn what a store raises into an error that a person can act on. Its client libraries have errors of their own."""
    kept = f"; {next}" if next else ""
    scheme = url.partition("://")[0]
    try:
        yield
    except TbdError:
        raise
    except ImportError as error:
        raise MissingError(f"{url}: {error}", next=f"pip install '{_package(scheme, error)}'") from None
    except ValueError as error:
        form = "hf://datasets/USER/NAME" if scheme == "hf" else "s3://BUCKET/FOLDER"
        raise InputError(f"{url}: {error}", next=f"an address such as {form}") from None
    except Exception as error:
        if not _of_store(error):
            raise
        words = f"{url}: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'refused'}{kept}"
        reached = "connect" not in str(error).lower()
        advice = (
            _CREDENTIALS.get(scheme, "see to the access") if reached else _ADDRESS.get(scheme, "see to the network")
        )
        raise MissingError(words, next=f"{advice}   # then the same command") from None


_CREDENTIALS = {
    "s3": "export AWS_ACCESS_KEY_ID=… AWS_SECRET_ACCESS_KEY=…",
    "gs": "gcloud auth application-default login",
    "hf": "hf auth login",
}
"""What to type where the right to read or write is lacking."""
_ADDRESS = {"s3": "export AWS_ENDPOINT_URL=…"}
"""What to type where nobody answers."""


def _package(scheme: str, error: ImportError) -> str:
    """What to install for a scheme: our extra, else fsspec's of that name, else the module that was looked for."""
    if scheme in _OURS:
        return "think-before-draw[storage]"
    if scheme in (metadata.metadata("fsspec").get_all("Provides-Extra") or ()):
        return f"fsspec[{scheme}]"
    return str(getattr(error.__cause__ or error, "name", None) or scheme).partition(".")[0].replace("_", "-")


_OURS = frozenset(("s3", "s3a", "gs", "gcs"))
"""Schemes whose packages the extra ``storage`` brings."""


def _of_store(error: Exception) -> bool:
    """Whether an error is a store's, and not a bug of ours."""
    libraries = (
        "botocore",
        "aiobotocore",
        "s3fs",
        "gcsfs",
        "google",
        "huggingface_hub",
        "aiohttp",
        "httpx",
        "requests",
    )
    return isinstance(error, OSError) or type(error).__module__.partition(".")[0] in libraries
