import sys
import types

import pytest
import torch

from tbd.errors import MissingError
from tbd.train.ema import WeightAverage
from tbd.train.optimizer import learning_rate, make_optimizer, set_learning_rate
from tbd.train.recipe import Optimizer


def test_the_rate_rises_over_its_warmup_and_then_stays():
    settings = Optimizer(lr=1e-3, warmup=4)
    assert [learning_rate(settings, step) for step in (0, 1, 2, 3, 4, 1000)] == pytest.approx(
        [0.25e-3, 0.5e-3, 0.75e-3, 1e-3, 1e-3, 1e-3]
    )
    assert learning_rate(Optimizer(lr=1e-5), 0) == 1e-5


def test_adamw_steps_as_its_definition():
    weight = torch.nn.Parameter(torch.tensor([1.0]))
    made = make_optimizer({"unet.weight": weight}, Optimizer(lr=1.0, weight_decay=0.5))
    set_learning_rate(made, 0.1)
    weight.grad = torch.tensor([2.0])
    made.step()
    assert weight.item() == pytest.approx(1.0 * (1 - 0.1 * 0.5) - 0.1, abs=1e-6)  # the first step is of length lr


def test_eight_bits_without_bitsandbytes_say_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    with pytest.raises(MissingError) as error:
        make_optimizer({"unet.weight": torch.nn.Parameter(torch.ones(1))}, Optimizer(name="adamw-8bit"))
    assert "think-before-draw[low-memory]" in error.value.next


@pytest.mark.parametrize(("name", "kind"), [("adamw-8bit", "AdamW8bit"), ("adamw-8bit-paged", "PagedAdamW8bit")])
def test_each_name_is_its_own_class_of_bitsandbytes(monkeypatch, name, kind):
    made = {}
    classes = {
        one: lambda groups, one=one, **words: made.update({one: words}) for one in ("AdamW8bit", "PagedAdamW8bit")
    }
    monkeypatch.setitem(sys.modules, "bitsandbytes", types.SimpleNamespace(optim=types.SimpleNamespace(**classes)))
    make_optimizer({"unet.weight": torch.nn.Parameter(torch.ones(1))}, Optimizer(name=name, lr=0.5))
    assert list(made) == [kind] and made[kind]["lr"] == 0.5


def test_the_average_follows_the_weights_with_a_memory_that_grows():
    weight = torch.nn.Parameter(torch.zeros(1))
    average = WeightAverage(["w"], [weight], decay=0.5)
    wanted = 0.0
    for step in range(1, 20):
        with torch.no_grad():
            weight.fill_(step)
        average.step()
        memory = min(0.5, step / (9 + step)) if step > 1 else 0.0
        wanted = memory * wanted + (1 - memory) * step
        assert average.state()["w"].item() == pytest.approx(wanted, rel=1e-5)


def test_looking_through_the_average_leaves_both_bit_equal():
    weight = torch.nn.Parameter(torch.randn(5))
    average = WeightAverage(["w"], [weight], decay=0.9)
    average.state()["w"].add_(1)
    before, kept, place = weight.detach().clone(), average.state()["w"].clone(), weight.data_ptr()
    with pytest.raises(RuntimeError), average.shown():
        assert torch.equal(weight, kept)
        raise RuntimeError
    assert torch.equal(weight, before) and torch.equal(average.state()["w"], kept) and weight.data_ptr() == place


def test_without_decay_nothing_is_kept():
    average = WeightAverage(["w"], [torch.nn.Parameter(torch.zeros(1))], decay=0)
    average.step()
    assert average.state() == {} and average.steps == 0


def test_new_layers_have_a_rate_of_their_own():
    weights = {
        name: torch.nn.Parameter(torch.zeros(1))
        for name in ("unet.down.weight", "unet.mid_block.audio_modules.0.proj_out.weight", "audio_projection.weight")
    }
    made = make_optimizer(weights, Optimizer(lr=1.0, weight_decay=0.0, new_layers=3.0))
    set_learning_rate(made, 0.1)
    for weight in weights.values():
        weight.grad = torch.ones(1)
    made.step()
    assert [round(-weight.item(), 4) for weight in weights.values()] == [0.1, 0.3, 0.3]
    assert len(make_optimizer(weights, Optimizer()).param_groups) == 1
