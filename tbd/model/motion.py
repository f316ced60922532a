"""The motion layer (Fig. 5, Appendix A): attention along time at every place of the picture, AnimateDiff's module."""

from __future__ import annotations

from typing import Any

import torch
from diffusers.models.unets.unet_motion_model import AnimateDiffTransformer3D

from tbd.model.attention import attend


class MotionLayer(AnimateDiffTransformer3D):
    """AnimateDiff's temporal transformer, under the names that ``MotionAdapter`` gives its weights.

    It differs from diffusers' in two points. Each frame is normalised by itself, as AnimateDiff was trained
    (``motion_module.py`` folds frames into the batch first), not all frames together. And earlier frames may stand
    before the clip's own: they are looked at, and cut off again.

    Args:
        channels: of the picture.  heads: of every attention.  groups: of the GroupNorm.
        length: most frames that have a place in time, earlier ones included.
    """

    def __init__(self, channels: int, heads: int, groups: int, length: int) -> None:
        super().__init__(
            num_attention_heads=heads,
            attention_head_dim=channels // heads,
            in_channels=channels,
            norm_num_groups=groups,
            positional_embeddings="sinusoidal",
            num_positional_embeddings=length,
        )
        self.length = length

    def forward(  # type: ignore[override]  # only the weights and their names are shared
        self, x: torch.Tensor, frames: int, earlier: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Attention among the frames of each clip.

        Args:
            x: ``(B * frames, C, h, w)``, the frames of a clip in a row.
            frames: F.
            earlier: ``(B, M, h * w, C)`` features of the frames before, or None.

        Returns:
            ``(B * frames, C, h, w)``

        Raises:
            ValueError: more frames than have a place in time.
        """
        height, width = x.shape[2:]
        clips = self.norm(x).flatten(2).unflatten(0, (-1, frames))  # (B, F, C, h * w)
        if earlier is not None:
            before = self.norm(earlier.to(x.dtype).flatten(0, 1).transpose(1, 2)).unflatten(0, earlier.shape[:2])
            clips = torch.cat([before, clips], 1)
        if clips.shape[1] > self.length:
            raise ValueError(f"{clips.shape[1]} frames, the motion layers know {self.length} places in time")
        tokens = self.proj_in(clips.permute(0, 3, 1, 2).flatten(0, 1))
        found = self.proj_out(self._along_time(tokens, frames)).unflatten(0, (-1, height, width))
        return x + found.permute(0, 3, 4, 1, 2).reshape(x.shape)

    def _along_time(self, x: torch.Tensor, frames: int) -> torch.Tensor:
        """``(N, T, C)`` -> ``(N, frames, C)``: the last frames; the earlier ones are looked at and not computed further."""
        block: Any = self.transformer_blocks[0]
        seen = block.pos_embed(block.norm1(x))
        x = x + attend(block.attn1, seen, seen)
        seen = block.pos_embed(block.norm2(x))
        x = x[:, -frames:] + attend(block.attn2, seen[:, -frames:], seen)
        return x + block.ff(block.norm3(x))
