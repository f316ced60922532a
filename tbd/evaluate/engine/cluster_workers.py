"""``--engine ray``: clips are scored on the CPUs or GPUs of a cluster; the driver alone keeps the cache.

A worker is given a clip with what the driver's cache knows of it, and hands back the rows and what it computed. The
driver keeps that as if it had been computed here, so a lost worker costs its clip and a killed driver nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from tbd import weights
from tbd.cluster.connection import cluster_size, joined
from tbd.cluster.pool import ClusterPool
from tbd.console import say
from tbd.evaluate.engine.cache import MemoryCache, ScoreCache
from tbd.evaluate.engine.one_pass import score
from tbd.evaluate.engine.workers import failed_rows
from tbd.evaluate.inputs.jobs import VAE, ClipJob, ScoreRow
from tbd.evaluate.inputs.plan import EvaluationPlan
from tbd.evaluate.metrics import registry
from tbd.evaluate.metrics.base import ClipScore, Metric
from tbd.pools import JobFailure


@dataclass(frozen=True)
class RemoteClip:
    """A clip on its way to a worker, with the scores of it that are known."""

    job: ClipJob
    known: Mapping[str, ClipScore]


@dataclass(frozen=True)
class ScoredClip:
    """A clip on its way back: its rows, the scores that were computed, and all keys that it has if any were."""

    rows: list[ScoreRow]
    fresh: Mapping[str, ClipScore]
    keys: tuple[str, ...] = ()


def scored_on_cluster(
    plan: EvaluationPlan, store: ScoreCache, stopping: threading.Event | None = None
) -> Iterator[list[ScoreRow]]:
    """The rows of each clip, as they come; a clip that crashes its worker, or meets a bug, costs its own rows alone.

    Args:
        store: takes what is computed.
        stopping: set it to begin no further clip.

    Raises:
        MissingError, InputError: as ``joined``; or the cache cannot be used.
    """
    folder, request = weights.used_folder(), plan.request
    with joined(
        request.address, folders(plan.jobs, folder), partial(ready_metrics, plan.metrics, _drawn(plan), folder)
    ):
        device = request.device
        if device == "auto":
            device = "cuda" if cluster_size("GPU") and any(metric.weights for metric in plan.metrics) else "cpu"
        pool: ClusterPool[RemoteClip, ScoredClip] = ClusterPool(
            score_clip, request.workers, most=len(plan.jobs), failed=_failed, begin=weights.use_folder, given=(folder,),
            gpus=int(device != "cpu"), said=say,
        )  # fmt: skip
        threads = max(1, cluster_size("CPU") // pool.workers)
        jobs = (_remote(job, store, device, threads) for job in plan.jobs)
        with pool:
            for clip, done in pool.run(jobs, stopping):
                if done.fresh:
                    store.put(done.fresh)
                    store.note_clip(clip.job.name, done.keys)
                yield done.rows
        for line in pool.told:
            say(line)


def score_clip(clip: RemoteClip) -> ScoredClip:
    """Score a clip. Runs on a worker."""
    store = MemoryCache(clip.known)
    return ScoredClip(score(clip.job, store), store.fresh, store.keys)


def folders(jobs: Sequence[ClipJob], weights_folder: Path | None) -> list[Path]:
    """What every node must see: where the videos, their ground truth and their portraits lie."""
    found = {weights_folder}
    for job in jobs:
        truth = job.truth
        files = (*(video.path for video in job.videos), truth.reference, truth.portrait)
        found.add(job.settings.vae)
        found |= {file.parent for file in files if file} | {truth.root if truth.row and truth.exists else None}
    return sorted(path for path in found if path)


def ready_metrics(metrics: Sequence[Metric], others: Sequence[str], weights_folder: Path | None) -> dict[str, str]:
    """What each metric looks through on this node, or why it cannot; and of ``others``, keys of the catalogue."""
    weights.use_folder(weights_folder)
    found = {f"what {one.protocol} needs": registry.lacking(one) or _hashes(one.weights) for one in metrics}
    return found | {f"the weights {key}": _hashes([key]) for key in others}


def _hashes(keys: Sequence[str]) -> str:
    return ", ".join(f"{name} {sha256[:16]}" for name, sha256, _ in registry.seen(keys).files)


def _drawn(plan: EvaluationPlan) -> tuple[str, ...]:
    """Weights of the catalogue that a baseline is drawn through."""
    return (VAE,) if "vae" in plan.record.baselines and plan.request.vae is None else ()


def _remote(job: ClipJob, store: ScoreCache, device: str, threads: int) -> RemoteClip:
    there = job.absolute()
    there = replace(there, settings=replace(there.settings, device=device, threads=threads))
    return RemoteClip(there, store.of_clip(there.name))


def _failed(clip: RemoteClip, failure: JobFailure) -> ScoredClip:
    return ScoredClip(failed_rows(clip.job, failure), {})
