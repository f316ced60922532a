"""A split of a manifest into a run folder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tbd.cli import options
from tbd.cli.generate.inputs import GenerateOptions, ModelFacts, levels_heard, model_facts, open_pipelines
from tbd.clip_failures import raise_if_all_bugs
from tbd.console import document, human_seconds, interruptible, out, progress, say
from tbd.devices import device_list
from tbd.errors import Interrupted, UsageError
from tbd.generate.clips import UNAPPROVED, ClipRequest, RenderJob, plan_jobs

if TYPE_CHECKING:
    from tbd.generate.pipeline import TalkingHeadPipeline
    from tbd.generate.run import RunRecord, RunSummary


def generate_split(given: GenerateOptions) -> int:
    """Render what is missing of a split; 1 where more clips failed than are allowed."""
    options.too_many(0, 0, given.max_failed)
    facts = model_facts(given)
    given = replace(given, recipe=given.recipe.guided(facts.guidance))
    assert given.manifest is not None
    roots = {name: place.absolute() for name, place in given.roots.items()}  # a worker may stand elsewhere
    request = ClipRequest(given.manifest, given.split, given.selection, roots)
    planned = plan_jobs(request, given.recipe, levels_heard(facts, given.recipe), facts.size)
    jobs = [job for job in planned if job.problem != UNAPPROVED]
    if len(jobs) < len(planned):
        say(f"{len(planned) - len(jobs)} rows are not approved and left out (next: tbd review {given.manifest})")
    if not jobs:
        raise UsageError(f"{given.manifest}: no approved row is left", next=f"tbd review {given.manifest}")
    folder = given.output or Path("runs") / facts.folder.resolve().parent.name
    seconds = sum(job.frames for job in jobs) / 25
    say(f"{len(jobs)} clips, {seconds / 60:.1f} minutes of video, to {folder}")
    if given.dry_run:
        return _dry_run(given, jobs, folder)
    return _run(given, facts, request, jobs, folder)


def _dry_run(given: GenerateOptions, jobs: list[RenderJob], folder: Path) -> int:
    problems = {job.clip_id: job.problem for job in jobs if job.problem}
    for name, problem in problems.items():
        say(f"{name}: {problem}")
    summary = {"clips": len(jobs), "output": str(folder), "unusable": problems}
    document(summary) if given.json else out(f"{len(jobs) - len(problems)} clips would go to {folder}/videos")
    return 0


def _run(given: GenerateOptions, facts: ModelFacts, request: ClipRequest, jobs: list[RenderJob], folder: Path) -> int:
    from tbd.generate.load import weights_hash
    from tbd.generate.run import make_record, pending_jobs, settled_recipe

    far = given.engine is options.EngineName.ray
    devices = [] if far else device_list(given.devices)  # those of a cluster are known once it is joined
    given = replace(given, recipe=settled_recipe(folder, given.recipe, devices))
    checkpoint = {"path": str(facts.folder), "sha256": weights_hash(facts.folder)}
    record = make_record(request, given.recipe.guidance or facts.guidance, checkpoint, given.recipe)
    missing = list(pending_jobs(folder, jobs, record))
    render = (
        _on_cluster(given, facts, jobs, folder, record) if far else _here(given, facts, jobs, folder, record, missing)
    )
    with (
        interruptible("the videos under way") as stopping,
        progress("generate", len(jobs), done=len(jobs) - len(missing), quiet=given.quiet) as bar,
    ):
        done = render(told=lambda _, why: bar.advance(failed=bool(why)), stopping=stopping)
    for line in [*done.notes, *(f"{name}: {why}" for name, why in done.failed.items())]:
        say(line)
    _tell(given, asdict(done) | {"clips": len(jobs), "output": str(folder)})
    if done.stopped:
        raise Interrupted("stopped; every finished video is there", next="the same command goes on")
    raise_if_all_bugs(done.failed, len(jobs))
    return int(options.too_many(len(done.failed), len(jobs), given.max_failed))


def _here(
    given: GenerateOptions,
    facts: ModelFacts,
    jobs: list[RenderJob],
    folder: Path,
    record: RunRecord,
    missing: list[RenderJob],
) -> Callable[..., RunSummary]:
    """What renders on the devices of this machine, after a word about how long that takes."""
    from tbd.generate.run import network_calls, open_run, render_jobs, seconds_a_call

    say(f"loads {facts.folder}")
    pipes = open_pipelines(given, facts)
    open_run(folder, record)
    if missing:
        calls = network_calls(pipes[0], given.recipe, [job.frames for job in missing])
        about = human_seconds(calls * seconds_a_call(pipes[0]) / len(pipes))
        say(f"{len(missing)} to do, {calls} calls of the network on {_named(pipes)}: about {about}")
    return partial(render_jobs, pipes, folder, jobs, record, given.recipe)


def _on_cluster(
    given: GenerateOptions, facts: ModelFacts, jobs: list[RenderJob], folder: Path, record: RunRecord
) -> Callable[..., RunSummary]:
    """What renders on a cluster."""
    from tbd.generate.cluster_workers import ClusterRun, render_on_cluster

    assert given.manifest is not None
    roots = tuple(options.located(given.manifest, given.roots).values())
    return partial(
        render_on_cluster, ClusterRun(given.address, facts.folder, folder, jobs, record, given.recipe, roots)
    )


def _named(pipes: Sequence[TalkingHeadPipeline]) -> str:
    """``cuda:0, cuda:1``; equal ones are counted: ``2 x cpu``."""
    counts = Counter(str(pipe.device) for pipe in pipes)
    return ", ".join(name if count == 1 else f"{count} x {name}" for name, count in counts.items())


def _tell(given: GenerateOptions, summary: dict[str, Any]) -> None:
    if given.json:
        return document(summary)
    out(
        f"{summary['output']}: {summary['rendered']} videos made, {summary['kept']} kept, {len(summary['failed'])} failed"
    )
    if summary["drifted"]:
        out(f"the drift guard corrected {len(summary['drifted'])} clips (e.g. {summary['drifted'][0]})")
    return None
