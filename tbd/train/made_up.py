"""A batch of made-up inputs in the shapes of a stage: for timing and for counting memory."""

from __future__ import annotations

import torch

from tbd.model.encoder_files import latent_factor
from tbd.model.shapes import network_sizes
from tbd.train.batch import Batch
from tbd.train.recipe import TrainRecipe, stage_settings


def made_up_batch(recipe: TrainRecipe, stage: int, device: torch.device) -> Batch:
    """Random numbers on a device; nothing is left out."""
    size, batch = recipe.data.size // latent_factor(recipe.network), recipe.hardware.batch
    frames, sizes = stage_settings(recipe, stage).frames, network_sizes(recipe.network)
    earlier = recipe.network.motion_frames if stage == 2 else 0
    window, length = 2 * recipe.network.audio_context + 1, 77 * recipe.model.chunks
    keep = torch.ones(batch, dtype=torch.bool, device=device)

    def made(*sizes: int) -> torch.Tensor:
        return torch.randn(batch, *sizes, device=device)

    return Batch(
        latents=made(4, frames, size, size),
        reference=made(4, size, size),
        earlier=made(4, earlier, size, size) if earlier else None,
        audio=made(frames, window, sizes.audio["layers"], sizes.audio["channels"]) if stage == 2 else None,
        text=made(recipe.model.guidance.k, length, sizes.text["hidden_size"]),
        noise=made(4, frames, size, size),
        timesteps=torch.full((batch,), recipe.model.noise.steps // 2, device=device),
        keep_reference=keep,
        keep_text=keep,
        keep_audio=keep,
        keep_motion=keep,
    )


def answer_made_up(network: torch.nn.Module, batch: Batch, **more: torch.Tensor) -> torch.Tensor:
    """What a network makes of a made-up batch: ``(B, 4, F, h, w)``; its first prompt level is the text.

    Args:
        more: further conditions, as ``TBDNetwork.forward`` takes them.
    """
    answer: torch.Tensor = network(
        batch.latents,
        batch.timesteps,
        batch.text[:, 0],
        reference_latents=batch.reference,
        reference_text=batch.text[:1, 0],
        motion_latents=batch.earlier,
        audio=batch.audio,
        **more,
    )
    return answer
