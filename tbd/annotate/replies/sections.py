"""Answers without JSON: labelled lines, list items with what stands below them, and tables."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tbd.annotate.replies.fields import key, plain

_BULLET = r"^[\s>]*(?P<bullet>#{1,6}\s*|[-*•‣▪–]\s+|\(?\d{1,2}[.)、:：]\s*|\*\*(?=\d)|\(?[a-z][.)]\s+)*"
_HEADING = re.compile(
    r"^[\s>#*_\-–•]*(?:\(?\d{1,2}[.)、]\s*)?[*_\"'“]*(?P<name>[A-Za-z][A-Za-z \-/&()]{1,48}?)[\"'”]?\s*[*_]*\s*(?:[:：]|\s[–—-]\s)\s*(?P<rest>.*)$"
)
_TITLE = re.compile(
    r"^\s*(?:#{1,6}\s*|\*\*|__|\[)(?:\(?\d{1,2}[.)]\s*)?(?P<name>[A-Za-z][A-Za-z \-/&()]{1,48}?)\s*(?:\*\*|__|\])?\s*[:：]?\s*(?:\*\*|__)?\s*$"
)
_CODED = re.compile(r"(?i)^\s*(?:\*\*|__|(?:AUs?|AD|Action Unit)[\s_:-]{0,2}[LRUTB]?\d|\d{1,2}\s?[,|–-]\s?[A-Za-z])")
_RULE = re.compile(r"^\s*(?:[-*_=]\s?){3,}$|^\s*\|?(?:\s*:?-+:?\s*\|)+\s*:?-*:?\s*$")


@dataclass
class Section:
    """A labelled part of an answer: its label in lower case, and its words on one line."""

    name: str
    text: str


@dataclass
class Item:
    """A line of a list, and the lines below that belong to it. ``mark`` is its bullet or number."""

    mark: str
    head: str
    below: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """Head and lines below, as one line."""
        return " ".join((self.head, *self.below))


def sections(text: str) -> list[Section]:
    """``Name: words`` lines and titles; lines below belong to the label above them."""
    found: list[Section] = []
    for line in text.splitlines():
        if _RULE.match(line):
            continue
        match = _TITLE.match(line) or _HEADING.match(line)
        if match:
            rest = match.groupdict().get("rest") or ""
            found.append(Section(" ".join(match["name"].lower().split()), plain(rest)))
        elif found and line.strip():
            found[-1].text = f"{found[-1].text} {plain(line)}".strip()
    return found


def items(text: str) -> list[Item]:
    """Lines with their marks; a line without one continues the item above, and so does one that is set in."""
    found: list[Item] = []
    for line in text.splitlines():
        if not line.strip() or _RULE.match(line):
            continue
        match = re.match(_BULLET, line)
        assert match is not None
        head = plain(line[match.end() :])
        inset = len(line) - len(line.lstrip()) >= 2 and found and not _CODED.match(head)
        if found and (inset or not (match["bullet"] or _begins_item(line, found[-1]))):
            found[-1].below.append(head)
        else:
            found.append(Item((match["bullet"] or "").strip(), head))
    return found


def _begins_item(line: str, above: Item) -> bool:
    """A line without a mark that is an item all the same: bold, or with a code in front, or labelled as the one above."""
    return _CODED.match(line) is not None or (not above.mark and _HEADING.match(line) is not None)


def table_rows(text: str) -> Iterator[Mapping[str, str]]:
    """Rows of the tables in a text as normalised column name -> cell: ``| a | b |``, tabs, or commas."""
    header: Sequence[str] = ()
    for line in text.splitlines():
        cells = _cells(line)
        if len(cells) < 2:
            header = ()
        elif _RULE.match(line):
            continue
        elif not header:
            header = [key(cell) for cell in cells]
        elif len(cells) >= 2:
            yield dict(zip(header, cells, strict=False))


def _cells(line: str) -> list[str]:
    if "|" in line:
        return [plain(cell) for cell in line.strip().strip("|").split("|")]
    if "\t" in line.strip():
        return [plain(cell) for cell in line.strip().split("\t")]
    return [plain(cell) for cell in line.split(",")] if line.count(",") > 2 else []
