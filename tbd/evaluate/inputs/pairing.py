"""Which video belongs to which clip, and what is left over on either side.

A manifest row, or a file of the reference folder, is what is *expected*; a video is matched with it by
the first of these that finds it: its ``clip_id``, its relative path, the same name in another spelling,
and what a MEAD file name says in the ways other projects write it. Nothing is dropped: what is missing,
double or left over is a ``Pair`` with its problem in words.
"""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from tbd.errors import InputError
from tbd.evaluate.inputs.baseline_names import contained_clip, results_among
from tbd.evaluate.inputs.pair_table import table_lines
from tbd.filenames import PICTURES, VIDEOS, Said, read_name
from tbd.schema import ManifestRow

Problem = Literal["", "missing", "extra", "duplicate"]


@dataclass(frozen=True)
class Pair:
    """One clip that should be scored, or a video that nothing expects.

    Attributes:
        clip_id: of the row; between two folders the relative path without its ending.
        video: the prediction; None when it is missing.
        row: the manifest row; None between two folders.
        reference: the ground truth file between two folders.
        by: how it was matched: ``clip_id``, ``path``, ``name``, ``containing``, ``meaning``, ``table``.
        problem: why it cannot be scored; ``reason`` in words.
    """

    clip_id: str
    video: Path | None = None
    row: ManifestRow | None = None
    reference: Path | None = None
    by: str = ""
    problem: Problem = ""
    reason: str = ""

    @property
    def expected(self) -> bool:
        """Whether it counts in coverage: everything but left-over videos does."""
        return self.problem != "extra"


@dataclass(frozen=True)
class Pairing:
    """The pairs of one run, sorted by ``clip_id``, left-over videos last."""

    pairs: tuple[Pair, ...]

    @property
    def matched(self) -> list[Pair]:
        """What can be scored."""
        return [pair for pair in self.pairs if not pair.problem]

    @property
    def unmatched(self) -> list[Pair]:
        """What cannot, with its reason."""
        return [pair for pair in self.pairs if pair.problem]

    def headline(self) -> str:
        """``matched 298 of 300; 2 missing, 1 extra``."""
        expected = sum(pair.expected for pair in self.pairs)
        kinds = ("missing", "duplicate", "extra")
        counts = {kind: sum(pair.problem == kind for pair in self.pairs) for kind in kinds}
        rest = ", ".join(f"{count} {kind}" for kind, count in counts.items() if count)
        return f"matched {len(self.matched)} of {expected}" + (f"; {rest}" if rest else "")


@dataclass(frozen=True)
class _Wanted:
    """Something a video is expected for, and the names it may go by."""

    clip_id: str
    name: str
    row: ManifestRow | None = None
    reference: Path | None = None


def with_manifest(folder: Path, rows: Iterable[ManifestRow]) -> Pairing:
    """Pair the videos below a folder with manifest rows.

    Args:
        folder: a run folder (its ``videos/`` is searched) or any folder with videos.
        rows: with ``clip_id dataset subject view emotion level file_name``.

    Raises:
        InputError: there is no such folder, or no video in it.
    """
    folder = folder / "videos" if (folder / "videos").is_dir() else folder
    wanted = [_Wanted(row["clip_id"], str(row.get("file_name") or ""), row) for row in rows]
    return _matched(videos_below(folder), folder, wanted)


def with_folder(folder: Path, reference: Path) -> Pairing:
    """Pair the videos below a folder with those below a reference folder, by relative path first.

    Raises:
        InputError: there is no such folder, or no video in it.
    """
    folder = folder / "videos" if (folder / "videos").is_dir() else folder
    reference = reference / "videos" if (reference / "videos").is_dir() else reference
    names = [(_name(path, reference), path) for path in videos_below(reference)]
    twice = {name for name, count in Counter(name for name, _ in names).items() if count > 1}
    wanted = [
        _Wanted(path.relative_to(reference).as_posix() if name in twice else name, name, None, path)
        for name, path in names
    ]
    return _matched(videos_below(folder), folder, wanted)


