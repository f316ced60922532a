"""One clip never takes others with it, in every command that works through clips: its own failure, exit 1, the rest goes on."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pyarrow.parquet as pq
import pytest
import runs
import training
from scripted import fake_examine, mead_tree
from talking_head import SIZE, pipeline

from tbd.annotate import examine_pool
from tbd.cli import main, sheets
from tbd.cli.generate import split as generating
from tbd.evaluate.engine import workers as scoring
from tbd.generate import load
from tbd.generate import run as rendering
from tbd.manifest import read_manifest
from tbd.media import prepare as preparing
from tbd.model.recipe import Guidance
from tbd.train import cache_builder

COUNT = 3
ODD = 1


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TBD_CACHE", str(tmp_path / "cache"))
    return tmp_path


def breaks(monkeypatch, module, name, number_of, odd):
    """Let a function of a module meet a bug for some clips, as ``number_of`` tells them from its first argument."""
    plain = getattr(module, name)

    def broken(*arguments, **keywords):
        if number_of(arguments) in odd:
            raise ZeroDivisionError("by nobody")
        return plain(*arguments, **keywords)

    monkeypatch.setattr(module, name, broken)


def clips(**changes):
    return [training.a_row(f"c{i:03d}", i, **changes) for i in range(COUNT)]


def told(capfd):
    """The first JSON document on stdout, its failures by the number of their clip."""
    found, _ = json.JSONDecoder().raw_decode(capfd.readouterr().out)
    return found | {"failed": {int(name[-3:]): reason for name, reason in found["failed"].items()}}


def annotate(here, monkeypatch, odd, capfd):
    mead_tree(here / "mead", [("M003", "angry", 2, index) for index in range(COUNT)])
    monkeypatch.setattr(examine_pool, "examine_clip", fake_examine)
    monkeypatch.setattr(sheets, "draw", lambda folder: folder / "sheet.png")
    breaks(monkeypatch, examine_pool, "examine_clip", lambda given: int(given[0].path.stem), odd)
    code = main(["annotate", "mead", "-o", "m", "--backend", "facs", "--workers", "0", "-q", "--json"])
    rows = read_manifest(here / "m").to_pylist()
    return code, {int(row["clip_id"][-3:]): row["error"] for row in rows if row["status"] == "error"}, len(rows)


def prepare(here, monkeypatch, odd, capfd):
    training.manifest(here / "m", clips(), size=SIZE)
    breaks(monkeypatch, preparing, "_fill", lambda given: int(given[0].path.stem), odd)
    code = main(["prepare", "m", "-o", "out", "-q", "--json"])
    found = told(capfd)
    return code, found["failed"], found["clips"] + len(found["failed"])


def cache(here, monkeypatch, odd, capfd):
    training.manifest(here / "m", clips())
    plain = cache_builder._pictures

    def broken(clip):
        if int(clip.clip_id[1:]) in odd:
            raise ZeroDivisionError("by nobody")
        yield from plain(clip)

    monkeypatch.setattr(cache_builder, "_pictures", broken)
    code = main(["train", "cache", "m", "--recipe", "tiny", "-q", "--json"])
    found = told(capfd)
    return code, found["failed"], found["clips"] + len(found["failed"])


def generate(here, monkeypatch, odd, capfd):
    training.manifest(here / "m", clips(split="test"), size=SIZE)
    facts = SimpleNamespace(folder=here, k=2, size=SIZE, guidance=Guidance())
    monkeypatch.setattr(generating, "model_facts", lambda given: facts)
    monkeypatch.setattr(generating, "open_pipelines", lambda given, facts: [pipeline(frames=8)])
    monkeypatch.setattr(load, "weights_hash", lambda folder: "0" * 64)
    breaks(monkeypatch, rendering, "render_video", lambda given: int(given[1].stem[1:]), odd)
    code = main(["generate", "--manifest", "m", "-o", "out", "--steps", "1", "--scale", "1", "-q", "--json"])
    found = told(capfd)
    return code, found["failed"], found["rendered"] + len(found["failed"])


def evaluate(here, monkeypatch, odd, capfd):
    manifest = runs.dataset(here, COUNT)
    runs.run(here, "mine", manifest, COUNT)
    breaks(monkeypatch, scoring, "score", lambda given: int(given[0].clip_id[-3:]) - 1, odd)
    code = main(["eval", "runs/mine", "--metrics", "psnr", "--workers", "0", "--no-baselines", "-o", "out"])
    rows = [row for row in pq.read_table(here / "out/clips.parquet").to_pylist() if row["kind"] == "run"]
    return code, {int(row["clip_id"][-3:]) - 1: row["reason"] for row in rows if row["status"] != "ok"}, len(rows)


COMMANDS = (annotate, prepare, cache, generate, evaluate)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.__name__)
def test_a_bug_in_one_clip_is_its_own_failure(here, monkeypatch, capfd, command):
    code, failed, tried = command(here, monkeypatch, {ODD}, capfd)
    assert (code, tried) == (1, COUNT)
    assert failed.keys() == {ODD}
    assert "a bug in tbd (ZeroDivisionError: by nobody)" in failed[ODD]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.__name__)
def test_a_bug_in_every_clip_is_one_of_the_program(here, monkeypatch, capfd, command):
    code, failed, _ = command(here, monkeypatch, set(range(COUNT)), capfd)
    assert code == 70 and failed.keys() == set(range(COUNT))
