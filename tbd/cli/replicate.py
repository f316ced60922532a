"""``tbd replicate``: the paper's claims, measured at a scale that anybody can run, on drawn people whose units are known."""

from __future__ import annotations

import contextlib
import itertools
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tbd import recipe as recipes
from tbd.cli import options
from tbd.cli.drawn_networks import train_drawn_reader, train_text_encoder
from tbd.cli.side_by_side import TypedLine, run_side_by_side
from tbd.cli.typed_commands import processor_seconds, run_typed
from tbd.console import document, human_seconds, out, say
from tbd.replicate.recipe import ReplicationRecipe

if TYPE_CHECKING:
    from tbd.replicate.journal import ReplicationJournal
    from tbd.replicate.plan import ReplicationStep


def replicate(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="Of the replication.")] = Path("replication"),
    recipe: options.RecipeName = None,
    set_: options.Set = None,
    dry_run: options.DryRun = False,
    json: options.Json = False,
) -> int:
    """Train the paper's model at toy size on drawn people, render the test people, and answer its claims with intervals.

    Within 90 minutes on two cores. Killed or interrupted, the same command goes on.

    Example: tbd replicate
    """
    from tbd.locks import folder_lock
    from tbd.replicate.plan import TEXT_ENCODER, replication_steps
    from tbd.replicate.step_keys import toy_size

    chosen = recipes.load(ReplicationRecipe, "replicate", recipe or "hour", set_ or ())
    chosen = _with_training_found(chosen, folder)
    toy_size(chosen.training, folder if folder.is_dir() else Path())
    if dry_run:
        lines = [f"tbd {step.line}" for step in replication_steps(chosen)]
        plan = {"folder": str(folder), "commands": lines, "dry_run": True}
        head = f"{chosen.world.clips} clips of {chosen.world.people} drawn people in {folder}, a text encoder in "
        head += f"{folder / TEXT_ENCODER}, then there:"
        document(plan) if json else out("\n".join([head, *lines]))
        return 0
    with folder_lock(folder, purpose="replicating"):
        return _replicate(context, folder, chosen, json)


def _with_training_found(recipe: ReplicationRecipe, folder: Path) -> ReplicationRecipe:
    """A recipe of the training that is a file, by its whole path unless it lies in the folder: commands are typed there."""
    path = Path(recipe.training)
    if path.suffix != ".toml" or (folder / path).is_file() or not path.is_file():
        return recipe
    return recipe.model_copy(update={"training": str(path.absolute())})


def _replicate(context: typer.Context, folder: Path, chosen: ReplicationRecipe, json: bool) -> int:
    from tbd.replicate.journal import ReplicationJournal
    from tbd.replicate.plan import ENCODER, SIDE_BY_SIDE, TEXT_ENCODER, WORLD, replication_steps
    from tbd.replicate.step_keys import step_keys, toy_size
    from tbd.replicate.text_encoder import TextEncoderRecipe
    from tbd.replicate.world import draw_world, write_test_clips

    steps = replication_steps(chosen)
    journal = ReplicationJournal(folder, step_keys(chosen, steps, folder))
    if journal.damaged:
        say(f"{journal.path}: {journal.damaged} damaged lines; what they were about is done again")
    with _timed(journal, WORLD):
        draw_world(folder, chosen)
    with _timed(journal, ENCODER):
        train_text_encoder(folder / TEXT_ENCODER, TextEncoderRecipe(toy_size(chosen.training, folder)))
    parts = [list(group) for _, group in itertools.groupby(steps, key=lambda step: step.part)]
    for part in parts:
        waiting = [step for step in part if not journal.is_done(step)]
        for step in waiting:
            if aside := journal.begin(step):
                say(f"{step.name}: it was made from other things; that is in {aside} now")
        if part[0].part == "videos" and waiting:
            write_test_clips(folder, chosen)
        typed = _side_by_side if part[0].part in SIDE_BY_SIDE else _one_by_one
        if code := typed(context, folder, waiting, journal, json):
            return code
    return _answer(folder, chosen, journal, json)


@contextlib.contextmanager
def _timed(journal: ReplicationJournal, step: ReplicationStep) -> Iterator[None]:
    """Write down how long something without a command of its own took, when it was done first."""
    began, used = time.monotonic(), processor_seconds()
    yield
    if not journal.is_done(step):
        journal.record(step, time.monotonic() - began, processor_seconds() - used)


def _one_by_one(
    context: typer.Context, folder: Path, steps: list[ReplicationStep], journal: ReplicationJournal, json: bool
) -> int:
    for step in steps:
        say(f"\n{step.name}")
        began, used = time.monotonic(), processor_seconds()
        if code := run_typed(context.find_root().command, folder, step.line, json):
            return code
        journal.record(step, time.monotonic() - began, processor_seconds() - used)
    return 0


def _side_by_side(
    context: typer.Context, folder: Path, steps: list[ReplicationStep], journal: ReplicationJournal, json: bool
) -> int:
    names = {step.name: step for step in steps}
    lines = [TypedLine(step.name, folder.absolute(), step.line) for step in steps]
    return run_side_by_side(
        lines,
        min(len(lines), os.cpu_count() or 1),
        lambda line, end: journal.record(names[line.name], end.seconds, end.processor_seconds),
    )


def _answer(folder: Path, chosen: ReplicationRecipe, journal: ReplicationJournal, json: bool) -> int:
    from tbd.replicate.findings import measure_replication
    from tbd.replicate.plan import READING, TEXT_ENCODER
    from tbd.replicate.readers import read_clip, reader_words
    from tbd.replicate.report import write_report
    from tbd.replicate.text_encoder import text_encoder_words

    train_drawn_reader()
    with _timed(journal, READING):
        words = text_encoder_words(folder / TEXT_ENCODER)
        findings = measure_replication(folder, chosen, read_clip, reader_words(), words)
    seconds = journal.seconds
    path = write_report(folder, chosen, findings, seconds, journal.processor_seconds)
    if json:
        claims = [claim.as_json() for claim in findings.claims]
        document({"folder": str(folder), "report": str(path), "seconds": seconds, "claims": claims})
        return 0
    for claim in findings.claims:
        out(f"{claim.question} {claim.verdict}. {claim.words}")
    known = "" if journal.processor_seconds.keys() == seconds.keys() else "at least "
    out(f"open {path} ({known}{human_seconds(sum(journal.processor_seconds.values()))} of one core)")
    return 0
