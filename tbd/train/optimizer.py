"""The optimizer: AdamW at a constant rate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from tbd.errors import MissingError
from tbd.train.recipe import Optimizer


def make_optimizer(parameters: Sequence[torch.nn.Parameter], recipe: Optimizer) -> torch.optim.Optimizer:
    """AdamW, fused; or with 8-bit states, which take a quarter of the memory.

    Raises:
        MissingError: ``adamw-8bit`` needs bitsandbytes.
    """
    words: dict[str, Any] = {
        "lr": recipe.lr,
        "betas": recipe.betas,
        "weight_decay": recipe.weight_decay,
        "eps": recipe.eps,
    }
    if recipe.name == "adamw":
        return torch.optim.AdamW(parameters, fused=True, **words)
    try:
        import bitsandbytes
    except ImportError:
        raise MissingError(
            "optimizer.name = adamw-8bit needs bitsandbytes, which is not installed here",
            next="pip install 'think-before-draw[low-memory]', or --set optimizer.name=adamw",
        ) from None
    eight: torch.optim.Optimizer = bitsandbytes.optim.AdamW8bit(parameters, **words)
    return eight


def learning_rate(recipe: Optimizer, step: int) -> float:
    """The learning rate of a step, counted from 0: rising over ``warmup`` steps, then constant."""
    return recipe.lr * min(1.0, (step + 1) / recipe.warmup) if recipe.warmup else recipe.lr


def set_learning_rate(tool: torch.optim.Optimizer, value: float) -> None:
    """Set the learning rate of every group."""
    for group in tool.param_groups:
        group["lr"] = value
