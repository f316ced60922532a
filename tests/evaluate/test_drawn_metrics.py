"""Metrics for drawn data: what was drawn against what is read, by hand and in whole runs."""

import json
import shutil

import numpy as np
import pytest
from rows import row, sealed

from tbd import weights
from tbd.console import Progress
from tbd.demo.acting import Acting
from tbd.demo.dataset import draw_clip, write_units
from tbd.demo.identity import person
from tbd.demo.voice import energy, speak
from tbd.evaluate.inputs.plan import plan
from tbd.evaluate.inputs.sources import EvaluationRequest
from tbd.evaluate.measures.drawn_truth import DrawnTruth, compared, correlation, right_people, truth_at, within_units
from tbd.evaluate.metrics import registry
from tbd.evaluate.metrics.drawn import METRICS, WEIGHTS
from tbd.evaluate.networks.drawn_reader import UNITS, Readings
from tbd.evaluate.run import run
from tbd.media.drawn_units import read_units, units_path
from tbd.replicate import readers

pytestmark = pytest.mark.xdist_group("reader")
NAMES = tuple(metric.protocol for metric in METRICS)


def faces(frames=4, opening=None, **units):
    """``(T, 17)`` strengths from ``au12=0.5``."""
    row = [units.get(f"au{unit}", 0.0) for unit in UNITS]
    return np.tile(row, (frames, 1)), np.linspace(0, 0.3, frames) if opening is None else np.array(opening, float)


def scored(true, found):
    return compared(Readings(*found, found[0], found[0]), DrawnTruth(*true))


def test_what_was_drawn_scores_best():
    same = scored(faces(au12=0.5, au6=0.4), faces(au12=0.5, au6=0.4))
    assert (same["au_f1"], same["au_mae"], same["au_corr"], same["mouth_corr"]) == (
        1,
        0,
        pytest.approx(1),
        pytest.approx(1),
    )
    assert same["asked"] == same["shown"] == [6, 12]


def test_numbers_by_hand():
    found = scored(faces(au12=0.5, au6=0.4), faces(au12=0.5, au4=0.3, opening=[0.3, 0.2, 0.1, 0.0]))
    assert found["au_f1"] == 0.5 and found["mouth_corr"] == pytest.approx(-1)
    assert found["au_mae"] == pytest.approx((0.4 + 0.3) / len(UNITS))
    true, seen = np.zeros(17), np.zeros(17)
    true[[UNITS.index(12), UNITS.index(6)]], seen[[UNITS.index(12), UNITS.index(4)]] = (0.5, 0.4), (0.5, 0.3)
    assert found["au_corr"] == pytest.approx(np.corrcoef(true, seen)[0, 1])


def test_faces_at_rest_and_mouths_that_do_not_move():
    rest = scored(faces(), faces())
    assert (rest["au_f1"], rest["au_mae"], rest["au_corr"]) == (1, 0, None)
    assert scored(faces(), faces(au4=0.5))["au_f1"] == 0
    assert scored(faces(opening=[0.1] * 4), faces())["mouth_corr"] is None
    assert scored(faces(), faces(opening=[0.1] * 4))["mouth_corr"] == 0
    assert correlation(np.array([1.0]), np.array([1.0])) is None


def test_one_face_for_all_clips_gets_nothing_within_units():
    true = np.random.default_rng(0).uniform(size=(6, 17)) * np.linspace(0, 1, 17)
    assert within_units(true, np.tile(true.mean(0), (6, 1))) == 0
    assert within_units(true, 0.3 * true + 0.2) == pytest.approx(1)
    assert within_units(true[:1], true[:1]) is None


def test_the_right_person_is_the_nearest():
    portraits = np.eye(3)[[0, 0, 1, 2]]
    assert right_people(portraits, portraits, ["a", "a", "b", "c"]) == 1
    assert right_people(np.roll(portraits, 1, 1), portraits, ["a", "a", "b", "c"]) == 0
    assert right_people(portraits[:2], portraits[:2], ["a", "a"]) is None


