"""Files from the web, from whoever still has them: resumed, checked, and never half there.

A file is written to ``NAME.part`` beside its place. What a server broke off is asked for again from where it
ended, of the next mirror if need be; what has another length or hash than was promised is thrown away. Only a
whole and right file gets its name.
"""

from __future__ import annotations

import hashlib
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tbd import workspace
from tbd.errors import MissingError

CHUNK = 1 << 20
ATTEMPTS = 4
"""Times that one place is asked before the next one is."""

PAUSE = 1.0
"""Seconds before a place is asked again; twice as long each time."""

TIMEOUT = 30.0

Told = Callable[[int, int | None], None]
"""Is told bytes so far and bytes in all, where they are known."""


@dataclass(frozen=True, slots=True)
class Download:
    """What is wanted.

    Attributes:
        urls: places that have it, the first choice first; ``….zip#member`` is a file inside an archive.
        path: where it shall lie.
        bytes, sha256: as published; None where nobody published them.
    """

    urls: tuple[str, ...]
    path: Path
    bytes: int | None = None
    sha256: str | None = None


class _Wrong(Exception):
    """What a place sent is not what was wanted; the words say why."""


def fetch(wanted: Download, told: Told = lambda done, of: None) -> str:
    """Bring a file here from the first place that sends it whole and right.

    Returns:
        The place.

    Raises:
        MissingError: no place did; says what each one said. What was received stays for the next time.
        InputError: the folder cannot be written.
    """
    said: list[str] = []
    for url in wanted.urls:
        try:
            _from(url, wanted, told)
        except _Wrong as error:
            said.append(f"  {url}: {error}")
        else:
            return url
    words = "\n".join(said) or "  there is no place known to fetch it from"
    raise MissingError(f"{wanted.path.name} could not be downloaded:\n{words}", next="the same command again, later")


def _from(url: str, wanted: Download, told: Told) -> None:
    address, _, member = url.partition("#")
    path = wanted.path.with_name(Path(address.partition("?")[0]).name) if member else wanted.path
    plain = Download((address,), path) if member else wanted
    part = path.with_name(f"{path.name}.part")
    with workspace.writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        if not (member and path.is_file()):
            _received(address, part, plain, told)
            workspace.sync(part)
            part.replace(path)
        if member:
            _unpacked(path, member, wanted)
        workspace.sync(path.parent)


def _received(url: str, part: Path, wanted: Download, told: Told) -> None:
    """The whole file at ``part``, checked."""
    failure = ""
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(PAUSE * 2 ** (attempt - 1))
        try:
            _stream(url, part, wanted, told)
            _check(part, wanted)
            return
        except _Broken as error:
            failure = str(error)
    raise _Wrong(failure)


class _Broken(Exception):
    """The line broke; asking again may help."""


def _stream(url: str, part: Path, wanted: Download, told: Told) -> None:
    """Append to ``part`` what is still lacking."""
    import httpx

    have = part.stat().st_size if part.is_file() else 0
    if wanted.bytes is not None and have > wanted.bytes:
        part.unlink()
        have = 0
    if have and have == wanted.bytes:
        return
    headers = {"Range": f"bytes={have}-"} if have else {}
    headers["Accept-Encoding"] = "identity"
    try:
        with httpx.stream("GET", url, headers=headers, follow_redirects=True, timeout=TIMEOUT) as reply:
            total = _announced(reply, have, part, wanted)
            _append(reply, part, wanted, total, told)
    except (httpx.TransportError, httpx.InvalidURL) as error:
        raise _Broken(f"{type(error).__name__}: {error}".rstrip(": ")) from error


def _announced(reply: Any, have: int, part: Path, wanted: Download) -> int | None:
    """Bytes of the whole file by the server's word; begins anew where it does not go on from where we were."""
    if reply.status_code == 416:  # there is no more, so what we have is not what was wanted
        part.unlink(missing_ok=True)
        raise _Broken("the part that was here before is of another file")
    if reply.status_code >= 500 or reply.status_code == 429:
        raise _Broken(f"HTTP {reply.status_code}")
    if reply.status_code >= 400:
        raise _Wrong(f"HTTP {reply.status_code}")
    begins = reply.headers.get("content-range", "").removeprefix("bytes ").partition("-")[0]
    if have and not (reply.status_code == 206 and begins == str(have)):
        part.unlink(missing_ok=True)
        have = 0
        if reply.status_code == 206:
            raise _Broken("it went on from another place")
    length = reply.headers.get("content-length", "")
    total = have + int(length) if length.isdigit() else None
    if wanted.bytes is not None and total is not None and total > wanted.bytes:
        raise _Wrong(f"{total} bytes are announced, {wanted.bytes} were published")
    if "text/html" in reply.headers.get("content-type", "") and (wanted.bytes or 1 << 20) > 1 << 16:
        raise _Wrong("a web page instead of the file")
    return total


def _append(reply: Any, part: Path, wanted: Download, total: int | None, told: Told) -> None:
    with part.open("ab") as file:
        for chunk in reply.iter_raw():
            file.write(chunk)
            told(file.tell(), wanted.bytes or total)
            if wanted.bytes is not None and file.tell() > wanted.bytes:
                break
        size = file.tell()
    if wanted.bytes is not None and size > wanted.bytes:
        part.unlink()
        raise _Wrong(f"more than the {wanted.bytes} bytes that were published")
    least = wanted.bytes or total
    if least is not None and size < least:
        raise _Broken(f"broke off after {size} of {least} bytes")


def _check(path: Path, wanted: Download) -> None:
    """Refuse, and remove, what is not byte for byte what was published."""
    if wanted.sha256 is None:
        return
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != wanted.sha256:
        path.unlink()
        raise _Wrong(f"other bytes than the published ones (sha256 {found[:16]}…)")


def _unpacked(archive: Path, member: str, wanted: Download) -> None:
    """One file of an archive, which stays for its others; a broken archive is removed."""
    temporary = wanted.path.with_name(f"{wanted.path.name}.part")
    try:
        with zipfile.ZipFile(archive) as opened:
            name = next((one for one in opened.namelist() if Path(one).name == member), None)
            if name is None:
                raise _Wrong(f"no {member} in the archive")
            with opened.open(name) as source, temporary.open("wb") as target:
                while chunk := source.read(CHUNK):
                    target.write(chunk)
    except zipfile.BadZipFile as error:
        archive.unlink()
        raise _Wrong(f"not an archive ({error})") from error
    _check(temporary, wanted)
    workspace.sync(temporary)
    temporary.replace(wanted.path)
