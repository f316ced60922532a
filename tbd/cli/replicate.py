"""``tbd replicate``: the paper's claims, measured at a scale that anybody can run, on drawn people whose units are known."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from tbd import recipe as recipes
from tbd.cli import options
from tbd.cli.drawn_reader import train_drawn_reader
from tbd.cli.typed_commands import run_typed
from tbd.console import document, human_seconds, out, say
from tbd.replicate.recipe import ReplicationRecipe


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
    from tbd.replicate.journal import ReplicationJournal, step_keys, training_document
    from tbd.replicate.plan import replication_steps

    chosen = recipes.load(ReplicationRecipe, "replicate", recipe or "hour", set_ or ())
    steps = replication_steps(chosen)
    if dry_run:
        if not chosen.training.endswith(".toml"):  # a file may come into the folder yet
            training_document(chosen.training, Path())
        lines = [f"tbd {step.line}" for step in steps]
        plan = {"folder": str(folder), "commands": lines, "dry_run": True}
        head = f"{chosen.world.clips} clips of {chosen.world.people} drawn people in {folder}, then there:"
        document(plan) if json else out("\n".join([head, *lines]))
        return 0
    from tbd.replicate.world import draw_world, write_test_clips

    draw_world(folder, chosen)
    journal = ReplicationJournal(folder, step_keys(chosen, steps, folder))
    for number, step in enumerate(steps, 1):
        if journal.is_done(step):
            continue
        if step.part == "videos":
            write_test_clips(folder, chosen)
        say(f"\nstep {number} of {len(steps)}: {step.name}")
        began = time.monotonic()
        if code := run_typed(context.find_root().command, folder, step.line, json):
            return code
        journal.record(step, time.monotonic() - began)
    return _answer(folder, chosen, journal.seconds, json)


def _answer(folder: Path, chosen: ReplicationRecipe, seconds: dict[str, float], json: bool) -> int:
    from tbd.replicate.findings import measure_replication
    from tbd.replicate.readers import read_clip, reader_words
    from tbd.replicate.report import write_report

    train_drawn_reader()
    findings = measure_replication(folder, chosen, read_clip, reader_words())
    path = write_report(folder, chosen, findings, seconds)
    if json:
        claims = [claim.as_json() for claim in findings.claims]
        document({"folder": str(folder), "report": str(path), "seconds": seconds, "claims": claims})
        return 0
    for claim in findings.claims:
        out(f"{claim.question} {claim.verdict}. {claim.words}")
    out(f"open {path} ({human_seconds(sum(seconds.values()))} of work)")
    return 0
