"""``tbd train cache``."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tbd.cli import options
from tbd.cli.train.common import (
    CacheFolder,
    Device,
    Manifests,
    Memory,
    device_name,
    own_shard,
    raise_if_stopped,
    say_what_is_read,
    selection,
    training_recipe,
    until_stopped,
)
from tbd.clip_failures import raise_if_all_bugs
from tbd.console import document, human_bytes, out, progress, say
from tbd.errors import MissingError
from tbd.workspace import refuse_elsewhere

if TYPE_CHECKING:
    from tbd.train.cache_builder import CachePlan
    from tbd.train.clips import TrainingClips
    from tbd.train.latent_cache import LatentCache
    from tbd.train.recipe import TrainRecipe


def cache(
    manifests: Manifests,
    recipe: options.RecipeName = None,
    set_: options.Set = None,
    gpu_memory: Memory = None,
    seed: options.Seed = None,
    folder: CacheFolder = None,
    moments: Annotated[
        str | None, typer.Option(metavar="both|mean", help="mean: half the size, and the VAE's mode.")
    ] = None,
    stage: Annotated[
        int | None, typer.Option(min=1, max=2, help="Only the clips that a run of this stage will read.")
    ] = None,
    processes: Annotated[int | None, typer.Option(min=1, help="Of that run. Default: as many as these.")] = None,
    shard: options.Shard = None,
    where: options.Where = None,
    clips: options.ClipFile = None,
    root: options.Root = None,
    device: Device = "auto",
    max_failed: Annotated[str, typer.Option(metavar="N|P%", help="Failed clips that still count as success.")] = "0",
    dry_run: options.DryRun = False,
    quiet: options.Quiet = False,
    json: options.Json = False,
) -> int:
    """Latents, wav2vec layers and text embeddings of every approved row, computed once.

    Run again, it adds new approvals and clips whose file has changed. Killed, it goes on. Of several processes of a
    launcher each fills a part.

    Example: tbd train cache data_manifests/mead --recipe paper
    """
    from tbd.train.approved_clips import read_training_clips

    settings = [f"data.moments={moments}"] if moments else []
    loaded = training_recipe(recipe, [*settings, *(set_ or ())], gpu_memory, seed)
    say_what_is_read(manifests)
    part = own_shard(shard)
    found = read_training_clips(manifests, loaded, stage or 1, selection(where, clips), options.roots(root))
    say(f"{len(found.train) + len(found.validation)} approved clips; loads torch")
    from tbd.train import cache_builder
    from tbd.train.cache_state import default_cache_folder
    from tbd.train.drawn_clips import clips_of_shard

    place = folder or default_cache_folder()
    refuse_elsewhere(place)
    keep = _opened(loaded, place, dry_run)
    chosen = clips_of_shard(found if stage is None else _drawn(found, loaded, stage, processes, keep), part)
    for line in chosen.words():
        say(line)
    plan = cache_builder.plan_cache(chosen, loaded, keep) if keep else cache_builder.plan_unseen(chosen, loaded, place)
    _say_plan(plan, place)
    summary: dict[str, Any] = {
        "cache": str(place), "present": plan.present, "clips": len(plan.clips), "texts": len(plan.texts),
        "stale": plan.stale, "bytes": plan.bytes, "free": plan.free, "left_out": plan.left_out,
    }  # fmt: skip
    if dry_run:
        document(summary) if json else out(f"{len(plan.clips)} clips would go to {place}")
        return 0
    networks = cache_builder.caching_encoders(loaded, device_name(device))
    with until_stopped("clips under way") as stopping, progress("cache", len(plan.clips), quiet=quiet) as bar:
        made = cache_builder.build_cache(plan, loaded, networks, callback=lambda _: bar.advance(), stopping=stopping)
    _say_failed(made.failed, stage)
    summary |= {"clips": made.clips, "texts": made.texts, "failed": made.failed}
    document(summary) if json else out(f"{made.clips} clips and {made.texts} texts made, {len(made.failed)} failed")
    raise_if_stopped(stopping if made.stopped else None)
    tried = len(plan.clips) + len(plan.unreadable)
    raise_if_all_bugs(made.failed, tried)
    return int(options.too_many(len(made.failed), tried, max_failed))


def _say_plan(plan: CachePlan, place: Path) -> None:
    stale = f" ({plan.stale} whose file has changed)" if plan.stale else ""
    say(
        f"{plan.present} clips are in {place}; {len(plan.clips)} clips{stale} and {len(plan.texts)} texts to make: "
        f"{human_bytes(plan.bytes)} ({human_bytes(plan.free)} free)"
    )
    if plan.unreadable:
        name, reason = next(iter(plan.unreadable.items()))
        say(f"{len(plan.unreadable)} clips cannot be read and are passed over (e.g. {name}: {reason})")


def _say_failed(failed: Mapping[str, str], stage: int | None) -> None:
    for name, reason in failed.items():
        say(f"{name}: {reason}")
    if failed and stage is not None:
        say(f"stage {stage} draws others instead of those that it cannot use: the same command caches them too")


def _drawn(
    clips: TrainingClips, recipe: TrainRecipe, stage: int, processes: int | None, keep: LatentCache | None
) -> TrainingClips:
    """What a run of a stage will read, of the list that it will have with this cache."""
    from tbd.train.cache_state import UNREADABLE, usable_clips
    from tbd.train.drawn_clips import drawn_clips
    from tbd.train.launch import launched_share

    usable = usable_clips(clips, stage, keep) if keep else clips
    if UNREADABLE in usable.left_out:
        say("what could not be read before is tried again without --stage")
    world = processes or launched_share(os.environ).world
    return drawn_clips(usable, recipe, stage, recipe.hardware.batch * recipe.hardware.accumulate * world)


def _opened(recipe: TrainRecipe, place: Path, dry_run: bool) -> LatentCache | None:
    """The cache. A dry run makes none, and needs no weights: None is an empty one, and without weights that is said."""
    from tbd.model.encoder_files import encoder_identities
    from tbd.train.latent_cache import LatentCache

    try:
        names = encoder_identities(recipe.network, recipe.weights, recipe.seed)
    except MissingError as error:
        if not dry_run:
            raise
        say(f"{error.message}: counted as if nothing were in the cache yet (next: {error.next})")
        return None
    return None if dry_run and not place.is_dir() else LatentCache(place, names, recipe.data.moments)
