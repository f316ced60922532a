"""``--engine ray``: clips are rendered on the GPUs of a cluster, or its CPUs; the driver alone writes the run folder.

Each worker holds the pipeline. It renders into a folder of its own and hands the finished file over, so that nothing but
the data set and the checkpoint must be seen by every node, and a worker that is lost leaves nothing behind.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tbd import weights, workspace
from tbd.clip_failures import why_failed
from tbd.cluster.connection import cluster_size, joined
from tbd.cluster.pool import ClusterPool
from tbd.console import say
from tbd.generate.clips import RenderJob
from tbd.generate.load import load_pipeline, weights_hash
from tbd.generate.recipe import GenerateRecipe
from tbd.generate.render import RenderedVideo
from tbd.generate.run import (
    VIDEOS,
    Rendered,
    RunRecord,
    RunSummary,
    Told,
    open_run,
    pending_jobs,
    render_job,
    summarise,
)
from tbd.pools import JobFailure, WorkerCrashedError

if TYPE_CHECKING:
    from tbd.generate.pipeline import TalkingHeadPipeline


@dataclass(frozen=True)
class ClusterRun:
    """What is rendered, and where.

    Attributes:
        address: of the cluster; see ``joined``.
        checkpoint: or saved pipeline.
        folder: of the run.
        jobs: all of them, with paths that do not depend on the current directory.
        roots: where the data sets lie.
    """

    address: str | None
    checkpoint: Path
    folder: Path
    jobs: Sequence[RenderJob]
    record: RunRecord
    recipe: GenerateRecipe
    roots: Sequence[Path]

    def settled(self, device: str) -> ClusterRun:
        """With ``precision = auto`` as it is on the workers' devices."""
        recipe = self.recipe.settled([device])
        record = replace(self.record, recipe=self.record.recipe | {"precision": recipe.precision})
        return replace(self, record=record, recipe=recipe)


@dataclass(frozen=True)
class RemoteVideo:
    """A video on its way to the driver: the file, what is known of it, and what was cut from its prompts."""

    content: bytes
    facts: RenderedVideo
    cut: list[str]


def render_on_cluster(run: ClusterRun, *, told: Told | None = None, stopping: threading.Event) -> RunSummary:
    """Begin the run folder, or go on in it, and render what is missing, as ``render_jobs`` does on this machine.

    Raises:
        MissingError, InputError: as ``joined`` and ``open_run``; or a disk is full.
    """
    missing = list(pending_jobs(run.folder, run.jobs, run.record))
    summary = summarise(run.folder, len(run.jobs) - len(missing), _rendered(run, missing, stopping), told)
    summary.stopped = summary.rendered + len(summary.failed) < len(missing)
    summary.notes.sort()
    summary.drifted.sort()
    return summary


def _rendered(
    run: ClusterRun, missing: Sequence[RenderJob], stopping: threading.Event
) -> Iterator[tuple[RenderJob, Rendered]]:
    """The jobs as they end, each with what became of it; those that were not begun do not come."""
    if not missing:
        return
    folder, checkpoint = weights.used_folder(), run.checkpoint.absolute()
    paths = [checkpoint, *run.roots, *([folder] if folder else [])]
    with joined(run.address, paths, partial(checkpoint_hash, checkpoint)):
        gpus = cluster_size("GPU")
        device = "cuda" if gpus else "cpu"
        run = run.settled(device)
        open_run(run.folder, run.record)
        pool: ClusterPool[RenderJob, RemoteVideo | str] = ClusterPool(
            render_remotely, most=len(missing), failed=partial(_failed, run.folder), gpus=int(gpus > 0), said=say,
            begin=load_on_worker, given=(checkpoint, device, run.record, run.recipe, folder),
        )  # fmt: skip
        with pool:
            for job, done in pool.run(missing, stopping):
                yield job, done if isinstance(done, str) else _kept(run.folder, job, done)
        for line in pool.told:
            say(line)


def _kept(folder: Path, job: RenderJob, done: RemoteVideo) -> Rendered:
    path = folder / VIDEOS / f"{job.clip_id}.mp4"
    workspace.write_whole(path, lambda temporary: temporary.write_bytes(done.content))
    return done.facts, done.cut


def _failed(folder: Path, job: RenderJob, failure: JobFailure) -> str:
    if isinstance(failure.error, WorkerCrashedError):
        return f"render: {failure.reason}"
    return why_failed(failure.error, job.clip_id, "render", folder, failure.trace)


def checkpoint_hash(checkpoint: Path) -> dict[str, str]:
    """The weights that this node sees there."""
    return {f"the weights of {checkpoint}": weights_hash(checkpoint)}


# On a worker

_opened: tuple[TalkingHeadPipeline, RunRecord, GenerateRecipe]


def load_on_worker(
    checkpoint: Path, device: str, record: RunRecord, recipe: GenerateRecipe, weights_folder: Path | None
) -> None:
    """Load the pipeline that this worker renders with."""
    global _opened
    weights.use_folder(weights_folder)
    pipe = load_pipeline(checkpoint, device=device, precision=recipe.precision, compile=recipe.compile)
    _opened = pipe, record, recipe


def render_remotely(job: RenderJob) -> RemoteVideo:
    """Render a clip into a folder that nobody else knows, and take the file out of it.

    Raises:
        InputError: it cannot be rendered.
        MissingError: the disk is full.
    """
    pipe, record, recipe = _opened
    with tempfile.TemporaryDirectory(prefix="tbd-render-") as folder:
        facts, cut = render_job(pipe, Path(folder) / f"{job.clip_id}.mp4", job, record, recipe)
        return RemoteVideo(facts.path.read_bytes(), facts, cut)
