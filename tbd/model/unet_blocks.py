"""The way through a UNet that both networks go: site after site, down, middle, up.

A site is a resnet and the attention layers behind it, in the order of Fig. 5: reference and text, audio, motion.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import nn

from tbd.model.attention import SpatialLayer
from tbd.model.motion import MotionLayer


@dataclass(frozen=True)
class BlockLayer:
    """Where attention may happen.

    Attributes:
        resnet: before it; None in the middle, whose first resnet stands alone.
        attention: reference attention and, unless it has a layer of its own, text attention.
        text: the text's own layer (``text_layer = "separate"``).
        audio: audio attention.
        motion: attention along time.
    """

    resnet: nn.Module | None
    attention: SpatialLayer | None
    text: SpatialLayer | None
    audio: SpatialLayer | None
    motion: MotionLayer | None


@dataclass
class DeepFeatures:
    """The inner part of a UNet from one denoising step to the next (DeepCache, Ma et al. 2024).

    Attributes:
        reuse: take ``features`` instead of computing everything between the first and the last block.
        features: ``(N, C, h, w)`` before the last block, as last computed.
    """

    reuse: bool = False
    features: torch.Tensor | None = None


RunLayer = Callable[[BlockLayer, torch.Tensor, torch.Tensor], torch.Tensor]
"""(site, picture ``(N, C, h, w)``, time embedding ``(N, E)``) -> picture."""


def unet_blocks(unet: UNet2DConditionModel) -> Iterator[Any]:
    """Down blocks, the middle, up blocks, in the order of the walk."""
    down, middle, up = _blocks(unet)
    yield from (*down, middle, *up)


def block_layers(block: Any) -> list[BlockLayer]:
    """The sites of a block; the middle has as many as attentions, without their resnets."""
    middle = type(block).__name__.startswith("UNetMid")
    resnets = [None] * len(block.attentions) if middle else list(block.resnets)
    layers = ("attentions", "text_modules", "audio_modules", "motion_modules")
    found = [list(getattr(block, name, None) or [None] * len(resnets)) for name in layers]
    return [BlockLayer(*parts) for parts in zip(resnets, *found, strict=True)]


def attention_layers(unet: UNet2DConditionModel) -> list[BlockLayer]:
    """The sites with attention, in the order of the walk (16 for SD 1.5)."""
    return [site for block in unet_blocks(unet) for site in block_layers(block) if site.attention is not None]


def run_unet(
    unet: UNet2DConditionModel,
    x: torch.Tensor,
    time: torch.Tensor,
    run: RunLayer,
    deep: DeepFeatures | None = None,
) -> torch.Tensor:
    """Take pictures through a UNet up to, and without, its last normalisation.

    Args:
        unet: with the blocks of SD 1.5's kind.
        x: ``(N, 4, h, w)`` latents.
        time: ``(N, E)`` time embedding.
        run: what happens at a site.
        deep: keeps the features before the last block, or gives them.

    Returns:
        ``(N, C, h, w)``
    """
    down, middle, up = _blocks(unet)
    reused = deep.features if deep is not None and deep.reuse else None
    x = unet.conv_in(x)
    passed = [x]
    for block in down if reused is None else down[:1]:
        for site in block_layers(block):
            x = run(site, x, time)
            passed.append(x)
        for half in (block.downsamplers or ()) if reused is None else ():
            x = half(x)
            passed.append(x)
    x = _inside(middle, up[:-1], x, time, run, passed) if reused is None else reused
    if deep is not None:
        deep.features = x
    return _up(up[-1], x, time, run, passed)


def _inside(middle: Any, up: list[Any], x: torch.Tensor, time: torch.Tensor, run: RunLayer, passed: list[Any]) -> Any:
    x = middle.resnets[0](x, time)
    for site, resnet in zip(block_layers(middle), middle.resnets[1:], strict=True):
        x = resnet(run(site, x, time), time)
    for block in up:
        x = _up(block, x, time, run, passed)
    return x


def _up(block: Any, x: torch.Tensor, time: torch.Tensor, run: RunLayer, passed: list[torch.Tensor]) -> torch.Tensor:
    for site in block_layers(block):
        x = run(site, torch.cat([x, passed.pop()], 1), time)
    for double in block.upsamplers or ():
        x = double(x, passed[-1].shape[2:])  # odd sides: exactly as large as on the way down
    return x


def time_embedding(unet: UNet2DConditionModel, timesteps: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """``(N,)`` timesteps -> ``(N, E)`` in the type of ``like``."""
    return unet.time_embedding(unet.time_proj(timesteps).to(like.dtype))


def _blocks(unet: UNet2DConditionModel) -> tuple[list[Any], Any, list[Any]]:
    """Down, middle, up: diffusers' blocks, whose parts differ too much for a type."""
    return list(unet.down_blocks), unet.mid_block, list(unet.up_blocks)
