"""The ReferenceNet (section 3.3, Appendix A): a second SD 1.5 UNet that turns a picture into features to look at."""

from __future__ import annotations

from typing import Any

import torch
from diffusers.configuration_utils import register_to_config
from diffusers.models.modeling_utils import ModelMixin  # noqa: F401 (a saved pipeline looks for its loader here)

from tbd.model.activation_checkpointing import ActivationCheckpointing, run_checkpointed
from tbd.model.attention import SpatialLayer
from tbd.model.compilation import CompilableUNet
from tbd.model.unet import describe, make_room_to_compile, spatial_layers
from tbd.model.unet_blocks import BlockLayer, block_layers, run_unet, time_embedding, unet_blocks


class ReferenceLayer(SpatialLayer):
    """A spatial layer that also gives the features before its attention.

    One call for both, so that whoever keeps its weights elsewhere between calls (FSDP) brings them once.
    """

    def forward(  # type: ignore[override]  # only the weights and their names are shared
        self, x: torch.Tensor, text: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """One layer over ``N`` pictures.

        Args:
            x: ``(N, C, h, w)``.
            text: ``(M, L, D)``, N a multiple of M.

        Returns:
            The picture behind it, or as it was where the attention is cut off, ``(N, C, h, w)``; and the normalised tokens
            ``(N, h * w, C)``.
        """
        seen = self.block.norm1(self.tokens(x))
        return (x if self.block.attn1 is None else super().forward(x, text)), seen


class ReferenceNet(CompilableUNet):
    """SD 1.5's UNet up to the features of its last attention; what lies behind it does not exist.

    Every parameter that is left takes part in the features, so each gets a gradient and data-parallel training needs
    no search for unused ones.

    Args: as ``TBDUNet``'s first ones, SD 1.5's by default.
    """

    _repeated_blocks = ["ResnetBlock2D", "ReferenceLayer"]  # noqa: RUF012 (diffusers' own attribute)

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
        spatial_layers(self, heads, norm_num_groups, cross_attention_dim, ReferenceLayer)
        self._cut()

    def features(self, latents: torch.Tensor, text: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """What the denoising network looks at: the normalised tokens before every self-attention, at timestep 0.

        Args:
            latents: ``(N, 4, h, w)`` clean pictures.
            text: ``(M, L, D)``, N a multiple of M.

        Returns:
            One ``(N, tokens, C)`` a site, in the order of the walk (16 for SD 1.5).
        """
        found: list[torch.Tensor] = []

        def run(site: BlockLayer, x: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
            x, seen = run_checkpointed(self.checkpointing, _layer, site, x, time, text)
            if seen is not None:
                found.append(seen)
            return x

        time = time_embedding(self, torch.zeros(len(latents), device=latents.device), latents)
        run_unet(self, latents, time, run)
        return tuple(found)

    def forward(self, latents: torch.Tensor, text: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """``features``."""
        return self.features(latents, text)

    def compile_repeated_blocks(self, *arguments: Any, **keywords: Any) -> None:
        """diffusers' regional compilation, of all regions; arguments are ``torch.compile``'s."""
        make_room_to_compile()
        super().compile_repeated_blocks(*arguments, **keywords)

    def _last(self) -> SpatialLayer:
        return [
            site.attention for block in unet_blocks(self) for site in block_layers(block) if site.attention is not None
        ][-1]

    def _cut(self) -> None:
        """Remove everything behind the last features."""
        last: Any = self._last()
        for name in ("attn1", "attn2", "norm2", "norm3", "ff"):
            setattr(last.block, name, None)
        last.proj_out = None
        whole: Any = self
        whole.conv_norm_out = whole.conv_out = None


def _layer(
    site: BlockLayer, x: torch.Tensor, time: torch.Tensor, text: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """The picture behind a site, and the features before its attention."""
    if site.resnet is not None:
        x = site.resnet(x, time)
    layer: Any = site.attention  # a ReferenceLayer
    return (x, None) if layer is None else layer(x, text)
