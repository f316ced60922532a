"""Reference attention against the paper's own way: lay two pictures side by side, attend, keep the left one."""

import pytest
import torch
from diffusers.models.transformers.transformer_2d import Transformer2DModel

from tbd.model.attention import SpatialLayer, attend_with_reference

CHANNELS, HEADS, GROUPS, CONTEXT = 16, 2, 4, 12


@pytest.fixture
def layer():
    torch.manual_seed(0)
    return SpatialLayer(CHANNELS, HEADS, GROUPS, CONTEXT)


@pytest.fixture
def diffusers_layer(layer):
    """diffusers' own layer with the same weights."""
    theirs = Transformer2DModel(
        HEADS, CHANNELS // HEADS, CHANNELS, norm_num_groups=GROUPS, cross_attention_dim=CONTEXT, attention_bias=False
    )
    theirs.load_state_dict(layer.state_dict())  # every name is theirs, too
    return theirs


def test_without_a_reference_it_is_diffusers_layer(layer, diffusers_layer):
    x, text = torch.randn(3, CHANNELS, 4, 6), torch.randn(3, 7, CONTEXT)
    expected = diffusers_layer(x, encoder_hidden_states=text).sample
    assert torch.allclose(layer(x, text), expected, atol=1e-6)


def test_reference_attention_is_side_by_side_then_cropped(layer):
    """Section 3.3: x_d and x_r are joined along the width, attended, and x_d's half is kept."""
    height, width, frames = 4, 3, 2
    attention = layer.block.attn1
    x, reference = torch.randn(2 * frames, CHANNELS, height, width), torch.randn(2, CHANNELS, height, width)
    copied = reference.repeat_interleave(frames, 0)
    wide = torch.cat([x, copied], 3)  # along w
    attended = attention(wide.flatten(2).transpose(1, 2))  # diffusers' own self-attention
    expected = attended.transpose(1, 2).reshape(2 * frames, CHANNELS, height, 2 * width)[..., :width]
    tokens, seen = x.flatten(2).transpose(1, 2), reference.flatten(2).transpose(1, 2)
    found = attend_with_reference(attention, tokens, seen, None)
    assert torch.allclose(found.transpose(1, 2).reshape(x.shape), expected, atol=1e-6)


def test_a_clip_that_lost_its_reference_attends_to_itself_alone(layer):
    x, text, reference = torch.randn(4, CHANNELS, 4, 4), torch.randn(2, 7, CONTEXT), torch.randn(2, 16, CHANNELS)
    found = layer(x, text, reference, torch.tensor([True, False]))
    assert torch.allclose(found[2:], layer(x[2:], text[1:]), atol=1e-6)
    assert torch.allclose(found[:2], layer(x[:2], text[:1], reference[:1]), atol=1e-6)
    assert not torch.allclose(found[:2], layer(x[:2], text[:1]), atol=1e-3)


def test_a_lost_reference_still_has_a_gradient_and_it_is_zero(layer):
    x, text = torch.randn(2, CHANNELS, 4, 4), torch.randn(1, 7, CONTEXT)
    reference = torch.randn(1, 16, CHANNELS, requires_grad=True)
    layer(x, text, reference, torch.tensor([False])).sum().backward()
    assert reference.grad is not None and not reference.grad.any()


def test_one_text_serves_the_frames_of_its_clip(layer):
    x, text = torch.randn(6, CHANNELS, 4, 4), torch.randn(2, 7, CONTEXT)
    assert torch.allclose(layer(x, text), layer(x, text.repeat_interleave(3, 0)), atol=1e-6)


def test_a_layer_that_needs_a_text_says_so(layer):
    with pytest.raises(ValueError, match="context"):
        layer(torch.randn(1, CHANNELS, 4, 4))
