"""Activation checkpointing of one site: what is kept for the backward pass, and what is computed again."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import torch
from torch.utils.checkpoint import CheckpointPolicy, checkpoint, create_selective_checkpoint_contexts

ActivationCheckpointing = Literal["none", "selective", "full"]

_ATTENTION = tuple(
    getattr(torch.ops.aten, name).default
    for name in (
        "_scaled_dot_product_flash_attention",
        "_scaled_dot_product_efficient_attention",
        "_scaled_dot_product_cudnn_attention",
        "_scaled_dot_product_flash_attention_for_cpu",
    )
    if hasattr(torch.ops.aten, name)
)


def run_checkpointed(mode: ActivationCheckpointing, function: Callable[..., Any], *arguments: Any) -> Any:
    """``function(*arguments)``, keeping less of it for the backward pass; the numbers are the same in every mode.

    Args:
        mode: ``none`` keeps everything; ``selective`` the results of attention, which cost the most to compute and
            little to keep; ``full`` only the arguments.
        function: free of side effects, all its tensors among its arguments or its modules' parameters.
    """
    if mode == "none" or not torch.is_grad_enabled():
        return function(*arguments)
    if mode == "full":
        return checkpoint(function, *arguments, use_reentrant=False, preserve_rng_state=False)
    contexts = partial(create_selective_checkpoint_contexts, _policy)
    return checkpoint(function, *arguments, use_reentrant=False, preserve_rng_state=False, context_fn=contexts)


def _policy(context: Any, operation: Any, *arguments: Any, **keywords: Any) -> CheckpointPolicy:
    return CheckpointPolicy.MUST_SAVE if operation in _ATTENTION else CheckpointPolicy.PREFER_RECOMPUTE
