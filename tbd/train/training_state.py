"""Everything that changes while a stage trains: weights, optimizer, moving average, counters; and where it is put back."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
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
from tbd.train.optimizer import make_optimizer, state_kind
from tbd.train.recipe import TrainRecipe
from tbd.train.request import recorded_recipe
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
        self.kind = recipe.optimizer.name
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
        kept: dict[str, Any] = {"optimizer": found, "names": self._order()}
        return kept | ({"scaler": scaler.state_dict()} if scaler is not None else {})

    def _order(self) -> list[str]:
        """Names of the parameters in the order in which the optimizer counts them."""
        names = {id(parameter): name for name, parameter in self.plain.named_parameters()}
        return [names[id(parameter)] for group in self.optimizer.param_groups for parameter in group["params"]]

    def restore(self, checkpoint: Checkpoint) -> list[str]:
        """Put moments, average and counters where a checkpoint left them; the weights are loaded already, and rates, decays
        and groups are those of the recipe, which may have changed since.

        Returns:
            What a person should know: what of it begins anew.

        Raises:
            InputError: a file of it is missing or damaged.
        """
        found = read_pickle(checkpoint.whole_file(OPTIMIZER))
        notes = self._restore_moments(found, recorded_recipe(checkpoint.meta)["optimizer"]["name"])
        if self.accelerator.scaler is not None and "scaler" in found:
            self.accelerator.scaler.load_state_dict(found["scaler"])
        notes += self.average.load(checkpoint.averages(), checkpoint.meta.average_steps)
        self.step, self.samples, self.bad = checkpoint.step, checkpoint.meta.samples, checkpoint.meta.bad_steps
        return notes

    def _restore_moments(self, found: Mapping[str, Any], kind: str) -> list[str]:
        """The saved moments of the weights that still learn, in the groups that the recipe makes now.

        Args:
            found: what ``optimizer_state`` gave.
            kind: the ``optimizer.name`` of then.
        """
        if state_kind(kind) != state_kind(self.kind):
            return [f"optimizer.name: {kind} -> {self.kind}: the moments of all weights begin anew"]
        order, groups = self._order(), self.optimizer.state_dict()["param_groups"]
        if (names := _saved_names(found, order, groups)) is None:
            return ["the groups of the optimizer are others than they were: the moments of all weights begin anew"]
        saved, now = _renamed(found["optimizer"], dict(enumerate(names)))["state"], set(order)
        moments = {name: value for name, value in saved.items() if name in now}
        self._load_moments(_renamed({"param_groups": groups}, dict(enumerate(order))) | {"state": moments}, order)
        new = len(now - set(names))
        return [f"optimizer: the moments of {new} tensors, which did not learn before, begin anew"] if new else []

    def _load_moments(self, named: dict[str, Any], order: Sequence[str]) -> None:
        if self.sharded:
            options = distributed.StateDictOptions(full_state_dict=True, strict=False)  # some may have no moments yet
            distributed.set_optimizer_state_dict(self.network, self.optimizer, named, options=options)
        else:
            self.optimizer.load_state_dict(_renamed(named, {name: index for index, name in enumerate(order)}))


def _saved_names(
    found: Mapping[str, Any], order: Sequence[str], groups: Sequence[Mapping[str, Any]]
) -> Sequence[str] | None:
    """Whose moments were saved, in their order; None where an older version did not write it and groups have changed."""
    if "names" in found:
        return list(found["names"])
    saved, now = ([len(group["params"]) for group in part] for part in (found["optimizer"]["param_groups"], groups))
    return order if saved == now else None


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
