"""The one pool of worker processes: what works through files that may break, hang on Ctrl-C, or kill a decoder.

Workers are spawned, not forked, so that no lock and no GPU handle is inherited; they leave Ctrl-C to their parent, die
with it, and keep to one core each. A worker that dies takes its neighbours' jobs down: they are done again one by one,
each in a process of its own, so that the job that kills is found and only that one fails.
"""

from __future__ import annotations

import multiprocessing
import multiprocessing.process
import os
import pickle
import signal
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Any, Generic, Self, TypeVar

from tbd.errors import TbdError

J = TypeVar("J")
R = TypeVar("R")


class WorkerCrashedError(Exception):
    """The process that did a job alone was gone before it ended: its file crashes a decoder, or takes all memory."""


@dataclass(frozen=True, slots=True)
class JobFailure:
    """Why a job has no result.

    Attributes:
        error: what was raised; of another type than the worker's where that one cannot travel between processes.
        trace: the traceback in the worker; empty when the worker crashed.
    """

    error: Exception
    trace: str = ""

    @property
    def is_bug(self) -> bool:
        """The error was not foreseen: neither a ``TbdError`` nor a crash of the worker."""
        return not isinstance(self.error, TbdError | WorkerCrashedError | MemoryError)

    @property
    def reason(self) -> str:
        """One line for the job's row."""
        if isinstance(self.error, WorkerCrashedError):
            return "the decoder crashed on this file"
        if isinstance(self.error, MemoryError):
            return "not enough memory"
        said = str(self.error).strip() or type(self.error).__name__
        return f"a bug in tbd ({type(self.error).__name__}: {said})" if self.is_bug else said


class WorkerPool(Generic[J, R]):
    """Workers that do one kind of job. ``close`` it, or use it in a ``with``.

    Args:
        work: does one job; a function of a module, so that it can be found in another process.
        workers: processes; 0 works in one thread of this process.
        failed: makes the result of a job that raised or crashed; it is called in this process.
        begin: called in each worker before its first job, with ``given``.
    """

    def __init__(
        self,
        work: Callable[[J], R],
        workers: int,
        *,
        failed: Callable[[J, JobFailure], R],
        begin: Callable[..., None] | None = None,
        given: tuple[Any, ...] = (),
    ) -> None:
        self.work, self.workers, self.failed = work, workers, failed
        self._begin, self._given = begin, given
        self._pool: Executor | None = None
        self._suspects: Executor | None = None
        self._lock = threading.Lock()
        self._abandoned = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def ahead(self) -> int:
        """Jobs that are worth having under way at a time."""
        return 2 * max(self.workers, 1)

    def submit(self, job: J) -> Future[R]:
        """Do a job; the future ends with its result, or with what ``failed`` makes of it."""
        answer: Future[R] = Future()
        self._first(job).add_done_callback(lambda done: self._settle(answer, job, done))
        return answer

    def run(self, jobs: Iterable[J], stopping: threading.Event | None = None) -> Iterator[tuple[J, R]]:
        """Every job with its result, in the order in which they end; few are taken from ``jobs`` ahead of time.

        Args:
            stopping: set it to begin no further job; those under way are finished.
        """
        waiting, running = iter(jobs), dict[Future[R], J]()
        while True:
            while len(running) < self.ahead and not (stopping and stopping.is_set()):
                try:
                    job = next(waiting)
                except StopIteration:
                    break
                running[self.submit(job)] = job
            if not running:
                return
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                yield running.pop(future), future.result()

    def close(self) -> None:
        """End the workers; what they have not begun is dropped."""
        with self._lock:
            for pool in (self._pool, self._suspects):
                if pool:
                    pool.shutdown(wait=False, cancel_futures=True)
            self._pool = self._suspects = None

    def abandon(self) -> None:
        """End the workers at once, whatever they are doing: for a command that was told to stop."""
        self._abandoned = True
        running = [process for pool in (self._pool,) for process in (getattr(pool, "_processes", None) or {}).values()]
        self.close()
        for process in running:
            process.kill()

    def _first(self, job: J) -> Future[R | JobFailure]:
        with self._lock:
            self._pool = self._pool or self._start(self.workers)
            try:
                return self._pool.submit(guarded, self.work, job)
            except BrokenProcessPool:  # died before this job: it is no suspect
                self._pool = self._start(self.workers)
                return self._pool.submit(guarded, self.work, job)

    def _settle(self, answer: Future[R], job: J, done: Future[R | JobFailure]) -> None:
        if done.cancelled() or self._abandoned:
            answer.cancel()
        elif isinstance(done.exception(), BrokenProcessPool):
            with self._lock:
                self._suspects = self._suspects or ThreadPoolExecutor(1)
                self._suspects.submit(self._alone, answer, job)
        else:
            self._answer(answer, job, done)

    def _alone(self, answer: Future[R], job: J) -> None:
        with self._start(1) as pool:
            done = pool.submit(guarded, self.work, job)
            wait([done])
        self._answer(answer, job, done)

    def _answer(self, answer: Future[R], job: J, done: Future[R | JobFailure]) -> None:
        error = done.exception()
        if isinstance(error, BrokenProcessPool):
            found: R | JobFailure = JobFailure(WorkerCrashedError())
        elif isinstance(error, Exception):
            found = JobFailure(error, "".join(traceback.format_exception(error)))
        elif error is not None:
            return answer.set_exception(error)
        else:
            found = done.result()
        try:
            answer.set_result(self.failed(job, found) if isinstance(found, JobFailure) else found)
        except BaseException as broken:  # noqa: BLE001 (the one who waits must learn of it)
            answer.set_exception(broken)

    def _start(self, workers: int) -> Executor:
        if not workers:
            return ThreadPoolExecutor(1)
        context = multiprocessing.get_context("spawn")
        return ProcessPoolExecutor(workers, context, initializer=prepare_worker, initargs=(self._begin, self._given))


def guarded(work: Callable[[J], R], job: J) -> R | JobFailure:
    """The boundary around one job: whatever it raises becomes its failure and nobody else's."""
    try:
        return work(job)
    except Exception as error:  # noqa: BLE001 (this is the boundary)
        trace = traceback.format_exc()
        try:
            pickle.loads(pickle.dumps(error))  # an error that cannot be made again would break the whole pool
        except Exception:  # noqa: BLE001 (it may raise anything)
            error = RuntimeError(f"{type(error).__name__}: {error}")
        return JobFailure(error, trace)


def prepare_worker(begin: Callable[..., None] | None, given: tuple[Any, ...]) -> None:
    """Make this process a worker: Ctrl-C is its parent's affair, it keeps to one core, and ``begin`` is called."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"))
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_die_with, args=(parent,), daemon=True).start()
    if begin:
        begin(*given)


def _die_with(parent: multiprocessing.process.BaseProcess) -> None:
    parent.join()
    os._exit(1)
