"""AdamW on a card: plain, fused, and with 8-bit states (bitsandbytes, where it is carried)."""

import importlib.util

import pytest
import torch
from card import seconds

from tbd.errors import MissingError
from tbd.model.network import build_network
from tbd.train.memory_presets import load_recipe
from tbd.train.optimizer import make_optimizer
from tbd.train.recipe import Optimizer
from tbd.train.stages import freeze

pytestmark = pytest.mark.gpu

STEPS = 5
EIGHT_BIT = ["adamw-8bit", "adamw-8bit-paged"]
NOT_CARRIED = "not carried: bitsandbytes"


@pytest.fixture
def learning(size, device):
    """What stage 1 trains, by name, each with a gradient."""
    recipe = load_recipe(None, [f"model.network.size={size}"])
    with device:
        network = build_network(recipe.network, 1)
    freeze(network, recipe, 1)
    found = {name: parameter for name, parameter in network.named_parameters() if parameter.requires_grad}
    for parameter in found.values():
        parameter.grad = torch.ones_like(parameter)
    return found


def _gb(optimizer):
    """Memory of the states."""
    states = (value for state in optimizer.state.values() for value in state.values())
    return sum(value.numel() * value.element_size() for value in states if isinstance(value, torch.Tensor)) / 1e9


def _told(device, optimizer):
    return f"{1000 * seconds(device, optimizer.step, STEPS):.4g} ms an update, {_gb(optimizer):.3g} GB of states"


@pytest.mark.parametrize("fused", [False, True])
def test_adamw_updates_the_whole_network(learning, device, figures, fused):
    optimizer = torch.optim.AdamW(learning.values(), lr=1e-5, fused=fused)
    figures[f"AdamW{', fused' if fused else ''}"] = _told(device, optimizer)


def _not_here(name, device, figures):
    """Whether 8-bit states cannot be tried, which the results then say."""
    if importlib.util.find_spec("bitsandbytes") is None:
        with pytest.raises(MissingError, match="needs bitsandbytes"):
            make_optimizer({"weight": torch.nn.Parameter(torch.zeros(1))}, Optimizer(name=name))
        figures[name] = NOT_CARRIED
    elif device.type == "cpu":
        figures[name] = "not run: its kernels are for a GPU"
    return name in figures


@pytest.mark.parametrize("name", EIGHT_BIT)
def test_8_bit_adamw_updates_the_whole_network(learning, device, figures, name):
    if not _not_here(name, device, figures):
        figures[f"{name}: cost"] = _told(device, make_optimizer(learning, Optimizer(name=name, lr=1e-5)))


@pytest.mark.parametrize("name", EIGHT_BIT)
def test_8_bit_adamw_goes_where_adamw_goes(device, figures, name):
    """Twenty steps with the same gradients: how far apart they end, in lengths of the way."""
    if _not_here(name, device, figures):
        return
    ends = []
    for kind in ("adamw", name):
        torch.manual_seed(0)
        weight = torch.nn.Parameter(torch.zeros(512, 512, device=device))
        optimizer = make_optimizer({"unet.weight": weight}, Optimizer(name=kind, lr=1e-3, weight_decay=0.0))
        for _ in range(20):
            weight.grad = 0.5 + torch.randn_like(weight)
            optimizer.step()
        ends.append(weight.detach().clone())
    away = float((ends[1] - ends[0]).norm() / ends[0].norm())
    figures[f"{name}: away from AdamW after 20 steps"] = away
    assert away < 0.1
