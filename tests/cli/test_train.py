"""``tbd train`` from the command line, on drawn clips and the tiny network."""

import json

import pytest
import torch
import training
from training import a_row

from tbd.cli import main
from tbd.cli.train.common import training_recipe
from tbd.train.known_pace import TrainingPace, keep_pace, known_pace

SMALL = ("stage1.steps=4", "stage2.steps=4", "stage2.frames=4", "watch.validate_every=4", "watch.save_every=2")
OPTIONS = ["--recipe", "tiny", *(word for key in (*SMALL, "hardware.batch=2") for word in ("--set", key))]


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A workspace with one manifest, and a cache folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TBD_CACHE", str(tmp_path / "cache"))
    training.manifest(tmp_path / "data_manifests/toy")
    return tmp_path


def tbd(capfd, *arguments):
    code = main(["train", *map(str, arguments)])
    found = capfd.readouterr()
    return code, found.out, found.err


def test_cache_then_both_stages_then_again(project, capfd):
    code, out, err = tbd(capfd, "cache", "data_manifests/toy", *OPTIONS)
    assert code == 0 and "12 clips and " in out and "to make: " in err and " free)" in err
    assert tbd(capfd, "cache", "data_manifests/toy", *OPTIONS)[1].startswith("0 clips and 0 texts made")
    code, out, err = tbd(capfd, "stage1", "data_manifests/toy", *OPTIONS, "-o", "checkpoints/a")
    assert code == 0 and "step 4 of 4, validation loss" in out and "reads" in err
    code, out, err = tbd(
        capfd, "stage2", "data_manifests/toy", *OPTIONS, "-o", "checkpoints/b", "--from", "checkpoints/a"
    )
    assert code == 0 and "step 4 of 4, validation loss" in out
    assert "left out: 1 without sound" in err
    before = {path: path.stat().st_mtime_ns for path in (project / "checkpoints").rglob("*")}
    code, out, _ = tbd(capfd, "stage1", "data_manifests/toy", *OPTIONS, "-o", "checkpoints/a")
    assert code == 0 and "all 4 steps are done" in out
    assert before == {path: path.stat().st_mtime_ns for path in (project / "checkpoints").rglob("*")}


def test_without_a_cache_it_says_so_and_trains(project, capfd):
    code, out, err = tbd(
        capfd, "stage1", "data_manifests/toy", *OPTIONS, "--set", "stage1.steps=1", "-o", "a", "--json"
    )
    found = json.loads(out)
    assert code == 0 and found["step"] == 1 and found["checkpoint"] == "a/step-1"
    assert "no cache" in err


def test_a_cache_that_lacks_clips_is_refused_when_it_was_asked_for(project, capfd):
    (project / "empty").mkdir()
    code, _, err = tbd(capfd, "stage1", "data_manifests/toy", *OPTIONS, "-o", "a", "--cache", "empty")
    assert code == 3 and "are missing" in err and "next:  tbd train cache" in err


