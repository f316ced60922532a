"""The options of ``tbd generate``, and which kind of job they ask for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from tbd import storage
from tbd.cli import options
from tbd.cli.generate.inputs import GenerateOptions
from tbd.cli.generate.refusals import refuse_unheard
from tbd.errors import UsageError

ONE, MANY, HOW = "One video", "A split", "How"


def generate_command(
    checkpoint: Annotated[
        Path | None, typer.Option(metavar="DIR", help="A checkpoint of stage 2, or a saved pipeline.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="PATH", help="A video (.mp4), or the folder runs/NAME.")
    ] = None,
    image: Annotated[Path | None, typer.Option(help="Portrait, of any size.", rich_help_panel=ONE)] = None,
    audio: Annotated[Path | None, typer.Option(help="Speech, of any length and format.", rich_help_panel=ONE)] = None,
    emotion: Annotated[str | None, typer.Option(help="The annotator writes its prompts.", rich_help_panel=ONE)] = None,
    intensity: Annotated[str | None, typer.Option(help="mild, moderate or intense.", rich_help_panel=ONE)] = None,
    text: Annotated[
        str | None, typer.Option(help="A free instruction, for the annotator.", rich_help_panel=ONE)
    ] = None,
    prompt: Annotated[
        list[str] | None, typer.Option(help="Once a level, coarse to fine; no annotator.", rich_help_panel=ONE)
    ] = None,
    backend: Annotated[
        str, typer.Option(metavar="qwen2-vl|server|facs", help="The annotator.", rich_help_panel=ONE)
    ] = "facs",
    grid: Annotated[
        bool, typer.Option("--grid", help="Every emotion at every intensity (Fig. 10).", rich_help_panel=ONE)
    ] = False,
    sweep: Annotated[
        str | None,
        typer.Option(
            metavar="KEY=A,B,…", help="One video a value, e.g. guidance.k=2,3,4 (Fig. 9).", rich_help_panel=ONE
        ),
    ] = None,
    manifest: Annotated[Path | None, typer.Option(help="Its approved rows are rendered.", rich_help_panel=MANY)] = None,
    split: Annotated[
        str, typer.Option(metavar="test|train|all", help="Rows of the manifest.", rich_help_panel=MANY)
    ] = "test",
    reference: Annotated[
        str | None,
        typer.Option(
            metavar="clip|neutral|person",
            rich_help_panel=MANY,
            help="The portrait: a frame of the clip (the paper's; its expression leaks), of a neutral, or of another one.",
        ),
    ] = None,
    where: options.Where = None,
    clips: options.ClipFile = None,
    sample: options.Sample = None,
    limit: options.Limit = None,
    shard: options.Shard = None,
    root: options.Root = None,
    max_failed: Annotated[
        str, typer.Option(metavar="N|P%", help="Failed clips that still count as success.", rich_help_panel=MANY)
    ] = "0",
    web: Annotated[bool, typer.Option("--web", help="A page on this machine (extra: web).")] = False,
    port: Annotated[int, typer.Option(help="Of the page; 0 takes a free one.")] = 0,
    preset: Annotated[
        str | None,
        typer.Option(metavar="paper|fast", help="paper: 40 steps of DDIM; fast: fewer steps.", rich_help_panel=HOW),
    ] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Denoising steps.", rich_help_panel=HOW)] = None,
    scale: Annotated[
        float | None, typer.Option(min=0, help="Of classifier-free guidance.", rich_help_panel=HOW)
    ] = None,
    devices: Annotated[
        str, typer.Option(metavar="auto|cpu|0,1,…", help="GPUs; a split's clips are shared out.", rich_help_panel=HOW)
    ] = "auto",
    engine: options.Engine = options.EngineName.local,
    address: options.Address = None,
    set_: options.Set = None,
    seed: options.Seed = None,
    dry_run: options.DryRun = False,
    quiet: options.Quiet = False,
    json: options.Json = False,
) -> int:
    """Portrait, speech and an emotion to a talking video; or the test split of a manifest to runs/NAME.

    Killed or interrupted, the same command goes on. The recipe is in every video's metadata.

    Example: tbd generate --checkpoint checkpoints/stage2 --image me.jpg --audio speech.wav --emotion happy --intensity mild

    Example: tbd generate --checkpoint checkpoints/stage2 --manifest data_manifests/mead --split test -o runs/ours
    """
    from tbd.generate.recipe import load_generate_recipe
    from tbd.selection import Selection

    named = {"preset": preset, "steps": steps, "scale": scale, "reference": reference, "seed": seed}
    overrides = [f"{key}={value}" for key, value in named.items() if value is not None] + list(set_ or ())
    given = GenerateOptions(
        checkpoint=checkpoint, output=output, image=image, audio=audio, emotion=emotion, intensity=intensity, text=text,
        prompts=tuple(prompt or ()), backend=backend, manifest=manifest, split=split, overrides=tuple(overrides),
        selection=Selection(options.pairs(where, "--where"), options.lines(clips), sample, limit, shard),
        roots=options.roots(root), max_failed=max_failed, devices=devices, engine=engine, address=options.address_of(engine, address, devices), dry_run=dry_run, quiet=quiet, json=json,
        recipe=load_generate_recipe(overrides),
    )  # fmt: skip
    if manifest is None:
        options.on_this_disk(output)
    refuse_unheard(given, grid=grid, sweep=sweep, web=web)
    if manifest is not None:
        from tbd.cli.generate.split import generate_split

        with storage.sent(None if dry_run else output) as folder:
            return generate_split(replace(given, output=folder))
    if engine is options.EngineName.ray:
        raise UsageError(
            "--engine ray renders the clips of a split, of which there is none", next="--manifest MANIFEST"
        )
    if web:
        from tbd.cli.generate.page import serve_page

        return int(serve_page(given, port))
    if image is None or audio is None:
        raise UsageError(
            "neither --manifest nor --image and --audio were given",
            next="tbd generate --checkpoint DIR --image FILE --audio FILE --emotion happy",
        )
    from tbd.cli.generate.one import generate_grid, generate_one, generate_sweep

    if grid:
        return generate_grid(given)
    return generate_sweep(given, sweep) if sweep else generate_one(given)