def with_table(table: Path, folder: Path, rows: Iterable[ManifestRow] = (), reference: Path | None = None) -> Pairing:
    """Pair by a CSV with the columns ``video`` and ``reference`` (a file) or ``clip_id`` (of the manifest).

    Paths are relative to ``folder`` (and its ``videos/``), to ``reference``, or to the table's own folder. A video lies
    below ``folder``, whatever its path is relative to: elsewhere it would be another run's, or the truth itself.

    Raises:
        InputError: the table cannot be read, lacks a column, or names a clip that the manifest lacks.
    """
    by_id = {str(row["clip_id"]): row for row in rows}
    pairs: list[Pair] = []
    for number, line in enumerate(table_lines(table), start=2):
        video, clip_id, other = (line.get(key) or "" for key in ("video", "clip_id", "reference"))
        place = f"{table}: line {number}"
        if clip_id and by_id and clip_id not in by_id:
            raise InputError(f"{place}: the manifest has no clip {clip_id!r}", next="tbd manifest show MANIFEST")
        truths = (reference / "videos", reference) if reference else ()
        truth = _found(other, *truths, table.parent)
        path = _video_of(video, folder, table, truth)
        name = clip_id or PurePosixPath(other or video).with_suffix("").as_posix()
        lost = [
            words
            for words, text, found in (
                (f"video {video!r} below the run's folder", True, path),
                (f"reference {other!r}", other, truth),
            )
            if text and not found
        ]
        reason = f"missing: {' and '.join(lost)} ({place})" if lost else ""
        pairs.append(Pair(name, path, by_id.get(clip_id), truth, "table", "missing" if lost else "", reason))
    twice = {name for name, count in Counter(pair.clip_id for pair in pairs).items() if count > 1}
    if twice:
        raise InputError(f"{table}: {min(twice)!r} is there twice")
    return _sorted(pairs)


def by_itself(folder: Path) -> Pairing:
    """Every video below a folder, each a clip of its own: for scores without a ground truth.

    Raises:
        InputError: there is no such folder, or no video in it.
    """
    folder = folder / "videos" if (folder / "videos").is_dir() else folder
    names = [(_name(path, folder), path) for path in videos_below(folder)]
    twice = {name for name, count in Counter(name for name, _ in names).items() if count > 1}
    found = [path.relative_to(folder).as_posix() if name in twice else name for name, path in names]
    return _sorted(Pair(name, path, by="itself") for name, (_, path) in zip(found, names, strict=True))


