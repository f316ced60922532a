"""HDTF (Zhang et al., CVPR 2021): ``WDA_AdamSchiff_000.mp4``, ``Radio10_0.mp4`` and what else they are called.

HDTF has no emotion labels. The paper takes every clip as neutral, and so does this layout, in words:
``emotion_raw`` is ``neutral (assumed)``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from tbd.annotate.layouts.base import Layout, Options, Problem, Problems, Reading, Tree, flags, share
from tbd.annotate.layouts.hdtf_lists import Lists, read_lists
from tbd.annotate.layouts.ids import safe
from tbd.annotate.layouts.windows import LONGEST, PEOPLE, SHORTEST, WINDOWS, draw_windows
from tbd.errors import InputError
from tbd.schema import ERROR, INFO, WARNING, Clip, Flag

ASSUMED = "neutral (assumed)"

PATIENCE = 1.0
"""Seconds by which a file may differ from the published time stamps."""

_NAME = re.compile(
    r"(?:(RD|WDA|WRA)_)?(.+?)_(\d{1,3})(?:(#|_clip_)(\d+))?\.(?:mp4|mov|mkv|webm|avi|m4v)", re.IGNORECASE
)
_ALIASES = {"WhipJimClyburn": "JamesClyburn"}
_TWINS = {"WhipJimClyburn": "JamesClyburn1", "JamesClyburn1": "WhipJimClyburn"}


@dataclass(frozen=True, slots=True)
class Name:
    """``RD_Radio10_000#7``: subset RD, video Radio10, clip 0, piece 7."""

    subset: str | None
    video: str
    index: int
    piece: str | None = None

    @property
    def person(self) -> str:
        """Who is seen: the name without trailing digits. Radio videos tell no person, so each is its own."""
        if self.video.startswith("Radio"):
            return self.video
        name = self.video.rstrip("0123456789") or self.video
        return _ALIASES.get(name, name)

    @property
    def clip_id(self) -> str:
        """``hdtf_WDA_AdamSchiff_000``, with ``_p7`` for a piece of it."""
        parts = ["hdtf", self.subset, self.video, f"{self.index:03d}", f"p{self.piece}" if self.piece else None]
        return "_".join(part for part in parts if part)


def read_name(file_name: str) -> Name | None:
    """What an HDTF file name says, in any of its known forms; None where it is none."""
    match = _NAME.fullmatch(file_name)
    if match is None:
        return None
    subset = match[1].upper() if match[1] else "RD" if match[2].startswith("Radio") else None
    return Name(subset, match[2], int(match[3]), match[5])


def recognise(tree: Tree) -> float:
    """Names with a subset, Radio names, and names without a subset below a folder called HDTF."""
    listed = any(re.search(r"(?:^|/)(?:RD|WDA|WRA)_\w+\.txt$", name) for name in tree.named(".txt"))
    at_home = listed or "hdtf" in tree.root.resolve().name.lower()

    def certain(path: str) -> bool:
        name = read_name(path.rpartition("/")[2])
        return name is not None and (name.subset is not None or at_home or "hdtf" in path.lower())

    return share([path for path in tree.media if not _is_raw(path)], certain)


def read(tree: Tree, options: Options) -> Reading:
    """Every piece, cut into the paper's windows unless asked for whole files."""
    problems = Problems()
    lists = read_lists(tree, problems)
    names = dict(_named(tree, lists, problems))
    clips = [_clip(path, name, lists) for path, name in names.items()]
    notes = ["HDTF has no emotion labels: every clip counts as neutral, as in the paper"]
    if options.windows and options.variant != "whole":
        clips, drawn = _cut(tree, options, clips, names, lists, problems)
        notes += drawn
    return Reading(clips, problems.listed(), notes)


def _is_raw(path: str) -> bool:
    """A whole downloaded video, of which the pieces were cut."""
    return "_videos_raw" in path.split("/")[:-1]


def _named(tree: Tree, lists: Lists, problems: Problems) -> Iterable[tuple[str, Name]]:
    for path in tree.videos:
        name = None if _is_raw(path) else read_name(path.rpartition("/")[2])
        if name is not None:
            subset = name.subset or lists.subsets.get(name.video)
            yield path, replace(name, subset=subset)
        elif _is_raw(path):
            problems.add(path, "raw_video", INFO, "passed over: a whole video, not a piece of it")
        else:
            problems.add(path, "not_hdtf", INFO, "passed over: not named as HDTF (WDA_AdamSchiff_000.mp4)")


def _clip(path: str, name: Name, lists: Lists) -> Clip:
    found = lists.flags(name.video, name.index)
    twin = _TWINS.get(name.video)
    if twin and not lists.videos:
        found.append(Flag("duplicate_video", WARNING, f"the same video as {twin}", "dataset"))
    return Clip(
        clip_id=safe(name.clip_id, path),
        dataset="hdtf",
        subject=name.person,
        emotion="neutral",
        emotion_raw=ASSUMED,
        file_name=path,
        source=name.video,
        flags=flags(*found),
    )


def _cut(
    tree: Tree, options: Options, clips: list[Clip], names: dict[str, Name], lists: Lists, problems: Problems
) -> tuple[list[Clip], list[str]]:
    if not clips:
        return [], []
    read_seconds: dict[str, float] = {}

    def seconds(clip: Clip) -> float | None:
        try:
            read_seconds[clip.file_name] = options.duration(tree.root / clip.file_name)
        except InputError as error:
            why = error.message.removeprefix(f"{tree.root / clip.file_name}: ")
            problems.add(clip.file_name, "unreadable", ERROR, why)
            return None
        return read_seconds[clip.file_name]

    windows, notes = draw_windows(clips, seconds, options.seed)
    if not windows:
        raise InputError(
            f"{tree.root}: none of {len({clip.subject for clip in clips})} people has material for {WINDOWS} windows of "
            f"{SHORTEST:g} to {LONGEST:g} s (the paper has {PEOPLE} people){_first(problems.listed())}",
            next=f"tbd annotate {tree.root} --layout hdtf:whole",
        )
    checked = [_with_difference(clip, names[clip.file_name], lists, read_seconds[clip.file_name]) for clip in windows]
    return checked, notes


def _with_difference(clip: Clip, name: Name, lists: Lists, seconds: float) -> Clip:
    span = lists.seconds.get(f"{name.video}_{name.index}")
    if span is None or name.piece or abs(seconds - (span[1] - span[0])) <= PATIENCE:
        return clip
    message = f"the file has {seconds:.1f} s, the published time stamps {span[1] - span[0]:.1f} s"
    return replace(clip, flags=(*clip.flags, Flag("duration_differs", WARNING, message, "dataset")))


def _first(problems: list[Problem]) -> str:
    return f"; first problem: {problems[0]}" if problems else ""


LAYOUT = Layout(
    name="hdtf",
    expects="WDA_AdamSchiff_000.mp4, also Radio10_0.mp4, RD_Radio10_000#7.mp4, RD_Radio10_0_clip_0.mp4",
    recognise=recognise,
    read=read,
    variants={"whole": "whole files instead of the paper's windows"},
)
"""The layout of HDTF."""
