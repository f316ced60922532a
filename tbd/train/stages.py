"""The two stages: which weights learn, and how a batch becomes a question to the network."""

from __future__ import annotations

import re

import torch
from diffusers.schedulers.scheduling_ddim import DDIMScheduler

from tbd.model.guidance import blend, weights_for
from tbd.model.network import TBDNetwork
from tbd.model.noise import prediction_target
from tbd.train.batch import Batch
from tbd.train.recipe import TrainRecipe, stage_settings

_TEXT = r"^unet\..*(\.transformer_blocks\.\d+\.(attn2|norm2)\.|text_modules)"
_ATTENTION = r"attentions|text_modules"
_SECOND = r"audio_modules|motion_modules|^audio_projection"


def learns(name: str, recipe: TrainRecipe, stage: int) -> bool:
    """Whether a weight of this name learns in a stage.

    Stage 1: the ReferenceNet and all spatial layers. Stage 2: audio and motion layers and the audio projection. The
    recipe takes the text attention in or out, and may narrow stage 1 to attention.
    """
    chosen = stage_settings(recipe, stage)
    if stage == 2:
        spoken = re.search(_TEXT, name) and not re.search(_SECOND, name)
        return bool(re.search(_SECOND, name)) or bool(chosen.text and spoken)
    if chosen.trainable == "attention" and not re.search(_ATTENTION, name):
        return False
    return chosen.text or not re.search(_TEXT, name)


def is_new_layer(name: str) -> bool:
    """Whether a weight of this name belongs to what stage 2 adds."""
    return bool(re.search(_SECOND, name))


def freeze(network: TBDNetwork, recipe: TrainRecipe, stage: int) -> list[str]:
    """Set what learns; returns the names of the weights that do."""
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(learns(name, recipe, stage))
    return [name for name, parameter in network.named_parameters() if parameter.requires_grad]


def predict(
    network: torch.nn.Module,
    batch: Batch,
    empty: torch.Tensor,
    schedule: DDIMScheduler,
    recipe: TrainRecipe,
) -> tuple[torch.Tensor, torch.Tensor]:
    """The network's prediction for a batch, and what it should have been.

    Args:
        network: ``TBDNetwork``, also wrapped for several GPUs.
        batch: encoded.
        empty: ``(1, L, D)`` embedding of the empty text.
        schedule: of the diffusion.
        recipe: guidance, and what the ReferenceNet hears.

    Returns:
        Two ``(B, 4, F, h, w)``.
    """
    words = blend(batch.text, weights_for(batch.timesteps, recipe.model.guidance, recipe.model.noise.steps))
    words = torch.where(batch.keep_text[:, None, None], words, empty)
    prediction = network(
        schedule.add_noise(batch.latents, batch.noise, batch.timesteps),  # type: ignore[arg-type]
        batch.timesteps,
        words,
        reference_latents=batch.reference,
        reference_text=reference_text(recipe, batch.text, empty),
        motion_latents=_kept(batch.earlier, batch.keep_motion),
        audio=_kept(batch.audio, batch.keep_audio),
        keep_reference=batch.keep_reference,
    )
    return prediction, prediction_target(schedule, batch.latents, batch.noise, batch.timesteps)


def reference_text(recipe: TrainRecipe, levels: torch.Tensor, empty: torch.Tensor) -> torch.Tensor:
    """What the ReferenceNet hears.

    Args:
        recipe: ``model.network.reference_text``.
        levels: ``(B, k, L, D)``, coarse to fine.
        empty: ``(1, L, D)`` embedding of the empty text.

    Returns:
        ``(B, L, D)``, or ``(1, L, D)`` where it is the same for all.
    """
    kind = recipe.network.reference_text
    if kind == "coarse":
        return levels[:, 0]
    return empty if kind == "empty" else torch.zeros_like(empty)


def _kept(condition: torch.Tensor | None, keep: torch.Tensor) -> torch.Tensor | None:
    """A condition with zeros where it is left out."""
    return None if condition is None else condition * keep.reshape(-1, *(1 for _ in condition.shape[1:]))
