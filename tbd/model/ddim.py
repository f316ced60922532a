"""Denoising a clip step by step: DDIM with classifier-free and progressive guidance."""

from __future__ import annotations

from typing import Any

import torch
from diffusers.schedulers.scheduling_ddim import DDIMScheduler

from tbd.model.guidance import blend, weights_for
from tbd.model.network import Conditions, TBDNetwork
from tbd.model.recipe import Guidance


@torch.no_grad()
def sample_clip(
    network: TBDNetwork,
    noise: torch.Tensor,
    text: torch.Tensor,
    empty: torch.Tensor,
    conditions: Conditions,
    silent: torch.Tensor | None,
    schedule: DDIMScheduler,
    guidance: Guidance,
    *,
    steps: int = 40,
    scale: float = 3.5,
) -> torch.Tensor:
    """Latents of a clip, by ``steps`` deterministic DDIM steps (eta 0; the paper takes 40).

    At each step the text is that of the step's own timestep, as in training. Without its conditions a clip has no
    reference, the empty text and no sound; the frames before it stay, as training drops those apart.

    Args:
        network: of stage 1 or 2.
        noise: ``(B, 4, F, h, w)`` standard normal.
        text: ``(B, k, L, D)`` embeddings, coarse to fine.
        empty: ``(1, L, D)`` embedding of the empty text.
        conditions: of ``network.conditions``.
        silent: ``(B, F, tokens, D)`` tokens of silence (``network.silence``), or None in stage 1.
        schedule: as the checkpoint has it.
        guidance: as the checkpoint has it.
        steps: denoising steps; where they do not divide the schedule's length diffusers rounds, and a clip ends with up
            to the first timestep's noise (0.03) left.
        scale: of classifier-free guidance; 1 asks the network once a step.

    Returns:
        ``(B, 4, F, h, w)`` scaled latents.
    """
    config: Any = schedule.config
    schedule.set_timesteps(steps, device=noise.device)
    without = Conditions(None, conditions.earlier, silent)
    latents = noise * schedule.init_noise_sigma
    for timestep in schedule.timesteps:
        now = timestep.repeat(len(noise))
        words = blend(text, weights_for(now, guidance, config.num_train_timesteps))
        conditional = network.denoise(latents, now, words, conditions)
        if scale != 1:
            unconditional = network.denoise(latents, now, empty.expand(len(noise), -1, -1), without)
            conditional = unconditional + scale * (conditional - unconditional)
        latents = schedule.step(conditional, timestep, latents, return_dict=False)[0]
    return latents
