"""How cost grows, against measured runs at three sizes: the smallest is measured, the others are foretold from it."""

from __future__ import annotations

import shutil
import sys
import time

import pytest
from known_replies import honest
from lying_server import LyingServer, slow
from scripted import fake_examine, mead_tree

from tbd.annotate import examine_pool, run
from tbd.annotate.cost import cost_line, measured_cost
from tbd.annotate.recipe import AnnotateRecipe
from tbd.demo.dataset import draw_clip

pytestmark = pytest.mark.bench
SIZES = (60, 120, 240)


def timed(dataset, output, rows, backend="facs", **given):
    recipe = AnnotateRecipe(backend={"name": backend}, server={"concurrency": 8})
    selection = run.Selection(limit=rows)
    request = run.AnnotationRequest(dataset, recipe, output, quiet=True, selection=selection, **given)
    prepared, started = run.prepare_annotation(request), time.monotonic()
    run.run_annotation(prepared)
    return time.monotonic() - started


def tell(name, rows, foretold, took):
    sys.stderr.write(f"\n{name}, {rows} rows: foretold {foretold:.1f} s, took {took:.1f} s: {foretold / took:.2f} x\n")


def clips(count):
    return [("M003", "angry", level, index) for level in (1, 2, 3) for index in range(1, count // 3 + 1)]


def test_a_server_that_is_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr(examine_pool, "examine_clip", fake_examine)
    dataset = mead_tree(tmp_path / "mead", clips(SIZES[-1]))
    with LyingServer(then=slow(0.3, honest)) as one, LyingServer(then=slow(0.3, honest)) as two:
        given = {"backend": "server", "workers": 0}
        timed(dataset, tmp_path / "warm", 16, endpoints=(one.url,), **given)  # modules and knowledge base are loaded
        timed(dataset, tmp_path / "pilot", SIZES[0], endpoints=(one.url,), **given)
        cost = measured_cost(tmp_path / "pilot")
        for urls, rows in (((one.url,), SIZES[1]), ((one.url,), SIZES[2]), ((one.url, two.url), SIZES[2])):
            took = timed(dataset, tmp_path / f"{rows}-{len(urls)}", rows, endpoints=urls, **given)
            foretold = 3600 * cost_line(cost, rows, rows, len(urls), 2).wall
            tell(f"{len(urls)} endpoint(s)", rows, foretold, took)
            assert 0.7 <= foretold / took <= 1.3


def test_clips_that_are_looked_at(tmp_path):
    draw_clip(tmp_path / "one.mp4", seconds=2, size=256)
    dataset = tmp_path / "mead"
    mead_tree(dataset, clips(SIZES[-1]))
    for file in dataset.rglob("*.mp4"):
        shutil.copy(tmp_path / "one.mp4", file)
    timed(dataset, tmp_path / "warm", 16, workers=1)
    timed(dataset, tmp_path / "pilot", SIZES[0], workers=1)
    cost = measured_cost(tmp_path / "pilot")
    for rows in SIZES[1:]:
        took = timed(dataset, tmp_path / str(rows), rows, workers=1)
        foretold = 3600 * cost_line(cost, rows, rows, 1, 1).wall
        tell("one core", rows, foretold, took)
        assert 0.5 <= foretold / took <= 1.5
