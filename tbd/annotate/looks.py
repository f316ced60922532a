"""Looking at media in worker processes: the frames are ready before the model asks.

A worker that dies (a decoder can crash on a broken file) takes its neighbours' jobs down; they are
done again one by one, so that the file that kills is found and only its own row fails.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import multiprocessing.process
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tbd.errors import InputError
from tbd.media.canonical import ClipRule
from tbd.schema import Medium

Image = np.ndarray[Any, np.dtype[np.uint8]]


@dataclass(frozen=True, slots=True)
class Job:
    """One clip to look at. With ``medium`` known, only the picture of its reference frame is made."""

    path: Path
    audio: Path | None
    start: float | None
    end: float | None
    rule: ClipRule
    medium: Medium | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """What was found, or why nothing could be."""

    medium: Medium | None = None
    image: Image | None = None
    error: str | None = None


def look(job: Job) -> Look:
    """Examine one clip. Unreadable media are a ``Look`` with an error, never an exception."""
    from tbd.media.canonical import CanonicalClip
    from tbd.media.examine import examine

    try:
        if job.medium and job.medium.crop_box and job.medium.reference_frame is not None:
            clip = CanonicalClip(job.path, job.start, job.end, job.medium.crop_box, job.rule, job.audio)
            return Look(job.medium, clip.picture(job.medium.reference_frame))
        medium, image = examine(job.path, start=job.start, end=job.end, audio=job.audio, rule=job.rule)
        return Look(medium, image)
    except InputError as error:
        return Look(error=_without_folders(error.message, job))
    except (MemoryError, OSError) as error:
        return Look(error=f"{job.path.name}: {error}")


def _without_folders(message: str, job: Job) -> str:
    """A row must not depend on where the dataset lies."""
    for path in filter(None, (job.path, job.audio)):
        message = message.replace(str(path), path.name)
    return message


class Lookers:
    """A pool of worker processes; ``workers=0`` looks in a thread of this process."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self.pool = self._start(workers)
        self.suspects: Executor | None = None

    def submit(self, job: Job) -> Future[Look]:
        """Look at a clip; the future always ends with a ``Look``."""
        answer: Future[Look] = Future()
        try:
            first = self.pool.submit(look, job)
        except BrokenProcessPool:
            self.pool = self._start(self.workers)
            first = self.pool.submit(look, job)
        first.add_done_callback(lambda done: self._settle(answer, job, done))
        return answer

    def _settle(self, answer: Future[Look], job: Job, done: Future[Look]) -> None:
        error = done.exception() if not done.cancelled() else None
        if done.cancelled():
            answer.cancel()
        elif error is None:
            answer.set_result(done.result())
        elif isinstance(error, BrokenProcessPool):
            self.suspects = self.suspects or ThreadPoolExecutor(1)
            self.suspects.submit(self._alone, answer, job)
        else:
            answer.set_exception(error)

    def _alone(self, answer: Future[Look], job: Job) -> None:
        with self._start(1) as pool:
            try:
                answer.set_result(pool.submit(look, job).result())
            except BrokenProcessPool:
                answer.set_result(Look(error=f"{job.path.name}: the decoder crashed on this file"))

    def close(self) -> None:
        """End the workers; what they have not begun is dropped."""
        self.pool.shutdown(wait=False, cancel_futures=True)
        if self.suspects:
            self.suspects.shutdown(wait=False, cancel_futures=True)

    @staticmethod
    def _start(workers: int) -> Executor:
        if not workers:
            return ThreadPoolExecutor(1)
        return ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), initializer=_settle_in)


@contextlib.contextmanager
def lookers(workers: int) -> Iterator[Lookers]:
    """``Lookers`` that are closed at the end."""
    pool = Lookers(workers)
    try:
        yield pool
    finally:
        pool.close()


def _settle_in() -> None:
    """A worker leaves Ctrl-C to its parent, dies with it, and keeps to one core."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ["OMP_NUM_THREADS"] = "1"
    parent = multiprocessing.parent_process()
    if parent:
        threading.Thread(target=_die_with, args=(parent,), daemon=True).start()
    with contextlib.suppress(ImportError):
        import torch

        torch.set_num_threads(1)


def _die_with(parent: multiprocessing.process.BaseProcess) -> None:
    parent.join()
    os._exit(1)
