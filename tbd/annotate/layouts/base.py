"""What a layout is: a way in which a dataset lays out its files, and how to read clips out of them."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from tbd.errors import InputError
from tbd.filenames import PICTURES, VIDEOS
from tbd.media.probe import probe
from tbd.schema import Clip, Flag


@dataclass(frozen=True)
class Tree:
    """The visible files below a folder.

    Attributes:
        root: the folder.
        files: paths relative to it, with ``/``, sorted.
    """

    root: Path
    files: Sequence[str]

    @cached_property
    def videos(self) -> list[str]:
        """Files that end like a video."""
        return [name for name in self.files if name.lower().endswith(VIDEOS)]

    @cached_property
    def media(self) -> list[str]:
        """Files that end like a video or a picture."""
        return [name for name in self.files if name.lower().endswith((*VIDEOS, *PICTURES))]

    @cached_property
    def known(self) -> frozenset[str]:
        """``files`` as a set."""
        return frozenset(self.files)

    @cached_property
    def spelled(self) -> Mapping[str, str]:
        """Files by their name in composed letters, case aside: as another system may write it; unique ones only."""
        names = [unicodedata.normalize("NFC", name).casefold() for name in self.files]
        counts = Counter(names)
        return {name: file for name, file in zip(names, self.files, strict=True) if counts[name] == 1}

    def named(self, ending: str) -> list[str]:
        """Files whose path ends so, letter case aside."""
        return [name for name in self.files if name.lower().endswith(ending.lower())]


def seconds_of(path: Path) -> float:
    """Duration of a video; 0 for a picture.

    Raises:
        InputError: it cannot be read.
    """
    return probe(path).duration or 0.0


def has_sound(path: Path) -> bool:
    """Whether a video has a sound stream.

    Raises:
        InputError: it cannot be read.
    """
    return probe(path).has_audio


@dataclass(frozen=True)
class Options:
    """How to read a tree.

    Attributes:
        seed: of whatever a layout draws.
        windows: cut long videos into the paper's windows (HDTF).
        variant: the word after the colon in ``--layout hdtf:whole``.
        duration: path -> seconds; raises ``InputError`` for a file that cannot be read.
        sound: path -> whether the file has a sound stream; raises likewise.
    """

    seed: int = 0
    windows: bool = True
    variant: str = ""
    duration: Callable[[Path], float] = seconds_of
    sound: Callable[[Path], bool] = has_sound


@dataclass(slots=True)
class Problem:
    """Something in a dataset that could not be used as it is. ``count`` files have it; ``path`` is the first."""

    path: str
    code: str
    severity: int
    message: str
    count: int = 1

    def __str__(self) -> str:
        more = f" (and {self.count - 1} more)" if self.count > 1 else ""
        return f"{shown(self.path)}{more}: {self.message}"


class Problems:
    """Collects problems; the same words about many files become one problem with a count."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], Problem] = {}

    def add(self, path: str, code: str, severity: int, message: str) -> None:
        """Note one more file."""
        known = self._found.get((code, message))
        if known:
            known.count += 1
        else:
            self._found[code, message] = Problem(path, code, severity, message)

    def listed(self) -> list[Problem]:
        """Gravest first, then by path."""
        return sorted(self._found.values(), key=lambda problem: (-problem.severity, problem.path, problem.code))


@dataclass
class Reading:
    """What a layout made of a tree: clips, what it could not use, and what a person should know."""

    clips: list[Clip] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Layout:
    """One dataset's way of laying out files.

    Attributes:
        name: what ``--layout`` takes.
        expects: an example of its names, for people.
        recognise: the share of a tree's media files, 0 to 1, whose names certainly belong to it.
        read: the clips; more tolerant than ``recognise``, because here the layout is known.
        variants: words that may follow the name after a colon, and what they do.
        where: the selection when a user asks for none.
    """

    name: str
    expects: str
    recognise: Callable[[Tree], float]
    read: Callable[[Tree, Options], Reading]
    variants: Mapping[str, str] = field(default_factory=dict)
    where: Mapping[str, str] = field(default_factory=dict)


def share(names: Sequence[str], fits: Callable[[str], object]) -> float:
    """The share of ``names`` that fit; of very many, only some 2,000 evenly spread ones are looked at."""
    looked = names[:: max(1, len(names) // 2000)]
    return sum(bool(fits(name)) for name in looked) / len(looked) if looked else 0.0


def shown(path: str) -> str:
    """A path as people can read it on one line: bytes that are no text and line breaks are escaped."""
    text = path.encode("utf-8", "backslashreplace").decode()
    return text if text.isprintable() else repr(text)


def text_lines(tree: Tree, name: str) -> list[str]:
    """The lines of a small text file of the dataset; a byte order mark is no part of the first.

    Raises:
        InputError: it cannot be read, or is not UTF-8.
    """
    try:
        return (tree.root / name).read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise InputError(f"{shown(name)}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{shown(name)}: not UTF-8 (byte {error.start})", next="save it as UTF-8") from None


def stem(path: str) -> str:
    """``a/b/c.mp4`` -> ``c``."""
    return path.rpartition("/")[2].rpartition(".")[0]


def flags(*found: Flag | None) -> tuple[Flag, ...]:
    """Those flags that were raised."""
    return tuple(flag for flag in found if flag is not None)


def listed(words: Iterable[str], most: int = 8) -> str:
    """``a, b, c and 12 more``."""
    every = list(words)
    more = f" and {len(every) - most} more" if len(every) > most else ""
    return ", ".join(every[:most]) + more
