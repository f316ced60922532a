"""Whether the shards of a run (``--shard i/n``) that are to be merged are all of them, once each, and of one run."""

from __future__ import annotations

from collections.abc import Mapping

from tbd.errors import InputError
from tbd.manifest.run import ManifestRun


def added_shard(before: ManifestRun | None, shard: str | None, part_of: str) -> tuple[str, ...]:
    """The shards that a folder holds once ``shard`` is in it; none once everything is.

    Args:
        part_of: names the run whose shard it is: its recipe and all its clips.
    """
    if shard is None:
        return ()
    count = shard.partition("/")[2]
    earlier = before.shards if before and before.part_of == part_of else ()
    return tuple(sorted({shard, *(one for one in earlier if one.partition("/")[2] == count)}))


def check_shards(runs: Mapping[str, ManifestRun]) -> None:
    """Hold the shards among the sources of a merge against each other, data set by data set.

    Args:
        runs: the folder of each source, and its record.

    Raises:
        InputError: one is foreign, is there twice, or is missing; the message names the folders.
    """
    for dataset in sorted({run.dataset for run in runs.values() if run.shards}):
        own = {name: run for name, run in runs.items() if run.shards and run.dataset == dataset}
        _same_run(own)
        places: dict[str, list[str]] = {}
        for name, run in own.items():
            for shard in run.shards:
                places.setdefault(shard, []).append(name)
        _once_each(places)


def _same_run(own: Mapping[str, ManifestRun]) -> None:
    (first, run), *others = own.items()
    for name, other in others:
        if other.part_of != run.part_of:
            why = "another recipe" if other.fingerprint != run.fingerprint else "another selection of clips"
            raise InputError(
                f"{name} is a foreign shard: it was made with {why} than {first}",
                next=f"leave {name} out, or run its --shard again with the command of {first}",
            )
        if (one := other.shards[0].partition("/")[2]) != (count := run.shards[0].partition("/")[2]):
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
    count = int(next(iter(places)).partition("/")[2])
    if missing := [f"{part}/{count}" for part in range(1, count + 1) if f"{part}/{count}" not in places]:
        raise InputError(
            f"shards are missing: {', '.join(missing)}", next=f"tbd annotate DATASET --shard {missing[0]} -o DIR"
        )
