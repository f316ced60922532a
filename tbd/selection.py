"""Which clips: by what they are, by name, by an even sample, by number, by part; the same for every command.

``select`` narrows clips of a data set and rows of a manifest alike. Labels may be written in any spelling (``angry``
is ``anger``, ``3`` is ``intense``); what nothing has is an error that names the nearest that is there.
"""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any, TypeVar

from tbd.errors import UsageError
from tbd.hashes import seeded_fraction
from tbd.labels import canonical, level_of
from tbd.schema import INTENSITIES

T = TypeVar("T")
Value = Callable[[T, str], Any]

KEYS = ("emotion", "level", "intensity", "view", "subject", "split", "gender", "dataset")
"""What ``--where`` can ask of every clip and every row."""
CLIP_KEYS = (*KEYS, "source")
"""Of a clip of a data set also the longer video that it was cut from."""
ROW_KEYS = (*KEYS, "mode", "status", "review_status", "backend", "model")
"""Of a row of a manifest also what was made of it."""

ANY = "*"
"""A value that everything matches: ``view=*`` lifts a default."""
NONE = "none"
"""How a value that is not known is written."""


@dataclass(frozen=True, slots=True)
class Selection:
    """What ``--where``, ``--clips``, ``--sample``, ``--limit`` and ``--shard`` ask for, applied in this order.

    Attributes:
        where: ``{"view": "front", "emotion": "angry"}``; ``a|b`` is either, ``*`` any.
        clips: clip_ids to keep; None keeps all.
        sample: ``stratified:N``, evenly over emotion, level and subject. A smaller sample is part of a larger one with
            the same seed, so a pilot is re-used.
        limit: the first so many, in order of ``clip_id``.
        shard: ``i/n``, part i of n, counted from 1.
    """

    where: Mapping[str, str] = field(default_factory=dict)
    clips: tuple[str, ...] | None = None
    sample: str | None = None
    limit: int | None = None
    shard: str | None = None

    def __bool__(self) -> bool:
        """Whether anything is asked for."""
        return self != Selection()


def value_of(item: Any, key: str) -> Any:
    """A property of a clip, or of a row as a mapping or as an object; None where it has none."""
    return item.get(key) if isinstance(item, Mapping) else getattr(item, key, None)


def select(
    items: Iterable[T],
    selection: Selection,
    *,
    keys: Sequence[str] = CLIP_KEYS,
    seed: int = 0,
    by: Callable[[T], str] | None = None,
    value: Value[T] = value_of,
) -> list[T]:
    """Narrow clips or rows down. Their order does not matter; the result is sorted by ``clip_id``.

    Args:
        keys: what ``where`` may ask for.
        seed: of the sample.
        by: a name that falls into one shard whole, such as the chain that several clips share; ``clip_id`` by default.
        value: reads a property of an item.

    Raises:
        UsageError: an unknown key, value, id or form, or nothing has all that is asked for; the message names what
            there is.
    """
    everything = sorted(items, key=lambda item: str(value(item, "clip_id")))
    chosen = everything
    for key, wanted in selection.where.items():
        chosen = _having(chosen, everything, key, wanted, keys, value)
    if everything and not chosen:
        raise UsageError(f"no clip has all of {words_of(selection.where)}", next=f"--where {key}={wanted}")
    if selection.clips is not None:
        chosen = _named(chosen, everything, selection, value)
    if selection.sample is not None:
        chosen = _stratified(chosen, _size(selection.sample), seed, value)
    if selection.limit is not None:
        chosen = chosen[: selection.limit]
    if selection.shard is not None:
        mine, parts = shard_part(selection.shard)
        name = by or (lambda item: str(value(item, "clip_id")))
        chosen = [item for item in chosen if shard_of(name(item), parts) == mine]
    return chosen


def shard_part(text: str) -> tuple[int, int]:
    """``--shard 1/4`` as (1, 4): part 1 of 4, counted from 1.

    Raises:
        UsageError: not of the form i/n with i from 1 to n.
    """
    match = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        raise UsageError(f"--shard {text}: not of the form i/n with i from 1 to n", next="--shard 1/4")
    return int(match[1]), int(match[2])


def shard_of(name: str, parts: int) -> int:
    """The part, 1 to ``parts``, that a name falls into: the same in every command and on every machine."""
    return 1 + int(seeded_fraction(0, name) * parts)


def words_of(where: Mapping[str, str]) -> str:
    """A ``where`` as it is typed: ``view=front,emotion=angry``."""
    return ",".join(f"{key}={value}" for key, value in where.items())


