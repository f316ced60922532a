"""The ReferenceNet against hooks on diffusers' own UNet."""

import re

import tiny_model
import torch
from diffusers import UNet2DConditionModel

from tbd.model.published_weights import tail
from tbd.model.shapes import TINY


def test_its_features_are_what_sd_normalises_before_each_self_attention():
    ours = tiny_model.network().reference_net
    sizes = {key: value for key, value in TINY.unet.items() if key != "heads"}
    theirs = UNet2DConditionModel(**sizes, attention_head_dim=TINY.unet["heads"]).eval()
    missing, unexpected = theirs.load_state_dict(ours.state_dict(), strict=False)
    assert not unexpected and missing  # what it lacks lies behind the features
    expected = []
    for name, module in theirs.named_modules():
        if name.endswith("transformer_blocks.0.norm1"):
            module.register_forward_hook(lambda *event: expected.append(event[2]))
    latents, text = torch.randn(3, 4, 8, 8), torch.randn(3, 77, 16)
    theirs(latents, 0, text)
    found = ours.features(latents, text)
    assert len(found) == len(expected) == 4
    assert all(torch.allclose(mine, other, atol=1e-5) for mine, other in zip(found, expected, strict=True))


def test_one_text_serves_all_pictures():
    net, latents, text = tiny_model.network().reference_net, torch.randn(4, 4, 8, 8), torch.randn(1, 77, 16)
    alone = net.features(latents, text.expand(4, -1, -1))
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(net.features(latents, text), alone, strict=True))


def test_every_parameter_takes_part():
    net = tiny_model.network().reference_net
    sum(feature.square().sum() for feature in net.features(torch.randn(2, 4, 8, 8), torch.randn(1, 77, 16))).backward()
    assert [name for name, value in net.named_parameters() if value.grad is None or not value.grad.any()] == []


def test_what_is_cut_off_is_named():
    net = tiny_model.network().reference_net
    sizes = {key: value for key, value in TINY.unet.items() if key != "heads"}
    whole = UNet2DConditionModel(**sizes, attention_head_dim=TINY.unet["heads"]).state_dict().keys()
    assert {name for name in whole if re.search(tail(net), name)} == whole - net.state_dict().keys()
