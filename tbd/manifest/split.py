"""Splits into train and test: rules with names, pure functions of the rows, and what they overlap in.

No two papers split MEAD alike, so a split is a rule and a seed that are recorded, never a list that
somebody has to keep. ``overlaps`` says what a split shares between its two sides.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pyarrow as pa

from tbd.errors import InputError, UsageError
from tbd.hashes import seeded_fraction
from tbd.manifest.rows import as_rows
from tbd.schema import ManifestRow

SPLIT_COLUMNS = ("clip_id", "dataset", "subject", "view", "emotion", "level", "file_name", "start", "end", "transcript")
"""What a rule may look at."""

TEST_SPEAKERS = frozenset({"M003", "M030", "W009", "W015"})
"""MEAD's test people in EAT and EDTalk, and so in most comparisons."""
TEST_SHARE = 0.2
"""Share of clips that go to the test side (80/20 in the paper)."""
OTHER_SHARE = 0.1
"""Share of people that ``speaker`` tests on where a dataset has no customary list. Our choice."""
LAST_NEUTRAL, LAST_OTHER = 10, 6
"""Takes that MEAD's README puts aside in each group."""


@dataclass(frozen=True, slots=True)
class SplitRule:
    """A rule by its name, and the seed of whatever it draws."""

    rule: str
    seed: int = 0

    def __post_init__(self) -> None:
        if self.rule not in RULES:
            raise UsageError(f"no split rule {self.rule!r}; there are: {', '.join(RULES)}", next="--split random-80-20")

    def as_json(self) -> dict[str, Any]:
        """The form in ``run.json``: ``{"rule": …, "seed": …}``."""
        return {"rule": self.rule, "seed": self.seed}


@dataclass(frozen=True, slots=True)
class Assignment:
    """``train`` or ``test`` for each row, in order, and what a person should know about it."""

    sides: list[str]
    notes: tuple[str, ...] = ()


def assign_split(table: pa.Table, rule: SplitRule) -> Assignment:
    """Apply a rule; the same rows get the same sides whatever their order.

    Args:
        table: at least ``SPLIT_COLUMNS``.

    Raises:
        InputError: the rule is not made for these rows.
    """
    rows = as_rows(table.select(SPLIT_COLUMNS))
    test = RULES[rule.rule](rows, rule.seed)
    sides = ["test" if row["clip_id"] in test else "train" for row in rows]
    return Assignment(sides, tuple(_notes(rows, rule, sides)))


def _notes(rows: Sequence[ManifestRow], rule: SplitRule, sides: Sequence[str]) -> Iterable[str]:
    for side in ("train", "test"):
        if rows and side not in sides:
            yield f"{rule.rule} puts no clip into {side}"
    people = {row["subject"] for row in rows if row["dataset"] == "mead"}
    if rule.rule == "speaker" and people and not people & TEST_SPEAKERS:
        yield f"none of {', '.join(sorted(TEST_SPEAKERS))} is here; the test people of mead were drawn instead"


def _random(rows: Sequence[ManifestRow], seed: int) -> set[str]:
    """By clip, as the paper: each clip's own draw, so that more clips never move the others."""
    return {row["clip_id"] for row in rows if seeded_fraction(seed, row["clip_id"]) < TEST_SHARE}


def _speaker(rows: Sequence[ManifestRow], seed: int) -> set[str]:
    """By person: MEAD's customary four; of other datasets, and of a MEAD without the four, a drawn tenth."""
    test: set[tuple[str, str]] = set()
    for dataset in {row["dataset"] for row in rows}:
        people = {row["subject"] for row in rows if row["dataset"] == dataset}
        four = people & TEST_SPEAKERS if dataset == "mead" else set()
        test |= {(dataset, person) for person in four or _lowest(people, seed, OTHER_SHARE)}
    return {row["clip_id"] for row in rows if (row["dataset"], row["subject"]) in test}


def _official_last_n(rows: Sequence[ManifestRow], seed: int) -> set[str]:
    """MEAD's README: the last takes of every person, view, emotion and level."""
    _only(rows, "mead", "official-last-n")
    groups: dict[tuple[Any, ...], list[ManifestRow]] = {}
    for row in rows:
        groups.setdefault((row["subject"], row["view"], row["emotion"], row["level"]), []).append(row)
    test = set()
    for group in groups.values():
        last = LAST_NEUTRAL if group[0]["emotion"] == "neutral" else LAST_OTHER
        ordered = sorted(group, key=lambda row: (_natural(row["file_name"]), row["clip_id"]))
        test |= {row["clip_id"] for row in ordered[-last:]}
    return test


