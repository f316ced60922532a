"""What a row costs besides the model: one wait for the disk a row against groups of rows; Ray against this machine; one worker against two."""

from __future__ import annotations

import sys

import pytest
import ray_cluster
from lying_server import LyingServer
from scripted import fake_examine, mead_tree
from timing import wall_seconds

from tbd.annotate import examine_pool, run, runner
from tbd.annotate.recipe import AnnotateRecipe

pytestmark = pytest.mark.bench
SPEAKERS = [f"{sex}{number:03d}" for sex in "MW" for number in range(1, 50)]
EMOTIONS = ("happy", "angry", "fear", "sad", "contempt", "disgusted", "surprised")


def tree(folder, rows):
    every = ((s, e, level, i) for s in SPEAKERS for e in EMOTIONS for level in (1, 2, 3) for i in range(1, 31))
    return mead_tree(folder, [clip for clip, _ in zip(every, range(rows), strict=False)])


def annotate(dataset, output, backend="facs", **changes):
    recipe = AnnotateRecipe(backend={"name": backend}, server={"concurrency": 8})
    request = run.AnnotationRequest(dataset, recipe, output, quiet=True, **{"workers": 0} | changes)
    return run.run_annotation(run.prepare_annotation(request))


@pytest.fixture(autouse=True)
def no_pixels(monkeypatch):
    monkeypatch.setattr(examine_pool, "examine_clip", fake_examine)


def tell(*lines):
    sys.stderr.write("\n".join(("", *lines, "")))


def test_groups_of_rows_wait_for_the_disk_once(tmp_path, monkeypatch):
    dataset, rows = tree(tmp_path / "mead", 1_000), 1_000
    grouped = wall_seconds(lambda: annotate(dataset, tmp_path / "grouped"))
    monkeypatch.setattr(runner, "GROUP_SECONDS", 0.0)
    alone = wall_seconds(lambda: annotate(dataset, tmp_path / "alone"))
    tell(f"groups: {grouped / rows * 1e3:.2f} ms a row; each by itself: {alone / rows * 1e3:.2f} ms")
    assert grouped <= alone


def test_a_cluster_adds_little_to_a_row(tmp_path, ray_nodes):
    dataset, rows = tree(tmp_path / "mead", 20_000), 20_000
    local = wall_seconds(lambda: annotate(dataset, tmp_path / "local"))
    cluster = wall_seconds(lambda: annotate(dataset, tmp_path / "ray", engine="ray", address=ray_nodes, workers=None))
    tell(f"{rows} rows: ray {cluster / rows * 1e3:.2f} ms a row, local {local / rows * 1e3:.2f} ms")
    assert (tmp_path / "ray/manifest.parquet").read_bytes() == (tmp_path / "local/manifest.parquet").read_bytes()
    assert (cluster - local) / rows < 5e-3


def test_two_workers_wait_for_two_servers_at_once(tmp_path, ray_nodes):
    dataset = tree(tmp_path / "mead", 600)
    options = {"engine": "ray", "address": ray_nodes, "workers": None, "backend": "server"}
    with LyingServer(then=ray_cluster.slower_honest) as one, LyingServer(then=ray_cluster.slower_honest) as two:
        alone = wall_seconds(lambda: annotate(dataset, tmp_path / "one", endpoints=(one.url,), **options))
        both = wall_seconds(lambda: annotate(dataset, tmp_path / "two", endpoints=(one.url, two.url), **options))
    tell(f"one worker {alone:.1f} s, two workers {both:.1f} s: {alone / both:.2f} x")
    assert alone >= 1.7 * both
