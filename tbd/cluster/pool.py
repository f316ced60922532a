"""The pool of ``tbd.pools`` with its workers on a Ray cluster instead of this machine."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from tbd.cluster.connection import cluster_size
from tbd.cluster.executor import RayExecutor
from tbd.errors import MissingError
from tbd.pools import JobFailure, WorkerPool, guarded

J = TypeVar("J")
R = TypeVar("R")


class ClusterPool(WorkerPool[J, R]):
    """A ``WorkerPool`` whose workers are actors; a job that kills its worker twice fails alone, as there.

    Args:
        workers: None takes one for each CPU of the cluster, or for each GPU where one is needed.
        most: workers that there is work for; None where that is not known.
        gpus: of each worker.
        said: hears of lost workers.

    Raises:
        MissingError: the cluster has no room for a single worker.
    """

    def __init__(
        self,
        work: Callable[[J], R],
        workers: int | None = None,
        *,
        most: int | None = None,
        failed: Callable[[J, JobFailure], R],
        begin: Callable[..., None] | None = None,
        given: tuple[Any, ...] = (),
        gpus: int = 0,
        said: Callable[[str], None],
    ) -> None:
        kind = "GPU" if gpus else "CPU"
        room = cluster_size(kind)
        if not room:
            raise MissingError(f"the cluster has no {kind}", next="ray status")
        super().__init__(work, min(workers or room, room, most or room), failed=failed, begin=begin, given=given)
        self._options = {"num_cpus": 1, "num_gpus": gpus}
        self._said = said
        self.told: list[str] = []
        """What each worker had done when the pool was closed, in words."""

    @property
    def ahead(self) -> int:
        """Jobs that are worth having under way: a few where they are long, enough to fill messages where they are short."""
        return 3 * self.workers * (self._pool.fitting if isinstance(self._pool, RayExecutor) else 1)

    def close(self) -> None:
        """End the workers; what they have not begun is dropped."""
        if isinstance(self._pool, RayExecutor):
            self.told = self._pool.throughput()
        super().close()

    def _alone(self, answer: Future[R], job: J) -> None:
        """Done again by itself, twice: the first time a neighbour, or a node, may have been at fault."""
        pool = self._pool
        assert isinstance(pool, RayExecutor)
        for _ in range(2):
            done = pool.submit_alone(guarded, self.work, job)
            wait([done])
            if done.cancelled():
                answer.cancel()
                return
            if not isinstance(done.exception(), BrokenProcessPool):
                break
        self._answer(answer, job, done)

    def _start(self, workers: int) -> Executor:
        return RayExecutor(workers, self._options, self._begin, self._given, self._said)
