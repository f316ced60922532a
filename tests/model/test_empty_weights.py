"""Networks without memory for their weights: filled from files that stay as they are, begun as they always were."""

import re
import threading
from pathlib import Path

import pytest
import tiny_model
import torch
from host_memory import LiveBytes, lies_in_a_file
from torch import nn

from tbd.model.empty_weights import assign, deferred_weights, settle, without_memory
from tbd.model.initial_weights import ADDED, add_stage2_layers, random_network, seeded
from tbd.model.network import TBDNetwork, build_network
from tbd.model.recipe import Network

linux = pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="only Linux tells where a tensor lies")
LAYERS = pytest.mark.parametrize(
    "changes",
    [{}, {"text_layer": "separate"}, {"lowest_motion": False, "audio_tokens": 4}],
    ids=["shared", "separate", "odd"],
)


def _equal(one, other):
    left, right = one.state_dict(), other.state_dict()
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


def _tensors(module):
    return [*module.parameters(), *module.buffers()]


def _bytes(folder):
    return {file: file.read_bytes() for file in folder.rglob("*.safetensors")}


@linux
def test_weights_stay_in_their_files_which_stay_as_they_are_and_may_be_deleted(tmp_path):
    network = tiny_model.network(2)
    network.save(tmp_path)
    before, loaded = _bytes(tmp_path), TBDNetwork.load(tmp_path)
    assert all(lies_in_a_file(parameter) for parameter in loaded.parameters())
    assert not any(tensor.is_meta for tensor in _tensors(loaded))
    assert _equal(loaded, network)
    with torch.no_grad():
        for parameter in loaded.parameters():
            parameter.add_(1)
    assert _bytes(tmp_path) == before and _equal(TBDNetwork.load(tmp_path), network)
    kept = TBDNetwork.load(tmp_path)
    for file in before:
        file.unlink()
    assert _equal(kept, network)


@linux
def test_settled_weights_have_memory_of_their_own(tmp_path):
    network = tiny_model.network(2)
    network.save(tmp_path)
    loaded = TBDNetwork.load(tmp_path)
    parameters = list(loaded.parameters())
    settle(loaded)
    assert not any(lies_in_a_file(tensor) for tensor in _tensors(loaded)) and _equal(loaded, network)
    assert all(one is other for one, other in zip(parameters, loaded.parameters(), strict=True))
    assert all(parameter.data_ptr() % 64 == 0 for parameter in parameters if parameter.numel() >= 64)


@LAYERS
@pytest.mark.parametrize("stage", [1, 2])
def test_a_deferred_start_is_the_start_bit_for_bit(stage, changes):
    sizes = Network(size="tiny", **changes)
    with seeded(3):
        plain = build_network(sizes, stage)
        behind = torch.rand(3)
    with seeded(3):
        with deferred_weights() as deferred:
            made = build_network(sizes, stage)
        assert all(parameter.is_meta for parameter in made.parameters())
        assert torch.equal(torch.rand(3), behind)
    chance = torch.get_rng_state()
    deferred.begin(made)
    assert torch.equal(torch.get_rng_state(), chance)
    assert _equal(made, plain)


@LAYERS
def test_new_layers_begin_as_if_the_whole_network_were_drawn(changes):
    sizes = Network(size="tiny", **changes)
    first, wanted = random_network(sizes, 1, 0), random_network(sizes, 2, 5)
    own = wanted.state_dict()
    with torch.no_grad():
        for name, value in first.state_dict().items():
            own[name].copy_(value)
    grown, _ = add_stage2_layers(first, sizes, motion=None, warm_start=None, seed=5)
    assert _equal(grown, wanted)


@linux
def test_stage_2_takes_memory_for_its_new_layers_alone(tmp_path):
    sizes = Network(size="small")
    random_network(sizes, 1, 0).save(tmp_path)
    with LiveBytes() as plain:
        whole = random_network(sizes, 2, 0)
    with LiveBytes() as live:
        grown, _ = add_stage2_layers(TBDNetwork.load(tmp_path), sizes, motion=None, warm_start=None, seed=0)
    new = [p for name, p in grown.named_parameters() if name.startswith("audio_projection") or re.search(ADDED, name)]
    places = list(grown.buffers())  # in time, computed
    largest = max(parameter.nbytes for parameter in grown.parameters())
    chance = sum(torch.get_rng_state().nbytes for _ in grown.parameters())
    assert plain.most >= sum(parameter.nbytes for parameter in whole.parameters())
    assert live.most <= sum(tensor.nbytes for tensor in (*new, *places)) + 3 * largest + chance < 0.75 * plain.most
    old = {id(parameter) for parameter in new}
    assert all(lies_in_a_file(parameter) for parameter in grown.parameters() if id(parameter) not in old)


def test_other_threads_build_their_networks_as_always():
    made = []
    with without_memory():
        other = threading.Thread(target=lambda: made.append(nn.Linear(2, 2)))
        other.start()
        other.join()
        assert nn.Linear(2, 2).weight.is_meta
    assert not made[0].weight.is_meta and not nn.Linear(2, 2).weight.is_meta


def test_buffers_are_what_they_always_are_and_frozen_weights_stay_frozen():
    with without_memory():
        layer = nn.BatchNorm1d(3)
        layer.register_buffer("fleeting", torch.arange(3), persistent=False)
        layer.weight.requires_grad_(False)
    assign(layer, {"weight": torch.arange(3.0).half(), "bias": torch.ones(3)})
    assert layer.fleeting.tolist() == [0, 1, 2] and layer.running_var.tolist() == [1, 1, 1]
    assert layer.weight.dtype == torch.float32 and not layer.weight.requires_grad and layer.bias.requires_grad


def test_a_weight_that_had_values_before_it_was_one_is_an_error():
    with deferred_weights() as deferred:
        layer = nn.Module()
        layer.weight = nn.Parameter(torch.ones(3))
    with pytest.raises(KeyError):
        deferred.begin(layer)