def test_the_truth_is_taken_at_the_time_of_each_frame(tmp_path):
    write_units(tmp_path / "a.mp4", Acting({12: 0.8}), np.linspace(0, 1, 30), 30.0)
    drawn = read_units(tmp_path / "a.mp4")
    whole = truth_at(drawn, 0.0, 25.0, 25)
    nearest = np.floor(np.arange(25) / 25 * 30 + 0.5).astype(int)
    np.testing.assert_allclose(whole.opening, drawn.opening[nearest])
    np.testing.assert_allclose(whole.units[:, UNITS.index(12)], drawn.units[12].mean(1)[nearest])
    np.testing.assert_allclose(truth_at(drawn, 0.5, 30.0, 4).opening, drawn.opening[15:19])
    assert truth_at(drawn, 0.9, 25.0, 10).opening[-1] == drawn.opening[-1]


# What asks for them


def test_they_are_asked_for_by_name_only():
    assert not {metric.protocol for metric in registry.choose(["all"])} & set(NAMES)
    assert [metric.protocol for metric in registry.choose(["au_f1", "fid", "fvd"])] == [
        "fid@pytorch-fid",
        "fvd@styleganv",
        "au_f1@openface",
    ]
    assert {metric.protocol for metric in registry.choose(registry.suite("drawn").metrics)} == set(NAMES)
    assert [metric.protocol for metric in registry.choose(["au@drawn"])] == [
        "au_f1@drawn",
        "au_mae@drawn",
        "au_corr@drawn",
    ]
    assert [metric.key for metric in registry.choose(["au"])] == ["au_f1"]


@pytest.mark.parametrize("key", registry.DRAWN)
def test_each_has_its_page(key):
    page = registry.explain(key)
    assert len(page) > 300 and "drawn" in page.lower() and f"{key}@drawn" in page


def test_without_the_reader_they_say_how_it_comes(tmp_path, monkeypatch):
    monkeypatch.setenv("TBD_CACHE", str(tmp_path))
    reason = registry.lacking(METRICS[0])
    assert "drawn-reader.safetensors" in reason and "tbd weights pull drawn-reader" in reason


@pytest.mark.parametrize(
    ("metrics", "suite", "asked"),
    [(("psnr",), None, 0), ((), "quick", 0), ((), None, 0), (("psnr", "fid@drawn"), None, 1), ((), "drawn", 1)],
)
def test_the_command_trains_the_reader_only_where_a_metric_asks_for_it(monkeypatch, metrics, suite, asked):
    from tbd.cli import eval as command

    called = []
    monkeypatch.setattr(readers, "ensure_reader", lambda told: (told(0.3), told(1.0), called.append(told)))
    command._ready_reader(EvaluationRequest(metrics=metrics, suite=suite), quiet=True)
    assert len(called) == asked


# Whole runs


@pytest.fixture(scope="module")
def project(tmp_path_factory, drawn_reader_file):
    """Three drawn people, a run that is the ground truth itself, and a reader that was trained for seconds."""
    folder = tmp_path_factory.mktemp("project")
    rows = []
    for number, (emotion, unit) in enumerate((("happiness", 12), ("anger", 4), ("surprise", 2))):
        who, name = person(number, 4), f"P{number}/001.mp4"
        path, acting = folder / "data" / name, Acting({unit: 0.8}, seed=number)
        draw_clip(path, who, emotion, 2, seconds=0.8, size=96, seed=number, acting=acting)
        write_units(path, acting, energy(speak(0.8, pitch=who.pitch, seed=number), 25.0, 20), 25.0)
        box = [0.0, 0.0, 96.0, 96.0]
        facts = {"crop_box": box, "face_box": box, "width": 96, "height": 96, "fps": 25.0, "num_frames": 20}
        rows.append(
            row(
                f"clip{number}",
                file_name=name,
                subject=f"P{number}",
                emotion=emotion,
                reference_frame=10,
                split="test",
                **facts,
            )
        )
        draw_clip(
            folder / f"runs/same/videos/clip{number}.mp4",
            who,
            emotion,
            2,
            seconds=0.8,
            size=96,
            seed=number,
            acting=acting,
        )
    manifest = sealed(folder / "data_manifests/toy", rows)
    document = {"root": str(folder / "data"), "dataset": "mead", "recipe": {"clip": {"size": 96}}}
    (manifest / "run.json").write_text(json.dumps(document))
    kept = drawn_reader_file.parents[2]
    shutil.copytree(kept, folder / "cache", ignore=shutil.ignore_patterns("*.sqlite*"))  # no scores of other tests
    return folder


