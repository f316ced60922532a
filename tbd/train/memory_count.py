"""What one step needs on a card, counted on fake CUDA tensors at full size: no GPU and no memory is needed for it.

A tensor that autograd saves is counted by its storage, so that views and tensors that two operations share count once.
Every layer is one segment of activation checkpointing: what it keeps stays until its turn in the backward pass, and what
it computes again is there only during that turn. The largest sum over both passes and the optimizer's turn is the
step's peak.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from tbd.model import reference, unet
from tbd.model.network import TBDNetwork, build_network
from tbd.model.shapes import network_sizes
from tbd.model.unet_blocks import BlockLayer
from tbd.train.made_up import answer_made_up, made_up_batch
from tbd.train.recipe import TrainRecipe
from tbd.train.run_needs import OPTIMIZER_BYTES
from tbd.train.stages import freeze

GIGABYTE = 1e9
ROOM = 0.08
"""Share of a card that stays free: CUDA's own context (0.5 to 0.8 GB) and what fragmentation wastes."""


@dataclass(frozen=True)
class StepMemory:
    """Gigabytes (10^9 bytes) of one step on one card.

    Attributes:
        weights: learning ones in float32, the others as they are held.
        gradients: of all that learns.
        optimizer, average: their states; paged ones leave the card until the optimizer's turn.
        casts: half-precision copies of learning weights that last from the forward to the backward pass: of all of them,
            or where layers are checkpointed of those outside the layers alone.
        encoders: the frozen networks, in float32.
        buckets: copies of the gradients for other processes; 0 where gradients are views of them.
        activations: kept from the forward pass.
        recomputation: largest layer that is computed again.
        peak: the most that is there at a time.
    """

    weights: float
    gradients: float
    optimizer: float
    average: float
    casts: float
    encoders: float
    buckets: float
    activations: float
    recomputation: float
    peak: float

    def fits(self, gigabytes: float) -> bool:
        """Whether a card of this size has room, with its reserve."""
        return self.peak <= (1 - ROOM) * gigabytes


@dataclass
class _Segment:
    """A layer: bytes that it keeps, that it computes again (half-precision weights among them), and of its gradients."""

    kept: int = 0
    again: int = 0
    gradients: int = 0


@dataclass
class _Counter:
    """Sees every saved tensor once."""

    ignored: set[tuple[int, ...]]
    cast_bytes: int
    segments: list[_Segment] = field(default_factory=list)
    seen: dict[int, torch.Tensor] = field(default_factory=dict)

    def new_bytes(self, tensor: Any) -> int:
        """Bytes of a tensor's storage; 0 for one that was counted, and for weights and their half-precision copies."""
        if (
            not isinstance(tensor, torch.Tensor)
            or isinstance(tensor, nn.Parameter)
            or tuple(tensor.shape) in self.ignored
        ):
            return 0
        storage = tensor.untyped_storage()
        if storage._cdata in self.seen:
            return 0
        self.seen[storage._cdata] = tensor  # kept alive: its number is not given to another
        return int(storage.nbytes())

    def run(self, mode: str, function: Callable[..., Any], *arguments: Any) -> Any:
        """Stands in for ``run_checkpointed``."""
        learning = _learning_weights(function, arguments)
        segment = _Segment(again=0 if mode == "none" else self.cast_bytes * learning, gradients=4 * learning)
        self.segments.append(segment)
        inside: list[torch.Tensor] = []
        if mode != "none":
            segment.kept = sum(map(self.new_bytes, _tensors(arguments)))
        with _saved(inside.append), _attention(self._keep(segment) if mode == "selective" else None):
            found = function(*arguments)
        if mode == "none":
            segment.kept += sum(map(self.new_bytes, inside))
        else:
            storages = {t.untyped_storage()._cdata: t for t in inside if not isinstance(t, nn.Parameter)}
            again = [t for key, t in storages.items() if key not in self.seen and tuple(t.shape) not in self.ignored]
            segment.again += sum(int(t.untyped_storage().nbytes()) for t in again)
        return found

    def _keep(self, segment: _Segment) -> Callable[[tuple[Any, ...]], None]:
        def keep(results: tuple[Any, ...]) -> None:
            segment.kept += sum(map(self.new_bytes, _tensors(results)))

        return keep


def count_step(recipe: TrainRecipe, stage: int, *, processes: int = 1, bucket_views: bool = True) -> StepMemory:
    """The memory of a step of a recipe, fitted to its card.

    Args:
        recipe: size, batch, precision, checkpointing, optimizer, average.
        stage: 1 or 2.
        processes: cards that train together.
        bucket_views: gradients are views of the buckets in which they travel.
    """
    with FakeTensorMode(), torch.device("cuda"):
        network = build_network(recipe.network, stage)
        freeze(network, recipe, stage)
        network.set_checkpointing(recipe.hardware.checkpointing)
        counter = _forward(network, recipe, stage)
    learning = sum(p.numel() for p in network.parameters() if p.requires_grad)
    frozen = sum(p.numel() for p in network.parameters()) - learning
    half = recipe.hardware.precision != "float32"
    inside = 0 if recipe.hardware.keeps_casts else sum(segment.gradients for segment in counter.segments) // 4
    held = 4 if recipe.hardware.precision == "float16" or not half else 2
    parts = {
        "weights": 4 * learning + held * frozen,
        "optimizer": OPTIMIZER_BYTES[recipe.optimizer.name] * learning,
        "average": 4 * learning if recipe.ema.decay else 0,
        "casts": 2 * (learning - inside) if half else 0,
        "encoders": 4 * _encoder_weights(recipe),
        "buckets": 0 if processes == 1 or bucket_views else 4 * learning,
    }
    resident = sum(parts.values())
    passes = resident - (parts["optimizer"] if recipe.optimizer.name.endswith("paged") else 0)
    accumulated = recipe.hardware.accumulate > 1
    peak = max(passes + _peak_of_passes(counter.segments, 4 * learning, accumulated), resident + 4 * learning)
    return StepMemory(
        **{name: size / GIGABYTE for name, size in parts.items()},
        gradients=4 * learning / GIGABYTE,
        activations=sum(segment.kept for segment in counter.segments) / GIGABYTE,
        recomputation=max(segment.again for segment in counter.segments) / GIGABYTE,
        peak=peak / GIGABYTE,
    )