def test_a_dry_run_writes_nothing(project, capfd):
    code, out, _ = tbd(capfd, "stage1", "data_manifests/toy", *OPTIONS, "-o", "a", "--dry-run", "--json")
    found = json.loads(out)
    assert code == 0 and found["steps"] == 4 and found["learning"] == found["parameters"] > 0
    assert found["host_gb"] > found["disk_gb"] > found["checkpoint_gb"] > 4 * found["parameters"] / 1e9
    assert found["hours"] is None
    assert not (project / "a").exists()
    code, out, _ = tbd(capfd, "cache", "data_manifests/toy", *OPTIONS, "--dry-run", "--json")
    assert code == 0 and json.loads(out)["clips"] == 12


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["stage1", "nothing", "-o", "a"], 3, "no such file"),
        (["stage1", "data_manifests/toy", "-o", "a", "--set", "stage1.stepz=1"], 2, "did you mean 'steps'"),
        (["stage1", "data_manifests/toy", "-o", "a", "--gpu-memory", "40"], 2, "no preset"),
        (["stage1", "data_manifests/toy", "-o", "a", "--where", "emotion=calm"], 2, "no clip has emotion 'calm'"),
        (["stage1", "data_manifests/toy", "-o", "a", "--where", "mood=calm"], 2, "unknown key 'mood'"),
        (["stage2", "data_manifests/toy", "-o", "a"], 2, "--from checkpoints/stage1"),
        (["stage2", "data_manifests/toy", "-o", "a", "--from", "nowhere"], 3, "no such folder"),
        (["cache", "data_manifests/toy", "--shard", "3/2"], 2, "--shard 3/2"),
        (["cache", "data_manifests/toy", "--set", "weights.start=pretrained"], 4, "tbd weights pull"),
        (["bench", "--gpu-memory", "all?"], 2, "not a whole number"),
        (["stage1", "data_manifests/toy", "-o", "a", "--device", "gpu"], 2, "--device gpu: neither auto"),
        (["cache", "data_manifests/toy", "--device", "cuda:7"], 2, "--device cuda:7: neither auto"),
        (
            ["stage1", "data_manifests/toy", "-o", "a", "--device", "cpu", "--set", "hardware.precision=float16"],
            2,
            "hardware.precision = float16",
        ),
        (["stage2", "data_manifests/toy", "-o", "a", "--set", "stage2.frames=31"], 2, "stage2: frames: 31"),
    ],
)
def test_bad_input_has_its_exit_code_and_its_words(project, capfd, words, code, said):
    options = OPTIONS if words[0] != "bench" else []
    found, _, err = tbd(capfd, *words[:2], *options, *words[2:])
    assert found == code and said in err and "next:" in err and "Traceback" not in err


def test_label_rows_cannot_hear_two_levels(project, capfd):
    training.manifest(project / "data_manifests/label", [a_row("c000", prompts=["happy"], mode="label")])
    code, _, err = tbd(capfd, "stage1", "data_manifests/label", *OPTIONS, "-o", "a")
    assert code == 3 and "prompt level" in err and "model.guidance.schedule=none" in err


def test_another_stage_or_recipe_in_the_folder_is_refused(project, capfd):
    tbd(capfd, "stage1", "data_manifests/toy", *OPTIONS, "-o", "a")
    code, _, err = tbd(capfd, "stage2", "data_manifests/toy", *OPTIONS, "-o", "a", "--from", "a")
    assert code == 3 and "holds a run of stage 1" in err
    code, _, err = tbd(capfd, "stage1", "data_manifests/toy", *OPTIONS, "--set", "optimizer.lr=1e-4", "-o", "a")
    assert code == 3 and "optimizer.lr: 0.002 -> 0.0001" in err and "--changed" in err


def _planned(capfd, *words):
    code, out, err = tbd(capfd, "stage1", "data_manifests/toy", *OPTIONS, "-o", "a", "--dry-run", "--json", *words)
    return code, json.loads(out), err


def test_a_dry_run_counts_the_samples_of_every_process(project, capfd, monkeypatch):
    assert _planned(capfd, "--set", "hardware.accumulate=3")[1]["samples_a_step"] == 6
    for name, value in {"WORLD_SIZE": "4", "LOCAL_WORLD_SIZE": "2", "RANK": "0"}.items():
        monkeypatch.setenv(name, value)
    assert _planned(capfd)[1]["samples_a_step"] == 8


