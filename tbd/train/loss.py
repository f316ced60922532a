"""The loss of equation 1, and min-SNR weights for whoever wants them."""

from __future__ import annotations

import torch
from diffusers.schedulers.scheduling_ddim import DDIMScheduler

from tbd.model.noise import snr


def sample_losses(prediction: torch.Tensor, target: torch.Tensor, region: torch.Tensor | None = None) -> torch.Tensor:
    """Mean squared error ``(B,)`` of each sample, in float32.

    Args:
        prediction, target: ``(B, C, F, h, w)``.
        region: ``(B, h, w)`` weights with mean 1; None: every place counts the same.
    """
    errors = (prediction.float() - target.float()).square()
    weighted = errors if region is None else errors * region[:, None, None]
    return weighted.flatten(1).mean(1)


def min_snr_weights(schedule: DDIMScheduler, timesteps: torch.Tensor, gamma: float | None) -> torch.Tensor:
    """Weight ``(B,)`` of each sample by its timestep (Hang et al. 2023, min-SNR).

    Epsilon: min(snr, gamma) / snr; velocity: min(snr, gamma) / (snr + 1). Both are finite where snr is 0.

    Args:
        schedule: of the diffusion.
        timesteps: ``(B,)``.
        gamma: None gives ones.
    """
    if gamma is None:
        return torch.ones(len(timesteps), device=timesteps.device)
    ratio = snr(schedule, timesteps)
    if schedule.config["prediction_type"] == "epsilon":
        return (gamma / ratio).clamp(max=1)  # min(snr, gamma) / snr, without 0 / 0
    return ratio.clamp(max=gamma) / (ratio + 1)
