"""Memory of a step, counted on fake CUDA tensors: no GPU is needed."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from tbd.model.network import build_network
from tbd.train.made_up import answer_made_up, made_up_batch
from tbd.train.memory_count import count_step
from tbd.train.memory_presets import load_recipe


@pytest.mark.parametrize(("gigabytes", "stage"), [(size, stage) for size in (16, 24, 48, 80) for stage in (1, 2)])
def test_each_preset_leaves_room_on_its_card_at_full_size(gigabytes, stage):
    found = count_step(load_recipe("paper", [], gigabytes), stage)
    assert found.peak <= 0.92 * gigabytes and found.fits(gigabytes)
    assert found.peak >= found.weights + found.gradients + found.optimizer


def test_without_checkpointing_stage_2_does_not_fit_a_card_of_80_gb():
    found = count_step(load_recipe("paper", ["hardware.checkpointing=none"], 80), 2)
    assert not found.fits(80) and 80 < found.activations < 90 and found.recomputation == 0


def test_each_mode_of_checkpointing_keeps_less_than_the_one_before():
    kept = [
        count_step(load_recipe("tiny", [f"hardware.checkpointing={mode}"]), 2).activations
        for mode in ("none", "selective", "full")
    ]
    assert kept[0] > kept[1] > kept[2] > 0


def test_paged_states_are_on_the_card_in_the_optimizers_turn_alone():
    plain, paged = (
        count_step(load_recipe("tiny", [f"optimizer.name={name}"]), 2) for name in ("adamw-8bit", "adamw-8bit-paged")
    )
    resident = plain.weights + plain.gradients + plain.optimizer + plain.average + plain.casts + plain.encoders
    assert plain.optimizer == paged.optimizer > 0
    assert paged.peak == pytest.approx(max(plain.peak - plain.optimizer, resident))


def test_selective_repeats_a_fifth_less_arithmetic_than_full_for_two_gigabytes():
    """One sample of stage 2 at full size: what attention costs in a forward pass, and what keeping its results takes."""
    recipe = load_recipe("paper", [], 24)
    with torch.device("meta"), torch.no_grad(), FlopCounterMode(display=False) as counter:
        batch = made_up_batch(recipe, 2, torch.device("meta"))
        answer_made_up(build_network(recipe.network, 2), batch)
    counted = counter.get_flop_counts()["Global"]
    share = counted[torch.ops.aten.bmm] / sum(counted.values())  # on "meta", attention is its two products
    selective, full = (
        count_step(load_recipe("paper", [f"hardware.checkpointing={mode}"], 24), 2) for mode in ("selective", "full")
    )
    assert 0.2 < share < 0.25 and 2 < selective.activations - full.activations < 2.5


def test_autocast_keeps_half_precision_weights_only_where_no_layer_is_computed_again():
    kept = {
        mode: count_step(
            load_recipe("tiny", ["hardware.precision=bfloat16", f"hardware.checkpointing={mode}"]), 1
        ).casts
        for mode in ("none", "full")
    }
    assert 0 < kept["full"] < 0.5 * kept["none"]
