"""The whole network: memory modes, gradients, sizes, files."""

import json
import logging
from inspect import signature

import pytest
import tiny_model
import torch
from diffusers import MotionAdapter, UNet2DConditionModel

from tbd.errors import InputError
from tbd.model.network import PARTS, TBDNetwork, build_network
from tbd.model.recipe import Network


def gradients(network, mode, given):
    """Prediction and gradients of every parameter, by name."""
    network.set_checkpointing(mode)
    network.zero_grad(set_to_none=True)
    prediction = network(**given, keep_reference=torch.tensor([True, False]))
    prediction.square().mean().backward()
    return prediction.detach(), {name: value.grad for name, value in network.named_parameters()}


@pytest.mark.parametrize("stage", [1, 2])
@pytest.mark.parametrize("mode", ["selective", "full"])
def test_checkpointing_changes_no_gradient_of_any_part(stage, mode):
    network, given = tiny_model.network(stage), tiny_model.inputs(stage)
    plain, expected = gradients(network, "none", given)
    again, found = gradients(network, mode, given)
    assert torch.allclose(plain, again, atol=1e-6)
    assert {name.split(".")[0] for name, value in found.items() if value is not None} >= {"unet", "reference_net"}
    for name, value in expected.items():
        assert torch.allclose(value, found[name], atol=1e-5), name


@pytest.mark.parametrize("stage", [1, 2])
@pytest.mark.parametrize("changes", [{}, {"text_layer": "separate"}, {"lowest_motion": False}])
def test_every_parameter_gets_a_gradient(stage, changes):
    network = tiny_model.network(stage, **changes)
    network(**tiny_model.inputs(stage)).square().mean().backward()
    assert [name for name, value in network.named_parameters() if value.grad is None or not value.grad.any()] == []


def test_conditions_and_denoise_are_the_forward_pass_in_two():
    network, given = tiny_model.network(2), tiny_model.inputs(2)
    once = network.conditions(
        given["reference_latents"], given["reference_text"], given["motion_latents"], given["audio"]
    )
    found = network.denoise(given["sample"], given["timesteps"], given["text"], once)
    assert torch.equal(found, network(**given))


def count(module, part=""):
    return sum(value.numel() for name, value in module.named_parameters() if part in name)


def test_the_full_size_is_accounted_for_name_by_name():
    """SD 1.5 twice, less what lies behind the ReferenceNet's features; AnimateDiff; sixteen audio layers; projection."""
    with torch.device("meta"):
        network = build_network(Network(), 2)
        sd = UNet2DConditionModel(cross_attention_dim=768, attention_head_dim=8)
        adapter = MotionAdapter(use_motion_mid_block=True)
    ours = {name: value.shape for name, value in network.unet.named_parameters()}
    theirs = {name: value.shape for module in (sd, adapter) for name, value in module.named_parameters()}
    audio = {name for name in ours if "audio_modules" in name}
    assert {name: shape for name, shape in ours.items() if name not in audio} == theirs
    assert {name.replace("audio_modules", "attentions") for name in audio} == {n for n in theirs if ".attentions." in n}
    assert count(sd) == 859_520_964 and count(network.unet, "motion_modules") == count(adapter) == 453_209_280
    lowest = count(network.unet, "down_blocks.3.motion") + count(network.unet, "up_blocks.0.motion")
    assert lowest == 5 * 36_071_680 == 180_358_400
    assert count(network.unet, "audio_modules") == count(sd, ".attentions.") == 267_239_360
    reference = {name: value.shape for name, value in network.reference_net.named_parameters()}
    assert reference.items() <= {name: value.shape for name, value in sd.named_parameters()}.items()
    assert count(network.reference_net) == 857_066_560
    assert count(network.audio_projection) == 46_080 * 512 + 512 + 512 * 512 + 512 + 512 * 24_576 + 24_576 + 2 * 768


def test_a_saved_network_is_the_same_again(tmp_path):
    network, given = tiny_model.network(2), tiny_model.inputs(2)
    network.save(tmp_path)
    assert {path.suffix for path in tmp_path.rglob("*.*")} == {".json", ".safetensors"}
    again = TBDNetwork.load(tmp_path)
    assert again.stage == 2 and torch.equal(again(**given), network(**given))


ODD = {"text_layer": "separate", "lowest_motion": False, "audio_context": 1, "audio_tokens": 4}
"""Every switch of the layers on its other side."""


@pytest.mark.parametrize("changes", [{}, ODD], ids=["usual", "odd"])
@pytest.mark.parametrize("name", PARTS)
@pytest.mark.filterwarnings("error")
def test_a_saved_part_is_diffusers_to_load_without_a_word(tmp_path, name, changes):
    network = tiny_model.network(2, **changes)
    network.save(tmp_path)
    part = getattr(network, name)
    logged = []
    handler = logging.Handler()
    handler.emit = logged.append
    logging.getLogger("diffusers").addHandler(handler)
    try:
        again = type(part).from_pretrained(tmp_path / name)
    finally:
        logging.getLogger("diffusers").removeHandler(handler)
    assert not logged
    assert_equal(again, part)
    again.save_pretrained(tmp_path / "again")
    assert_equal(type(part).from_pretrained(tmp_path / "again"), part)


def assert_equal(again, part):
    ours, theirs = part.state_dict(), again.state_dict()
    assert ours.keys() == theirs.keys() and all(torch.equal(ours[key], theirs[key]) for key in ours)
    mine, read = (json.loads(one.to_json_string()) for one in (part, again))
    assert read | {"_name_or_path": ""} == mine | {"_name_or_path": ""}


@pytest.mark.parametrize("stage", [1, 2])
@pytest.mark.parametrize("changes", [{}, ODD], ids=["usual", "odd"])
def test_a_config_alone_builds_the_same_network(tmp_path, stage, changes):
    network = tiny_model.network(stage, **changes)
    network.save(tmp_path)
    for name in PARTS[: stage + 1]:
        part = getattr(network, name)
        again = type(part).from_config(type(part).load_config(tmp_path / name))
        assert {key: value.shape for key, value in again.state_dict().items()} == {
            key: value.shape for key, value in part.state_dict().items()
        }
        own = set(signature(type(part).__init__).parameters) - {"self"}
        assert own == {
            key for key in part.config if not key.startswith("_")
        }  # its own keys, all of them, and no others


@pytest.mark.parametrize("part", PARTS[:2])
def test_a_part_that_is_damaged_is_named(tmp_path, part):
    tiny_model.network(1).save(tmp_path)
    file = tmp_path / part / "diffusion_pytorch_model.safetensors"
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(InputError, match=part):
        TBDNetwork.load(tmp_path)
    (tmp_path / part / "config.json").unlink()
    with pytest.raises(InputError, match=part):
        TBDNetwork.load(tmp_path)
