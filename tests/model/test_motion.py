"""The motion layer against AnimateDiff's arithmetic written out, and against diffusers' names."""

import pytest
import torch
from diffusers import MotionAdapter
from torch.nn import functional as F

from tbd.model.motion import MotionLayer
from tbd.model.network import build
from tbd.model.recipe import Network

CHANNELS, HEADS, GROUPS, LENGTH = 16, 2, 4, 32


@pytest.fixture
def layer():
    torch.manual_seed(0)
    return MotionLayer(CHANNELS, HEADS, GROUPS, LENGTH)


def written_out(layer, clip):
    """``(F, C, h, w)`` of one clip, place by place: norm each frame, attend twice along time, feed forward, add."""
    frames, _, height, width = clip.shape
    block, found = layer.transformer_blocks[0], clip.clone()
    normed = torch.stack(
        [F.group_norm(frame[None], GROUPS, layer.norm.weight, layer.norm.bias, 1e-6)[0] for frame in clip]
    )
    for y in range(height):
        for x in range(width):
            tokens = layer.proj_in(normed[:, :, y, x])
            for norm, attention in ((block.norm1, block.attn1), (block.norm2, block.attn2)):
                tokens = tokens + along(attention, norm(tokens) + block.pos_embed.pe[0, :frames])
            tokens = tokens + block.ff(block.norm3(tokens))
            found[:, :, y, x] += layer.proj_out(tokens)
    return found


def along(attention, tokens):
    """Plain multi-head self-attention over ``(F, C)``."""
    parts = [
        project(tokens).unflatten(1, (HEADS, -1)).transpose(0, 1)
        for project in (attention.to_q, attention.to_k, attention.to_v)
    ]
    query, key, value = parts
    weights = (query @ key.transpose(1, 2) / query.shape[-1] ** 0.5).softmax(-1)
    return attention.to_out[0]((weights @ value).transpose(0, 1).flatten(1))


def test_it_is_animatediffs_arithmetic_with_every_frame_normed_by_itself(layer):
    clips = torch.randn(2, 5, CHANNELS, 2, 3)
    found = layer(clips.flatten(0, 1), 5).unflatten(0, (2, 5))
    for clip, expected in zip(clips, found, strict=True):
        assert torch.allclose(written_out(layer, clip), expected, atol=1e-5)


def test_one_frames_brightness_does_not_change_how_another_is_normed(layer):
    clip = torch.randn(3, CHANNELS, 2, 2)
    loud = clip.clone()
    loud[2] *= 1000
    assert torch.allclose(layer(clip, 3), torch.cat([layer(loud, 3)[:2], layer(clip, 3)[2:]]), atol=1e-4)


def test_earlier_frames_are_looked_at_and_cut_off(layer):
    clip, before = torch.randn(3, CHANNELS, 2, 2), torch.randn(1, 2, 4, CHANNELS)
    pictures = before[0].transpose(1, 2).unflatten(2, (2, 2))
    expected = layer(torch.cat([pictures, clip]), 5)[2:]
    assert torch.allclose(layer(clip, 3, before), expected, atol=1e-5)
    assert not torch.allclose(layer(clip, 3), expected, atol=1e-3)


def test_more_frames_than_places_in_time_raise(layer):
    with pytest.raises(ValueError, match="33 frames"):
        layer(torch.randn(33, CHANNELS, 1, 1), 33)


def names(module):
    return {name: tuple(value.shape) for name, value in module.state_dict().items() if "motion_modules" in name}


def test_the_full_size_has_the_names_and_shapes_of_the_motion_adapter():
    with torch.device("meta"):
        ours = build(Network(), 2).unet
        theirs = MotionAdapter(use_motion_mid_block=True, motion_num_attention_heads=8, motion_max_seq_length=32)
    assert names(ours) == names(theirs)