def videos_below(folder: Path) -> list[Path]:
    """Every visible video below a folder, sorted, links that lead nowhere too; pictures and other files do not count.

    Raises:
        InputError: there is no such folder, or no video in it; the message says what is there instead.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder", next="tbd eval RUN, where RUN is a folder with videos")
    files = [path for path in folder.rglob("*") if not path.is_dir() and not _hidden(path.relative_to(folder))]
    found = sorted(path for path in files if path.suffix.lower() in (*VIDEOS, ".gif"))  # a gif gets its reason
    if not found:
        pictures = sum(path.suffix.lower() in PICTURES for path in files)
        hint = f" ({pictures} pictures; frames have to be made a video first)" if pictures else ""
        raise InputError(f"{folder}: no video in it{hint}", next="tbd eval RUN, where RUN is a folder with videos")
    return found


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _name(path: Path, folder: Path) -> str:
    return path.relative_to(folder).with_suffix("").as_posix()


Key = Callable[[str], Hashable]


def _matched(videos: Sequence[Path], folder: Path, wanted: Sequence[_Wanted]) -> Pairing:
    """Rung by rung: at each, a video and a clip belong together that name only each other among all there are.

    What an earlier rung has matched still counts: that only one of two namesakes is left over does not make it the
    other's partner.
    """
    pairs: dict[str, Pair] = {}
    names = [path.relative_to(folder).as_posix() for path in videos]
    left = dict(zip(names, videos, strict=True))
    shelves = _shelves(wanted)
    for by, video_key, wanted_keys in _RUNGS:
        clips: dict[Hashable, list[_Wanted]] = defaultdict(list)
        for clip in wanted:
            for key in {key for key in wanted_keys(clip) if key}:
                clips[key].append(clip)
        files: dict[Hashable, list[str]] = defaultdict(list)
        for name in names:
            files[video_key(_bare(name))].append(name)
        for key, found in files.items():
            named = clips.get(key, [])
            if key is None or len(named) != 1 or named[0].clip_id in pairs or not left.keys() >= set(found):
                continue
            if own := [name for name in found if by != "name" or not _of_another(name, named[0], shelves)]:
                pairs[named[0].clip_id] = _pair(named[0], [left.pop(name) for name in own], by, folder)
    beside = _by_containing(left, wanted, pairs, folder)
    _by_meaning(left, wanted, pairs, folder)
    pairs |= {clip.clip_id: _lost(clip) for clip in wanted if clip.clip_id not in pairs}
    extra = [
        Pair(name, path, problem="extra", reason=beside.get(name, "extra: no clip is expected under this name"))
        for name, path in left.items()
    ]
    return _sorted([*pairs.values(), *extra])


def _shelves(wanted: Iterable[_Wanted]) -> set[str]:
    """Every folder that clips lie in."""
    return {clip.name.rpartition("/")[0] for clip in wanted} - {""}


def _of_another(name: str, clip: _Wanted, shelves: set[str]) -> bool:
    """Whether the folders that a video lies in give it to another clip, where its own name does not tell.

    Args:
        name: relative path of the video.
        clip: whose name the video bears.
        shelves: of ``_shelves``.
    """
    folder, _, stem = _bare(name).rpartition("/")
    parts = folder.split("/")
    ends = {"/".join(parts[start:]) for start in range(len(parts))}
    if ends & shelves and clip.name.rpartition("/")[0] not in ends:
        return True
    own, said, other = read_name(stem), read_name(folder), _clip_said(clip)
    person = read_name(other.speaker or "").speaker  # only where it is a MEAD name can folders tell of it
    told = (
        (own.speaker, said.speaker, person),
        (own.emotion, said.emotion, other.emotion),
        (own.view, said.view, other.view),
        (own.level, said.level, other.level),
    )
    return any(one is None and None not in (two, three) and two != three for one, two, three in told)


def _pair(clip: _Wanted, videos: Sequence[Path], by: str, folder: Path) -> Pair:
    if len(videos) > 1:
        names = ", ".join(path.relative_to(folder).as_posix() for path in videos)
        return Pair(clip.clip_id, None, clip.row, clip.reference, by, "duplicate", f"duplicate: {names}")
    return Pair(clip.clip_id, videos[0], clip.row, clip.reference, by)


def _lost(clip: _Wanted) -> Pair:
    return Pair(
        clip.clip_id, None, clip.row, clip.reference, problem="missing", reason="missing: no video of this clip"
    )


def _by_containing(
    left: dict[str, Path], wanted: Sequence[_Wanted], pairs: dict[str, Pair], folder: Path
) -> dict[str, str]:
    """Match names that other programs made of the clip's: ``NAME##NAME_enhanced``, ``NAME_512``, ``NAME/emotion``.

    Returns:
        Why files that bear a clip's name are not its result.
    """
    spelled: dict[str, set[str]] = defaultdict(set)
    for clip in wanted:
        for name in filter(None, _spellings(clip)):
            spelled[name].add(clip.clip_id)
    spellings = {name: ids.copy().pop() for name, ids in spelled.items() if len(ids) == 1}
    claims: dict[str, list[str]] = defaultdict(list)
    by_id = {clip.clip_id: clip for clip in wanted}
    shelves = _shelves(wanted)
    for name in left:
        clip_id = contained_clip(_bare(name), spellings)
        within = clip_id and contained_clip(_stem(_bare(name)), spellings) == clip_id
        if clip_id and not (within and _of_another(name, by_id[clip_id], shelves)):
            claims[clip_id].append(name)
    beside: dict[str, str] = {}
    for clip_id, names in claims.items():
        if clip_id not in pairs:
            found = [left.pop(name) for name in results_among(names)]
            pairs[clip_id] = _pair(by_id[clip_id], found, "containing", folder)
        taken = pairs[clip_id].video
        told = f"extra: beside the result, {taken.relative_to(folder).as_posix()}" if taken else "extra: beside doubles"
        beside |= dict.fromkeys(set(names) & left.keys(), told)
    return beside


def _by_meaning(left: dict[str, Path], wanted: Sequence[_Wanted], pairs: dict[str, Pair], folder: Path) -> None:
    """Match what MEAD names say: a video with the one clip that agrees in everything both of them tell."""
    shelves: dict[Hashable, list[tuple[Said, _Wanted]]] = defaultdict(list)
    for clip in wanted:
        said = _clip_said(clip)
        shelves[said.speaker, said.emotion, said.index].append((said, clip))
    claims: dict[str, list[str]] = defaultdict(list)
    for name in left:
        said = read_name(_bare(name))
        if said.speaker and said.emotion and said.index:
            agreed = [
                clip for other, clip in shelves.get((said.speaker, said.emotion, said.index), ()) if _agree(said, other)
            ]
            if len(agreed) == 1 and agreed[0].clip_id not in pairs:
                claims[agreed[0].clip_id].append(name)
    by_id = {clip.clip_id: clip for clip in wanted}
    for clip_id, names in claims.items():
        pairs[clip_id] = _pair(by_id[clip_id], [left.pop(name) for name in names], "meaning", folder)


def _clip_said(clip: _Wanted) -> Said:
    said = read_name(_bare(clip.name or clip.clip_id))
    row = clip.row or {}
    level = said.level if row.get("level") is None else row["level"]
    return Said(
        row.get("subject") or said.speaker,
        row.get("view") or said.view,
        row.get("emotion") or said.emotion,
        "",
        level,
        said.index,
    )


def _agree(one: Said, other: Said) -> bool:
    fields = ((one.view, other.view), (one.level, other.level))
    return all(None in pair or pair[0] == pair[1] for pair in fields)


def _bare(name: str) -> str:
    """A relative path without its ending."""
    return PurePosixPath(name).with_suffix("").as_posix() if PurePosixPath(name).suffix.lower() in VIDEOS else name


def _plain(name: str) -> str | None:
    """A name in lower case, its signs made alike; words that only say "result" are left out."""
    return "_".join(part for part in re.split(r"[^a-z0-9]+", name.lower()) if part) or None


def _stem(name: str) -> str:
    return name.rpartition("/")[2]


_RUNGS: tuple[tuple[str, Key, Callable[[_Wanted], Iterable[Hashable]]], ...] = (
    ("clip_id", _stem, lambda clip: [clip.clip_id] if clip.row else []),
    ("path", lambda name: name, lambda clip: [_bare(clip.name)]),
    ("name", lambda name: _plain(_stem(name)), lambda clip: _spellings(clip)),
    ("name", _plain, lambda clip: [_plain(_bare(clip.name))]),
)
"""How a video finds its clip, the surest way first: a key of the video, and the keys of a clip."""


def _spellings(clip: _Wanted) -> list[str | None]:
    dataset = (clip.row or {}).get("dataset")
    ids = [clip.clip_id] if clip.row else []
    ids += [clip.clip_id.removeprefix(f"{dataset}_")] if dataset else []
    return [_plain(name) for name in (*ids, _stem(_bare(clip.name)))]


def _found(name: str, *folders: Path) -> Path | None:
    return next((folder / name for folder in folders if name and (folder / name).is_file()), None)


def _video_of(name: str, folder: Path, table: Path, truth: Path | None) -> Path | None:
    """The file of a run that a table names: it lies below the run's folder, and is not the truth beside the table."""
    found = _found(name, folder / "videos", folder)
    if found is None and (beside := _found(name, table.parent)) and not (truth and beside.samefile(truth)):
        found = beside
    lies = found is not None and not os.path.relpath(found, folder).startswith(os.pardir)
    return found if lies else None


def _sorted(pairs: Iterable[Pair]) -> Pairing:
    return Pairing(tuple(sorted(pairs, key=lambda pair: (not pair.expected, pair.clip_id))))
