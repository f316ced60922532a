"""The optimizer: AdamW at a constant rate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from tbd.errors import MissingError
from tbd.train.recipe import Optimizer
from tbd.train.stages import is_new_layer


def make_optimizer(parameters: Mapping[str, torch.nn.Parameter], recipe: Optimizer) -> torch.optim.Optimizer:
    """AdamW, fused; or with 8-bit states, which take a quarter of the memory, and none of the card's between steps if paged.

    Args:
        parameters: that learn, by name; the layers of stage 2 are a group of their own where their rate differs.
        recipe: kind, rates, decay.

    Raises:
        MissingError: 8-bit ones need bitsandbytes.
    """
    words: dict[str, Any] = {
        "lr": recipe.lr,
        "betas": recipe.betas,
        "weight_decay": recipe.weight_decay,
        "eps": recipe.eps,
    }
    groups = _groups(parameters, recipe.new_layers)
    if recipe.name == "adamw":
        return torch.optim.AdamW(groups, fused=True, **words)
    try:
        import bitsandbytes
    except ImportError:
        raise MissingError(
            f"optimizer.name = {recipe.name} needs bitsandbytes, which is not installed here",
            next="pip install 'think-before-draw[low-memory]', or --set optimizer.name=adamw",
        ) from None
    kind = "PagedAdamW8bit" if recipe.name == "adamw-8bit-paged" else "AdamW8bit"
    eight: torch.optim.Optimizer = getattr(bitsandbytes.optim, kind)(groups, **words)
    return eight


def state_kind(name: str) -> str:
    """What an ``optimizer.name`` keeps of every weight: optimizers of one kind can go on with each other's moments."""
    return "32 bits" if name == "adamw" else "8 bits"


def learning_rate(recipe: Optimizer, step: int) -> float:
    """The learning rate of a step, counted from 0: rising over ``warmup`` steps, then constant."""
    return recipe.lr * min(1.0, (step + 1) / recipe.warmup) if recipe.warmup else recipe.lr


def set_learning_rate(tool: torch.optim.Optimizer, value: float) -> None:
    """Set the learning rate of every group, times its own factor."""
    for group in tool.param_groups:
        group["lr"] = value * group.get("factor", 1.0)


def _groups(parameters: Mapping[str, torch.nn.Parameter], factor: float) -> list[dict[str, Any]]:
    new = [name for name in parameters if factor != 1 and is_new_layer(name)]
    old = [name for name in parameters if name not in set(new)]
    groups = [
        {"params": [parameters[name] for name in names], "factor": by} for names, by in ((old, 1.0), (new, factor))
    ]
    return [group for group in groups if group["params"]]
