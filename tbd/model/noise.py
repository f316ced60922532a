"""The diffusion process: one scheduler for training and sampling, what the network learns, how noisy a step is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from tbd.model.recipe import Noise

if TYPE_CHECKING:  # diffusers takes seconds to import, and processes that only draw noise do without it
    from diffusers.schedulers.scheduling_ddim import DDIMScheduler


def noise_scheduler(noise: Noise) -> DDIMScheduler:
    """The noise schedule of a recipe; saved with a checkpoint, and read from there by every sampler."""
    from diffusers.schedulers.scheduling_ddim import DDIMScheduler

    return DDIMScheduler(
        num_train_timesteps=noise.steps,
        beta_start=noise.beta_start,
        beta_end=noise.beta_end,
        beta_schedule=noise.beta_schedule,
        prediction_type=noise.prediction,
        rescale_betas_zero_snr=noise.zero_snr,
        timestep_spacing=noise.spacing,
        clip_sample=False,
        steps_offset=1,
    )


scheduler = noise_scheduler
"""Its name before 0.2."""


def standard_noise(shape: tuple[int, ...], settings: Noise, generator: torch.Generator) -> torch.Tensor:
    """Noise for one clip, drawn on the CPU so that every device and process gets the same numbers.

    Args:
        shape: ``(4, F, h, w)``.
        settings: ``shared`` is common to all frames; ``offset`` is the strength of one constant a channel on top.
        generator: on the CPU.
    """
    noise = torch.randn(shape, generator=generator)
    constant = torch.randn((shape[0], *(1 for _ in shape[1:])), generator=generator)
    if settings.shared:
        noise = mixed_noise(noise, torch.randn((shape[0], 1, *shape[2:]), generator=generator), settings.shared)
    return noise + settings.offset * constant if settings.offset else noise


def mixed_noise(own: torch.Tensor, common: torch.Tensor, shared: float) -> torch.Tensor:
    """Noise of which frames have a part in common: each normal of variance 1, any two correlated by ``shared``.

    The mixed noise model of PYoCo (Ge et al. 2023, "Preserve Your Own Correlation"): with its alpha, ``shared`` is
    alpha^2 / (1 + alpha^2). LatentSync trains with it at alpha = 1.

    Args:
        own: ``(..., F, h, w)`` of each frame.
        common: ``(..., 1, h, w)``.
        shared: 0 to 1.
    """
    return shared**0.5 * common + (1 - shared) ** 0.5 * own


def prediction_target(
    schedule: DDIMScheduler, latents: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor
) -> torch.Tensor:
    """What the network is to predict: the noise (eq. 1), or the velocity."""
    config: Any = schedule.config
    if config.prediction_type == "epsilon":
        return noise
    velocity: Any = schedule.get_velocity  # typed for IntTensor, which int64 is not
    return velocity(latents, noise, timesteps)


def snr(schedule: DDIMScheduler, timesteps: torch.Tensor) -> torch.Tensor:
    """Signal-to-noise ratio ``(B,)`` at each timestep; 0 where nothing but noise is left."""
    from diffusers.training_utils import compute_snr

    return compute_snr(schedule, timesteps)
