import json

import pytest

from tbd import workspace
from tbd.train import known_pace
from tbd.train.known_pace import CPU, TrainingPace, keep_pace
from tbd.train.memory_presets import load_recipe

CARD, HOST = TrainingPace(2.5, "NVIDIA H100 PCIe"), TrainingPace(0.1, CPU)


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TBD_CACHE", str(tmp_path))


def test_what_was_measured_is_known_again_stage_by_stage():
    assert known_pace.known_pace(load_recipe("paper"), 1) is None
    keep_pace(load_recipe("paper"), 1, CARD)
    keep_pace(load_recipe("paper"), 2, TrainingPace(0.5, CARD.device))
    assert known_pace.known_pace(load_recipe("paper"), 1) == CARD
    assert known_pace.known_pace(load_recipe("paper"), 2) == TrainingPace(0.5, CARD.device)


@pytest.mark.parametrize("name", ["paper", "intensity", "default"])
def test_recipes_whose_steps_are_the_same_have_one_pace(name):
    keep_pace(load_recipe(None, gigabytes=48), 1, CARD)
    changed = ["optimizer.lr=1e-4", "stage1.steps=7", "seed=3", "watch.keep=9"]
    assert known_pace.known_pace(load_recipe(name, changed, 48), 1) == CARD


@pytest.mark.parametrize(
    "change",
    ["data.size=256", "hardware.batch=4", "stage1.trainable=attention", "ema.decay=0", "optimizer.name=adamw-8bit"],
)
def test_another_step_has_another_pace(change):
    keep_pace(load_recipe("paper"), 1, CARD)
    assert known_pace.known_pace(load_recipe("paper", [change]), 1) is None


def test_a_run_on_the_cpu_does_not_take_the_pace_of_a_card():
    keep_pace(load_recipe("tiny"), 1, CARD)
    assert known_pace.known_pace(load_recipe("tiny"), 1, device="cpu") is None
    keep_pace(load_recipe("tiny"), 1, HOST)
    assert known_pace.known_pace(load_recipe("tiny"), 1, device="cpu") == HOST
    assert known_pace.known_pace(load_recipe("tiny"), 1) == CARD


def test_another_machine_that_shares_the_folder_has_its_own(monkeypatch):
    keep_pace(load_recipe("tiny"), 1, CARD)
    monkeypatch.setattr(known_pace.platform, "node", lambda: "another")
    assert known_pace.known_pace(load_recipe("tiny"), 1) is None


@pytest.mark.parametrize("text", ["{", "[1]", ""])
def test_a_file_that_cannot_be_read_is_measured_anew(text):
    (workspace.cache() / known_pace.FILE).write_text(text)
    assert known_pace.known_pace(load_recipe("tiny"), 1) is None
    keep_pace(load_recipe("tiny"), 1, CARD)
    assert len(json.loads((workspace.cache() / known_pace.FILE).read_text())) == 1
