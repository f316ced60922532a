"""The trainer's step on a card: precision, every memory preset that fits, deterministic algorithms, and compile, which takes longest, last."""

import time

import pytest
import torch
from card import wait

from tbd.errors import MissingError
from tbd.model.network import build_network
from tbd.model.noise import noise_scheduler
from tbd.train.arithmetic import set_arithmetic
from tbd.train.bench import measure_step
from tbd.train.loss import sample_losses
from tbd.train.made_up import made_up_batch
from tbd.train.memory_presets import load_recipe, memory_presets
from tbd.train.recipe import Hardware
from tbd.train.stages import predict
from tbd.train.training_state import prepare_network

pytestmark = pytest.mark.gpu

STEPS = 5


def _recipe(size, *changes):
    pixels = 512 if size == "sd15" else 64
    return load_recipe(None, [f"model.network.size={size}", f"data.size={pixels}", "hardware.batch=1", *changes])


def _loss(size, device, dtype, *changes):
    """The loss of one made-up batch of stage 1, in a number format."""
    recipe = _recipe(size, *changes)
    torch.manual_seed(0)
    with device:
        network = build_network(recipe.network, 1)
        batch = made_up_batch(recipe, 1, device)
    prepare_network(network, recipe, 1)
    with torch.no_grad(), torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
        found = predict(network, batch, batch.text[:1, 0], noise_scheduler(recipe.model.noise), recipe)
    return float(sample_losses(*found).mean())


def test_bfloat16_gives_the_loss_of_float32(size, device, figures):
    exact, half = (_loss(size, device, dtype) for dtype in (torch.float32, torch.bfloat16))
    figures["loss of one batch, float32 and bfloat16"] = f"{exact:.5f}, {half:.5f}"
    assert half == pytest.approx(exact, rel=0.02)


@pytest.mark.parametrize("stage", [1, 2])
@pytest.mark.parametrize("preset", memory_presets())
def test_a_preset_fits_its_card(size, device, figures, preset, stage):
    tiny = [f"model.network.size={size}", "data.size=64"] if size == "tiny" else []
    card = torch.cuda.get_device_properties(0).total_memory / 1e9 if device.type == "cuda" else 0
    if device.type == "cuda" and card < preset * 0.98:
        figures[f"preset {preset} GB, stage {stage}"] = f"not run: the card has {card:.0f} GB"
        return
    try:
        found = measure_step(load_recipe(None, tiny, preset), stage, STEPS)
    except MissingError as error:
        if "bitsandbytes" not in error.message:  # it does not fit
            raise
        figures[f"preset {preset} GB, stage {stage}"] = "not carried: bitsandbytes"
        return
    peak = f", {found.peak_gb:.1f} GB at most" if found.peak_gb is not None else ""
    share = f", MFU {100 * found.mfu:.0f} %" if found.mfu else ""
    figures[f"preset {preset} GB, stage {stage}"] = (
        f"{found.steps_per_second:.2f} steps/s of {found.samples}{peak}{share}"
    )
    if found.peak_gb is not None:
        assert found.peak_gb <= 0.92 * preset, "8 % of the card stay free"


def _trained_twice(size, device, hardware):
    """Weights that two steps of stage 2 leave, each time from the same start; and the seconds of the second time."""
    recipe, found, took = _recipe(size), [], 0.0
    set_arithmetic(hardware, device.type)
    for _ in range(2):
        torch.manual_seed(0)
        with device:
            network = build_network(recipe.network, 2)
            batch = made_up_batch(recipe, 2, device)
        prepare_network(network, recipe, 2)
        learning = [parameter for parameter in network.parameters() if parameter.requires_grad]
        optimizer = torch.optim.AdamW(learning, lr=1e-3)
        wait(device)
        began = time.perf_counter()
        for _ in range(2):
            with torch.autocast(device.type, torch.bfloat16):
                asked = predict(network, batch, batch.text[:1, 0], noise_scheduler(recipe.model.noise), recipe)
            sample_losses(*asked).mean().backward()
            optimizer.step()
            optimizer.zero_grad()
        wait(device)
        took = time.perf_counter() - began
        found.append([parameter.detach().cpu() for parameter in learning])
    set_arithmetic(Hardware(), device.type)
    return found, took


def test_deterministic_steps_give_the_same_bits_again(size, device, figures):
    (one, other), exact = _trained_twice(size, device, Hardware(deterministic=True))
    _, plain = _trained_twice(size, device, Hardware())
    assert all(map(torch.equal, one, other))
    figures["deterministic: times as long as without"] = exact / plain


def test_what_compile_gains(size, device, figures):
    plain, compiled = (
        measure_step(_recipe(size, f"hardware.compile={word}"), 1, STEPS).steps_per_second for word in ("false", "true")
    )
    figures["compile: steps/s, plain and compiled"] = f"{plain:.2f}, {compiled:.2f}"


def test_a_compiled_network_gives_the_loss_of_the_plain_one(size, device, figures):
    plain, compiled = (_loss(size, device, torch.bfloat16, f"hardware.compile={word}") for word in ("false", "true"))
    figures["compile: loss of one batch, plain and compiled"] = f"{plain:.5f}, {compiled:.5f}"
    assert compiled == pytest.approx(plain, rel=0.01)
