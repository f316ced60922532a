"""``tbd demo``: draws a small dataset and takes it through all five stages, with the commands that a person would type."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tbd.cli import options
from tbd.cli.drawn_networks import train_text_encoder
from tbd.cli.side_by_side import TypedLine, run_side_by_side
from tbd.cli.typed_commands import run_typed
from tbd.console import document, out, say
from tbd.schema import ManifestRow

if TYPE_CHECKING:
    from tbd.replicate.recipe import ToySize

SECONDS = (1.2, 1.8)
"""Length of a drawn clip: two or three windows of the model."""
GRID_SECONDS = 0.32
"""Speech of the grid: 8 frames, one window of the model."""
VAE = "weights.vae=checkpoints/autoencoder"
TEXT_ENCODER = "text-encoder"
TRAIN = f"data_manifests/mead --recipe {{recipe}} --set {VAE} --set weights.text_encoder={TEXT_ENCODER} --cache cache"
MOUTH = "--set loss.face=2 --set loss.lips=20"
"""Eq. 1 says little of a mouth that is a hundredth of the picture; in stage 1 the person comes first."""
STAGES = {
    "annotate": "annotate mead --backend facs --split random-80-20 --quiet",
    "train autoencoder": "train autoencoder data_manifests/mead --recipe {recipe} -o checkpoints/autoencoder",
    "train cache": f"train cache {TRAIN}",
    "train stage 1": f"train stage1 {TRAIN} -o checkpoints/stage1",
    "train stage 2": f"train stage2 {TRAIN} -o checkpoints/stage2 --from checkpoints/stage1 --set hardware.batch=2 {MOUTH}",
    "generate": "generate --checkpoint checkpoints/stage2 --manifest data_manifests/mead --reference person "
    "--sample stratified:6 --preset fast -o runs/demo",
    "generate a grid": "generate --checkpoint checkpoints/stage2 --image portrait.png --audio speech.wav --grid "
    "--preset fast --steps 8 -o grid",
    "evaluate": "eval runs/demo --metrics psnr,ssim,cpbd --size 64 --sample stratified:6 -o results/demo",
}
"""What is typed in the workspace, by its name in the report."""
RENDERS = ("generate", "generate a grid")
"""Neither reads what the other makes: they run side by side, one core each."""


class DemoEnd(StrEnum):
    """Where a demo may stop."""

    draw = "draw"
    annotate = "annotate"
    report = "report"


def demo(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="Workspace of the demo.")] = Path("demo"),
    seed: Annotated[int, typer.Option(min=0, help="Another seed draws other people.")] = 0,
    people: Annotated[int, typer.Option(min=2, help="How many people are drawn.")] = 32,
    clips: Annotated[int, typer.Option(min=8, help="How many clips.")] = 96,
    until: Annotated[DemoEnd, typer.Option(help="Where to stop: drawn, annotated, or all of it.")] = DemoEnd.report,
    recipe: Annotated[str, typer.Option(metavar="NAME|FILE", help="Of the training.")] = "demo",
    dry_run: options.DryRun = False,
    json: options.Json = False,
) -> int:
    """Draw a small MEAD-shaped dataset (nobody real), and annotate, train, render and score it: every stage, on a CPU.

    A quarter of an hour on two cores. The same command goes on, and what is done is not done again.

    Example: tbd demo
    """
    from tbd.demo.dataset import draw
    from tbd.replicate.step_keys import toy_size

    size = toy_size(recipe, folder if folder.is_dir() else Path(), "--recipe demo")
    names = [] if until == "draw" else list(STAGES)[: 1 if until == "annotate" else None]
    if dry_run:
        lines = [f"tbd {STAGES[name].format(recipe=recipe)}" for name in names]
        plan = {"folder": str(folder), "people": people, "clips": clips, "commands": lines, "dry_run": True}
        trained = f", a text encoder in {folder / TEXT_ENCODER}" if until == "report" else ""
        head = f"{clips} clips of {people} people in {folder}{trained}, then there:"
        document(plan) if json else out("\n".join([head, *lines]))
        return 0
    seconds: dict[str, float] = {}
    with _timed(seconds, "draw"):
        made = draw(folder / "mead", seed=seed, people=people, clips=clips, size=160, seconds=SECONDS)
    say(f"{len(made)} drawn clips in {folder / 'mead'}")
    _inputs(folder, seed)
    for name in names:
        if name == "train cache":
            with _timed(seconds, "train text encoder"):
                _text_encoder(folder, size)
        if name in RENDERS:
            code = _render(folder, seconds) if name == RENDERS[0] else 0
        else:
            with _timed(seconds, name):
                code = run_typed(context.find_root().command, folder, STAGES[name].format(recipe=recipe), json)
        if code:
            return code
        if name == "annotate":
            _show_flagged(folder)
    summary: dict[str, Any] = {"folder": str(folder), "clips": len(made), "seconds": seconds}
    if until == "report":
        summary |= _report(folder, seconds)
    document(summary) if json else _tell(folder, until)
    return 0


def _text_encoder(folder: Path, size: ToySize) -> None:
    """One that knows the words of prompts, as CLIP does; at random weights the words are hardly heard in so few steps."""
    from tbd.replicate.text_encoder import TextEncoderRecipe

    train_text_encoder(folder / TEXT_ENCODER, TextEncoderRecipe(size, takes=3_000, held_out=400, steps=150))


def _render(folder: Path, seconds: dict[str, float]) -> int:
    lines = [TypedLine(name, folder.absolute(), STAGES[name]) for name in RENDERS]
    workers = min(len(lines), os.cpu_count() or 1)
    return run_side_by_side(lines, workers, lambda line, end: seconds.update({line.name: end.seconds}))


@contextlib.contextmanager
def _timed(seconds: dict[str, float], name: str) -> Iterator[None]:
    started = time.monotonic()
    yield
    seconds[name] = time.monotonic() - started


def _inputs(folder: Path, seed: int) -> None:
    """A portrait and a short speech, for the grid and for playing with; each where it is not there yet."""
    from PIL import Image

    from tbd import workspace
    from tbd.demo.face import Portrait
    from tbd.demo.identity import person
    from tbd.demo.landmarks import Expression
    from tbd.demo.voice import speak
    from tbd.media.audio import write_wav

    who = person(3, seed)
    if not (folder / "portrait.png").is_file():
        drawn = Image.fromarray(Portrait(who, 256).draw(Expression({})))
        workspace.write_whole(folder / "portrait.png", lambda path: drawn.save(path, "PNG"))
    if not (folder / "speech.wav").is_file():
        write_wav(folder / "speech.wav", speak(GRID_SECONDS, pitch=who.pitch, seed=seed))


def _flagged(folder: Path) -> list[ManifestRow]:
    from tbd.manifest import read_manifest
    from tbd.manifest.rows import as_rows

    rows = as_rows(read_manifest(folder / "data_manifests" / "mead", ["clip_id", "flags", "needs_review"]))
    return [row for row in rows if row["needs_review"]]


def _show_flagged(folder: Path) -> None:
    for row in _flagged(folder):
        say(f"to review: {row['clip_id']} ({', '.join(row['flags'])})")


def _report(folder: Path, seconds: dict[str, float]) -> dict[str, Any]:
    from dataclasses import asdict

    from tbd.demo.report import measure_demo, write_report

    figures = measure_demo(folder)
    path = write_report(folder, seconds, figures, _flagged(folder))
    out(f"the right person: {figures.persons.words()}, chance {figures.chance:.2f}")
    chance = f"with another clip's {figures.other_sound.value:.2f}"
    out(f"the mouth follows the sound: {figures.mouth.words()}; {chance}; drawn clips {figures.real_mouth.value:.2f}")
    return {"report": str(path), "figures": asdict(figures)}


def _tell(folder: Path, until: str) -> None:
    if until == "report":
        out(f"open         {folder / 'report.html'}")
    if until != "draw":
        out(f"look at it:  {folder / 'data_manifests' / 'mead' / 'sheet.png'}")
    out(f"type:        cd {folder}")
    if until != "draw":
        out("             tbd review")
