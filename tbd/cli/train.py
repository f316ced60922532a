"""``tbd train``: what can be computed once, the two stages, and what this machine makes of them."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tbd.cli import options
from tbd.console import Progress, document, human_bytes, hush, interruptible, out, progress, say

if TYPE_CHECKING:
    from tbd.train.clips import TrainingClips
    from tbd.train.recipe import TrainRecipe
    from tbd.train.start_state import TrainingRequest

app: typer.Typer = typer.Typer(
    help="Train the two-stage video model on the approved rows of manifests.", no_args_is_help=True
)

Manifests = Annotated[list[Path], typer.Argument(help="Manifest folders. Only their approved rows are read.")]
Memory = Annotated[
    int | None,
    typer.Option(
        "--gpu-memory", metavar="GB", help="Fit the recipe to a card: 16, 24, 48 or 80.", rich_help_panel=options.RUN
    ),
]
CacheFolder = Annotated[
    Path | None,
    typer.Option("--cache", metavar="DIR", help="Default: ~/.cache/tbd/train.", rich_help_panel=options.RUN),
]
Output = Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Folder of the run: checkpoints/NAME.")]
Live = Annotated[
    bool, typer.Option("--no-cache", help="Read the media, whatever is cached.", rich_help_panel=options.RUN)
]
Device = Annotated[str, typer.Option(metavar="auto|cpu", rich_help_panel=options.RUN)]
Changed = Annotated[
    bool,
    typer.Option(
        "--changed", help="Go on although recipe or rows have changed; it is recorded.", rich_help_panel=options.RUN
    ),
]
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)


@app.command()
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
    loaded = _recipe(recipe, [*settings, *(set_ or ())], gpu_memory, seed)
    found = read_training_clips(manifests, loaded, 1, _selection(where, clips, root))
    networks = recipe_encoders(loaded, _device(device))
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
    _ended(stopping if made.stopped else None)
    return int(options.too_many(len(made.failed), len(plan.clips), max_failed))


@app.command()
def stage1(
    manifests: Manifests,
    output: Output,
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

    Ends with 0 after the last step, with 143 after SIGTERM and 130 after Ctrl-C, each time with everything saved.

    Example: tbd train stage1 data_manifests/mead --recipe paper --gpu-memory 48 -o checkpoints/stage1
    """
    loaded = _recipe(recipe, set_, gpu_memory, seed)
    return _train(
        _request(manifests, loaded, 1, output, None, _selection(where, clips, root), device, changed, gpu_memory),
        folder, live, dry_run, quiet, json,
    )  # fmt: skip


