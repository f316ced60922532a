"""The loss of an autoencoder: how far a picture is from its reconstruction, most of all where a face speaks."""

from __future__ import annotations

import torch

from tbd.train.recipe import AutoencoderRecipe


def reconstruction_loss(
    made: torch.Tensor, wanted: torch.Tensor, weight: torch.Tensor, moments: torch.Tensor, recipe: AutoencoderRecipe
) -> torch.Tensor:
    """L1 of pixels and of their differences to the right and below, weighted, and KL to the standard normal.

    The differences hold edges (lips, lids) that L1 alone lets blur; LPIPS and a discriminator, which sd-vae-ft-mse was
    made without in its last phase too, are left out.

    Args:
        made, wanted: ``(N, 3, S, S)`` in [-1, 1].
        weight: ``(N, 1, S, S)``.
        moments: ``(N, 2 C, h, w)`` mean and log-variance of the posterior.
        recipe: weights of the terms.
    """
    made, moments = made.float(), moments.float()
    pixels = ((made - wanted).abs() * weight).sum() / (weight.sum() * 3)
    edges = torch.stack([_edges(made - wanted, weight, axis) for axis in (2, 3)]).sum()
    mean, spread = moments.chunk(2, 1)
    spread = spread.clamp(-30, 20)
    divergence = 0.5 * (mean.square() + spread.exp() - 1 - spread).mean()
    return pixels + recipe.gradient * edges + recipe.kl * divergence


def _edges(error: torch.Tensor, weight: torch.Tensor, axis: int) -> torch.Tensor:
    """L1 of the differences along an axis: of an error as of two pictures, for differences are linear."""
    weight = weight.narrow(axis, 1, weight.shape[axis] - 1)
    return (error.diff(dim=axis).abs() * weight).sum() / (weight.sum() * 3)
