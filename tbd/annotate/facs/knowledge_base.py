"""The FACS knowledge base: ``annotate/facs/*.toml``, read once into frozen dataclasses.

A user's own ``annotate/facs/`` in the current directory wins, file by file. Everything that is wrong
with it is reported at once. The sources of the facts stand in the files, by key.
"""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Literal, TypeVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

from tbd import workspace
from tbd.annotate.facs.codes import Mention, parse_action_units
from tbd.errors import InputError, RecipeError
from tbd.recipe import digest

FILES = ("action_units", "muscles", "emotions", "rules", "words")
Strength = Literal["error", "warning", "info"]
Units = tuple[int, ...]


@dataclass(frozen=True)
class _Facts:
    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")


@dataclass(frozen=True)
class ActionUnitFacts(_Facts):
    """One FACS code; the fields are explained at the top of ``action_units.toml``."""

    name: str
    kind: Literal["AU", "AD", "head", "eye", "visibility", "gross"]
    region: str
    cue: str
    shows: str
    action: str = ""
    muscles: tuple[str, ...] = ()
    relaxed: tuple[str, ...] = ()
    synonyms: tuple[str, ...] = ()
    wrong_names: tuple[str, ...] = ()
    sided: bool = False
    speech: bool = False
    still: bool = True
    legacy: bool = False
    note: str = ""

    @property
    def all_muscles(self) -> tuple[str, ...]:
        """Keys of the muscles that contract, then of those that let go."""
        return (*self.muscles, *self.relaxed)


@dataclass(frozen=True)
class MuscleFacts(_Facts):
    """One facial muscle. ``groups`` are names that it shares with others."""

    name: str
    synonyms: tuple[str, ...] = ()
    misspellings: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()


@dataclass(frozen=True)
class Variant(_Facts):
    """A weaker form of an emotion, with the least letters that some of its units need."""

    units: Units
    at_least: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True)
class LevelFacts(_Facts):
    """How an emotion is shown at one level: codes such as ``6C+12C``, and three prompts."""

    units: str
    expression: str
    muscles: str
    dynamics: str

    @property
    def mentions(self) -> list[Mention]:
        """``units``, parsed."""
        return parse_action_units(self.units if self.units != "0" else "AU0")


