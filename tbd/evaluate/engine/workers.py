"""Clips scored in worker processes, each with its own connection to the cache."""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from tbd import weights
from tbd.errors import InputError, MissingError
from tbd.evaluate.engine.cache import ScoreCache
from tbd.evaluate.engine.one_pass import score
from tbd.evaluate.inputs.jobs import ClipJob, ScoreRow
from tbd.evaluate.metrics.base import ClipScore
from tbd.pools import JobFailure, WorkerPool


def scored_by(
    jobs: Sequence[ClipJob], workers: int, cache: Path, stopping: threading.Event | None = None
) -> Iterator[list[ScoreRow]]:
    """The rows of each clip, as they come; a clip that crashes a worker, or meets a bug, costs its own rows alone.

    Args:
        workers: processes; 0, or fewer than two clips, work in this one.
        cache: the folder of the cache.
        stopping: set it to begin no further clip.

    Raises:
        InputError, MissingError: the cache cannot be used.
    """
    count = min(workers, len(jobs)) if len(jobs) > 1 else 0
    begin = (cache, weights.used_folder())
    if not count:
        _begin(*begin)
    with WorkerPool(_score, count, failed=_failed, begin=_begin, given=begin) as pool:
        for _, rows in pool.run(jobs, stopping):
            yield rows


def _failed(job: ClipJob, failure: JobFailure) -> list[ScoreRow]:
    if isinstance(failure.error, InputError | MissingError):  # of the cache: a clip's own errors are in its rows
        raise failure.error
    return failed_rows(job, failure)


def failed_rows(job: ClipJob, failure: JobFailure) -> list[ScoreRow]:
    """The rows of a clip that crashed its worker, or met a bug."""
    nothing = ClipScore(None, 0, failure.reason, {"trace": failure.trace} if failure.is_bug else {})
    return [
        ScoreRow(video.name, video.kind, job.clip_id, metric.protocol, nothing, "failed")
        for video in job.videos
        for metric in job.metrics
    ]


_cache = Path()


def _begin(cache: Path, folder: Path | None) -> None:
    """A worker looks where its parent looks."""
    global _cache
    _cache = cache
    weights.use_folder(folder)


@functools.lru_cache(1)
def _store(folder: Path) -> ScoreCache:
    return ScoreCache(folder)


def _score(job: ClipJob) -> list[ScoreRow]:
    return score(job, _store(_cache))