@pytest.fixture(autouse=True)
def cache(request, monkeypatch):
    if "project" in request.fixturenames:
        folder = request.getfixturevalue("project")
        monkeypatch.setenv("TBD_CACHE", str(folder / "cache"))
        monkeypatch.chdir(folder)


def evaluate(project, *names, **changes):
    request = EvaluationRequest(
        runs=(project / "runs/same",), manifest=project / "data_manifests/toy", output=project / "results", align="canvas",
        metrics=names or NAMES, workers=0, **changes,
    )  # fmt: skip
    planned = plan(request)
    document = run(planned, Progress("eval", len(planned.jobs)))
    return document["runs"][0]["scores"], {one["kind"]: one["scores"] for one in document["baselines"]}


def test_a_run_gets_every_number_beside_baselines_and_the_readers_own_errors(project):
    scores, baselines = evaluate(project)
    assert {one["protocol"].partition("/")[0] for one in scores.values()} == set(NAMES)
    for key, one in scores.items():
        assert one["status"] == "ok", (key, one["reason"])
        assert one["details"]["reader"]["people"] == 4 and "people it never saw" in one["aggregate"]
        assert not one["weights"]["published"]
        assert baselines["truth"][key]["value"] is not None
    assert scores["au_mae"]["value"] == pytest.approx(baselines["truth"]["au_mae"]["value"], abs=0.05)
    assert scores["identity"]["details"]["people"] == 3 and scores["identity"]["value"] > 0.8
    assert baselines["still"]["mouth_corr"]["value"] == 0
    assert abs(baselines["truth"]["fid"]["value"]) < 1e-3


def test_a_changed_truth_is_a_changed_number(project):
    before = evaluate(project, "au_mae@drawn")[0]["au_mae"]["value"]
    path = units_path(project / "data/P0/001.mp4")
    content = path.read_text()
    try:
        write_units(project / "data/P0/001.mp4", Acting({1: 1.0, 15: 1.0}), np.zeros(20), 25.0)
        assert evaluate(project, "au_mae@drawn")[0]["au_mae"]["value"] > before
    finally:
        path.write_text(content)
    assert evaluate(project, "au_mae@drawn")[0]["au_mae"]["value"] == before


def test_clips_that_nobody_drew_are_not_scored_and_say_why(project):
    paths = [units_path(project / f"data/P{number}/001.mp4") for number in range(3)]
    contents = [path.read_text() for path in paths]
    try:
        paths[0].unlink()
        some = evaluate(project, "au_mae@drawn")[0]["au_mae"]
        assert (some["status"], some["n"], some["of"]) == ("ok", 2, 3)
        for path in paths[1:]:
            path.unlink()
        none = evaluate(project, "au_mae@drawn", "psnr")[0]
        assert (
            none["au_mae"]["status"] == "skipped" and "no .units.csv beside any true video" in none["au_mae"]["reason"]
        )
        assert none["psnr"]["status"] == "ok"
    finally:
        for path, content in zip(paths, contents, strict=True):
            path.write_text(content)


def test_the_reader_is_part_of_the_cache_key(project):
    (_, sha, published) = registry.seen([WEIGHTS]).files[0]
    assert sha == weights.sha256(weights.resolve(WEIGHTS)) and not published
