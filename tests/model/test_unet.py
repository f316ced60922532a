"""The denoising network against diffusers' own with the same weights, and its stages against each other."""

import re

import pytest
import tiny_model
import torch
from diffusers import UNet2DConditionModel
from torch import nn

from tbd.model.network import build_network
from tbd.model.recipe import Network
from tbd.model.shapes import TINY


def theirs(unet):
    """diffusers' UNet with the weights of SD 1.5's kind that ``unet`` has."""
    sizes = {key: value for key, value in TINY.unet.items() if key != "heads"}
    found = UNet2DConditionModel(**sizes, attention_head_dim=TINY.unet["heads"])
    found.load_state_dict({name: value for name, value in unet.state_dict().items() if "_modules." not in name})
    return found.eval()


@pytest.mark.parametrize("side", [8, 7])
def test_stage_1_without_a_reference_is_sd_frame_by_frame(side):
    unet = tiny_model.network().unet
    sample, text = torch.randn(2, 4, 3, side, side), torch.randn(2, 77, 16)
    found = unet(sample, torch.tensor([7, 930]), text)
    for i, timestep in enumerate((7, 930)):
        for frame in range(3):
            expected = theirs(unet)(sample[i : i + 1, :, frame], timestep, text[i : i + 1]).sample
            assert torch.allclose(found[i : i + 1, :, frame], expected, atol=1e-5)


def test_dropping_every_reference_is_having_none():
    unet, given = tiny_model.network().unet, tiny_model.inputs()
    reference = tuple(torch.randn(2, n, c) for n, c in ((64, 16), (16, 32), (64, 16), (64, 16)))
    plain = unet(given["sample"], given["timesteps"], given["text"])
    dropped = unet(given["sample"], given["timesteps"], given["text"], reference=reference, keep=torch.zeros(2) > 0)
    assert torch.allclose(plain, dropped, atol=1e-5)


@pytest.mark.parametrize("changes", [{}, {"text_layer": "separate"}, {"lowest_motion": False}])
def test_stage_2_begins_as_stage_1_frame_by_frame(changes):
    """New layers end in zeros: audio always, motion where AnimateDiff's weights are not loaded."""
    first = tiny_model.network(1, **changes)
    second = tiny_model.network(2, stirred=False, seed=5, **changes)
    missing, unexpected = second.load_state_dict(first.state_dict(), strict=False)
    assert not unexpected and all(re.search("audio|motion", name) for name in missing)
    given = tiny_model.inputs(2)
    found = second(**given)
    for frame in range(tiny_model.FRAMES):
        single = {**given, "sample": given["sample"][:, :, frame : frame + 1], "motion_latents": None, "audio": None}
        assert torch.allclose(found[:, :, frame : frame + 1], first(**single), atol=1e-5)


def test_new_layers_end_in_zeros_and_the_others_do_not():
    unet = tiny_model.network(2, stirred=False).unet
    for name, module in unet.named_modules():
        if name.endswith("proj_out"):
            new = "audio_modules" in name or "motion_modules" in name
            assert (not module.weight.any() and not module.bias.any()) == new, name


@pytest.mark.parametrize("changed", ["audio", "motion_latents", "reference_latents", "text"])
def test_every_condition_is_heard(changed):
    network, given = tiny_model.network(2), tiny_model.inputs(2)
    other = {**given, changed: given[changed] + 1}
    assert (network(**given) - network(**other)).abs().max() > 1e-4


def test_a_frame_hears_its_own_sound_and_time_carries_it_on():
    network, given = tiny_model.network(2), tiny_model.inputs(2)
    for layer in (site for name, site in network.unet.named_modules() if re.search(r"motion_modules\.\d+$", name)):
        nn.init.zeros_(layer.proj_out.weight)
        nn.init.zeros_(layer.proj_out.bias)
    louder = {**given, "audio": given["audio"].clone()}
    louder["audio"][:, 1] += 1
    moved = (network(**given) - network(**louder)).abs().amax((0, 1, 3, 4))
    assert moved[1] > 1e-5 and not moved[0] and not moved[2]


def test_training_and_evaluation_mode_are_one_function():
    network, given = tiny_model.network(2), tiny_model.inputs(2)
    assert torch.equal(network.train()(**given), network.eval()(**given))


@pytest.mark.parametrize(
    ("changes", "lowest"), [({}, True), ({"lowest_motion": False}, False), ({"text_layer": "separate"}, True)]
)
def test_the_recipe_decides_which_layers_there_are(changes, lowest):
    names = set(build_network(Network(size="tiny", **changes), 2).unet.state_dict())
    bare = [name for name in names if name.startswith("down_blocks.1.motion_modules")]
    assert bool(bare) == lowest
    assert any("text_modules" in name for name in names) == ("text_layer" in changes)
    shared = [name for name in names if re.search(r"\.attentions\..*attn2", name)]
    assert bool(shared) == ("text_layer" not in changes)
