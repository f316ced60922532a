import dataclasses

import pytest
import torch
import training

from tbd.model.initial_weights import add_stage2_layers, random_network
from tbd.model.noise import noise_scheduler
from tbd.train.batch import BatchEncoder
from tbd.train.dataset import TrainingDataset, collate
from tbd.train.loss import sample_losses
from tbd.train.stages import freeze, predict

RECIPE = training.recipe({"drop.reference": 0.0, "drop.text": 0.0, "drop.audio": 0.0, "drop.everything": 0.0})


def _network(stage, recipe=RECIPE):
    first = random_network(recipe.network, 1, 0)
    if stage == 1:
        return first
    network, _ = add_stage2_layers(first, recipe.network, motion=None, warm_start=None, seed=0)
    with torch.no_grad():  # as after some steps: at its very start a layer that ends in zeros passes no gradient on
        for name, weight in network.named_parameters():
            if "proj_out" in name and ("audio_modules" in name or "motion_modules" in name):
                weight.normal_(std=0.1)
    return network


def _batch(stage, recipe=RECIPE, **changes):
    clips = [training.clip(i) for i in range(2)]
    samples = TrainingDataset(clips, [0, 1], recipe, stage, None, training.FACTOR)
    encoders = BatchEncoder(training.base(), recipe, torch.device("cpu"))
    return dataclasses.replace(encoders.batch(collate([samples[0], samples[1]])), **changes), encoders.empty


def _asked(network, stage, recipe=RECIPE, **changes):
    batch, empty = _batch(stage, recipe, **changes)
    return predict(network, batch, empty, noise_scheduler(recipe.model.noise), recipe)


def _names(network):
    return [name for name, _ in network.named_parameters()]


def test_stage_1_trains_both_unets_in_full():
    network = _network(1)
    assert freeze(network, RECIPE, 1) == _names(network)


def test_stage_1_can_leave_out_the_text_or_take_attention_alone():
    network = _network(1)
    without = freeze(network, training.recipe({"stage1.text": False}), 1)
    assert {name for name in _names(network) if name not in without} == {
        name for name in _names(network) if name.startswith("unet.") and (".attn2." in name or ".norm2." in name)
        and ".attentions." in name
    }  # fmt: skip
    narrow = freeze(network, training.recipe({"stage1.trainable": "attention"}), 1)
    assert narrow and all(".attentions." in name for name in narrow)


def test_stage_2_trains_what_it_adds_and_the_text_on_request():
    network = _network(2)
    added = {name for name in _names(network) if any(k in name for k in ("audio_modules", "motion_modules"))}
    added |= {name for name in _names(network) if name.startswith("audio_projection")}
    assert set(freeze(network, RECIPE, 2)) == added
    more = set(freeze(network, training.recipe({"stage2.text": True}), 2)) - added
    assert more and all(".attn2." in name or ".norm2." in name for name in more)


@pytest.mark.parametrize("separate", ["shared", "separate"])
@pytest.mark.parametrize("stage", [1, 2])
def test_every_weight_that_learns_gets_a_gradient_and_no_other(stage, separate):
    recipe = training.recipe({"model.network.text_layer": separate})
    network = _network(stage, recipe)
    learning = set(freeze(network, recipe, stage))
    prediction, target = _asked(network, stage, recipe)
    sample_losses(prediction, target).mean().backward()
    got = {name for name, weight in network.named_parameters() if weight.grad is not None}
    assert got == learning
    silent = [name for name, w in network.named_parameters() if w.grad is not None and not w.grad.abs().max() > 0]
    assert [name for name in silent if not name.endswith("to_k.bias")] == []


@pytest.mark.parametrize("stage", [1, 2])
def test_even_a_batch_without_any_condition_reaches_every_weight(stage):
    network = _network(stage)
    learning = set(freeze(network, RECIPE, stage))
    nothing = {f"keep_{name}": torch.tensor([False, False]) for name in ("reference", "text", "audio", "motion")}
    sample_losses(*_asked(network, stage, **nothing)).mean().backward()
    assert {name for name, weight in network.named_parameters() if weight.grad is not None} == learning


def test_a_condition_is_left_out_for_its_sample_alone():
    network = _network(2)
    whole, _ = _asked(network, 2)
    for name in ("reference", "text", "audio", "motion"):
        less, _ = _asked(network, 2, **{f"keep_{name}": torch.tensor([True, False])})
        assert torch.equal(less[0], whole[0]), name
        assert not torch.equal(less[1], whole[1]), name


def test_left_out_text_is_the_empty_one_and_left_out_sound_is_silence():
    network = _network(2)
    gone = torch.tensor([False, False])
    batch, empty = _batch(2)
    schedule = noise_scheduler(RECIPE.model.noise)

    def told(**changes):
        return predict(network, dataclasses.replace(batch, **changes), empty, schedule, RECIPE)[0]

    texts = empty[:, None].expand_as(batch.text).contiguous()
    assert torch.allclose(told(keep_text=gone), told(text=texts), atol=1e-6)
    assert torch.equal(told(keep_audio=gone), told(audio=torch.zeros_like(batch.audio)))
    assert torch.equal(told(keep_motion=gone), told(earlier=torch.zeros_like(batch.earlier)))


def test_what_the_reference_net_hears_is_a_key():
    network = _network(1)
    answers = [
        _asked(network, 1, training.recipe({"model.network.reference_text": kind}))[0]
        for kind in ("empty", "coarse", "zeros")
    ]
    assert not torch.equal(answers[0], answers[1]) and not torch.equal(answers[0], answers[2])