def listed(names: Sequence[str], most: int = 5) -> str:
    """The first names in one line, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def nearest(word: str, known: Collection[str]) -> str | None:
    """The known word that a mistyped one is most like, if one is near."""
    lower = {name.lower(): name for name in known}
    close = difflib.get_close_matches(word.lower(), lower, 1)
    return lower[close[0]] if close else None


def _having(
    chosen: list[T], everything: list[T], key: str, wanted: str, keys: Sequence[str], value: Value[T]
) -> list[T]:
    if key not in keys:
        near = nearest(key, keys)
        hint = f"did you mean {near!r}?" if near else f"known: {', '.join(keys)}"
        raise UsageError(
            f"--where {key}={wanted}: unknown key {key!r}; {hint}", next=f"--where {near or 'view'}={wanted}"
        )
    if wanted == ANY or not everything:
        return chosen
    present = Counter(_text(value(item, key)) for item in everything)
    words = {_canonical(key, word.strip(), wanted, present) for word in wanted.split("|")}
    return [item for item in chosen if _text(value(item, key)) in words]


def _text(value: Any) -> str:
    return NONE if value is None else str(value)


def _canonical(key: str, word: str, asked: str, present: Mapping[str, int]) -> str:
    """The spelling in which clips have a value.

    Raises:
        UsageError: none has it.
    """
    lower = {known.lower(): known for known in present}
    if word.lower() in lower:
        return lower[word.lower()]
    near = nearest(word, present)
    try:
        found = _label(key, word)
    except UsageError as error:
        if near is None:
            words = f"--where {key}={asked}: {error.message}"
            raise UsageError(words, next=error.next or f"--where {key}={min(present)}") from None
        found = word
    if found in present:
        return found
    hint = f"did you mean {near!r}?" if near else f"there are: {listed(sorted(present), 20)}"
    raise UsageError(
        f"--where {key}={asked}: no clip has {key} {found!r}; {hint}", next=f"--where {key}={near or min(present)}"
    )


def _label(key: str, word: str) -> str:
    if key == "emotion":
        return canonical(word)
    if key == "level":
        return str(level_of(word))
    return INTENSITIES[level_of(word)] if key == "intensity" else word


def _named(chosen: list[T], everything: list[T], selection: Selection, value: Value[T]) -> list[T]:
    wanted = set(selection.clips or ())
    known = {value(item, "clip_id") for item in everything}
    if unknown := sorted(wanted - known):
        near = nearest(unknown[0], known) if len(known) <= 20_000 else None
        hint = f"did you mean {near!r}?" if near else f"an id here: {min(known, default='none')}"
        raise UsageError(
            f"--clips: {len(unknown)} of {len(wanted)} ids are unknown: {listed(unknown)} ({hint})",
            next="take the ids from: tbd manifest show MANIFEST",
        )
    if outside := sorted(wanted - {value(item, "clip_id") for item in chosen}):
        raise UsageError(
            f"--clips: {len(outside)} of {len(wanted)} ids are left out by {words_of(selection.where)}: {listed(outside)}",
            next=f"--where {words_of(dict.fromkeys(selection.where, ANY))}",
        )
    return [item for item in chosen if value(item, "clip_id") in wanted]


def _size(sample: str) -> int:
    match = re.fullmatch(r"stratified:(\d{1,9})", sample)
    if match is None or int(match[1]) == 0:
        raise UsageError(f"--sample {sample}: not of the form stratified:N", next="--sample stratified:64")
    return int(match[1])


def _stratified(items: Sequence[T], size: int, seed: int, value: Value[T]) -> list[T]:
    """Turn by turn through emotions, within each through its levels, within each through its people."""
    keys = ("emotion", "level", "subject")

    def order(group: Sequence[T], depth: int, *name: str) -> list[T]:
        if depth == len(keys):
            return sorted(group, key=lambda item: (seeded_fraction(seed, clip_id(item)), clip_id(item)))
        parts: dict[str, list[T]] = {}
        for item in group:
            parts.setdefault(_text(value(item, keys[depth])), []).append(item)
        turns = sorted(parts, key=lambda part: (seeded_fraction(seed, *name, part), part))
        lists = [order(parts[part], depth + 1, *name, part) for part in turns]
        return [item for turn in zip_longest(*lists) for item in turn if item is not None]

    def clip_id(item: T) -> str:
        return str(value(item, "clip_id"))

    return sorted(order(items, 0)[:size], key=clip_id)
