"""``tbd train stage1`` and ``stage2``."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tbd.cli import options
from tbd.cli.train.common import (
    CacheFolder,
    Changed,
    Device,
    Live,
    Manifests,
    Memory,
    Output,
    first_speaks,
    raise_if_stopped,
    say_what_is_read,
    selection,
    training_recipe,
    until_stopped,
)
from tbd.cli.train.dry_run import tell_plan
from tbd.console import Progress, document, out, progress, say
from tbd.errors import InputError, MissingError

if TYPE_CHECKING:
    from tbd.train.clips import TrainingClips
    from tbd.train.recipe import TrainRecipe
    from tbd.train.request import TrainingRequest


First = Annotated[
    Path | None, typer.Option("--from", metavar="DIR", help="The run, or one checkpoint, of stage 1 to begin with.")
]


def stage1(
    manifests: Manifests,
    output: Output,
    first: First = None,
    recipe: options.RecipeName = None,
    set_: options.Set = None,
    gpu_memory: Memory = None,
    seed: options.Seed = None,
    folder: CacheFolder = None,
    live: Live = False,
    where: options.Where = None,
    clips: options.ClipFile = None,
    root: options.Root = None,
    device: Device = "auto",
    changed: Changed = False,
    dry_run: options.DryRun = False,
    quiet: options.Quiet = False,
    json: options.Json = False,
) -> int:
    """Stage 1: single frames teach the ReferenceNet and the spatial layers. The same command resumes.

    Ends with 0 after the last step, with 143 after SIGTERM or USR1 and 130 after Ctrl-C, each time with everything saved.

    Example: tbd train stage1 data_manifests/mead --recipe paper --gpu-memory 48 -o checkpoints/stage1
    """
    request = _request(
        manifests, training_recipe(recipe, set_, gpu_memory, seed), 1, output, first,
        selection=selection(where, clips), roots=options.roots(root), device=device, changed=changed,
        gpu_memory=gpu_memory,
    )  # fmt: skip
    return _train(request, folder, live, dry_run, quiet, json)


def stage2(
    manifests: Manifests,
    output: Output,
    first: First = None,
    recipe: options.RecipeName = None,
    set_: options.Set = None,
    gpu_memory: Memory = None,
    seed: options.Seed = None,
    folder: CacheFolder = None,
    live: Live = False,
    where: options.Where = None,
    clips: options.ClipFile = None,
    root: options.Root = None,
    device: Device = "auto",
    changed: Changed = False,
    dry_run: options.DryRun = False,
    quiet: options.Quiet = False,
    json: options.Json = False,
) -> int:
    """Stage 2: 14 frames and the two before them teach the audio and motion layers. The same command resumes.

    Ends with 0 after the last step, with 143 after SIGTERM or USR1 and 130 after Ctrl-C, each time with everything saved.

    Example: tbd train stage2 data_manifests/mead --recipe paper -o checkpoints/stage2 --from checkpoints/stage1
    """
    request = _request(
        manifests, training_recipe(recipe, set_, gpu_memory, seed), 2, output, first,
        selection=selection(where, clips), roots=options.roots(root), device=device, changed=changed,
        gpu_memory=gpu_memory,
    )  # fmt: skip
    return _train(request, folder, live, dry_run, quiet, json)


def _request(
    manifests: list[Path], recipe: TrainRecipe, stage: int, output: Path, first: Path | None, **more: Any
) -> TrainingRequest:
    from tbd.train.request import TrainingRequest, check_request

    request = TrainingRequest(tuple(manifests), recipe, stage, output, first, **more)
    check_request(request)
    return request


def _train(request: TrainingRequest, folder: Path | None, live: bool, dry_run: bool, quiet: bool, json: bool) -> int:
    first_speaks()
    say_what_is_read(request.manifests)
    from tbd.train.approved_clips import read_training_clips
    from tbd.train.recipe import stage_settings

    clips = read_training_clips(request.manifests, request.recipe, request.stage, request.selection, request.roots)
    say(f"{len(clips.train) + len(clips.validation)} approved clips")
    place, usable = (None, clips) if live else _cached(request, clips, folder, dry_run)
    for line in usable.words():
        say(line)
    request, steps = replace(request, cache=place), stage_settings(request.recipe, request.stage).steps
    say("loads torch")  # the other mistakes have been told
    if dry_run:
        return tell_plan(request, usable, json)
    from tbd.train.start_state import start_state
    from tbd.train.trainer import train_stage

    start = start_state(request, usable)
    for note in start.notes:
        say(note)
    if start.resumed:
        say(f"goes on at step {start.step} of {steps} ({start.resumed})")
    if start.step >= steps:
        done = {"output": str(request.output), "step": start.step, "done": True}
        document(done) if json else out(f"{request.output}: all {steps} steps are done; {start.resumed}")
        return 0
    with (
        until_stopped("the step") as stopping,
        progress(f"stage {request.stage}", steps, done=start.step, warm_up=1, quiet=quiet) as bar,
    ):
        ended = train_stage(request, usable, start, _Shown(bar), stopping)
    if json:
        document(asdict(ended) | {"output": str(request.output), "checkpoint": str(ended.checkpoint)})
    else:
        loss = f", validation loss {ended.validation['loss']:.4f}" if ended.validation else ""
        left = f", {ended.left_out} unreadable clips left out (meta.json names them)" if ended.left_out else ""
        out(f"step {ended.step} of {ended.of}{loss}{left}: {ended.checkpoint}")
    if ended.step < ended.of:
        raise_if_stopped(stopping)
    return 0


class _Shown:
    """Shows a run on the terminal."""

    def __init__(self, bar: Progress) -> None:
        self.bar = bar

    def step(self, step: int, values: dict[str, float]) -> None:
        memory = f" · {values['memory_gb']:.1f} GB" if values["memory_gb"] else ""
        sync = f" · sync {values['sync']:.2f}" if "sync" in values else ""
        self.bar.advance(f"loss {values['loss']:.4f}{sync} · {values['frames_per_second']:.0f} frames/s{memory}")

    def note(self, words: str) -> None:
        say(words)


def _cached(
    request: TrainingRequest, clips: TrainingClips, folder: Path | None, dry_run: bool
) -> tuple[Path | None, TrainingClips]:
    """The cache to read where it has anything, without the clips that could not be cached; else None: media are read.

    Either way it is said.
    """
    from tbd.model.encoder_files import encoder_identities
    from tbd.train.cache_state import cached_clips, default_cache_folder
    from tbd.train.latent_cache import LatentCache

    place, recipe = folder or default_cache_folder(), request.recipe
    if folder is None and not place.is_dir():
        say("no cache: media are decoded and encoded at every step; tbd train cache makes one")
        return None, clips
    try:
        names = encoder_identities(recipe.network, recipe.weights, recipe.seed)
        usable = cached_clips(clips, recipe, request.stage, LatentCache(place, names, recipe.data.moments))
    except MissingError as error:
        if not dry_run:
            raise
        say(f"{error.message}: what is in the cache cannot be told (next: {error.next})")
        return None, clips
    except InputError as error:
        if folder is not None:
            raise
        say(f"{error.message}; media are decoded and encoded at every step")
        return None, clips
    say(f"reads {place}")
    return place, usable
