"""The denoising network (section 3.3, Fig. 5): SD 1.5's UNet with reference, text, audio and motion attention."""

from __future__ import annotations

from typing import Any, Literal

import torch
from diffusers.configuration_utils import FrozenDict, register_to_config
from diffusers.models.modeling_utils import ModelMixin  # noqa: F401 (a saved pipeline looks for its loader here)
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from diffusers.utils.accelerate_utils import apply_forward_hook
from torch import nn

from tbd.model.activation_checkpointing import ActivationCheckpointing, run_checkpointed
from tbd.model.attention import Context, KeysValues, SpatialLayer, keys_values
from tbd.model.compilation import CompilableUNet
from tbd.model.motion import MotionLayer
from tbd.model.unet_blocks import BlockLayer, DeepFeatures, attention_layers, run_unet, time_embedding, unet_blocks

Contexts = torch.Tensor | tuple[KeysValues, ...]
"""A condition for all sites with attention: its tokens, or each site's own keys and values."""


class TBDUNet(CompilableUNet):
    """One forward pass denoises the frames of a clip under its picture, text, sound and earlier frames.

    The keys of its state are SD 1.5's, AnimateDiff's ``MotionAdapter``'s (``motion_modules``) and two of its own:
    ``audio_modules``, and ``text_modules`` where the text has a layer of its own. New layers end in zeros, so a network
    that has just been given them computes what it computed before.

    Args:
        block_out_channels, layers_per_block, down_block_types, up_block_types, cross_attention_dim, norm_num_groups: as
            diffusers' UNet; SD 1.5's by default.
        heads: of every attention; SD 1.5's ``config.json`` calls this number ``attention_head_dim``.
        audio_layers, motion_layers: what stage 2 adds.
        separate_text: text attention in a layer of its own (Appendix A to the letter).
        lowest_motion: motion layers in the blocks without attention too.
        motion_heads, motion_length: of every motion layer.
    """

    _repeated_blocks = ["ResnetBlock2D", "SpatialLayer", "MotionLayer"]  # noqa: RUF012 (diffusers' own attribute)

    @register_to_config
    def __init__(
        self,
        block_out_channels: tuple[int, ...] = (320, 640, 1280, 1280),
        layers_per_block: int = 2,
        down_block_types: tuple[str, ...] = (*("CrossAttnDownBlock2D",) * 3, "DownBlock2D"),
        up_block_types: tuple[str, ...] = ("UpBlock2D", *("CrossAttnUpBlock2D",) * 3),
        cross_attention_dim: int = 768,
        heads: int = 8,
        norm_num_groups: int = 32,
        audio_layers: bool = False,
        motion_layers: bool = False,
        separate_text: bool = False,
        lowest_motion: bool = True,
        motion_heads: int = 8,
        motion_length: int = 32,
    ) -> None:
        own = dict(self.config)
        super().__init__(
            block_out_channels=block_out_channels,
            layers_per_block=layers_per_block,
            down_block_types=down_block_types,
            up_block_types=up_block_types,
            cross_attention_dim=cross_attention_dim,
            attention_head_dim=heads,
            norm_num_groups=norm_num_groups,
        )
        describe(self, own)
        self.checkpointing: ActivationCheckpointing = "none"
        spatial_layers(self, heads, norm_num_groups, None if separate_text else cross_attention_dim)
        for block in unet_blocks(self):
            widths = _widths(block)
            if hasattr(block, "attentions"):
                if separate_text:
                    block.text_modules = _layers(widths, heads, norm_num_groups, cross_attention_dim)
                if audio_layers:
                    block.audio_modules = _zeroed(_layers(widths, heads, norm_num_groups, cross_attention_dim))
            if motion_layers and (lowest_motion or hasattr(block, "attentions")):
                layers = (MotionLayer(width, motion_heads, norm_num_groups, motion_length) for width in widths)
                block.motion_modules = _zeroed(nn.ModuleList(layers))

    def compile_repeated_blocks(self, *arguments: Any, **keywords: Any) -> None:
        """diffusers' regional compilation, of all regions; arguments are ``torch.compile``'s."""
        make_room_to_compile()
        super().compile_repeated_blocks(*arguments, **keywords)

    @apply_forward_hook
    def keys_values(
        self, kind: Literal["reference", "text", "audio"], context: torch.Tensor | tuple[torch.Tensor, ...]
    ) -> tuple[KeysValues, ...]:
        """Keys and values of a condition at every site with attention, for ``forward``: computed once, used at every step.

        Args:
            kind: which attention looks at it.
            context: ``(M, L, D)`` tokens, or for a reference its features, one a site.
        """
        found = []
        for number, site in enumerate(attention_layers(self)):
            tokens = context if isinstance(context, torch.Tensor) else context[number]
            layer: Any = {"reference": site.attention, "text": site.text or site.attention, "audio": site.audio}[kind]
            found.append(keys_values(layer.block.attn1 if kind == "reference" else layer.block.attn2, tokens))
        return tuple(found)

    def forward(
        self,
        sample: torch.Tensor,
        timesteps: torch.Tensor,
        text: Contexts,
        *,
        reference: tuple[Context, ...] | None = None,
        audio: Contexts | None = None,
        earlier: tuple[torch.Tensor, ...] | None = None,
        keep: torch.Tensor | None = None,
        deep: DeepFeatures | None = None,
    ) -> torch.Tensor:
        """What the noise schedule asks for (noise or velocity) of every frame.

        Args:
            sample: ``(B, 4, F, h, w)`` noisy latents.
            timesteps: ``(B,)``.
            text: ``(B, L, D)``, or what ``keys_values`` made of it.
            reference: features ``(B, tokens, C)`` of the reference picture, one a site with attention, or their keys
                and values; None: none.
            audio: ``(B, F, tokens, D)``, or what ``keys_values`` made of it; needed exactly where there are audio layers.
            earlier: features ``(B, M, tokens, C)`` of the M frames before, one a site with attention; None: none.
            keep: ``(B,)`` bool; False: that clip goes without its reference.
            deep: re-uses the inner blocks of an earlier step.

        Returns:
            ``(B, 4, F, h, w)``
        """
        batch, frames = sample.shape[0], sample.shape[2]
        x = sample.transpose(1, 2).flatten(0, 1)
        time = time_embedding(self, timesteps, x).repeat_interleave(frames, 0)
        sounds = audio.flatten(0, 1) if isinstance(audio, torch.Tensor) else audio
        places = {id(site.attention): number for number, site in enumerate(attention_layers(self))}

        def run(site: BlockLayer, x: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
            at = None if site.attention is None else places[id(site.attention)]
            words, sound, beside, before = (_of_site(given, at) for given in (text, sounds, reference, earlier))
            return _layer(self.checkpointing, site, x, time, frames, words, sound, beside, before, keep)

        x = run_unet(self, x, time, run, deep)
        x = self.conv_out(self.conv_act(self.conv_norm_out(x)))
        return x.unflatten(0, (batch, frames)).transpose(1, 2)


def _of_site(given: Any, at: int | None) -> Any:
    """A condition at the ``at``-th site with attention; None: a site without."""
    if at is None or given is None or isinstance(given, torch.Tensor):
        return None if at is None else given
    return given[at]


def make_room_to_compile() -> None:
    """Let torch compile every size of a block: it stops at the eighth of one class and runs the rest as they are.

    SD 1.5 has 13 sizes of resnets; both networks in stage 2 need 27 kinds, and as many again in validation.
    """
    settings: Any = torch._dynamo.config
    settings.recompile_limit = max(settings.recompile_limit, 128)


def describe(model: Any, own: dict[str, Any]) -> None:
    """Leave only a network's own keys in its ``config.json``: diffusers' forty do not describe it."""
    model._internal_dict = FrozenDict(own)


def spatial_layers(
    unet: UNet2DConditionModel,
    heads: int,
    groups: int,
    context: int | None,
    kind: type[SpatialLayer] = SpatialLayer,
) -> None:
    """Put our spatial layers where diffusers has its own; the names of the weights stay."""
    for block in unet_blocks(unet):
        if hasattr(block, "attentions"):
            block.attentions = nn.ModuleList(kind(width, heads, groups, context) for width in _widths(block))


def _layer(
    mode: ActivationCheckpointing,
    site: BlockLayer,
    x: torch.Tensor,
    time: torch.Tensor,
    frames: int,
    text: Context | None,
    audio: Context | None,
    reference: Context | None,
    earlier: torch.Tensor | None,
    keep: torch.Tensor | None,
) -> torch.Tensor:
    """Resnet, reference and text, audio, motion (Fig. 5); each checkpointed by itself, so that little is computed again
    at a time."""
    if site.resnet is not None:
        x = run_checkpointed(mode, site.resnet, x, time)
    if site.attention is not None:
        x = run_checkpointed(mode, site.attention, x, text, reference, keep)
    if site.text is not None:
        x = run_checkpointed(mode, site.text, x, text)
    if site.audio is not None:
        x = run_checkpointed(mode, site.audio, x, audio)
    return x if site.motion is None else run_checkpointed(mode, site.motion, x, frames, earlier)


def _widths(block: Any) -> list[int]:
    """Channels at each site of a block."""
    widths = [resnet.out_channels for resnet in block.resnets]
    return widths[1:] if type(block).__name__.startswith("UNetMid") else widths


def _layers(widths: list[int], heads: int, groups: int, context: int | None) -> nn.ModuleList:
    return nn.ModuleList(SpatialLayer(width, heads, groups, context) for width in widths)


def _zeroed(layers: nn.ModuleList) -> nn.ModuleList:
    """The last projection of each layer at zero: it adds nothing until it has learned."""
    for layer in layers:
        last: Any = layer.proj_out
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
    return layers
