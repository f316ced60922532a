"""Whether the shards of a run (``--shard i/n``) that are to be merged are all of them, whole, once each, and of one run."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from tbd.errors import InputError
from tbd.manifest.reader import read_manifest
from tbd.manifest.run import ManifestRun
from tbd.selection import shard_of


def added_shard(before: ManifestRun | None, shard: str | None, clips: int, part_of: str) -> dict[str, int]:
    """The shards that a folder holds once ``shard`` is in it, and how many clips each has; none once everything is.

    Args:
        clips: of this shard.
        part_of: names the run whose shard it is: its recipe and all its clips.
    """
    if shard is None:
        return {}
    earlier = before.shards if before and before.part_of == part_of else {}
    kept = {one: many for one, many in earlier.items() if _count(one) == _count(shard)}
    return dict(sorted({**kept, shard: clips}.items()))


def check_shards(runs: Mapping[str, ManifestRun]) -> None:
    """Hold the shards among the sources of a merge against each other, data set by data set.

    Args:
        runs: the folder of each source, and its record.

    Raises:
        InputError: one is foreign, is there twice, is missing or is not finished; the message names the folders.
    """
    for dataset in sorted({run.dataset for run in runs.values() if run.shards}):
        own = {name: run for name, run in runs.items() if run.shards and run.dataset == dataset}
        _same_run(own)
        places: dict[str, list[str]] = {}
        for name, run in own.items():
            for shard in run.shards:
                places.setdefault(shard, []).append(name)
        _once_each(places)
        for name, run in own.items():
            _finished(name, run)


def _count(shard: str) -> str:
    return shard.partition("/")[2]


def _same_run(own: Mapping[str, ManifestRun]) -> None:
    (first, run), *others = own.items()
    for name, other in others:
        if other.part_of != run.part_of:
            why = "another recipe" if other.fingerprint != run.fingerprint else "another selection of clips"
            raise InputError(
                f"{name} is a foreign shard: it was made with {why} than {first}",
                next=f"leave {name} out, or run its --shard again with the command of {first}",
            )
        if (one := _count(next(iter(other.shards)))) != (count := _count(next(iter(run.shards)))):
            raise InputError(
                f"{name} is a foreign shard: it is one of {one}, {first} is one of {count}",
                next=f"merge the {count} shards of one run",
            )


def _once_each(places: Mapping[str, list[str]]) -> None:
    for shard, names in places.items():
        if len(names) > 1:
            raise InputError(
                f"the shards overlap: {shard} is in {' and in '.join(names)}", next=f"leave {names[-1]} out"
            )
    count = int(_count(next(iter(places))))
    if missing := [f"{part}/{count}" for part in range(1, count + 1) if f"{part}/{count}" not in places]:
        raise InputError(
            f"shards are missing: {', '.join(missing)}", next=f"tbd annotate DATASET --shard {missing[0]} -o DIR"
        )


def _finished(name: str, run: ManifestRun) -> None:
    """Whether every clip of the shards in a folder has its row; a failed one has."""
    count = int(_count(next(iter(run.shards))))
    chains = read_manifest(name, ["chain_id"])["chain_id"].to_pylist()
    rows = Counter(f"{shard_of(chain, count)}/{count}" for chain in chains)
    for shard, clips in run.shards.items():
        if rows[shard] < clips:
            asked = ["tbd", "annotate", run.root, *(["--backend", str(run.asked[0])] if run.asked else [])]
            raise InputError(
                f"{name}: shard {shard} is not finished: {rows[shard]} of its {clips} clips have a row",
                next=f"{shlex.join([*asked, '--shard', shard, '-o', str(Path(name))])}   # and the options it was begun with",
            )
