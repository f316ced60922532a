"""What a look at a clip found, kept by the bytes that were looked at, for every manifest that is made of them.

One small JSON file a look below ``looks/`` of the cache folder. Its name is a hash of all that the finding depends on,
never of a path or a time, so nothing is ever stale. What cannot be read is looked at anew; what cannot be written is not kept.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from tbd import workspace
from tbd.errors import InputError, TbdError
from tbd.hashes import file_stamp
from tbd.media.canonical import ClipRule
from tbd.recipe import digest
from tbd.schema import Flag, Medium

FOLDER = "looks"
_PACKAGES = ("av", "facenet-pytorch", "numpy", "pillow", "torch")
"""That decode, find faces (the detector's weights lie in facenet-pytorch) and choose: another version may see otherwise."""


class KeptLook:
    """The place in the cache of one look. The files are read from beginning to end.

    Args:
        video, audio: the files of the clip; their bytes count, and their endings, which decoders go by.
        window: start and end in seconds, None where the file's own are meant.
        rule: of the canonical clip.
        frames: moments of the clip that are shown.
    """

    def __init__(
        self, video: Path, audio: Path | None, window: tuple[float | None, float | None], rule: ClipRule, frames: int
    ) -> None:
        self._files = [video, *([audio] if audio else [])]
        self._key = ""
        with contextlib.suppress(InputError, OSError, ValueError):  # who looks at the clip says what is wrong with it
            self._stamps = _stamps(self._files)
            bytes_of = [[path.suffix.lower(), _sha256(path)] for path in self._files]
            self._key = digest([_looker(), bytes_of, window, rule.model_dump(mode="json"), frames])

    @property
    def path(self) -> Path:
        """Its file. A folder holds a 256th of all."""
        return workspace.cache() / FOLDER / self._key[:2] / f"{self._key}.json"

    def read(self) -> tuple[Medium, float] | None:
        """The medium that was found, and the CPU seconds that it took; None: not known, or the entry is damaged."""
        if not self._key:
            return None
        try:
            found = json.loads(self.path.read_bytes())
            medium, seconds = found["medium"], float(found["seconds"])
            return (medium_from(medium), seconds) if found["check"] == self._check(medium, seconds) else None
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return None

    def write(self, medium: Medium, seconds: float) -> None:
        """Keep what was found, unless a file has changed while it was looked at, or the cache cannot be written."""
        with contextlib.suppress(TbdError, OSError):
            if self._key and _stamps(self._files) == self._stamps:
                plain = json.loads(json.dumps(asdict(medium)))  # as it will be read
                found = {"medium": plain, "seconds": seconds, "check": self._check(plain, seconds)}
                workspace.write_text(self.path, json.dumps(found))

    def _check(self, medium: Any, seconds: float) -> str:
        return digest([self._key, medium, seconds])


def medium_from(document: dict[str, Any]) -> Medium:
    """A ``Medium`` as ``dataclasses.asdict`` and JSON made it, in a journal or a kept look."""
    boxes = {name: tuple(document[name]) if document[name] else None for name in ("face_box", "crop_box")}
    return Medium(**document | boxes | {"flags": tuple(Flag(**flag) for flag in document["flags"])})


@functools.cache
def _looker() -> list[Any]:
    """Who looks: the rules of looking, the detector, and the packages and decoders that both stand on."""
    import av

    from tbd.media import examine, faces

    packages = {name: _installed(name) for name in _PACKAGES}
    return [examine.VERSION, faces.IDENTITY, packages, av.library_versions]


def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _sha256(path: Path) -> str:
    """Of the bytes as they are now: people change media, so no memory of them by name and time is asked."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _stamps(files: Sequence[Path]) -> list[str]:
    return [file_stamp(path, strict=True) for path in files]
