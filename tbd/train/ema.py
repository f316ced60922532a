"""The moving average of the weights that learn (EMA), and looking at the network with it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from diffusers.training_utils import EMAModel
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.optim.swa_utils import get_ema_multi_avg_fn


class WeightAverage:
    """diffusers' EMA over named parameters; its rate rises with the number of steps up to ``decay``.

    Args:
        names: of the parameters.
        parameters: that learn.
        decay: 0 keeps none, and the network is looked at as it is.
    """

    def __init__(self, names: Sequence[str], parameters: Sequence[torch.nn.Parameter], decay: float) -> None:
        self.names, self.parameters = list(names), list(parameters)
        self.model = EMAModel(self.parameters, decay=decay) if decay else None

    def step(self) -> None:
        """Take in the weights after a step."""
        if self.model is None:
            return
        self.model.optimization_step += 1
        decay = self.model.get_decay(self.model.optimization_step)
        take_in: Any = get_ema_multi_avg_fn
        take_in(decay)(self.model.shadow_params, self.parameters, None)  # in place, in one pass

    @contextlib.contextmanager
    def shown(self) -> Iterator[None]:
        """Inside, the network has the averaged weights: they change places, one tensor at a time, so nothing is kept twice."""
        self._change_places()
        try:
            yield
        finally:
            self._change_places()

    @torch.no_grad()
    def _change_places(self) -> None:
        if self.model is None:
            return
        for shadow, parameter in zip(self.model.shadow_params, self.parameters, strict=True):
            kept = parameter.detach().clone()
            parameter.copy_(shadow)
            shadow.copy_(kept)

    def state(self) -> dict[str, torch.Tensor]:
        """Averaged weights by name; empty without an average."""
        return dict(zip(self.names, self.model.shadow_params, strict=True)) if self.model else {}

    @property
    def steps(self) -> int:
        """Steps taken in."""
        return int(self.model.optimization_step) if self.model else 0

    def load(self, state: dict[str, torch.Tensor], steps: int) -> list[str]:
        """Go on from what ``state`` and ``steps`` said; a weight that ``state`` does not name is averaged from now on.

        Returns:
            What a person should know: that some are.
        """
        if self.model is None:
            return []
        model: Any = self.model
        model.optimization_step = steps
        for shadow, name in zip(model.shadow_params, self.names, strict=True):
            if name in state:
                shadow.copy_(_laid_out(state[name], shadow))
        new = len([name for name in self.names if name not in state])
        return [f"ema: the averages of {new} tensors begin anew, with what these are now"] if new else []


def _laid_out(tensor: torch.Tensor, shadow: torch.Tensor) -> torch.Tensor:
    """A whole tensor as the shadow lies: with FSDP each process has a part of it."""
    if not isinstance(shadow, DTensor):
        return tensor
    return distribute_tensor(tensor.to(shadow.device), shadow.device_mesh, shadow.placements)
