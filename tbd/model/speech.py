"""The speech encoder: all twelve layers of wav2vec 2.0, one entry a video frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional as F  # noqa: N812 (its customary name)

if TYPE_CHECKING:
    from transformers import Wav2Vec2Model

SAMPLE_RATE = 16_000
"""Hz."""


class SpeechEncoder:
    """wav2vec 2.0, frozen and in evaluation mode (in training mode it would drop whole layers).

    Args:
        model: transformers' model of the base kind, whose hidden states are its layers' outputs.
        identity: which weights these are, for cache keys and records.
    """

    def __init__(self, model: Wav2Vec2Model, identity: str) -> None:
        self.model = model.eval().requires_grad_(False)
        self.identity = identity

    @torch.no_grad()
    def layers(self, samples: npt.NDArray[np.float32], frames: int) -> torch.Tensor:
        """Every layer's output at every video frame.

        The convolutions' 50 features a second are interpolated to the frames before the transformer, as Hallo does, so
        each entry belongs to one frame.

        Args:
            samples: ``(n,)`` mono at 16 kHz in [-1, 1], of the whole clip: every entry hears all of it.
            frames: T, at least 1.

        Returns:
            ``(T, layers, channels)`` float32 on the model's device.

        Raises:
            ValueError: fewer samples than one feature needs (400 at the published sizes).
        """
        if len(samples) < self.shortest:
            raise ValueError(f"{len(samples)} samples of sound; the speech encoder needs {self.shortest}")
        wave = torch.as_tensor(np.asarray(samples, np.float32), device=self.model.device)
        wave = (wave - wave.mean()) / (wave.var(unbiased=False) + 1e-7).sqrt()  # as its feature extractor does
        heard = self.model.feature_extractor(wave[None].to(self.model.dtype))
        at_frames = F.interpolate(heard, frames, mode="linear", align_corners=True).transpose(1, 2)
        return self._hidden(self.model.feature_projection(at_frames)[0])[0].float()

    @property
    def shortest(self) -> int:
        """Samples that the first feature needs."""
        length = 1
        config = self.model.config
        for kernel, stride in zip(reversed(config.conv_kernel), reversed(config.conv_stride), strict=True):
            length = (length - 1) * stride + kernel
        return length

    def _hidden(self, projected: torch.Tensor) -> torch.Tensor:
        """``(1, T, channels)`` -> ``(1, T, layers, channels)``, taken where the layers end."""
        found: list[torch.Tensor] = []
        hooks = [
            layer.register_forward_hook(
                lambda *event: found.append(event[2][0] if isinstance(event[2], tuple) else event[2])
            )
            for layer in self.model.encoder.layers
        ]
        try:
            self.model.encoder(projected)
        finally:
            for hook in hooks:
                hook.remove()
        return torch.stack(found, 2)


def windows(layers: torch.Tensor, frames: torch.Tensor, context: int = 2) -> torch.Tensor:
    """The layers around each frame; beyond the ends the first or last entry repeats.

    Args:
        layers: ``(T, layers, channels)``.
        frames: ``(F,)`` integers in [0, T).
        context: entries on either side.

    Returns:
        ``(F, 2 * context + 1, layers, channels)``
    """
    around = frames[:, None] + torch.arange(-context, context + 1, device=frames.device)
    return layers[around.clamp(0, len(layers) - 1)]