def _text_disjoint(rows: Sequence[ManifestRow], seed: int) -> set[str]:
    """By spoken text: whole texts, drawn until a fifth of the clips is reached."""
    silent = [row["clip_id"] for row in rows if not _words(row)]
    if silent:
        raise InputError(
            f"the split text-disjoint needs a transcript for every clip; {len(silent)} of {len(rows)} have none, "
            f"{silent[0]} for one",
            next="use --split speaker, or add a column transcript (layout folder)",
        )
    by_text: dict[str, list[str]] = {}
    for row in rows:
        by_text.setdefault(_words(row), []).append(row["clip_id"])
    test: set[str] = set()
    for text in sorted(by_text, key=lambda text: (seeded_fraction(seed, text), text)):
        if test and len(test) + len(by_text[text]) > TEST_SHARE * len(rows):
            continue
        test.update(by_text[text])
    return test if len(by_text) > 1 else set()


def _hdtf_16_4(rows: Sequence[ManifestRow], seed: int) -> set[str]:
    """By person, one in five: 16 and 4 of the paper's 20. The paper names no split of HDTF; ours."""
    _only(rows, "hdtf", "hdtf-16-4")
    test = _lowest({row["subject"] for row in rows}, seed, TEST_SHARE)
    return {row["clip_id"] for row in rows if row["subject"] in test}


RULES: dict[str, Callable[[Sequence[ManifestRow], int], set[str]]] = {
    "random-80-20": _random,
    "speaker": _speaker,
    "official-last-n": _official_last_n,
    "text-disjoint": _text_disjoint,
    "hdtf-16-4": _hdtf_16_4,
}
"""Every rule by its name: rows and a seed to the ids of the test clips."""


@dataclass(frozen=True, slots=True)
class Overlap:
    """What train and test share in one respect.

    Attributes:
        shared: things on both sides; None when it cannot be known.
        clips: test clips that have a counterpart in train.
        of: test clips whose thing is known.
        examples: at most five of the shared things.
    """

    shared: int | None
    clips: int
    of: int
    examples: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.shared is None:
            return "unknown"
        return f"{self.shared} shared, {self.clips} of {self.of} test clips" if self.shared else "none"


Respect = Literal["clip", "source", "person", "text"]


def split_overlaps(table: pa.Table) -> dict[Respect, Overlap]:
    """What the two sides of a split share: clip, source video, person and spoken text.

    ``clip``: the same window of the same file. ``source``: the same recording, which for MEAD is one
    take whatever the camera, and for HDTF one video whatever the piece. ``text`` is unknown as long
    as a clip has no transcript.

    Args:
        table: at least ``SPLIT_COLUMNS`` and ``split``.
    """
    rows = as_rows(table.select([*SPLIT_COLUMNS, "split"]))
    return {
        "clip": _overlap(rows, lambda row: f"{row['dataset']}/{row['file_name']} {row['start']}-{row['end']}"),
        "source": _overlap(rows, source),
        "person": _overlap(rows, lambda row: f"{row['dataset']}/{row['subject']}"),
        "text": _overlap(rows, _words),
    }


def source(row: ManifestRow) -> str:
    """Name of the recording that a clip was cut from; clips of one recording belong together."""
    name = row["file_name"]
    if row["dataset"] == "hdtf":
        name = re.sub(r"(_\d{1,3})?(#\d+|_clip_\d+)?\.\w+$", "", name.rpartition("/")[2])
        name = re.sub(r"^(RD|WDA|WRA)_", "", name)
    elif row["view"]:
        name = re.sub(rf"(?<![a-z]){re.escape(row['view'])}(?![a-z0-9])", "*", name)
    return f"{row['dataset']}/{name}"


def _overlap(rows: Iterable[ManifestRow], key: Callable[[ManifestRow], str]) -> Overlap:
    sides: dict[str | None, list[str]] = {"train": [], "test": []}
    for row in rows:
        sides.setdefault(row["split"], []).append(key(row))
    train, test = sides["train"], sides["test"]
    if not all(train) or not all(test):
        return Overlap(None, 0, sum(map(bool, test)))
    shared = set(train) & set(test)
    return Overlap(len(shared), sum(name in shared for name in test), len(test), tuple(sorted(shared)[:5]))


def _only(rows: Iterable[ManifestRow], dataset: str, rule: str) -> None:
    others = sorted({row["dataset"] for row in rows} - {dataset})
    if others:
        raise InputError(f"the split {rule} is made for {dataset}; these rows are of {', '.join(others)}")


def _lowest(names: Iterable[str], seed: int, share: float) -> set[str]:
    """A seeded share of the names, rounded, at least one; none where there is nobody to leave for training."""
    ordered = sorted(names, key=lambda name: (seeded_fraction(seed, name), name))
    count = max(1, math.floor(share * len(ordered) + 0.5)) if len(ordered) > 1 else 0
    return set(ordered[:count])


def _words(row: ManifestRow) -> str:
    return " ".join(re.findall(r"\w+", (row["transcript"] or "").casefold()))


def _natural(name: str) -> tuple[str, int]:
    """``level_1/009.mp4`` -> (``level_1/``, 9): takes in their order, however they are padded."""
    match = re.fullmatch(r"(.*?)(\d*)", name.rpartition(".")[0] or name, re.DOTALL)
    stem, digits = match.groups() if match else (name, "")
    return stem, int(digits or 0)
