"""Evaluation on a real Ray cluster of two nodes: the bytes of one machine, whoever dies on the way."""

import contextlib
import signal
import sqlite3
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import ray_cluster
import runs

from tbd.cli import main
from tbd.console import Progress
from tbd.evaluate import run
from tbd.evaluate.engine import cluster_workers
from tbd.evaluate.inputs.plan import plan
from tbd.evaluate.inputs.sources import EvaluationRequest
from tbd.evaluate.metrics import registry

pytestmark = [pytest.mark.timeout(600), pytest.mark.xdist_group("ray")]
COUNT = 8
CLIP = "mead_M003_front_happy_2_{:03d}"
FOLDERS = ("runs/good", "runs/poor")


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """A project with a manifest and two runs, and what one machine makes of them."""
    folder = tmp_path_factory.mktemp("project")
    manifest = runs.dataset(folder, COUNT)
    for name, sigma in (("good", 0.7), ("poor", 2)):
        runs.run(folder, name, manifest, COUNT, sigma=sigma)
    with contextlib.chdir(folder), pytest.MonkeyPatch.context() as patch:
        patch.setenv("TBD_CACHE", str(folder / "local_cache"))
        evaluate("local", workers=0)
    return folder


@pytest.fixture
def project(drawn, tmp_path, monkeypatch):
    """That project as the current directory, with a driver's cache that is empty and a log that is none."""
    monkeypatch.chdir(drawn)
    monkeypatch.setenv("TBD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(cluster_workers, "score_clip", ray_cluster.score_or_die)
    (drawn / "runs/good/videos/scored.log").unlink(missing_ok=True)
    return drawn


def evaluate(output, **changes):
    """The quick suite, and a metric that keeps features."""
    quick = registry.choose(registry.suite("quick").metrics)
    request = EvaluationRequest(runs=tuple(map(Path, FOLDERS)), output=Path(output), chosen=(*quick, runs.Spread()))
    planned = plan(replace(request, **changes))
    return run.run(planned, Progress("eval", len(planned.jobs)))


def contents(folder):
    """Every file of a result folder, features included."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def scored(project):
    """The clips that workers have computed, in the order in which they ended."""
    log = project / "runs/good/videos/scored.log"
    return log.read_text().split() if log.exists() else []


def test_two_nodes_write_what_one_machine_writes_and_score_nothing_twice(project, tmp_path, ray_driver, capsys):
    evaluate(tmp_path / "ray", engine="ray", address=ray_driver)
    assert contents(tmp_path / "ray") == contents(project / "local")
    assert any(name.startswith("features/") for name in contents(tmp_path / "ray"))
    assert sorted(scored(project)) == [CLIP.format(number) for number in range(1, COUNT + 1)]
    assert capsys.readouterr().err.count(" jobs, ") == 2
    evaluate(tmp_path / "again", engine="ray", address=ray_driver, workers=1)
    assert contents(tmp_path / "again") == contents(project / "local")
    assert len(scored(project)) == COUNT


def test_a_worker_that_is_killed_costs_nothing(project, tmp_path, ray_driver, capsys):
    (project / "runs/good/videos" / f"{CLIP.format(4)}.kills").touch()
    evaluate(tmp_path / "ray", engine="ray", address=ray_driver, workers=1)
    assert "was lost" in capsys.readouterr().err
    assert contents(tmp_path / "ray") == contents(project / "local")


def test_a_driver_that_is_killed_goes_on_where_it_was(project, tmp_path, ray_driver):
    arguments = ["eval", *FOLDERS, "--suite", "quick", "--engine", "ray", "--address", ray_driver, "--workers", "1"]
    arguments += ["-o", str(tmp_path / "ray")]
    program = (
        "import ray_cluster; from tbd.cli import main; from tbd.evaluate.engine import cluster_workers\n"
        f"cluster_workers.score_clip = ray_cluster.score_or_die; main({arguments!r})"
    )
    driver = subprocess.Popen([sys.executable, "-c", program])
    until = time.monotonic() + 200
    while driver.poll() is None and time.monotonic() < until and _noted(tmp_path / "cache") < 2:
        time.sleep(0.01)
    driver.kill()
    assert driver.wait() == -signal.SIGKILL
    noted, before = _noted(tmp_path / "cache"), len(scored(project))
    assert 2 <= noted < COUNT and not (tmp_path / "ray").exists()
    assert main(arguments) == 0
    assert len(scored(project)) - before == COUNT - noted, "what the driver had is not computed again"
    assert main(["eval", *FOLDERS, "--suite", "quick", "--workers", "0", "-o", str(tmp_path / "here/ray")]) == 0
    assert contents(tmp_path / "ray") == contents(tmp_path / "here/ray")


def _noted(cache):
    """How many clips the cache of a driver has whole."""
    try:
        with contextlib.closing(sqlite3.connect(f"file:{cache}/evaluate.sqlite?mode=ro", uri=True)) as opened:
            return opened.execute("SELECT COUNT(*) FROM clip").fetchone()[0]
    except sqlite3.OperationalError:  # no file, or no tables yet
        return 0


def test_nodes_are_asked_for_every_folder_and_for_what_the_metrics_look_through(project, tmp_path):
    planned = plan(EvaluationRequest(runs=(Path("runs/good"),), suite="quick", output=tmp_path))
    seen = cluster_workers.folders([job.absolute() for job in planned.jobs], tmp_path)
    assert seen == sorted([project / "data", project / "runs/good/videos", tmp_path])
    ready = partial(cluster_workers.ready_metrics, planned.metrics, ("sd-vae-ft-mse",), None)()
    assert set(ready) == {*(f"what {one.protocol} needs" for one in planned.metrics), "the weights sd-vae-ft-mse"}


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (("--address", "127.0.0.1:9"), 2, "--address goes with --engine ray"),
        (("--engine", "ray", "--workers", "0"), 2, "--workers 0 works in this process"),
        (("--engine", "ray", "--address", "127.0.0.1:9"), 4, "no Ray cluster answers at 127.0.0.1:9"),
    ],
)
def test_what_does_not_fit_the_engine_is_refused(project, tmp_path, capsys, options, code, words):
    assert main(["eval", "runs/good", "--suite", "quick", "-o", str(tmp_path / "out"), *options]) == code
    said = capsys.readouterr().err
    assert words in said and "next:" in said and not (tmp_path / "out").exists()


def test_a_dry_run_needs_no_cluster(project, capsys):
    assert main(["eval", "runs/good", "--suite", "quick", "--engine", "ray", "--dry-run"]) == 0
    assert "those of the cluster" in capsys.readouterr().out
