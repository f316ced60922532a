"""What watching costs: passes of the network that validation takes, counted by the trainer's own rules, for every recipe."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import training

from tbd import recipe
from tbd.train import validation
from tbd.train.memory_presets import load_recipe
from tbd.train.recipe import stage_settings
from tbd.train.trainer import Trainer
from tbd.train.validation import Validator, middle_bins

TRAINING = 3
"""Forward passes that a sample costs which is learned from: its backward pass takes two."""
FULL_SIZE = [name for name in recipe.recipes("train") if load_recipe(name).network.size == "sd15"]


def _passes(chosen, stage, count, bins=None):
    """Samples that go through the network in one validation, with those that hear another clip's condition."""
    clips = [training.clip(i, path=Path(f"{i}.mp4"), frames=75) for i in range(count)]
    encoders = SimpleNamespace(device=torch.device("cpu"), empty=None)
    validator = Validator(clips, chosen, stage, None, encoders, None, count=count, bins=bins)
    asked = []
    validator._clip = lambda clip: None  # all can be read
    validator.batch = lambda questions: asked.append(len(questions)) or len(questions)
    validator.measure(None, lambda sums: sums)
    return sum(asked)


@pytest.fixture(autouse=True)
def _no_network(monkeypatch):
    """Every sample has a loss of 1, and none is computed."""
    monkeypatch.setattr(validation, "predict", lambda network, batch, *_: (torch.ones(batch), None))
    monkeypatch.setattr(validation, "sample_losses", lambda prediction, target: prediction)


def _validations(chosen, stage):
    """How often a run validates: where its curve begins, and behind each step after which it is due."""
    steps = stage_settings(chosen, stage)
    run = SimpleNamespace(recipe=chosen, settings=steps, step=0)
    due = 1
    for run.step in range(1, steps.steps + 1):
        due += Trainer._is_due(run, "validate")
    return due


def _cost(chosen, stage):
    """Passes of validation for each pass of training."""
    passes = _validations(chosen, stage) * _passes(chosen, stage, chosen.watch.clips)
    if chosen.watch.train_clips:
        passes += _passes(chosen, stage, chosen.watch.train_clips, middle_bins(chosen.watch.bins))
    samples = stage_settings(chosen, stage).steps * chosen.hardware.batch * chosen.hardware.accumulate
    return passes / (TRAINING * samples)


@pytest.mark.parametrize("stage", [1, 2])
@pytest.mark.parametrize("name", FULL_SIZE)
def test_validation_takes_less_than_3_percent_of_a_run_at_full_size(name, stage):
    assert 0 < _cost(load_recipe(name), stage) < 0.03


def test_the_count_is_that_of_the_paper_by_hand():
    """Stage 2: 10 clips in 10 ranges, and in 2 of them with the text, the sound, the picture of another; 31 times."""
    paper = load_recipe("paper")
    assert {"default", "paper", "hallo", "k3", "k4", "intensity", "table2-full"} <= set(FULL_SIZE)
    assert _passes(paper, 2, 10) == 10 * 10 + 3 * 10 * 2 and _passes(paper, 1, 10) == 10 * 10 + 2 * 10 * 2
    assert _validations(paper, 2) == 31
    assert _cost(paper, 2) == pytest.approx(31 * 160 / (30_000 * 2 * 3))
    often = load_recipe("paper", ["watch.validate_every=500", "watch.train_clips=100"])
    assert _cost(often, 2) == pytest.approx((61 * 160 + 100 * 2 * 4) / 180_000) and _cost(often, 2) > 0.03
