"""The attention layers (Fig. 5, Appendix A): reference, text and audio attention over the tokens of one picture.

The parts are diffusers' own, under the names that SD 1.5's weights have; only the arithmetic is ours, because it takes
its conditions as tensors. Nothing is hooked, banked or kept between calls, so the layers can be checkpointed, compiled
and run from several threads.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812 (its customary name)
from diffusers.models.attention import BasicTransformerBlock
from diffusers.models.attention_processor import Attention
from torch import nn


class KeysValues(NamedTuple):
    """Keys and values of a context that an attention has computed beforehand, ``(M, L, C)`` each."""

    key: torch.Tensor
    value: torch.Tensor


Context = torch.Tensor | KeysValues
"""What an attention looks at: tokens ``(M, L, D)``, or the keys and values that it made of them."""


class SpatialLayer(nn.Module):
    """GroupNorm, 1x1 convolution, transformer block, 1x1 convolution, residual (the Text-Attention layer of Appendix A).

    With ``context`` its second attention looks at text or sound; its first is self-attention, or reference attention
    when a reference is given.

    Args:
        channels: of the picture.  heads: of every attention.  groups: of the GroupNorm.
        context: width of the tokens that the second attention looks at; None leaves that attention out.
    """

    def __init__(self, channels: int, heads: int, groups: int, context: int | None) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(groups, channels, eps=1e-6)
        self.proj_in = nn.Conv2d(channels, channels, 1)
        block = BasicTransformerBlock(channels, heads, channels // heads, cross_attention_dim=context)
        self.transformer_blocks = nn.ModuleList([block])
        self.proj_out = nn.Conv2d(channels, channels, 1)

    @property
    def block(self) -> BasicTransformerBlock:
        """The one transformer block."""
        block: Any = self.transformer_blocks[0]
        return block

    def forward(
        self,
        x: torch.Tensor,
        context: Context | None = None,
        reference: Context | None = None,
        keep: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """One layer over ``N`` pictures.

        Args:
            x: ``(N, C, h, w)``.
            context: ``(M, L, D)``, N a multiple of M: each entry serves N / M pictures in a row.
            reference: ``(M, h * w, C)`` features of a reference picture for each entry.
            keep: ``(M,)`` bool; False: that entry goes without its reference.

        Returns:
            ``(N, C, h, w)``
        """
        tokens = _block(self.block, self.tokens(x), context, reference, keep)
        return x + _pointwise(self.proj_out, tokens).transpose(1, 2).reshape(x.shape)

    def tokens(self, x: torch.Tensor) -> torch.Tensor:
        """``(N, C, h, w)`` -> ``(N, h * w, C)``: what the transformer block sees."""
        return _pointwise(self.proj_in, self.norm(x).flatten(2).transpose(1, 2))


def keys_values(attention: Attention, context: Context) -> KeysValues:
    """The keys and values of a context; those that are given are taken as they are."""
    if isinstance(context, KeysValues):
        return context
    return KeysValues(attention.to_k(context), attention.to_v(context))


def blend_keys_values(levels: KeysValues, weights: torch.Tensor) -> KeysValues:
    """Keys and values of blended texts, from those of the levels: exact, for the projections are linear without a bias.

    Args:
        levels: ``(k, L, C)`` each.
        weights: ``(B, k)`` of ``stage_weights``.

    Returns:
        ``(B, L, C)`` each.
    """
    key, value = (torch.einsum("bk,klc->blc", weights.to(part.dtype), part) for part in levels)
    return KeysValues(key, value)


def attend(attention: Attention, x: torch.Tensor, context: Context) -> torch.Tensor:
    """Attention of ``x`` to ``context``: softmax(Q K^T / sqrt(d)) V (eq. 2, whose division by sqrt(d) is misprinted).

    Args:
        attention: diffusers' projections.
        x: ``(N, tokens, C)``.
        context: ``(M, L, D)``, N a multiple of M. What looks at one of the M is asked as one long row of queries, so
            that its keys and values are neither computed nor held more than once.

    Returns:
        ``(N, tokens, C)``
    """
    key, value = keys_values(attention, context)
    query = attention.to_q(x).reshape(len(key), -1, key.shape[2])
    return _attention(attention, query, key, value).reshape(x.shape)


def attend_with_reference(
    attention: Attention, x: torch.Tensor, reference: Context, keep: torch.Tensor | None
) -> torch.Tensor:
    """Reference attention (section 3.3): self-attention over ``x`` beside its reference, of which ``x``'s half is kept.

    The half that is cut off asks but is not heard, so only its keys and values are computed. An entry without its
    reference sees its own keys and values twice, which is exactly plain self-attention: softmax does not change when
    every key is doubled. That keeps shapes fixed, needs no mask, and every parameter still gets a gradient.

    Args:
        attention: the self-attention of a block.
        x: ``(N, tokens, C)``, normalised.
        reference: ``(M, tokens, C)``, normalised features; N a multiple of M.
        keep: ``(M,)`` bool, or None: all are kept.
    """
    own, others = keys_values(attention, x), keys_values(attention, reference)
    wanted = None if keep is None else keep[:, None, None, None]

    def beside(own: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        own = own.unflatten(0, (len(other), -1))
        other = other[:, None].expand(-1, own.shape[1], -1, -1)
        return torch.cat([own, other if wanted is None else torch.where(wanted, other, own)], 2).flatten(0, 1)

    key, value = beside(own.key, others.key), beside(own.value, others.value)
    return _attention(attention, attention.to_q(x), key, value)


def _block(
    block: BasicTransformerBlock,
    x: torch.Tensor,
    context: Context | None,
    reference: Context | None,
    keep: torch.Tensor | None,
) -> torch.Tensor:
    seen = block.norm1(x)
    if reference is None:
        x = x + attend(block.attn1, seen, seen)
    else:
        x = x + attend_with_reference(block.attn1, seen, reference, keep)
    if block.attn2 is not None:
        if context is None:
            raise ValueError("this layer's second attention needs a context")
        x = x + attend(block.attn2, block.norm2(x), context)
    return x + block.ff(block.norm3(x))


def _pointwise(layer: nn.Conv2d, tokens: torch.Tensor) -> torch.Tensor:
    """A 1 x 1 convolution over ``(N, tokens, C)``: one product of matrices, laid out token by token as the block wants it."""
    return nn.functional.linear(tokens, layer.weight.flatten(1), layer.bias)


def _attention(attention: Attention, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    heads = attention.heads
    split = (part.unflatten(2, (heads, -1)).transpose(1, 2) for part in (query, key, value))
    found = F.scaled_dot_product_attention(*split)
    return attention.to_out[0](found.transpose(1, 2).flatten(2))
