"""Two Ray nodes on this machine, as two machines would be: one cluster for all tests that need one."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import known_replies
from scripted import fake_examine

import tbd
from tbd.annotate.examine_pool import Examined, ExamineJob

SUPPORT = Path(__file__).parent


def start(nodes: int = 2, cpus: int = 1):
    """The cluster; its processes find tbd and the tests' own modules as this one does."""
    os.environ |= {
        "PYTHONPATH": f"{Path(tbd.__file__).parents[1]}{os.pathsep}{SUPPORT}",
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    }
    from ray.cluster_utils import Cluster

    size = {"num_cpus": cpus, "object_store_memory": 100_000_000}
    cluster = Cluster(initialize_head=True, head_node_args=size | {"include_dashboard": False})
    for _ in range(nodes - 1):
        cluster.add_node(**size)
    return cluster


def end(cluster) -> None:
    """Leave it and end its processes."""
    import ray

    ray.shutdown()
    cluster.shutdown()


def slow_honest(handler, body) -> None:
    """A server that waits for its model: the good reply after 50 ms."""
    time.sleep(0.05)
    known_replies.honest(handler, body)


def slower_honest(handler, body) -> None:
    """A server that waits longer than anything else does: 400 ms."""
    time.sleep(0.4)
    known_replies.honest(handler, body)


def examine_or_die(job: ExamineJob) -> Examined:
    """``fake_examine``; a file that says ``kills`` always kills its worker, one that says ``once`` the first time."""
    words = job.path.read_bytes()
    mark = job.path.with_suffix(".died")
    if words.startswith(b"kills") or (words.startswith(b"once") and not mark.exists()):
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return fake_examine(job)
