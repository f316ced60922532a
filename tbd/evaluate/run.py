"""``tbd eval`` from a plan to the result folder: score in workers, aggregate, write."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from tbd.console import Progress
from tbd.errors import Interrupted
from tbd.evaluate.engine import cache
from tbd.evaluate.engine.cluster_workers import scored_on_cluster
from tbd.evaluate.engine.workers import scored_by
from tbd.evaluate.inputs.plan import EvaluationPlan
from tbd.evaluate.metrics import registry
from tbd.evaluate.outputs import results
from tbd.evaluate.outputs.scores import in_order


def run(plan: EvaluationPlan, progress: Progress, stopping: threading.Event | None = None) -> dict[str, Any] | None:
    """Score every clip and write the results; None for a shard while other parts are missing.

    Killed or interrupted, the same request goes on where it was: every finished clip is in the cache.

    Raises:
        Interrupted: ``stopping`` was set.
        InputError, MissingError: the cache or the result folder cannot be written; or the cluster cannot be used.
    """
    rows = [*plan.rows]
    with cache.ScoreCache() as store:
        everywhere = plan.request.engine == "ray" and plan.jobs
        clips = (
            scored_on_cluster(plan, store, stopping)
            if everywhere
            else scored_by(plan.jobs, plan.workers, store.folder, stopping)
        )
        for scored in clips:
            rows += scored
            progress.advance(failed=int(any(row.status != "ok" for row in scored if row.kind == "run")))
        if stopping is not None and stopping.is_set():
            raise Interrupted("stopped; every clip that was finished is kept", next="run the same command again")

        def found(key: str) -> Any:
            score = store.get(key)
            return None if score is None else score.features

        if plan.shard is None:
            return results.write(plan.folder, plan.record, rows, plan.metrics, found)
        part = plan.folder / results.PARTS / f"{plan.shard[0]}-of-{plan.shard[1]}"
        results.write_rows(part, plan.record, in_order(rows), found)
    return merge(plan.folder)


def merge(folder: Path) -> dict[str, Any] | None:
    """One result out of the parts that shards wrote into a folder; None while some are missing.

    Raises:
        InputError: there are none, or they do not belong together.
    """
    protocols = {metric.protocol: metric for metrics in registry.known().values() for metric in metrics}
    return results.merge(folder, lambda names: [protocols[name] for name in names])
