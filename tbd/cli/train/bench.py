"""``tbd train bench``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from tbd.cli import options
from tbd.cli.train.common import one_process, training_recipe
from tbd.console import document, out, say

if TYPE_CHECKING:
    from tbd.train.recipe import TrainRecipe


def bench(
    recipe: options.RecipeName = None,
    set_: options.Set = None,
    gpu_memory: Annotated[
        str, typer.Option("--gpu-memory", metavar="GB|all", help="One preset, or all of them.")
    ] = "all",
    stages: Annotated[str, typer.Option(metavar="1,2", help="Which stages.")] = "1,2",
    steps: Annotated[int, typer.Option(min=1, help="Timed steps.")] = 10,
    count: Annotated[
        bool, typer.Option("--count", help="Count the memory of a step; no GPU is needed and nothing is timed.")
    ] = False,
    json: options.Json = False,
) -> int:
    """Steps a second, peak memory and MFU of the presets on this machine: random weights, made-up inputs, no files.

    The pace is remembered in the cache folder: --dry-run of a run tells its hours from it.

    Example: tbd train bench --gpu-memory 48

    Example: tbd train bench --gpu-memory 24 --count
    """
    from dataclasses import asdict

    from tbd.errors import MissingError
    from tbd.train.memory_presets import memory_presets

    one_process("tbd train bench")
    wanted = memory_presets() if gpu_memory == "all" else [options.whole(gpu_memory, "--gpu-memory")]
    numbers = [options.whole(part, "--stages") for part in stages.split(",")]
    if 2 in numbers and training_recipe(recipe, set_, wanted[0], None).loss.sync:
        say("loss.sync is not in these figures: SyncNet, and one frame's activations of the decoder (docs/train.md)")
    if count:
        return _count(recipe, set_, wanted, numbers, json)
    from tbd.train.bench import measure_step

    rows: list[dict[str, Any]] = []
    for preset in wanted:
        for stage in numbers:
            row: dict[str, Any] = {"preset": preset, "stage": stage}
            fitted = training_recipe(recipe, set_, preset, None)
            try:
                row |= asdict(measure_step(fitted, stage, steps))
                _keep(fitted, stage, row)
            except MissingError as error:
                if len(wanted) == 1:
                    raise
                row |= {"error": error.message}
            rows.append(row)
            say(_bench_line(row))
    for reason in dict.fromkeys(row["why_no_mfu"] for row in rows if row.get("why_no_mfu")):
        say(reason)
    document({"figures": rows}) if json else out("\n".join(["", *_bench_table(rows)]))
    return 0


def _keep(recipe: TrainRecipe, stage: int, row: dict[str, Any]) -> None:
    """Remember a pace. Where the cache folder cannot be written that is said, and the figures stand all the same."""
    from tbd.errors import TbdError
    from tbd.train.known_pace import TrainingPace, keep_pace

    try:
        keep_pace(recipe, stage, TrainingPace(row["steps_per_second"], row["device"]))
    except TbdError as error:
        say(f"{error.message}: no --dry-run will know the hours")


COUNTED = ("weights", "gradients", "optimizer", "average", "encoders", "activations", "recomputation", "peak")


def _count(recipe: str | None, set_: list[str] | None, presets: list[int], stages: list[int], json: bool) -> int:
    """Gigabytes of a step of every preset and stage, by what needs them."""
    from dataclasses import asdict

    from tbd.train.memory_count import count_step

    rows: list[dict[str, Any]] = []
    for preset in presets:
        for stage in stages:
            found = count_step(training_recipe(recipe, set_, preset, None), stage)
            rows.append({"preset": preset, "stage": stage, **asdict(found), "fits": found.fits(preset)})
            say(f"{preset} GB, stage {stage}: {found.peak:.1f} GB at the peak")
    lines = [
        f"| preset | stage | {' | '.join(COUNTED)} | fits |",
        "| --- " * (len(COUNTED) + 3) + "|",
        *(
            f"| {row['preset']} GB | {row['stage']} | {' | '.join(f'{row[name]:.1f}' for name in COUNTED)} "
            f"| {'yes' if row['fits'] else 'without its reserve of 8 %' if row['peak'] <= row['preset'] else 'no'} |"
            for row in rows
        ),
    ]
    document({"figures": rows}) if json else out("\n".join(lines))
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
