"""Which clips of a dataset: by what they are, by name, by an even sample, by number, by part."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import zip_longest

from tbd.annotate.layouts.base import draw, listed
from tbd.errors import UsageError
from tbd.labels import canonical, level_of
from tbd.schema import Clip
from tbd.shards import part

KEYS = ("emotion", "level", "intensity", "view", "subject", "split", "gender", "dataset", "source")
"""What ``--where`` can ask for."""

ANY = "*"
"""A value that everything matches: ``view=*`` lifts a default."""


def select(
    clips: Iterable[Clip],
    *,
    where: Mapping[str, str] | None = None,
    ids: Collection[str] | None = None,
    sample: str | None = None,
    limit: int | None = None,
    shard: str | None = None,
    seed: int = 0,
    by: Callable[[Clip], str] = lambda clip: clip.clip_id,
) -> list[Clip]:
    """Narrow clips down, in this order: where, ids, sample, limit, shard.

    The order of ``clips`` does not matter; the result is sorted by ``clip_id``.

    Args:
        where: ``{"view": "front", "emotion": "angry"}``; aliases are known; ``a|b`` is either, ``*`` any.
        ids: clip_ids to keep.
        sample: ``stratified:N``, evenly over emotion, level and subject. A smaller sample is part of
            a larger one with the same seed, so a pilot is re-used.
        limit: the first so many.
        shard: ``i/n``, part i of n, counted from 1.
        seed: of the sample.
        by: the key of the chain that a clip shares; clips with one key fall into one shard.

    Raises:
        UsageError: an unknown key, value, id or form; the message names the known ones.
    """
    everything = sorted(clips, key=lambda clip: clip.clip_id)
    chosen = everything
    for key, value in (where or {}).items():
        chosen = _having(chosen, everything, key, value)
    if everything and not chosen:
        raise UsageError(f"no clip has all of {_pairs(where or {})}", next="--where view=front")
    if ids is not None:
        chosen = _named(chosen, everything, ids, where or {})
    if sample is not None:
        chosen = _stratified(chosen, _size(sample), seed)
    if limit is not None:
        chosen = chosen[:limit]
    if shard is not None:
        mine, parts = part(shard)
        chosen = [clip for clip in chosen if _hash(by(clip)) % parts == mine - 1]
    return chosen


def _having(chosen: list[Clip], everything: list[Clip], key: str, value: str) -> list[Clip]:
    if key not in KEYS:
        raise UsageError(
            f"--where {key}={value}: unknown key {key!r}; known: {', '.join(KEYS)}", next="--where view=front"
        )
    if value == ANY:
        return chosen
    present = Counter(_value(clip, key) for clip in everything)
    wanted = {_canonical(key, word.strip(), present) for word in value.split("|")}
    for word in sorted(wanted - present.keys()):
        known = listed(sorted(present), 20)
        raise UsageError(
            f"--where {key}={value}: no clip has {key} {word!r}; there are: {known}",
            next=f"--where {key}={min(present)}",
        )
    return [clip for clip in chosen if _value(clip, key) in wanted]


def _value(clip: Clip, key: str) -> str:
    value = getattr(clip, key)
    return "none" if value is None else str(value)


def _canonical(key: str, word: str, present: Collection[str]) -> str:
    """The spelling of a value in the clips."""
    if word.lower() == "none" and "none" in present:
        return "none"
    if key == "emotion":
        return canonical(word)
    if key == "level":
        return str(level_of(word))
    return next((known for known in present if known.lower() == word.lower()), word)


def _named(chosen: list[Clip], everything: list[Clip], ids: Collection[str], where: Mapping[str, str]) -> list[Clip]:
    wanted = set(ids)
    unknown = sorted(wanted - {clip.clip_id for clip in everything})
    if unknown:
        example = everything[0].clip_id if everything else "none here"
        raise UsageError(
            f"--clips: {len(unknown)} of {len(wanted)} ids are unknown: {listed(unknown, 5)} (an id here: {example})"
        )
    outside = sorted(wanted - {clip.clip_id for clip in chosen})
    if outside:
        raise UsageError(
            f"--clips: {len(outside)} of {len(wanted)} ids are left out by {_pairs(where)}: {listed(outside, 5)}",
            next=f"--where {','.join(f'{key}={ANY}' for key in where)}",
        )
    return [clip for clip in chosen if clip.clip_id in wanted]


def _size(sample: str) -> int:
    match = re.fullmatch(r"stratified:(\d{1,9})", sample)
    if match is None or int(match[1]) == 0:
        raise UsageError(f"--sample {sample}: not of the form stratified:N", next="--sample stratified:64")
    return int(match[1])


def _stratified(clips: Sequence[Clip], size: int, seed: int) -> list[Clip]:
    """Turn by turn through emotions, within each through its levels, within each through its people."""
    keys = ("emotion", "level", "subject")

    def order(group: Sequence[Clip], depth: int, *name: str) -> list[Clip]:
        if depth == len(keys):
            return sorted(group, key=lambda clip: (draw(seed, clip.clip_id), clip.clip_id))
        parts: dict[str, list[Clip]] = {}
        for clip in group:
            parts.setdefault(_value(clip, keys[depth]), []).append(clip)
        turns = sorted(parts, key=lambda part: (draw(seed, *name, part), part))
        lists = [order(parts[part], depth + 1, *name, part) for part in turns]
        return [clip for turn in zip_longest(*lists) for clip in turn if clip is not None]

    return sorted(order(clips, 0)[:size], key=lambda clip: clip.clip_id)


def _hash(key: str) -> int:
    return int.from_bytes(hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()[:8], "big")


def _pairs(where: Mapping[str, str]) -> str:
    return ",".join(f"{key}={value}" for key, value in where.items())
