"""The motion layer (Fig. 5, Appendix A): attention along time at every place of the picture, AnimateDiff's module."""

from __future__ import annotations

import torch
from diffusers.models.unets.unet_motion_model import AnimateDiffTransformer3D


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
        _, channels, height, width = x.shape
        clips = x.unflatten(0, (-1, frames))
        if earlier is not None:
            before = earlier.transpose(2, 3).unflatten(3, (height, width)).to(clips.dtype)
            clips = torch.cat([before, clips], 1)
        batch, time = clips.shape[:2]
        if time > self.length:
            raise ValueError(f"{time} frames, the motion layers know {self.length} places in time")
        seen = self.norm(clips.flatten(0, 1)).unflatten(0, (batch, time))
        tokens = self.proj_in(seen.permute(0, 3, 4, 1, 2).reshape(-1, time, channels))
        for block in self.transformer_blocks:
            tokens = block(tokens)
        found = self.proj_out(tokens[:, -frames:]).reshape(batch, height, width, frames, channels)
        return x + found.permute(0, 3, 4, 1, 2).reshape(x.shape)
