"""The motion layer against AnimateDiff's arithmetic written out, and against diffusers' names."""

import pytest
import torch
from diffusers import MotionAdapter
from torch.nn import functional as F

from tbd.model.motion import MotionLayer
from tbd.model.network import build_network
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


def test_a_static_video_stays_static_but_for_its_places_in_time(layer):
    still = torch.randn(1, CHANNELS, 2, 2).expand(6, -1, -1, -1)
    moved = layer(still, 6)
    assert not torch.allclose(moved, moved[:1].expand_as(moved), atol=1e-3)  # a frame knows its place
    layer.transformer_blocks[0].pos_embed.pe.zero_()
    found = layer(still, 6)
    assert torch.allclose(found, layer(still[:1], 1).expand_as(found), atol=1e-5)


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


@pytest.mark.parametrize("size", ["sd15", "tiny"])
def test_its_names_and_shapes_are_the_motion_adapters(size):
    tiny = {"block_out_channels": (16, 32), "motion_layers_per_block": 1, "motion_num_attention_heads": 2}
    published = {"motion_num_attention_heads": 8, "motion_max_seq_length": 32}
    sizes = {"sd15": published, "tiny": {**tiny, "motion_norm_num_groups": 4}}[size]
    with torch.device("meta"):
        ours = build_network(Network(size=size), 2).unet
        theirs = MotionAdapter(use_motion_mid_block=True, **sizes)
    assert names(ours) == names(theirs)
    assert any(name.endswith("pos_embed.pe") for name in names(ours))
