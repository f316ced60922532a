"""Opening a media file: what is certainly none is refused, which of its streams is meant, why something fails."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import av

from tbd.errors import InputError

S = TypeVar("S", av.VideoStream, av.AudioStream)
AGAIN = "copy or download the file again"
_NOT_SHOWN = av.stream.Disposition.attached_pic | av.stream.Disposition.timed_thumbnails
"""Pictures in a file that are no moving picture: cover art, thumbnails."""


@contextmanager
def opened(path: Path) -> Iterator[av.container.InputContainer]:
    """The container of a media file, decoding with one thread; what fails inside is explained.

    Raises:
        InputError: it cannot be opened, or its content cannot be decoded.
    """
    check_readable(path)
    try:
        with av.open(str(path.absolute()), metadata_errors="replace") as container:
            for stream in container.streams.video:
                stream.thread_count = 1
            yield container
    except (av.error.FFmpegError, UnicodeError) as error:
        raise InputError(_why(path, error), next=AGAIN) from None


def video_stream(path: Path, container: av.container.InputContainer) -> av.VideoStream:
    """The moving pictures that a player shows: the default track, or the first; cover art does not count.

    Raises:
        InputError: there are none, or no decoder for them is at hand.
    """
    moving = [stream for stream in container.streams.video if not stream.disposition & _NOT_SHOWN]
    if not moving:
        raise InputError(f"{path}: no video stream{' (only sound)' if container.streams.audio else ''}")
    return _decodable(path, _default(moving), "video")


def audio_stream(path: Path, container: av.container.InputContainer) -> av.AudioStream:
    """The sound that a player plays: the default track, or the first.

    Raises:
        InputError: there is none, or no decoder for it is at hand.
    """
    if not container.streams.audio:
        raise InputError(f"{path}: no sound in it (no audio stream)")
    return _decodable(path, _default(container.streams.audio), "audio")


def _default(streams: Sequence[S]) -> S:
    chosen = [stream for stream in streams if stream.disposition & av.stream.Disposition.default]
    return (chosen or streams)[0]


def _decodable(path: Path, stream: S, kind: str) -> S:
    if stream.codec_context is None:
        raise InputError(f"{path}: no decoder for its {kind} stream")
    return stream


def check_readable(path: Path) -> None:
    """Refuse what is certainly no medium before a decoder sees it.

    Raises:
        InputError: missing, a folder, empty, a git-lfs pointer, or a text.
    """
    try:
        with path.open("rb") as file:
            head = file.read(1024)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    if not head:
        raise InputError(f"{path}: empty (0 bytes)", next=AGAIN)
    if head.startswith(b"version https://git-lfs"):
        raise InputError(f"{path}: a git-lfs pointer, not the medium itself", next="git lfs pull")
    if _is_text(head):
        beginning = head[:40].decode("utf-8", "ignore")
        raise InputError(f"{path}: a text, not a medium (it begins {beginning!r})")


def _is_text(head: bytes) -> bool:
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 3:  # not just a letter that the 1,024th byte cuts through
            return False
        text = head[: error.start].decode("utf-8")
    return all(letter.isprintable() or letter.isspace() for letter in text)


def _why(path: Path, error: Exception) -> str:
    if _lacks_index(path):
        return f"{path}: cut off: the mp4 ends before its index (moov)"
    return f"{path}: cannot be decoded ({getattr(error, 'strerror', None) or error})"


def _lacks_index(path: Path) -> bool:
    """An mp4 whose boxes, walked from the front, never come to a whole ``moov``."""
    size, position = path.stat().st_size, 0
    with path.open("rb") as file:
        while position + 8 <= size:
            file.seek(position)
            head = file.read(16)
            length, kind = int.from_bytes(head[:4], "big"), head[4:8]
            if position == 0 and kind != b"ftyp":
                return False
            if length == 1:
                length = int.from_bytes(head[8:16], "big")
            if kind == b"moov":
                return position + length > size
            position += length if length >= 8 else size
    return True


def announces_more(path: Path) -> bool:
    """An mp4 whose last box reaches beyond the end of the file: a download that was broken off."""
    size, position = path.stat().st_size, 0
    with path.open("rb") as file:
        while position + 8 <= size:
            file.seek(position)
            head = file.read(16)
            length = int.from_bytes(head[:4], "big")
            if position == 0 and head[4:8] != b"ftyp":
                return False
            length = int.from_bytes(head[8:16], "big") if length == 1 else length
            if length and position + length > size:
                return True
            position += length if length >= 8 else size
    return False
