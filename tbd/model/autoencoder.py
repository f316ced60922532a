"""The image autoencoder: pictures to latents and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

if TYPE_CHECKING:
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL


class ImageAutoencoder:
    """diffusers' autoencoder (Stable Diffusion's VAE, or one of ``tbd train autoencoder``), frozen.

    Args:
        model: diffusers' autoencoder.
        identity: which weights these are, for cache keys and records.
        batch: pictures at a time; changes memory, no number beyond rounding.
    """

    def __init__(self, model: AutoencoderKL, identity: str, batch: int = 8) -> None:
        self.model = model.eval().requires_grad_(False)
        self.config: Any = model.config
        self.identity = identity
        self.batch = batch

    @property
    def factor(self) -> int:
        """Pixels a latent, along a side."""
        return int(2 ** (len(self.config.block_out_channels) - 1))

    @torch.no_grad()
    def moments(self, frames: npt.NDArray[np.uint8] | torch.Tensor) -> torch.Tensor:
        """Mean and log-variance of the posterior.

        Args:
            frames: ``(N, S, S, 3)`` uint8 RGB.

        Returns:
            ``(N, 8, S / factor, S / factor)`` float32 on the model's device: mean, then log-variance, not yet scaled.
        """
        pictures = torch.as_tensor(frames).permute(0, 3, 1, 2)
        found = []
        for part in pictures.split(self.batch):
            x = part.to(self.model.device, self.model.dtype) / 127.5 - 1
            found.append(self.model.encode(x).latent_dist.parameters.float())
        return torch.cat(found)

    def scaled(self, moments: torch.Tensor, noise: torch.Tensor | None = None) -> torch.Tensor:
        """Latents as the denoiser sees them: a draw from the posterior, or its mode.

        Args:
            moments: ``(…, 8, h, w)``; or ``(…, 4, h, w)``: only the mean is known.
            noise: ``(…, 4, h, w)`` standard normal; None takes the mode.

        Returns:
            ``(…, 4, h, w)`` float32
        """
        mean, *spread = moments.float().split(self.config.latent_channels, -3)
        if noise is not None and spread:
            mean = mean + noise * (0.5 * spread[0].clamp(-30, 20)).exp()
        shift, scale = self._whitening(mean.device)
        return (mean - shift) * scale

    @torch.no_grad()
    def decode(self, latents: torch.Tensor) -> npt.NDArray[np.uint8]:
        """``(N, 4, h, w)`` scaled latents -> ``(N, factor * h, factor * w, 3)`` uint8 RGB."""
        found = []
        for part in latents.split(self.batch):
            whole = self.pictures(part).round().clamp(0, 255).to(torch.uint8)
            found.append(whole.permute(0, 2, 3, 1).cpu().numpy())
        return np.concatenate(found)

    def pictures(self, latents: torch.Tensor) -> torch.Tensor:
        """``(N, 4, h, w)`` scaled latents -> ``(N, 3, factor * h, factor * w)`` float32 RGB, 0 to 255 and somewhat beyond.

        All at once, and gradients pass to the latents.
        """
        shift, scale = self._whitening(latents.device)
        plain = (latents / scale + shift).to(self.model.device, self.model.dtype)
        return (self.model.decode(plain).sample.float() + 1) * 127.5

    def _whitening(self, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
        """``(4, 1, 1)`` each: what is taken from a mean, and what the rest is multiplied by.

        ``config.json`` has one ``scaling_factor``, and may have ``latents_mean`` and ``latents_std`` by channel.
        """
        channels = self.config.latent_channels
        means, stds = (getattr(self.config, name, None) for name in ("latents_mean", "latents_std"))
        shift = torch.tensor(means or [0.0] * channels, device=device).reshape(-1, 1, 1)
        spread = torch.tensor(stds or [1.0] * channels, device=device).reshape(-1, 1, 1)
        return shift, self.config.scaling_factor / spread