@app.command()
def stage2(
    manifests: Manifests,
    output: Output,
    first: Annotated[
        Path | None, typer.Option("--from", metavar="DIR", help="The run, or one checkpoint, of stage 1.")
    ] = None,
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

    Ends with 0 after the last step, with 143 after SIGTERM and 130 after Ctrl-C, each time with everything saved.

    Example: tbd train stage2 data_manifests/mead --recipe paper -o checkpoints/stage2 --from checkpoints/stage1
    """
    loaded = _recipe(recipe, set_, gpu_memory, seed)
    return _train(
        _request(manifests, loaded, 2, output, first, _selection(where, clips, root), device, changed, gpu_memory),
        folder, live, dry_run, quiet, json,
    )  # fmt: skip


@app.command()
def bench(
    recipe: options.RecipeName = None,
    set_: options.Set = None,
    gpu_memory: Annotated[
        str, typer.Option("--gpu-memory", metavar="GB|all", help="One preset, or all of them.")
    ] = "all",
    stages: Annotated[str, typer.Option(metavar="1,2", help="Which stages.")] = "1,2",
    steps: Annotated[int, typer.Option(min=1, help="Timed steps.")] = 10,
    json: options.Json = False,
) -> int:
    """Steps a second, peak memory and MFU of the presets on this machine: random weights, made-up inputs, no files.

    Example: tbd train bench --gpu-memory 48
    """
    from dataclasses import asdict

    from tbd.errors import MissingError
    from tbd.train.bench import measure_step
    from tbd.train.memory_presets import memory_presets

    wanted = memory_presets() if gpu_memory == "all" else [options.whole(gpu_memory, "--gpu-memory")]
    rows: list[dict[str, Any]] = []
    for preset in wanted:
        for stage in (options.whole(part, "--stages") for part in stages.split(",")):
            row: dict[str, Any] = {"preset": preset, "stage": stage}
            try:
                row |= asdict(measure_step(_recipe(recipe, set_, preset, None), stage, steps))
            except MissingError as error:
                if len(wanted) == 1:
                    raise
                row |= {"error": error.message}
            rows.append(row)
            say(_bench_line(row))
    document({"figures": rows}) if json else out("\n".join(["", *_bench_table(rows)]))
    return 0


def _bench_line(row: dict[str, Any]) -> str:
    if "error" in row:
        return f"{row['preset']} GB, stage {row['stage']}: {row['error']}"
    return f"{row['preset']} GB, stage {row['stage']}: {row['steps_per_second']:.2f} steps/s on {row['device']}"


def _bench_table(rows: list[dict[str, Any]]) -> list[str]:
    """A Markdown table, ready for a README."""
    lines = [
        "| device | preset | stage | samples a step | steps/s | frames/s | peak GB | MFU |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        if "error" in row:
            lines.append(f"| – | {row['preset']} GB | {row['stage']} | {row['error']} | | | | |")
            continue
        peak = "–" if row["peak_gb"] is None else f"{row['peak_gb']:.1f}"
        share = "–" if row["mfu"] is None else f"{100 * row['mfu']:.0f} %"
        lines.append(
            f"| {row['device']} | {row['preset']} GB | {row['stage']} | {row['samples']} | {row['steps_per_second']:.2f} "
            f"| {row['frames_per_second']:.1f} | {peak} | {share} |"
        )
    return lines


def _request(*parts: Any) -> TrainingRequest:
    from tbd.train.start_state import TrainingRequest

    manifests, recipe, stage, output, first, selection, device, changed, memory = parts
    return TrainingRequest(
        tuple(manifests), recipe, stage, output, first, None, selection, device, changed=changed, gpu_memory=memory
    )


def _train(request: TrainingRequest, folder: Path | None, live: bool, dry_run: bool, quiet: bool, json: bool) -> int:
    from dataclasses import asdict, replace

    from tbd.train.clips import read_training_clips
    from tbd.train.stages import stage_settings
    from tbd.train.start_state import start_state
    from tbd.train.trainer import train_stage

    hush(os.environ.get("RANK", "0") != "0")  # of several processes the first one speaks
    clips = read_training_clips(request.manifests, request.recipe, request.stage, request.selection)
    place, clips = (None, clips) if live else _cached(request, clips, folder)
    for line in clips.words():
        say(line)
    request = replace(request, cache=place)
    if dry_run:
        return _dry_run(request, clips, json)
    beginning = start_state(request, clips)
    for note in beginning.notes:
        say(note)
    steps = stage_settings(request.recipe, request.stage).steps
    if beginning.resumed:
        say(f"goes on at step {beginning.step} of {steps} ({beginning.resumed})")
    if beginning.step >= steps:
        document({"output": str(request.output), "step": beginning.step, "done": True}) if json else out(
            f"{request.output}: all {steps} steps are done; {beginning.resumed}"
        )
        return 0
    label = f"stage {request.stage}"
    with (
        interruptible("the step", SIGNALS) as stopping,
        progress(label, steps, done=beginning.step, quiet=quiet) as bar,
    ):
        ended = train_stage(request, clips, beginning, _Onlooker(bar), stopping)
    if json:
        document(asdict(ended) | {"output": str(request.output), "checkpoint": str(ended.checkpoint)})
    else:
        loss = f", validation loss {ended.validation['loss']:.4f}" if ended.validation else ""
        out(f"step {ended.step} of {ended.of}{loss}: {ended.checkpoint}")
    if ended.step < ended.of:
        _ended(stopping)
    return 0


class _Onlooker:
    """Shows a run on the terminal."""

    def __init__(self, bar: Progress) -> None:
        self.bar = bar

    def step(self, step: int, values: dict[str, float]) -> None:
        memory = f" · {values['memory_gb']:.1f} GB" if values["memory_gb"] else ""
        self.bar.advance(f"loss {values['loss']:.4f} · {values['frames_per_second']:.0f} frames/s{memory}")

    def note(self, words: str) -> None:
        say(words)


def _cached(request: TrainingRequest, clips: TrainingClips, folder: Path | None) -> tuple[Path | None, TrainingClips]:
    """The cache to read where it has everything, without the clips that could not be cached; else None: media are read.

    Either way it is said.
    """
    from tbd.errors import InputError
    from tbd.train import cache_builder as caches
    from tbd.train.latent_cache import LatentCache
    from tbd.train.start_state import recipe_encoders

    place = folder or caches.default_cache_folder()
    if folder is None and not place.is_dir():
        say("no cache: media are decoded and encoded at every step; tbd train cache makes one")
        return None, clips
    keep = LatentCache(place, recipe_encoders(request.recipe, "cpu").identities, request.recipe.data.moments)
    try:
        usable = caches.cached_clips(clips, request.recipe, request.stage, keep)
    except InputError as error:
        if folder is not None:
            raise
        say(f"{error.message}; media are decoded and encoded at every step")
        return None, clips
    say(f"reads {place}")
    return place, usable


def _dry_run(request: TrainingRequest, clips: TrainingClips, json: bool) -> int:
    import torch

    from tbd.model.network import build_network
    from tbd.train.stages import freeze, stage_settings

    recipe, hardware = request.recipe, request.recipe.hardware
    with torch.device("meta"):
        network = build_network(recipe.network, request.stage)
    names = set(freeze(network, recipe, request.stage))
    learning = sum(p.numel() for name, p in network.named_parameters() if name in names)
    summary = {
        "train": len(clips.train),
        "validation": len(clips.validation),
        "left_out": {reason: len(rows) for reason, rows in clips.left_out.items()},
        "steps": stage_settings(recipe, request.stage).steps,
        "samples_a_step": hardware.batch * hardware.accumulate,
        "parameters": sum(p.numel() for p in network.parameters()),
        "learning": learning,
        "cache": str(request.cache) if request.cache else None,
        "output": str(request.output),
    }
    document(summary) if json else out("\n".join(f"{key:16}{value}" for key, value in summary.items()))
    return 0


def _recipe(name: str | None, overrides: list[str] | None, gigabytes: int | None, seed: int | None) -> TrainRecipe:
    from tbd.train.memory_presets import load_recipe

    return load_recipe(name, [*(overrides or ()), *([f"seed={seed}"] if seed is not None else ())], gigabytes)


def _selection(where: str | None, clips: Path | None, root: list[str] | None) -> Any:
    from tbd.train.clips import Selection

    return Selection(options.pairs(where, "--where"), options.lines(clips), options.roots(root))


def _device(name: str) -> str:
    import torch

    return "cuda" if name == "auto" and torch.cuda.is_available() else "cpu" if name == "auto" else name


def _ended(stopping: Any) -> None:
    """The exit of a run that was asked to stop."""
    from tbd.errors import Interrupted, Terminated

    if stopping is None or not stopping.is_set():
        return
    by_hand = getattr(stopping, "signal", None) == signal.SIGINT
    kind = Interrupted if by_hand else Terminated
    raise kind("stopped; everything that was finished is saved", next="the same command goes on")
