"""``--engine ray``: media are looked at on the CPUs of a cluster, chains are asked on its GPUs or of its servers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tbd.annotate import examine_pool
from tbd.annotate.backends.base import Backend
from tbd.annotate.backends.factory import create
from tbd.annotate.examine_pool import Examined, ExamineJob
from tbd.annotate.recipe import BLIND, AnnotateRecipe
from tbd.annotate.steps import STEPS
from tbd.cluster.connection import joined
from tbd.cluster.pool import ClusterPool
from tbd.console import say
from tbd.pools import WorkerPool


@contextmanager
def open_cluster(
    address: str | None,
    dataset: Path,
    recipe: AnnotateRecipe,
    endpoints: Sequence[str],
    workers: int | None,
    notes: list[str],
) -> Iterator[tuple[Sequence[Backend], WorkerPool[ExamineJob, Examined]]]:
    """Backends and a pool on a cluster that every node of which sees the data set.

    Args:
        address: of the cluster; see ``joined``.
        workers: processes that look at media; None takes one for each CPU.
        notes: takes what each worker did, and which were lost.

    Raises:
        MissingError, InputError: as ``joined``.
    """

    def lost(words: str) -> None:
        say(words)
        notes.append(words)

    with joined(address, [dataset]):
        pool: ClusterPool[ExamineJob, Examined] = ClusterPool(
            examine_pool.examine_clip, workers, failed=examine_pool.failed_look, said=lost
        )
        if recipe.backend.name in BLIND or not STEPS[recipe.chain.mode]:
            yield [create(recipe)], pool
            notes += pool.told
            return
        from tbd.annotate.backends.cluster import ChainWorkers, ClusterBackend

        chains = ChainWorkers(recipe, endpoints, lost)
        places = [ClusterBackend(chains, worker) for worker in range(len(chains.actors))]
        try:
            yield [place for _ in range(places[0].concurrency) for place in places], pool
        finally:
            notes += [*pool.told, *chains.throughput()]
            chains.close()
