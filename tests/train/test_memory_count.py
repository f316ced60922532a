"""Memory of a step, counted on fake CUDA tensors: no GPU is needed."""

import pytest

from tbd.train.memory_count import count_step
from tbd.train.memory_presets import load_recipe

TOO_LARGE = {(24, 1): 22.3, (16, 2): 17.3}
"""Presets that pass their card's reserve, with what was counted in GB: docs/train.md and the presets say so."""


@pytest.mark.parametrize(("gigabytes", "stage"), [(size, stage) for size in (16, 24, 48, 80) for stage in (1, 2)])
def test_what_each_preset_needs_of_its_card_at_full_size(gigabytes, stage):
    found = count_step(load_recipe("paper", [], gigabytes), stage)
    assert found.fits(gigabytes) == ((gigabytes, stage) not in TOO_LARGE)
    assert found.peak == pytest.approx(TOO_LARGE.get((gigabytes, stage), found.peak), abs=0.05)
    assert found.peak > found.weights + found.gradients + found.optimizer


def test_without_checkpointing_stage_2_does_not_fit_a_card_of_80_gb():
    found = count_step(load_recipe("paper", ["hardware.checkpointing=none"], 80), 2)
    assert not found.fits(80) and 80 < found.activations < 90 and found.recomputation == 0


def test_each_mode_of_checkpointing_keeps_less_than_the_one_before():
    kept = [
        count_step(load_recipe("tiny", [f"hardware.checkpointing={mode}"]), 2).activations
        for mode in ("none", "selective", "full")
    ]
    assert kept[0] > kept[1] > kept[2] > 0
