"""``tbd train cache``."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from tbd.cli import options
from tbd.cli.train.common import (
    SIGNALS,
    CacheFolder,
    Device,
    Manifests,
    Memory,
    device_name,
    raise_if_stopped,
    selection,
    training_recipe,
)
from tbd.console import document, human_bytes, interruptible, out, progress, say


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

    Run again, it adds new approvals and clips whose file has changed. Killed, it goes on.

    Example: tbd train cache data_manifests/mead --recipe paper
    """
    from tbd.shards import part
    from tbd.train import cache_builder as caches
    from tbd.train.clips import read_training_clips
    from tbd.train.latent_cache import LatentCache
    from tbd.train.start_state import recipe_encoders

    settings = [f"data.moments={moments}"] if moments else []
    loaded = training_recipe(recipe, [*settings, *(set_ or ())], gpu_memory, seed)
    found = read_training_clips(manifests, loaded, 1, selection(where, clips, root))
    networks = recipe_encoders(loaded, device_name(device))
    keep = LatentCache(folder or caches.default_cache_folder(), networks.identities, loaded.data.moments)
    plan = caches.plan_cache(found, loaded, keep, part(shard) if shard else (1, 1))
    for line in found.words():
        say(line)
    stale = f" ({plan.stale} whose file has changed)" if plan.stale else ""
    say(
        f"{plan.present} clips are in {keep.folder}; {len(plan.clips)} clips{stale} and {len(plan.texts)} texts to make: "
        f"{human_bytes(plan.bytes)} ({human_bytes(plan.free)} free)"
    )
    summary: dict[str, Any] = {
        "cache": str(keep.folder), "present": plan.present, "clips": len(plan.clips), "texts": len(plan.texts),
        "stale": plan.stale, "bytes": plan.bytes, "free": plan.free, "left_out": plan.left_out,
    }  # fmt: skip
    if dry_run:
        document(summary) if json else out(f"{len(plan.clips)} clips would go to {keep.folder}")
        return 0
    with interruptible("clips under way", SIGNALS) as stopping, progress("cache", len(plan.clips), quiet=quiet) as bar:
        made = caches.build_cache(plan, loaded, networks, told=lambda _: bar.advance(), stopping=stopping)
    for name, reason in made.failed.items():
        say(f"{name}: {reason}")
    summary |= {"clips": made.clips, "texts": made.texts, "failed": made.failed}
    document(summary) if json else out(f"{made.clips} clips and {made.texts} texts made, {len(made.failed)} failed")
    raise_if_stopped(stopping if made.stopped else None)
    return int(options.too_many(len(made.failed), len(plan.clips), max_failed))
