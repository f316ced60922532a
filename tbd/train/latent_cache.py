"""The cache's files: what the frozen networks made of a clip or a text, found by content.

``clips/ab/<key>.safetensors`` holds a clip's VAE moments and wav2vec layers, ``texts/ab/<key>.safetensors`` a text's
embedding, both in half precision. A key is a hash of the bytes of the media, the window, the networks and this module's
version, so no file in it is ever stale; ``index.sqlite`` remembers which bytes each medium had when it was last looked
at, and which clips could not be made.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tbd import workspace
from tbd.errors import InputError
from tbd.hashes import file_stamp, sha256_file
from tbd.recipe import digest
from tbd.sqlite import Database, open_database
from tbd.train.clips import TrainingClip

if TYPE_CHECKING:
    import torch

VERSION = 1
"""Raised when the numbers in the files change."""

INDEX = "index.sqlite"
AT_ONCE = 64
"""Media that are read between two notes in the index: what a killed run has to read again at most."""
_SCHEMA = """
CREATE TABLE IF NOT EXISTS media (path TEXT PRIMARY KEY, stamp TEXT NOT NULL, sha256 TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS failed (name TEXT PRIMARY KEY, reason TEXT NOT NULL);
"""


class LatentCache:
    """A cache folder.

    Args:
        folder: made if need be.
        identities: of the networks, as ``Base.identities`` has them.
        moments: ``both``, or ``mean`` without the log-variance.

    Raises:
        InputError: the folder cannot be written, or its index is no index.
    """

    def __init__(self, folder: Path, identities: Mapping[str, str], moments: str) -> None:
        self.folder, self.identities, self.moments = folder, dict(identities), moments
        with workspace.writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
        with self._index() as index:
            found = index.all("SELECT path, stamp, sha256 FROM media")
            self._failed: dict[str, str] = dict(index.all("SELECT name, reason FROM failed"))
        self._known = {path: (stamp, sha) for path, stamp, sha in found}

    def changed(self, clip: TrainingClip) -> bool:
        """Whether a file of the clip is not as it was when it was last read in full, or never was."""
        return any(self._differs(file) for file in clip.media)

    def rewritten(self, clip: TrainingClip) -> bool:
        """Whether the bytes of a file of the clip are others than when it was last read in full, or never were read.

        A file that was only touched, linked or given other rights has other times, and is read once to see that.

        Raises:
            InputError: a file cannot be read.
        """
        return any(self._differs(file) and not self._has_the_same_bytes(file) for file in clip.media)

    def knows(self, clip: TrainingClip) -> bool:
        """Whether every file of the clip was once read in full."""
        return all(str(file) in self._known for file in clip.media)

    def has(self, clip: TrainingClip) -> bool:
        """Whether the clip's tensors are there, whole and of its file as it is now."""
        return not self.changed(clip) and self.holds(clip)

    def holds(self, clip: TrainingClip) -> bool:
        """Whether the clip's file is there with all that it should have; a damaged one is not.

        Sound that could not be made is not asked for, as long as that is remembered. ``hash_media`` comes first.

        Raises:
            InputError: a file of the clip was never looked at.
        """
        sound = clip.has_audio and not self.failure(clip)
        return is_whole(self.path(clip), "moments", *(["layers"] if sound else []))

    def holds_text(self, text: str, chunks: int) -> bool:
        """Whether a text's embedding is there, whole."""
        return is_whole(self.text_path(text, chunks), "text")

    def hash_media(self, clips: Iterable[TrainingClip]) -> tuple[set[Path], dict[Path, str]]:
        """Read the bytes of every file that has changed, so that ``path`` can tell where its clip lies.

        Returns:
            The files whose bytes are not those of the last time; and file -> reason of those that cannot be read.
        """
        rewritten: set[Path] = set()
        unreadable: dict[Path, str] = {}
        part: list[tuple[str, str, str]] = []
        for file in {file: None for clip in clips for file in clip.media}:
            try:
                if not self._differs(file):
                    continue
                part.append((str(file), file_stamp(file, strict=True), sha256_file(file)))
            except InputError as error:
                unreadable[file] = error.message
            if len(part) == AT_ONCE:
                rewritten |= self._noted(part)
                part = []
        return rewritten | self._noted(part), unreadable

    def failure(self, clip: TrainingClip) -> str:
        """Why a clip could not be made, or could only be made without its sound; empty when nothing was wrong."""
        return self._failed.get(self.path(clip).stem, "")

    def record_failure(self, clip: TrainingClip, reason: str) -> None:
        """Remember what was wrong with a clip, as it is now; empty: nothing."""
        name = self.path(clip).stem
        if reason == self._failed.get(name, ""):
            return
        self._failed[name] = reason
        with self._index() as index:
            index.write("REPLACE INTO failed VALUES (?, ?)", name, reason)

    def path(self, clip: TrainingClip) -> Path:
        """Where a clip's tensors lie, or would; ``hash_media`` comes first.

        Raises:
            InputError: a file of the clip was never looked at.
        """
        unknown = [file for file in clip.media if str(file) not in self._known]
        if unknown:
            raise InputError(f"{unknown[0]}: not in the cache", next="tbd train cache")
        content = [self._known[str(file)][1] for file in clip.media]
        networks = [self.identities["image"], self.identities["speech"], self.moments]
        return self._at("clips", [VERSION, content, clip.window, networks])

    def text_path(self, text: str, chunks: int) -> Path:
        """Where a text's embedding lies, or would."""
        return self._at("texts", [VERSION, text, chunks, self.identities["text"]])

    def _differs(self, file: Path) -> bool:
        return self._known.get(str(file), ("",))[0] != file_stamp(file, strict=True)

    def _has_the_same_bytes(self, file: Path) -> bool:
        stamp, (_, known) = file_stamp(file, strict=True), self._known.get(str(file), ("", ""))
        if not known or sha256_file(file) != known:
            return False
        self._known[str(file)] = (stamp, known)
        return True

    def _noted(self, part: Sequence[tuple[str, str, str]]) -> set[Path]:
        """Note path, stamp and sha256 of files in the index; those whose bytes have changed."""
        rewritten = {Path(name) for name, _, sha in part if self._known.get(name, ("", sha))[1] != sha}
        self._known |= {name: (stamp, sha) for name, stamp, sha in part}
        if part:
            with self._index() as index:
                index.write_many("REPLACE INTO media VALUES (?, ?, ?)", part)
        return rewritten

    def _at(self, kind: str, key: list[Any]) -> Path:
        name = digest(key)
        return self.folder / kind / name[:2] / f"{name}.safetensors"

    def _index(self) -> Database:
        return open_database(self.folder / INDEX, what="the index of a cache of tbd", schema=_SCHEMA)


def is_whole(path: Path, *names: str) -> bool:
    """Whether a safetensors file is as long as its header says, and has tensors of these names; no tensor is read."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as file:
            return set(names).issubset(file.keys())
    except (OSError, SafetensorError):
        return False


def write_tensors(path: Path, tensors: Mapping[str, torch.Tensor]) -> None:
    """Write tensors in half precision, whole or not at all.

    Raises:
        MissingError: the disk is full.
        InputError: the folder cannot be written.
    """
    from safetensors.torch import save_file

    halves = {name: tensor.half().cpu().contiguous() for name, tensor in tensors.items()}
    workspace.write_whole(path, lambda temporary: save_file(halves, temporary))
