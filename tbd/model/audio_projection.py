"""Sound on its way to the picture: wav2vec's layers, a window of them for each frame, tokens for the audio attention."""

from __future__ import annotations

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import nn


class AudioProjection(ModelMixin, ConfigMixin):  # type: ignore[misc]  # diffusers' own way to make a model
    """The speech around a frame, as tokens for that frame's audio attention (Hallo's ``AudioProjModel``).

    Args:
        window: wav2vec frames that belong to one video frame.
        layers: of the speech encoder.
        channels: of each layer.
        hidden: width between the linear layers.
        tokens: of each video frame.
        width: of each token.
    """

    @register_to_config
    def __init__(
        self,
        window: int = 5,
        layers: int = 12,
        channels: int = 768,
        hidden: int = 512,
        tokens: int = 32,
        width: int = 768,
    ) -> None:
        super().__init__()
        self.tokens = tokens
        self.proj1 = nn.Linear(window * layers * channels, hidden)
        self.proj2 = nn.Linear(hidden, hidden)
        self.proj3 = nn.Linear(hidden, tokens * width)
        self.norm = nn.LayerNorm(width)

    def forward(self, windows: torch.Tensor) -> torch.Tensor:
        """``(B, F, window, layers, channels)`` -> ``(B, F, tokens, width)``."""
        x = self.proj1(windows.flatten(2)).relu()
        x = self.proj3(self.proj2(x).relu())
        return self.norm(x.unflatten(2, (self.tokens, -1)))
