"""FSDP over the blocks that repeat: torch's own, with one process, which gathers, lets go and reduces as several do."""

import copy

import pytest
import tiny_model
import torch
from torch.distributed import HashStore, destroy_process_group, init_process_group
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor

from tbd.train.ema import WeightAverage
from tbd.train.training_state import TrainingState


@pytest.fixture(autouse=True)
def alone():
    """This process as the only one of a run."""
    init_process_group("gloo", store=HashStore(), rank=0, world_size=1)
    yield
    destroy_process_group()


def spread(network):
    """A network wrapped as accelerate does it by its ``TRANSFORMER_BASED_WRAP``: block by block, then the rest."""
    for module in reversed(list(network.modules())):
        if type(module).__name__ in network._no_split_modules:
            fully_shard(module)
    return fully_shard(network)


def gradients(network, given):
    prediction = network(**given)
    prediction.square().mean().backward()
    found = {name: parameter.grad for name, parameter in network.named_parameters() if parameter.requires_grad}
    return prediction.detach(), {k: v.full_tensor() if isinstance(v, DTensor) else v for k, v in found.items()}


@pytest.mark.parametrize("mode", ["none", "selective", "full"])
@pytest.mark.parametrize("stage", [1, 2])
def test_spread_block_by_block_it_computes_the_same_however_it_is_checkpointed(stage, mode):
    plain, given = tiny_model.network(stage), tiny_model.inputs(stage)
    plain.set_checkpointing(mode)
    if stage == 2:
        for name, parameter in plain.named_parameters():
            parameter.requires_grad_("_modules" in name or name.startswith("audio"))
    other = spread(copy.deepcopy(plain))
    units = [module for module in other.modules() if isinstance(module, FSDPModule)]
    blocks = [module for module in plain.modules() if type(module).__name__ in plain._no_split_modules]
    assert len(units) == len(blocks) + 1 > 20
    inside = sum(parameter.numel() for block in blocks for parameter in block.parameters())
    assert inside > 0.8 * sum(parameter.numel() for parameter in plain.parameters())
    (wanted, expected), (found, got) = gradients(plain, given), gradients(other, given)
    torch.testing.assert_close(found, wanted, atol=1e-6, rtol=1e-5)
    assert got.keys() == expected.keys()
    for name, gradient in expected.items():
        torch.testing.assert_close(got[name], gradient, atol=1e-5, rtol=1e-4, msg=name)


def test_after_a_look_with_averages_the_weights_themselves_are_gathered():
    network, given = spread(tiny_model.network(1).eval()), tiny_model.inputs(1)
    named = dict(network.named_parameters())
    average = WeightAverage(list(named), list(named.values()), 0.9)
    with torch.no_grad():
        before = network(**given)
        for shadow in average.model.shadow_params:
            shadow.mul_(0)
    state = TrainingState.__new__(TrainingState)
    state.plain, state.average = network, average
    with torch.no_grad():
        with state.averaged() as shown:
            assert not shown.training and not shown(**given).any()
        assert network.training and torch.equal(network(**given), before)
