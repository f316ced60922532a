"""Clips scored in worker processes, each with its own connection to the cache.

A worker that dies (a decoder can crash on a broken file) takes its neighbours' clips down; they are done
again one by one, so that the file that kills is found and only its own rows fail.
"""

from __future__ import annotations

import functools
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from tbd import weights
from tbd.evaluate.engine.cache import ScoreCache
from tbd.evaluate.engine.one_pass import score
from tbd.evaluate.inputs.jobs import ClipJob, ScoreRow
from tbd.evaluate.metrics.base import ClipScore


def scored_by(
    jobs: Sequence[ClipJob], workers: int, store: ScoreCache, stopping: threading.Event | None = None
) -> Iterator[list[ScoreRow]]:
    """The rows of each clip, as they come; fewer than two clips or ``workers=0`` work in this process.

    Args:
        stopping: set it to begin no further clip.
    """
    if workers < 1 or len(jobs) < 2:
        for job in jobs:
            if _stopped(stopping):
                return
            yield score(job, store)
        return
    waiting, suspects = deque(jobs), deque[ClipJob]()
    while waiting and not _stopped(stopping):
        suspects += yield from _pooled(waiting, min(workers, len(jobs)), store.path.parent, stopping)
    while suspects and not _stopped(stopping):
        crashed = yield from _pooled(deque([suspects.popleft()]), 1, store.path.parent, stopping)
        yield from (_fatal(job) for job in crashed)


def _pooled(
    waiting: deque[ClipJob], workers: int, cache: Path, stopping: threading.Event | None
) -> Generator[list[ScoreRow], None, list[ClipJob]]:
    """Work through a queue until it is empty or a worker dies; returns the clips that were under way then."""
    begin = (cache, weights.used_folder())
    running: dict[Future[list[ScoreRow]], ClipJob] = {}
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), initializer=_begin, initargs=begin) as pool:
        while True:
            while waiting and len(running) < 2 * workers and not _stopped(stopping):
                try:
                    future = pool.submit(_score, waiting[0])
                except BrokenProcessPool:
                    return list(running.values())
                running[future] = waiting.popleft()
            if not running:
                return []
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                if isinstance(future.exception(), BrokenProcessPool):
                    return [job for one, job in running.items() if not one.done() or one.exception()]
                running.pop(future)
                yield future.result()


def _stopped(stopping: threading.Event | None) -> bool:
    return stopping is not None and stopping.is_set()


def _fatal(job: ClipJob) -> list[ScoreRow]:
    nothing = ClipScore(None, 0, "the worker crashed on this clip")
    return [
        ScoreRow(video.name, video.kind, job.clip_id, metric.protocol, nothing, "failed")
        for video in job.videos
        for metric in job.metrics
    ]


_cache = Path()


def _begin(cache: Path, folder: Path | None) -> None:
    """A worker leaves Ctrl-C to its parent, dies with it, and looks where its parent looks."""
    global _cache
    _cache = cache
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ["OMP_NUM_THREADS"] = "1"
    weights.use_folder(folder)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_die_with, args=(parent,), daemon=True).start()


def _die_with(parent: multiprocessing.process.BaseProcess) -> None:
    parent.join()
    os._exit(1)


@functools.cache
def _store() -> ScoreCache:
    return ScoreCache(_cache)


def _score(job: ClipJob) -> list[ScoreRow]:
    return score(job, _store())
