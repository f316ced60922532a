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
from tbd.evaluate.engine import cluster_workers
from tbd.generate import cluster_workers as rendering
from tbd.generate.clips import RenderJob

SUPPORT = Path(__file__).parent


def start(nodes: int = 2, cpus: int = 1):
    """The cluster; its processes find tbd and the tests' own modules as this one does."""
    os.environ |= {
        "PYTHONPATH": f"{Path(tbd.__file__).parents[1]}{os.pathsep}{SUPPORT}",
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
        "RAY_memory_monitor_refresh_ms": "0",  # else other programs' memory decides whether workers live
        "RAY_worker_niceness": "0",  # else workers wait for everything else on this machine
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


def score_or_die(clip: cluster_workers.RemoteClip) -> cluster_workers.ScoredClip:
    """``score_clip``, which takes its time and notes in ``scored.log`` beside the videos what was computed; a clip with a
    file ``NAME.kills`` kills its worker the first time, after the work."""
    time.sleep(0.05)
    done = cluster_workers.score_clip(clip)
    die_once(clip.job.videos[0].path)
    if done.fresh:
        with clip.job.videos[0].path.with_name("scored.log").open("a") as log:
            log.write(clip.job.clip_id + "\n")
    return done


def render_or_die(job: RenderJob) -> rendering.RemoteVideo:
    """``render_remotely``, which notes in ``rendered.log`` beside the clip what was rendered; see ``score_or_die``."""
    done = rendering.render_remotely(job)
    die_once(job.speech.path)
    with job.speech.path.with_name("rendered.log").open("a") as log:
        log.write(job.clip_id + "\n")
    return done


def die_once(path: Path) -> None:
    """Kill this worker if a file ``NAME.kills`` lies beside ``path``, and take that away."""
    mark = path.with_suffix(".kills")
    if mark.exists():
        mark.unlink()
        os.kill(os.getpid(), signal.SIGKILL)
