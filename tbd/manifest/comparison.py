"""Two manifests side by side, as Fig. 8 of the paper: what each says about the same clips.

Counted are phrases that a prompt repeats, action units and muscles that it names, and its CLIP tokens.
The names looked for are those that the two manifests themselves hold, so no list can be out of date.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from tbd.errors import InputError
from tbd.manifest.markdown import rendered
from tbd.manifest.reader import locate_manifest, read_manifest
from tbd.manifest.rows import as_rows
from tbd.manifest.tokens import count_tokens
from tbd.schema import ManifestRow

_PHRASE = 3
"""Words that make a phrase."""
_MEASURES = ("repeated phrases", "action units named", "muscles named", "CLIP tokens")
_COLUMNS = ("clip_id", "prompts_final", "action_units", "muscles")


@dataclass(frozen=True)
class ComparedClip:
    """What one manifest says about a clip.

    Attributes:
        prompts: the final prompts, coarse to fine.
        repeated: phrases of three or more words that come more than once, the longest form of each.
        action_units, muscles: names (and codes such as AU12) that the text mentions, sorted.
        tokens: CLIP tokens of each prompt, both specials included.
    """

    prompts: tuple[str, ...]
    repeated: tuple[str, ...]
    action_units: tuple[str, ...]
    muscles: tuple[str, ...]
    tokens: tuple[int, ...]

    @property
    def numbers(self) -> tuple[int, int, int, int]:
        """How much there is of each of ``_MEASURES``."""
        return len(self.repeated), len(self.action_units), len(self.muscles), sum(self.tokens)


@dataclass(frozen=True)
class ManifestComparison:
    """Two manifests side by side.

    Attributes:
        names: of the two manifests.
        pairs: ``clip_id`` -> both sides, for the clips that both have, sorted.
        only: how many clips only the first, and only the second, has.
    """

    names: tuple[str, str]
    pairs: dict[str, tuple[ComparedClip, ComparedClip]]
    only: tuple[int, int]

    @cached_property
    def means(self) -> dict[str, tuple[float, float]]:
        """Per clip, on average: repeated phrases, action units, muscles, tokens; each for both sides."""
        of = max(1, len(self.pairs))
        sums = [[0] * len(_MEASURES), [0] * len(_MEASURES)]
        for pair in self.pairs.values():
            for total, side in zip(sums, pair, strict=True):
                for at, number in enumerate(side.numbers):
                    total[at] += number
        return {name: (one / of, other / of) for name, one, other in zip(_MEASURES, *sums, strict=True)}

    def markdown(self, examples: int = 5) -> str:
        """The averages, and the first clips in full."""
        values = {"names": self.names, "pairs": self.pairs, "only": self.only, "means": self.means}
        return rendered("comparison.md.jinja", values | {"examples": examples})


def compare_manifests(one: str | Path, other: str | Path, clips: Iterable[str] | None = None) -> ManifestComparison:
    """Compare the final prompts of two manifests, clip by clip.

    Args:
        one, other: manifest folders or Parquet files.
        clips: which clips; None takes all that both have.

    Raises:
        InputError: the two have no clip in common.
    """
    tables = [read_manifest(path, _COLUMNS) for path in (one, other)]
    names = _names(locate_manifest(one), locate_manifest(other))
    rows = [{row["clip_id"]: row for row in as_rows(table)} for table in tables]
    common = sorted(rows[0].keys() & rows[1].keys() & (rows[0].keys() if clips is None else set(clips)))
    if not common:
        raise InputError(f"{names[0]} and {names[1]} have no clip in common")
    units = _vocabulary(tables, "action_units")
    muscles = _vocabulary(tables, "muscles")
    pairs = {
        clip_id: (_side(rows[0][clip_id], units, muscles), _side(rows[1][clip_id], units, muscles))
        for clip_id in common
    }
    return ManifestComparison(
        names, pairs, (len(rows[0].keys() - rows[1].keys()), len(rows[1].keys() - rows[0].keys()))
    )


def repeated_phrases(text: str) -> list[str]:
    """Phrases of three or more words that occur more than once, in order; parts of longer ones are left out."""
    words = re.findall(r"[\w'-]+", text.lower())
    found: dict[str, None] = {}
    for size in range(len(words) // 2 + 1, _PHRASE - 1, -1):
        counts = Counter(" ".join(words[at : at + size]) for at in range(len(words) - size + 1))
        for phrase, count in counts.items():
            if count > 1 and not any(f" {phrase} " in f" {longer} " for longer in found):
                found[phrase] = None
    return sorted(found, key=lambda phrase: " ".join(words).find(phrase))


def _side(row: ManifestRow, units: Sequence[str], muscles: Sequence[str]) -> ComparedClip:
    prompts = tuple(row["prompts_final"])
    text = " ".join(prompts)
    codes = {re.sub(r"\s", "", code).upper() for code in re.findall(r"\bAU\s?\d+", text, re.IGNORECASE)}
    return ComparedClip(
        prompts,
        tuple(repeated_phrases(text)),
        tuple(sorted(codes | set(_named(units, text)))),
        tuple(_named(muscles, text)),
        tuple(map(count_tokens, prompts)),
    )


def _named(vocabulary: Iterable[str], text: str) -> list[str]:
    words = " ".join(re.findall(r"\w+", text.lower()))
    return [name for name in vocabulary if f" {name} " in f" {words} " or f" {name}s " in f" {words} "]


def _vocabulary(tables: Iterable[Any], column: str) -> list[str]:
    names: set[str] = set()
    for table in tables:
        items = pc.list_flatten(table[column].combine_chunks())
        names.update(name for name in pc.unique(pc.struct_field(items, "name")).to_pylist() if name)
    return sorted({" ".join(re.findall(r"\w+", name.lower())) for name in names} - {""})


def _names(one: Path, other: Path) -> tuple[str, str]:
    names = one.parent.name, other.parent.name
    return names if names[0] != names[1] else (f"{names[0]} (1)", f"{names[1]} (2)")
