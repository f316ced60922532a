"""Attention as the network computes it, by each of torch's kernels, against softmax(Q K^T / sqrt(d)) V written out in float32."""

import pytest
import torch
from card import seconds
from diffusers.models.attention_processor import Attention
from torch.nn.attention import SDPBackend, sdpa_kernel

from tbd.model.attention import attend

pytestmark = pytest.mark.gpu

KERNELS = {
    "torch's choice": None,
    "flash": SDPBackend.FLASH_ATTENTION,
    "memory-efficient": SDPBackend.EFFICIENT_ATTENTION,
    "cuDNN": SDPBackend.CUDNN_ATTENTION,
    "plain": SDPBackend.MATH,
}
NONE = ("No available kernel", "No viable backend")
"""How torch says that a device has no such kernel: a card, and a CPU."""


@pytest.fixture(scope="module")
def layer(size, device):
    """Self-attention of the largest maps: 64 x 64 latents, 320 channels, 8 heads."""
    torch.manual_seed(0)
    channels, heads = (320, 8) if size == "sd15" else (32, 2)
    return Attention(channels, heads=heads, dim_head=channels // heads).to(device, torch.bfloat16).requires_grad_(False)


@pytest.fixture(scope="module")
def tokens(size, device):
    """Pictures as tokens, and their contexts: each beside another picture."""
    places, channels = (4096, 320) if size == "sd15" else (64, 32)
    made = torch.randn(2, 2 * places, channels, device=device).to(torch.bfloat16)
    return made[:, :places], made


def _written_out(layer, x, context):
    """The definition, from the same projections, in float32."""

    def heads(part):
        return part.float().unflatten(2, (layer.heads, -1)).transpose(1, 2)

    query, key, value = heads(layer.to_q(x)), heads(layer.to_k(context)), heads(layer.to_v(context))
    shares = (query @ key.transpose(2, 3) / query.shape[3] ** 0.5).softmax(3)
    return layer.to_out[0]((shares @ value).transpose(1, 2).flatten(2).to(x.dtype)).float()


@pytest.mark.parametrize("kernel", KERNELS)
def test_attention_is_its_definition(layer, tokens, device, figures, kernel):
    def ours():
        if KERNELS[kernel] is None:
            return attend(layer, *tokens)
        with sdpa_kernel(KERNELS[kernel]):
            return attend(layer, *tokens)

    try:
        found = ours()
    except RuntimeError as error:
        assert KERNELS[kernel] is not None and any(words in str(error) for words in NONE)
        figures[f"attention, {kernel}"] = "not run: torch has no such kernel for this device"
        return
    wanted = _written_out(layer, *tokens)
    away = float((found.float() - wanted).norm() / wanted.norm())
    took = 1000 * seconds(device, ours, 10)
    figures[f"attention, {kernel}"] = f"{took:.3g} ms, {away:.1e} of the definition's length away"
    assert away < 0.01  # bfloat16 keeps 8 bits: 2 ** -8 = 0.004