def test_a_dry_run_of_a_run_that_goes_on_tells_what_is_left_and_what_would_be_refused(project, capfd):
    assert tbd(capfd, "stage1", "data_manifests/toy", *OPTIONS, "--set", "stage1.steps=1", "-o", "a")[0] == 0
    recipe = training_recipe("tiny", [word for word in OPTIONS[2:] if word != "--set"], None, None)
    keep_pace(recipe, 1, TrainingPace(0.001, "CPU"))
    code, found, err = _planned(capfd)
    assert code == 0 and (found["steps"], found["steps_done"], found["hours"]) == (4, 1, round(3 / 0.001 / 3600, 3))
    assert "would go on at step 1 (a/step-1)" in err
    for words, said in (
        (["--set", "optimizer.lr=1e-4"], "optimizer.lr: 0.002 -> 0.0001"),
        (["--seed", "7"], "weights.vae: random-tiny-0 -> random-tiny-7"),
        (["--from", "a"], "began with no stage 1"),
    ):
        code, found, _ = _planned(capfd, *words)
        assert code == 3 and said in found["error"]["message"]
    code, found, err = _planned(capfd, "--set", "optimizer.lr=1e-4", "--changed")
    assert code == 0 and "optimizer.lr: 0.002 -> 0.0001" in err


def test_a_dry_run_tells_the_hours_once_the_bench_has_measured(project, capfd):
    words = ["stage1", "data_manifests/toy", *OPTIONS, "-o", "a", "--dry-run"]
    code, out, _ = tbd(capfd, *words)
    assert code == 0 and "not known; tbd train bench measures, with the same recipe" in out
    recipe = training_recipe("tiny", [word for word in OPTIONS[2:] if word != "--set"], None, None)
    keep_pace(recipe, 1, TrainingPace(0.001, "CPU"))
    code, out, _ = tbd(capfd, *words)
    assert code == 0 and "1.11 for the steps alone, at 0.001 a second (CPU)" in out
    code, out, _ = tbd(capfd, *words, "--json")
    assert code == 0 and json.loads(out)["hours"] == round(4 / 0.001 / 3600, 3)


def test_bench_prints_a_table_for_every_preset(project, capfd):
    words = ["--set", "model.network.size=tiny", "--set", "data.size=64", "--set", "optimizer.name=adamw"]
    code, out, err = tbd(capfd, "bench", "--steps", "1", "--stages", "1", *words, "--set", "hardware.precision=float32")
    assert err.count("no MFU in float32") == 1
    assert code == 0 and [line.split("|")[2].strip() for line in out.splitlines()[3:]] == [
        "16 GB",
        "24 GB",
        "48 GB",
        "80 GB",
    ]
    measured = training_recipe(
        None, [word for word in (*words, "hardware.precision=float32") if word != "--set"], 48, None
    )
    assert known_pace(measured, 1).device == ("CPU" if not torch.cuda.is_available() else torch.cuda.get_device_name())


def test_bench_at_full_size_needs_a_gpu(capfd, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    code, _, err = tbd(capfd, "bench", "--gpu-memory", "48")
    assert code == 4 and "no GPU here" in err


def test_bench_says_that_syncnet_is_not_in_its_figures(capfd):
    words = ("bench", "--count", "--gpu-memory", "48", "--set", "model.network.size=tiny", "--stages")
    for stages, sync, said in (("1,2", "0.1", True), ("2", "0", False), ("1", "0.1", False)):
        code, _, err = tbd(capfd, *words, stages, "--set", f"loss.sync={sync}")
        assert code == 0 and ("loss.sync is not in these figures" in err) == said


def test_the_memory_of_a_preset_is_counted_without_a_gpu(capfd):
    code, out, _ = tbd(capfd, "bench", "--count", "--gpu-memory", "48", "--stages", "1", "--json")
    (row,) = json.loads(out)["figures"]
    assert code == 0 and (row["preset"], row["stage"], row["fits"]) == (48, 1, True) and 10 < row["peak"] < 48 * 0.92
    sixteen = ("bench", "--count", "--gpu-memory", "16", "--stages", "1")
    code, out, _ = tbd(capfd, *sixteen)
    assert code == 0 and "| 16 GB | 1 |" in out and out.rstrip().endswith("| yes |")
    code, out, _ = tbd(capfd, *sixteen, "--set", "hardware.batch=64")
    assert code == 0 and "| 16 GB | 1 |" in out and out.rstrip().endswith("| no |")