def _forward(network: TBDNetwork, recipe: TrainRecipe, stage: int) -> _Counter:
    """One forward pass, segment by segment; what is saved between segments belongs to the one before."""
    casts = 0 if recipe.hardware.precision == "float32" else 2
    counter = _Counter({tuple(parameter.shape) for parameter in network.parameters()} - {()}, casts)
    batch = made_up_batch(recipe, stage, torch.device("cuda"))
    outside: list[torch.Tensor] = []
    run = mock.patch.multiple
    with (
        run(unet, run_checkpointed=counter.run),
        run(reference, run_checkpointed=counter.run),
        _half(recipe.hardware.precision),
        _saved(outside.append),
        _attention(None),
    ):
        answer_made_up(network, batch, keep_reference=batch.keep_reference)
    counter.segments.append(_Segment(kept=sum(map(counter.new_bytes, outside))))
    return counter


def _peak_of_passes(segments: list[_Segment], gradients: int, accumulated: bool) -> float:
    """The most over both passes: what is kept by now, what a layer computes, and the gradients that are there."""
    kept, there, most = 0, gradients if accumulated else 0, 0
    for segment in segments:
        kept += segment.kept
        most = max(most, kept + there + segment.again)
    for segment in reversed(segments):
        most = max(most, kept + there + segment.again + (0 if accumulated else segment.gradients))
        kept -= segment.kept
        there += 0 if accumulated else segment.gradients
    return most


def _learning_weights(function: Any, arguments: tuple[Any, ...]) -> int:
    """How many weights of a layer, or of all layers of a site, learn."""
    parts = [part for given in (function, *arguments) for part in _layers_of(given)]
    return sum(p.numel() for part in parts for p in part.parameters() if p.requires_grad)


def _layers_of(given: Any) -> list[nn.Module]:
    found = vars(given).values() if isinstance(given, BlockLayer) else (given,)
    return [part for part in found if isinstance(part, nn.Module)]


def _encoder_weights(recipe: TrainRecipe) -> int:
    from diffusers import AutoencoderKL
    from transformers import CLIPTextConfig, CLIPTextModel, Wav2Vec2Config, Wav2Vec2Model

    sizes, kind = network_sizes(recipe.network), AutoencoderKL
    with torch.device("meta"):
        make: Any = kind
        models = (
            make(**sizes.vae),
            CLIPTextModel(CLIPTextConfig(**sizes.text)),
            Wav2Vec2Model(Wav2Vec2Config(**sizes.speech)),
        )
    return sum(p.numel() for model in models for p in model.parameters())


def _tensors(values: Any) -> Iterator[torch.Tensor]:
    for value in values:
        if isinstance(value, torch.Tensor):
            yield value
        elif isinstance(value, list | tuple):
            yield from _tensors(value)


@contextlib.contextmanager
def _saved(take: Callable[[torch.Tensor], None]) -> Iterator[None]:
    def pack(tensor: torch.Tensor) -> torch.Tensor:
        take(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        yield


@contextlib.contextmanager
def _attention(keep: Callable[[tuple[Any, ...]], None] | None) -> Iterator[None]:
    """Flash attention, as a GPU takes it; ``keep`` is given its results."""

    def flash(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *_: Any, **__: Any) -> torch.Tensor:
        results = torch.ops.aten._scaled_dot_product_flash_attention(query, key, value)
        if keep is not None:
            keep(results)
        found: torch.Tensor = results[0]
        return found

    with mock.patch("torch.nn.functional.scaled_dot_product_attention", flash):
        yield


@contextlib.contextmanager
def _half(precision: str) -> Iterator[None]:
    """CUDA's autocast, which without a GPU refuses to be entered by its own name."""
    if precision == "float32":
        yield
        return
    kind = {"bfloat16": torch.bfloat16, "float16": torch.float16}[precision]
    before = torch.is_autocast_enabled("cuda"), torch.get_autocast_dtype("cuda")
    torch.set_autocast_enabled("cuda", True)
    torch.set_autocast_dtype("cuda", kind)
    torch.autocast_increment_nesting()
    try:
        yield
    finally:
        if torch.autocast_decrement_nesting() == 0:
            torch.clear_autocast_cache()
        torch.set_autocast_enabled("cuda", before[0])
        torch.set_autocast_dtype("cuda", before[1])
