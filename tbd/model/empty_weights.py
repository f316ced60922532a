"""Networks that are built without memory for their weights, and filled from files afterwards.

All processes of a run read the same files. A weight that is mapped from one takes no memory of its own, however many
processes look at it, until it moves to a device or is written to; the file stays as it is either way, for the mapping is
private, and a file that is deleted can be read for as long as it is mapped.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn.modules.module import register_module_parameter_registration_hook
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.weak import WeakTensorKeyDictionary


@contextlib.contextmanager
def without_memory() -> Iterator[None]:
    """Inside, every parameter that a module gets is on torch's meta device; buffers are what they always are.

    By torch's own hook, and not by accelerate's ``init_empty_weights``, which changes ``nn.Module`` for every thread.
    """
    here = threading.get_ident()

    def emptied(module: nn.Module, name: str, parameter: nn.Parameter | None) -> nn.Parameter | None:
        if parameter is None or threading.get_ident() != here:
            return None  # it stays as it is
        return nn.Parameter(parameter.detach().to("meta"), requires_grad=parameter.requires_grad)

    hook: Any = emptied  # torch's own annotation knows no hook that answers
    handle = register_module_parameter_registration_hook(hook)
    try:
        yield
    finally:
        handle.remove()


@dataclass(frozen=True)
class _Step:
    """One thing that was done to a weight: the operation without the weight, and torch's chance before it."""

    operation: Any
    arguments: tuple[Any, ...]
    keywords: dict[str, Any]
    chance: torch.Tensor | None


class DeferredWeights(TorchDispatchMode):
    """Remembers how weights without memory would have begun, so that those that no file has can still do so.

    Random numbers are drawn where they always were, a weight at a time, and let go at once: what is drawn behind them is
    the same. What is kept is the state of torch's chance before each of them, 5 kB.
    """

    def __init__(self) -> None:
        super().__init__()
        self._steps: Any = WeakTensorKeyDictionary()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        weight, words = args[0] if args else None, kwargs or {}
        if not (isinstance(weight, torch.Tensor) and weight.is_meta and func._schema.is_mutable):
            return func(*args, **words)
        drawn = torch.Tag.nondeterministic_seeded in func.tags
        step = _Step(func, args[1:], words, torch.get_rng_state() if drawn else None)
        self._steps.setdefault(weight, []).append(step)
        if drawn:
            func(torch.empty(weight.shape, dtype=weight.dtype), *args[1:], **words)
        return weight

    def begin(self, module: nn.Module) -> None:
        """Give the weights that are still without memory their own, and the start that they would have had.

        Raises:
            KeyError: one of them was not built inside, or got its values before it was a weight.
        """
        for owner in module.modules():
            for name, weight in list(owner.named_parameters(recurse=False)):
                if weight.is_meta:
                    setattr(owner, name, nn.Parameter(self._start(weight), requires_grad=weight.requires_grad))

    @torch.no_grad()
    def _start(self, weight: torch.Tensor) -> torch.Tensor:
        found = torch.empty(weight.shape, dtype=weight.dtype)
        with torch.random.fork_rng(devices=[]):
            for step in self._steps[weight]:
                if step.chance is not None:
                    torch.set_rng_state(step.chance)
                step.operation(found, *step.arguments, **step.keywords)
        return found


@contextlib.contextmanager
def deferred_weights() -> Iterator[DeferredWeights]:
    """``without_memory``, with a memory of how the weights would have begun."""
    with without_memory(), DeferredWeights() as deferred:
        yield deferred


def assign(module: nn.Module, weights: Mapping[str, torch.Tensor]) -> None:
    """Let some of a module's weights be ``weights`` themselves, not copies; only another precision is turned into its own.

    Args:
        module: one that nobody optimises yet: its parameters are replaced.
        weights: by the module's own names; not those of another module that stays in use.
    """
    own = module.state_dict()
    fitting = {name: value.to(own[name].dtype) for name, value in weights.items()}
    module.load_state_dict(fitting, strict=False, assign=True)  # what is missing has been accounted for by the caller


@torch.no_grad()
def settle(module: nn.Module, device: torch.device | str = "cpu") -> None:
    """Give every weight memory of its own on a device, one after the other, so that hardly anything is there twice.

    Files are let go. On the CPU the copies lie at the addresses that torch chooses, as those of a network that never was
    in a file: sums of the same numbers come out with the same bits.
    """
    for tensor in (*module.parameters(), *module.buffers()):
        tensor.data = tensor.data.to(device, copy=True)
