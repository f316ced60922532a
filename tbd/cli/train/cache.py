"""``tbd train cache``."""

from __future__ import annotations

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
        int | None, typer.Option(min=1, max=2, help="Only the clips that a run of this stage will draw.")
    ] = None,
    processes: Annotated[int, typer.Option(min=1, help="Of that run.")] = 1,
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
    found = read_training_clips(manifests, loaded, 1, selection(where, clips, own_shard(shard)), options.roots(root))
    say(f"{len(found.train) + len(found.validation)} approved clips; loads torch")
    from tbd.train import cache_builder
    from tbd.train.cache_state import default_cache_folder

    if stage is not None:
        batch = loaded.hardware.batch * loaded.hardware.accumulate * processes
        found = cache_builder.drawn_clips(found, loaded, stage, batch)
    for line in found.words():
        say(line)
    place = folder or default_cache_folder()
    refuse_elsewhere(place)
    plan = _planned(found, loaded, place, dry_run)
    stale = f" ({plan.stale} whose file has changed)" if plan.stale else ""
    say(
        f"{plan.present} clips are in {place}; {len(plan.clips)} clips{stale} and {len(plan.texts)} texts to make: "
        f"{human_bytes(plan.bytes)} ({human_bytes(plan.free)} free)"
    )
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
    for name, reason in made.failed.items():
        say(f"{name}: {reason}")
    summary |= {"clips": made.clips, "texts": made.texts, "failed": made.failed}
    document(summary) if json else out(f"{made.clips} clips and {made.texts} texts made, {len(made.failed)} failed")
    raise_if_stopped(stopping if made.stopped else None)
    raise_if_all_bugs(made.failed, len(plan.clips))
    return int(options.too_many(len(made.failed), len(plan.clips), max_failed))


def _planned(clips: TrainingClips, recipe: TrainRecipe, place: Path, dry_run: bool) -> CachePlan:
    """What is to be made. A dry run needs no weights: without them everything is, and that is said."""
    from tbd.model.encoder_files import encoder_identities
    from tbd.train import cache_builder
    from tbd.train.latent_cache import LatentCache

    try:
        names = encoder_identities(recipe.network, recipe.weights, recipe.seed)
    except MissingError as error:
        if not dry_run:
            raise
        say(f"{error.message}: counted as if nothing were in the cache yet (next: {error.next})")
        return cache_builder.plan_unseen(clips, recipe, place)
    if dry_run and not place.is_dir():
        return cache_builder.plan_unseen(clips, recipe, place)
    return cache_builder.plan_cache(clips, recipe, LatentCache(place, names, recipe.data.moments))
