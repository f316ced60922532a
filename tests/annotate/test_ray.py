"""Annotation on a real Ray cluster of two nodes: the bytes of one machine, whoever dies on the way."""

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
import ray
import ray_cluster
from lying_server import LyingServer
from scripted import mead_tree

from tbd import locks
from tbd.annotate import examine_pool, run
from tbd.annotate.backends import cluster as chain_workers
from tbd.annotate.recipe import AnnotateRecipe
from tbd.errors import MissingError

pytestmark = [pytest.mark.timeout(600), pytest.mark.xdist_group("ray")]
CLIPS = [(speaker, emotion, level, index) for speaker in ("M003", "W009") for emotion in ("happy", "angry")
         for level in (1, 2, 3) for index in (1, 2, 3)]  # fmt: skip


@pytest.fixture(autouse=True)
def no_pixels(monkeypatch):
    monkeypatch.setattr(examine_pool, "examine_clip", ray_cluster.examine_or_die)


@pytest.fixture
def dataset(tmp_path):
    return mead_tree(tmp_path / "mead", CLIPS)


@pytest.fixture
def servers():
    """Two servers of one model, each of which takes 50 ms a reply."""
    with (
        LyingServer(then=ray_cluster.slow_honest) as first,
        LyingServer(then=ray_cluster.slow_honest) as second,
    ):
        yield first, second


def annotate(dataset, output, backend="facs", **changes):
    recipe = AnnotateRecipe(backend={"name": backend}, server={"concurrency": 2})
    request = run.AnnotationRequest(dataset, recipe, output, quiet=True, **{"workers": 0} | changes)
    return run.run_annotation(run.prepare_annotation(request))


def on_cluster(dataset, output, address, **changes):
    """Each process that starts costs seconds of a busy machine: one looks at the clips unless a test needs more."""
    return annotate(dataset, output, engine="ray", address=address, **{"workers": 1} | changes)


def sealed(output):
    return (output / "manifest.parquet").read_bytes()


def keys(output):
    with contextlib.closing(sqlite3.connect(output / "journal.sqlite")) as journal:
        return journal.execute("SELECT key FROM step ORDER BY key").fetchall()


def test_two_nodes_write_what_one_machine_writes_and_say_who_did_what(dataset, tmp_path, ray_driver, monkeypatch):
    annotate(dataset, tmp_path / "local")
    monkeypatch.chdir(tmp_path)  # workers stand elsewhere
    summary = on_cluster(Path("mead"), tmp_path / "ray", ray_driver, workers=None)
    assert sealed(tmp_path / "ray") == sealed(tmp_path / "local")
    assert keys(tmp_path / "ray") == keys(tmp_path / "local")
    assert sum("jobs, " in note for note in summary["notes"]) == 2, summary["notes"]


def test_servers_are_asked_by_workers_and_one_that_dies_takes_no_reply_along(
    dataset, tmp_path, ray_driver, servers, monkeypatch
):
    endpoints = tuple(server.url for server in servers)
    annotate(dataset, tmp_path / "local", "server", endpoints=endpoints)
    asked, real = [], chain_workers.ChainWorkers.call

    def deadly(workers, worker, verb, *values):
        asked.append(verb)
        if asked.count("ask") == 40 and verb == "ask":
            actor = workers.actors[worker]
            os.kill(ray.get(actor.__ray_call__.remote(lambda _: os.getpid())), signal.SIGKILL)
        return real(workers, worker, verb, *values)

    monkeypatch.setattr(chain_workers.ChainWorkers, "call", deadly)
    before = [len(server.bodies) for server in servers]
    summary = on_cluster(dataset, tmp_path / "ray", ray_driver, backend="server", endpoints=endpoints)
    assert sealed(tmp_path / "ray") == sealed(tmp_path / "local")
    assert keys(tmp_path / "ray") == keys(tmp_path / "local")
    assert all(len(server.bodies) > count for server, count in zip(servers, before, strict=True))
    assert any("was lost" in note for note in summary["notes"]), summary["notes"]


def test_a_clip_that_kills_its_worker_fails_alone_and_an_accident_costs_nothing(dataset, tmp_path, ray_driver):
    (dataset / "M003/video/front/angry/level_1/002.mp4").write_text("kills")
    (dataset / "W009/video/front/angry/level_1/002.mp4").write_text("once")
    summary = on_cluster(dataset, tmp_path / "ray", ray_driver)
    assert summary["status"] == {"error": 1, "success": len(CLIPS) - 1}
    assert any("was lost" in note for note in summary["notes"])
    with run.Journal(tmp_path / "ray", read_only=True) as journal:
        (body,) = [row for row in journal.rows() if b'"error"' in row and b"crashed" in row]
    assert b"mead_M003_front_angry_1_002" in body


def test_a_driver_that_is_killed_goes_on_where_it_was(dataset, tmp_path, ray_driver, servers):
    endpoints = tuple(server.url for server in servers)
    annotate(dataset, tmp_path / "local", "server", endpoints=endpoints)
    program = f"""
import ray_cluster, sys
from pathlib import Path
from tbd.annotate import examine_pool, run
from tbd.annotate.recipe import AnnotateRecipe
examine_pool.examine_clip = ray_cluster.examine_or_die
recipe = AnnotateRecipe(backend={{"name": "server"}}, server={{"concurrency": 2}})
request = run.AnnotationRequest(Path({str(dataset)!r}), recipe, Path({str(tmp_path / "ray")!r}), quiet=True,
                                endpoints={endpoints!r}, workers=1, engine="ray", address={ray_driver!r})
run.run_annotation(run.prepare_annotation(request))
"""
    driver = subprocess.Popen([sys.executable, "-c", program])
    journal = tmp_path / "ray/journal.sqlite"
    until = time.monotonic() + 200
    while driver.poll() is None and time.monotonic() < until and not (journal.is_file() and _steps(journal) > 20):
        time.sleep(0.02)
    driver.kill()
    assert driver.wait() == -signal.SIGKILL
    kept, asked = _steps(journal), sum(len(server.bodies) for server in servers)
    replies = _steps(tmp_path / "local/journal.sqlite")
    assert 20 < kept < replies
    on_cluster(dataset, tmp_path / "ray", ray_driver, backend="server", endpoints=endpoints)
    assert sealed(tmp_path / "ray") == sealed(tmp_path / "local")
    again = sum(len(server.bodies) for server in servers) - asked
    assert again <= 4 * len(CLIPS) - kept, "what was journalled is not asked again"


def _steps(journal):
    with contextlib.closing(sqlite3.connect(f"file:{journal}?mode=ro", uri=True)) as opened:
        try:
            return opened.execute("SELECT COUNT(*) FROM step").fetchone()[0]
        except sqlite3.OperationalError:  # no tables yet
            return 0


def test_a_journal_on_a_network_file_system_is_refused_with_the_reason(dataset, tmp_path, monkeypatch):
    mounts = tmp_path / "mountinfo"
    mounts.write_text(
        "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
        f"31 22 0:44 / {tmp_path}/far rw,relatime shared:5 - nfs4 server:/export rw\n"
    )
    monkeypatch.setattr(locks, "MOUNTS", mounts)
    annotate(dataset, tmp_path / "near")
    with pytest.raises(MissingError, match=r"network file system \(nfs4\)") as refused:
        annotate(dataset, tmp_path / "far/out")
    assert "-o DIR" in refused.value.next
    assert not (tmp_path / "far/out/journal.sqlite").exists()
