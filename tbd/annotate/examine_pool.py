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
class ExamineJob:
    """One clip to look at. With ``medium`` known, only the picture of its reference frame is made."""

    path: Path
    audio: Path | None
    start: float | None
    end: float | None
    rule: ClipRule
    medium: Medium | None = None


@dataclass(frozen=True, slots=True)
class Examined:
    """What was found, or why nothing could be."""

    medium: Medium | None = None
    image: Image | None = None
    error: str | None = None


def examine_clip(job: ExamineJob) -> Examined:
    """Examine one clip. Unreadable media are an ``Examined`` with an error, never an exception."""
    from tbd.media.canonical import CanonicalClip
    from tbd.media.examine import examine

    try:
        if job.medium and job.medium.crop_box and job.medium.reference_frame is not None:
            clip = CanonicalClip(job.path, job.start, job.end, job.medium.crop_box, job.rule, job.audio)
            return Examined(job.medium, clip.picture(job.medium.reference_frame))
        medium, image = examine(job.path, start=job.start, end=job.end, audio=job.audio, rule=job.rule)
        return Examined(medium, image)
    except InputError as error:
        return Examined(error=_without_folders(error.message, job))
    except (MemoryError, OSError) as error:
        return Examined(error=f"{job.path.name}: {error}")


def _without_folders(message: str, job: ExamineJob) -> str:
    """A row must not depend on where the dataset lies."""
    for path in filter(None, (job.path, job.audio)):
        message = message.replace(str(path), path.name)
    return message


class ExaminePool:
    """A pool of worker processes; ``workers=0`` looks in a thread of this process."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self.pool = self._start(workers)
        self.suspects: Executor | None = None

    def submit(self, job: ExamineJob) -> Future[Examined]:
        """Look at a clip; the future always ends with an ``Examined``."""
        answer: Future[Examined] = Future()
        try:
            first = self.pool.submit(examine_clip, job)
        except BrokenProcessPool:
            self.pool = self._start(self.workers)
            first = self.pool.submit(examine_clip, job)
        first.add_done_callback(lambda done: self._settle(answer, job, done))
        return answer

    def _settle(self, answer: Future[Examined], job: ExamineJob, done: Future[Examined]) -> None:
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

    def _alone(self, answer: Future[Examined], job: ExamineJob) -> None:
        with self._start(1) as pool:
            try:
                answer.set_result(pool.submit(examine_clip, job).result())
            except BrokenProcessPool:
                answer.set_result(Examined(error=f"{job.path.name}: the decoder crashed on this file"))

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
def open_pool(workers: int) -> Iterator[ExaminePool]:
    """``ExaminePool`` that are closed at the end."""
    pool = ExaminePool(workers)
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
