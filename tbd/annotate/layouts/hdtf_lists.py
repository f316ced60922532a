"""The text files that HDTF is distributed as: which pieces of which videos, and their crop boxes.

Space separated, no header, one of them with a byte order mark, and spelled ``annotion_time``. Where
they lie beside the clips, the known defects of a clip become flags.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

from tbd.annotate.layouts.base import Problems, Tree, text_lines
from tbd.errors import InputError
from tbd.schema import INFO, WARNING, Flag

WIDE_ENOUGH = 512
"""Pixels of the canonical clip; a smaller published crop has been enlarged."""

_FILE = re.compile(r"(?:.*/)?(RD|WDA|WRA)_(video_url|resolution|annot(?:at)?ion_time|crop_wh)\.txt", re.IGNORECASE)


@dataclass
class Lists:
    """What the text files say. Names are without subset and ending; a piece is ``name_0``.

    Attributes:
        subsets: name -> ``RD``, ``WDA`` or ``WRA``.
        seconds: piece -> its (start, end) in the whole video.
        crops: piece -> (x, width, y, height) in pixels.
        heights: name -> height of the whole video; 0 where the list has none.
        videos: name -> YouTube id.
        cropped: subsets whose list of crops is there.
    """

    subsets: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, tuple[float, float]] = field(default_factory=dict)
    crops: dict[str, tuple[int, ...]] = field(default_factory=dict)
    heights: dict[str, int] = field(default_factory=dict)
    videos: dict[str, str] = field(default_factory=dict)
    cropped: set[str] = field(default_factory=set)

    def flags(self, name: str, index: int) -> list[Flag]:
        """What is known to be wrong with piece ``index`` of a video."""
        piece = f"{name}_{index}"
        found = []
        if piece in self.crops:
            _, width, y, height = self.crops[piece]
            if 0 < self.heights.get(name, 0) < y + height:
                found.append(
                    _flag(
                        "crop_outside", WARNING, f"its published crop ends at {y + height} px of {self.heights[name]}"
                    )
                )
            if width < WIDE_ENOUGH:
                found.append(_flag("upscaled", INFO, f"its published crop is {width} px wide; sharpness means little"))
        elif self.subsets.get(name) in self.cropped:
            found.append(_flag("crop_unlisted", INFO, "the published lists have no crop for it"))
        if twins := self._twins(name):
            found.append(_flag("duplicate_video", WARNING, f"the same video as {', '.join(twins)}"))
        return found

    def _twins(self, name: str) -> list[str]:
        video = self.videos.get(name)
        return sorted(other for other, its in self.videos.items() if its == video and other != name) if video else []


def read_lists(tree: Tree, problems: Problems) -> Lists:
    """Read every list in the tree; a line that does not parse becomes a problem with its number."""
    lists = Lists()
    for path in tree.named(".txt"):
        if match := _FILE.fullmatch(path):
            subset, kind = match[1].upper(), match[2].lower().replace("annotation", "annotion")
            if kind == "crop_wh":
                lists.cropped.add(subset)
            _read(tree, path, lists, subset, kind, problems)
    return lists


def _read(tree: Tree, path: str, lists: Lists, subset: str, kind: str, problems: Problems) -> None:
    try:
        lines = text_lines(tree, path)
    except InputError as error:
        problems.add(path, "unreadable_list", WARNING, error.message)
        return
    for number, line in enumerate(lines, 1):
        words = line.split()
        try:
            if words:
                _take(lists, subset, kind, words)
        except (ValueError, IndexError):
            problems.add(path, "bad_line", WARNING, f"line {number} cannot be read: {line[:60]!r}")


def _take(lists: Lists, subset: str, kind: str, words: list[str]) -> None:
    name, *values = words
    name = name.removesuffix(".mp4")
    if kind == "crop_wh":
        x, width, y, height = map(int, values)
        lists.crops[name] = (x, width, y, height)
        return
    lists.subsets[name] = subset
    if kind == "resolution":
        lists.heights[name] = int(values[0])
    elif kind == "video_url":
        lists.videos[name] = _video(values[0])
    else:
        for index, span in enumerate(values):
            start, end = (_seconds(time) for time in span.split("-"))
            lists.seconds[f"{name}_{index}"] = (start, end)


def _seconds(time: str) -> float:
    seconds = 0.0
    for part in time.split(":"):
        seconds = seconds * 60 + float(part)
    return seconds


def _video(url: str) -> str:
    parts = urlsplit(url)
    return parse_qs(parts.query).get("v", [parts.path.rpartition("/")[2]])[0]


def _flag(code: str, severity: int, message: str) -> Flag:
    return Flag(code, severity, message, "dataset")
