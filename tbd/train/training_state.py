"""Everything that changes while a stage trains: weights, optimizer, moving average, counters; and where it is put back."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from accelerate import Accelerator, DistributedType
from torch.distributed.checkpoint import state_dict as distributed
from torch.distributed.fsdp import FSDPModule

from tbd.model.checkpoints import Checkpoint
from tbd.model.empty_weights import settle
from tbd.model.network import TBDNetwork
from tbd.model.weight_files import read_pickle
from tbd.train.ema import WeightAverage
from tbd.train.optimizer import make_optimizer
from tbd.train.recipe import TrainRecipe
from tbd.train.stages import freeze

OPTIMIZER = "state/optimizer.pt"
"""The optimizer's state inside a checkpoint: the trainer's own, so ``tbd.model.checkpoints`` does not read it."""
_WHOLE = distributed.StateDictOptions(full_state_dict=True, cpu_offload=True)


class TrainingState:
    """A network on its way, on this process.

    Args:
        accelerator: wraps network and optimizer.
        network: at the weights to begin with.
        recipe: what learns, how, in which precision.
        stage: 1 or 2.

    Attributes:
        network: wrapped, for the forward pass.
        plain: the same without the wrapping.
        names, learning: of the parameters that learn, and these.
        step, samples: done so far.
        bad: steps without a finite loss.
    """

    def __init__(self, accelerator: Accelerator, network: TBDNetwork, recipe: TrainRecipe, stage: int) -> None:
        self.accelerator, self.sharded = accelerator, accelerator.distributed_type == DistributedType.FSDP
        moved = not self.sharded or accelerator.device.type == "cpu"  # FSDP itself moves what it spreads over GPUs
        device = accelerator.device if moved else None
        self.names = prepare_network(network, recipe, stage, half=not self.sharded, device=device)
        wanted = set(self.names)
        learning = {name: p for name, p in network.named_parameters() if name in wanted}
        self.network, self.wrapped = accelerator.prepare(network, make_optimizer(learning, recipe.optimizer))
        self.plain = accelerator.unwrap_model(self.network)
        self.learning = [p for name, p in self.plain.named_parameters() if name in wanted]
        self.average = WeightAverage(self.names, self.learning, recipe.ema.decay)
        self.step = self.samples = self.bad = 0
        self.network.train()

    @property
    def units(self) -> list[FSDPModule]:
        """What FSDP gathers at a time, the rest of the network among it; empty without FSDP."""
        return [module for module in self.plain.modules() if isinstance(module, FSDPModule)]

    @contextlib.contextmanager
    def averaged(self) -> Iterator[TBDNetwork]:
        """The network to be looked at: with the moving averages as its weights, where some are kept."""
        self.plain.eval()
        with self.average.shown():
            self._let_go()
            try:
                yield self.plain
            finally:
                self._let_go()
        self.plain.train()

    def _let_go(self) -> None:
        for unit in self.units:
            unit.reshard()  # FSDP keeps some of what it gathered, and would not look whether it has changed

    @property
    def optimizer(self) -> torch.optim.Optimizer:
        """The optimizer without accelerate's wrapping."""
        found: torch.optim.Optimizer = getattr(self.wrapped, "optimizer", self.wrapped)
        return found

    def weights(self) -> dict[str, torch.Tensor]:
        """All weights on the CPU, gathered from every process; all take part."""
        return distributed.get_model_state_dict(self.network, options=_WHOLE)  # type: ignore[return-value]

    def averages(self) -> dict[str, torch.Tensor]:
        """The moving average by name, gathered from every process."""
        return {name: _gathered(tensor) for name, tensor in self.average.state().items()}

    def optimizer_state(self) -> dict[str, Any]:
        """What ``restore`` needs besides the weights: the same, however many processes there are and whoever wraps them."""
        if self.sharded:
            named: Any = distributed.get_optimizer_state_dict(self.network, self.optimizer, options=_WHOLE)
            found = _renamed(named, {name: index for index, name in enumerate(self._order())})
        else:
            found = self.optimizer.state_dict()
        scaler = self.accelerator.scaler
        return {"optimizer": found} | ({"scaler": scaler.state_dict()} if scaler is not None else {})

    def _order(self) -> list[str]:
        """Names of the parameters in the order in which the optimizer counts them."""
        names = {id(parameter): name for name, parameter in self.plain.named_parameters()}
        return [names[id(parameter)] for group in self.optimizer.param_groups for parameter in group["params"]]

    def restore(self, checkpoint: Checkpoint) -> None:
        """Put optimizer, average and counters where a checkpoint left them; the weights are loaded already.

        Raises:
            InputError: a file of it is missing or damaged.
        """
        found = read_pickle(checkpoint.whole_file(OPTIMIZER))
        if self.sharded:
            named = _renamed(found["optimizer"], dict(enumerate(self._order())))
            options = distributed.StateDictOptions(full_state_dict=True)
            distributed.set_optimizer_state_dict(self.network, self.optimizer, named, options=options)
        else:
            self.optimizer.load_state_dict(found["optimizer"])
        if self.accelerator.scaler is not None and "scaler" in found:
            self.accelerator.scaler.load_state_dict(found["scaler"])
        self.average.load(checkpoint.averages(), checkpoint.meta.average_steps)
        self.step, self.samples, self.bad = checkpoint.step, checkpoint.meta.samples, checkpoint.meta.bad_steps


def _renamed(state: dict[str, Any], names: Mapping[Any, Any]) -> dict[str, Any]:
    """An optimizer's state with its parameters called otherwise: FSDP calls them by name, torch's optimizers by number."""
    groups = [group | {"params": [names[one] for one in group["params"]]} for group in state.get("param_groups", [])]
    return {"state": {names[one]: value for one, value in state.get("state", {}).items()}, "param_groups": groups}


def prepare_network(
    network: TBDNetwork, recipe: TrainRecipe, stage: int, *, half: bool = True, device: torch.device | None = None
) -> list[str]:
    """Freeze, move, cast, and compile a network as its recipe says; returns the names of what learns.

    Args:
        half: hold what does not learn in half precision where training is in bfloat16 (FSDP wants one type).
        device: where its weights get memory of their own, out of their files; None leaves them where they are.
    """
    hardware = recipe.hardware
    names = freeze(network, recipe, stage)
    if device is not None:
        settle(network, device)  # before they are cast: that would be copies in every process of a machine
    network.set_checkpointing(hardware.checkpointing)
    if half and hardware.precision == "bfloat16":
        for parameter in network.parameters():
            if not parameter.requires_grad:
                parameter.data = parameter.data.bfloat16()
    if hardware.channels_last:
        network.to(memory_format=torch.channels_last)
    if hardware.compile:
        parts: tuple[Any, ...] = (network.unet, network.reference_net)
        for part in parts:
            part.compile_repeated_blocks()
    return names


def _gathered(tensor: torch.Tensor) -> torch.Tensor:
    whole: torch.Tensor = tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor
    return whole