@dataclass(frozen=True)
class EmotionFacts(_Facts):
    """One emotion; the fields are explained at the top of ``emotions.toml``."""

    noun: str
    adjective: str
    mead: str
    synonyms: tuple[str, ...]
    core: tuple[Units, ...]
    levels: Mapping[int, LevelFacts]
    sources: tuple[str, ...] = ()
    variants: tuple[Variant, ...] = ()
    optional: Units = ()
    contradicting: Units = ()
    weak: Units = ()
    at_most: Mapping[int, str] = field(default_factory=dict)
    two_sided: Units = ()
    one_sided: Units = ()
    variation: str = ""
    social: str = ""

    def at(self, level: int | None) -> LevelFacts:
        """What is shown at a level; without one, or where it has none of its own, the middle one."""
        middle = sorted(self.levels)[len(self.levels) // 2]
        return self.levels.get(level or middle) or self.levels[middle]


@dataclass(frozen=True)
class Exclusion(_Facts):
    """Two codes that cannot, or hardly, be active together on one side of the face."""

    units: tuple[int, int]
    severity: Strength
    why: str
    basis: str


@dataclass(frozen=True)
class Need(_Facts):
    """A code asks for one of ``units`` beside it."""

    units: Units
    severity: Strength


@dataclass(frozen=True)
class CodeRules(_Facts):
    """Rules about single codes."""

    alone: Units
    in_video_only: Units
    one_side_only: Units
    needs_side: Units
    rare: Units
    hides: Mapping[int, Units]
    needs: Mapping[int, Need]


@dataclass(frozen=True)
class IntensityRules(_Facts):
    """FACS letters, the letters that suit a level, and the words for each level."""

    letters: Mapping[str, str]
    tolerated: Mapping[int, str]
    words: Mapping[int, tuple[str, ...]]


@dataclass(frozen=True)
class Rules(_Facts):
    """``rules.toml``."""

    accepted: tuple[str, ...]
    exclusions: tuple[Exclusion, ...]
    codes: CodeRules
    intensity: IntensityRules
    ambiguous: Mapping[str, Units]
    reasons: Mapping[str, str]
    sources: Mapping[str, str]

    @functools.cached_property
    def accepted_sets(self) -> list[frozenset[int]]:
        """The listed combinations as sets of numbers."""
        return [frozenset(mention.au for mention in parse_action_units(codes)) for codes in self.accepted]


Words = tuple[str, ...]
"""Words or regular expressions, letter case aside."""


@dataclass(frozen=True)
class WordFacts(_Facts):
    """``words.toml``: how movements, people and emotions are described; its comments explain the sections."""

    behaviour: Mapping[str, Words]
    borrows: Mapping[str, Words]
    borrowed: Mapping[str, Words]
    ethnicity: Mapping[str, Words]
    overlaps: Mapping[str, Words]
    items: Mapping[str, Words]
    hair: Mapping[str, Words]
    people: Mapping[str, Words]
    parts: Mapping[str, Words]
    moves: Mapping[str, Words]
    movements: Mapping[str, Mapping[str, Units]]
    also: Mapping[str, Units]


@dataclass(frozen=True, eq=False)
class Knowledge:
    """The whole knowledge base. ``sha256`` is a hash of its content, part of a run's fingerprint."""

    action_units: Mapping[int, ActionUnitFacts]
    muscles: Mapping[str, MuscleFacts]
    emotions: Mapping[str, EmotionFacts]
    rules: Rules
    words: WordFacts
    sha256: str

    @functools.cached_property
    def units_of(self) -> Mapping[str, frozenset[int]]:
        """Muscle key -> the units that it carries."""
        return {
            key: frozenset(au for au, facts in self.action_units.items() if key in facts.all_muscles)
            for key in self.muscles
        }


@functools.cache
def knowledge() -> Knowledge:
    """The knowledge base of this process, read at the first call.

    Raises:
        RecipeError: a file is missing or wrong; all mistakes are listed.
    """
    documents = {name: _document(name) for name in FILES}
    mistakes: list[str] = []
    action_units = _fill(dict[int, ActionUnitFacts], "action_units", documents, mistakes)
    muscles = _fill(dict[str, MuscleFacts], "muscles", documents, mistakes)
    emotions = _fill(dict[str, EmotionFacts], "emotions", documents, mistakes)
    rules = _fill(Rules, "rules", documents, mistakes)
    words = _fill(WordFacts, "words", documents, mistakes)
    if not mistakes:
        mistakes = list(_contradictions(action_units, muscles, emotions, rules, words))
    if mistakes:
        raise RecipeError(
            f"annotate/facs: {len(mistakes)} mistake{'s' if len(mistakes) > 1 else ''}\n"
            + "\n".join(f"  {mistake}" for mistake in mistakes),
            next="mend annotate/facs/ here, or remove it to use the shipped one",
        )
    return Knowledge(action_units, muscles, emotions, rules, words, digest(documents))


def knowledge_sha256() -> str:
    """Hash of the knowledge base's content (not of its comments): 64 hex digits."""
    return knowledge().sha256


K = TypeVar("K")
V = TypeVar("V")


class FactTable(Mapping[K, V]):
    """A table of the knowledge base that is read when it is first looked into."""

    def __init__(self, pick: Callable[[Knowledge], Mapping[K, V]]) -> None:
        self._pick = pick

    def __getitem__(self, key: K) -> V:
        return self._pick(knowledge())[key]

    def __iter__(self) -> Iterator[K]:
        return iter(self._pick(knowledge()))

    def __len__(self) -> int:
        return len(self._pick(knowledge()))


ACTION_UNITS: Mapping[int, ActionUnitFacts] = FactTable(lambda known: known.action_units)
"""FACS number -> what is known about it."""
MUSCLES: Mapping[str, MuscleFacts] = FactTable(lambda known: known.muscles)
"""Key of ``muscles.toml`` -> the muscle's names."""
EMOTIONS: Mapping[str, EmotionFacts] = FactTable(lambda known: known.emotions)
"""Canonical emotion (``tbd.schema.EMOTIONS`` and ``calm``) -> its action units and words."""


def _document(name: str) -> dict[str, Any]:
    try:
        path = workspace.find(f"annotate/facs/{name}.toml")
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (InputError, OSError) as error:
        raise RecipeError(f"annotate/facs/{name}.toml: cannot be read ({error})", next="tbd init") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: not TOML: {error}", next=f"mend {path}") from None


T = TypeVar("T")


def _fill(kind: type[T], name: str, documents: Mapping[str, Any], mistakes: list[str]) -> T:
    try:
        return TypeAdapter(kind).validate_python(documents[name])
    except ValidationError as error:
        for part in error.errors():
            place = ".".join(str(step) for step in part["loc"] if step != "[key]")
            mistakes.append(f"{name}.toml: {place}: {part['msg']}")
        return None  # type: ignore[return-value]


def _contradictions(
    units: Mapping[int, ActionUnitFacts],
    muscles: Mapping[str, MuscleFacts],
    emotions: Mapping[str, EmotionFacts],
    rules: Rules,
    words: WordFacts,
) -> Iterator[str]:
    """What each file allows but the files together do not."""
    for au, facts in units.items():
        for key in facts.all_muscles:
            if key not in muscles:
                yield f"action_units.toml: {au}: no muscle {key!r} in muscles.toml"
    for name, emotion in emotions.items():
        if not emotion.levels:
            yield f"emotions.toml: {name}: no levels"
        named = {au for group in emotion.core for au in group} | set(emotion.contradicting) | set(emotion.weak)
        named |= {mention.au for level in emotion.levels.values() for mention in level.mentions}
        for au in sorted(named - units.keys()):
            yield f"emotions.toml: {name}: no code {au} in action_units.toml"
    for exclusion in rules.exclusions:
        for au in set(exclusion.units) - units.keys():
            yield f"rules.toml: exclusions: no code {au} in action_units.toml"
    for part, moves in words.movements.items():
        for unknown in ({part} - words.parts.keys()) | (moves.keys() - words.moves.keys()):
            yield f"words.toml: movements: {part}: no part or move {unknown!r}"
        for au in {au for codes in moves.values() for au in codes} - units.keys():
            yield f"words.toml: movements: {part}: no code {au} in action_units.toml"
    for key in words.also.keys() - muscles.keys():
        yield f"words.toml: also: no muscle {key!r} in muscles.toml"
    yield from _patterns(words)


def _patterns(words: WordFacts) -> Iterator[str]:
    for section in fields(words):
        for name, entries in getattr(words, section.name).items():
            for entry in entries:
                try:
                    re.compile(str(entry))
                except re.error as error:
                    yield f"words.toml: {section.name}: {name}: {entry!r} is no pattern ({error})"
