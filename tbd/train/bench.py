"""What a machine makes of a recipe: steps a second, peak memory, and how much of the card's arithmetic is used."""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch
from torch.utils.flop_counter import FlopCounterMode

from tbd.errors import MissingError
from tbd.model.frozen_encoders import random_encoders
from tbd.model.network import TBDNetwork, build_network
from tbd.model.noise import noise_scheduler
from tbd.train.arithmetic import set_arithmetic
from tbd.train.batch import Batch
from tbd.train.card_peaks import peak_operations, why_no_mfu
from tbd.train.ema import WeightAverage
from tbd.train.host_memory import keep_freed_memory
from tbd.train.loss import sample_losses
from tbd.train.made_up import answer_made_up, made_up_batch
from tbd.train.optimizer import make_optimizer
from tbd.train.recipe import TrainRecipe, stage_settings
from tbd.train.stages import freeze, predict
from tbd.train.training_state import prepare_network

WARM_UP = 3
"""Steps that are not timed."""
TYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True)
class StepFigures:
    """One line of the table.

    Attributes:
        device: its name.
        stage, samples: of the recipe; samples of one step on this device.
        steps_per_second, frames_per_second: measured, with random weights and made-up inputs on the device.
        model_gb: weights, before the first step.
        peak_gb: most memory in use; None on a CPU.
        teraflops: operations a second, recomputation not counted.
        mfu: share of what the card can do at best; None where that is not known.
        why_no_mfu: why it is not.
    """

    device: str
    stage: int
    samples: int
    steps_per_second: float
    frames_per_second: float
    model_gb: float
    peak_gb: float | None
    teraflops: float
    mfu: float | None
    why_no_mfu: str | None


def measure_step(recipe: TrainRecipe, stage: int, steps: int = 10) -> StepFigures:
    """Time the loop's steps (forward, backward, optimizer, average; encoders in memory) of a stage on this machine's GPU, or on its CPU.

    Args:
        recipe: fitted to the card.
        stage: 1 or 2.
        steps: timed ones.

    Raises:
        MissingError: full size without a GPU, or more memory than there is.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if device.type == "cpu" and recipe.network.size == "sd15":
        raise MissingError(
            "no GPU here, and the full size does not train on a CPU",
            next="tbd train bench --set model.network.size=tiny",
        )
    try:
        return _measure(recipe, stage, steps, device)
    except torch.cuda.OutOfMemoryError as error:
        raise MissingError(f"stage {stage} does not fit this card ({str(error).splitlines()[0]})") from None
    finally:
        if device.type == "cuda":
            torch.cuda.empty_cache()


def operations(recipe: TrainRecipe, stage: int) -> int:
    """Floating-point operations of one step: forward and backward, without recomputation or optimizer."""
    with torch.device("meta"):
        network = build_network(recipe.network, stage)
        batch = made_up_batch(recipe, stage, torch.device("meta"))
        freeze(network, recipe, stage)
        with FlopCounterMode(display=False) as counter:
            answer_made_up(network, batch).sum().backward()  # type: ignore[no-untyped-call]
    return int(counter.get_total_flops()) * recipe.hardware.accumulate


def _measure(recipe: TrainRecipe, stage: int, steps: int, device: torch.device) -> StepFigures:
    cuda = device.type == "cuda"
    keep_freed_memory(device.type)
    set_arithmetic(recipe.hardware, device.type)
    if cuda:
        torch.cuda.reset_peak_memory_stats()
    with device:
        network = build_network(recipe.network, stage)
    names = set(prepare_network(network, recipe, stage))
    learning = {name: parameter for name, parameter in network.named_parameters() if name in names}
    loop_step = _LoopStep(network, learning, recipe, device)
    model_gb = sum(p.numel() * p.element_size() for p in network.parameters()) / 1e9
    batch = made_up_batch(recipe, stage, device)
    for number in range(WARM_UP + steps):
        if number == WARM_UP:
            _wait(device)
            began = time.perf_counter()
        loop_step.run(batch)
    _wait(device)
    rate = steps / (time.perf_counter() - began)
    samples = recipe.hardware.batch * recipe.hardware.accumulate
    speed, name = operations(recipe, stage) * rate, torch.cuda.get_device_name() if cuda else "CPU"
    unknown = why_no_mfu(name, recipe.hardware.precision)
    best = None if unknown else peak_operations(name)
    return StepFigures(
        device=name,
        stage=stage,
        samples=samples,
        steps_per_second=rate,
        frames_per_second=rate * samples * stage_settings(recipe, stage).frames,
        model_gb=model_gb,
        peak_gb=torch.cuda.max_memory_allocated() / 1e9 if cuda else None,
        teraflops=speed / 1e12,
        mfu=speed / best if best else None,
        why_no_mfu=unknown,
    )


class _LoopStep:
    """The trainer's step with everything that is on the card meanwhile: encoders, optimizer, moving average."""

    def __init__(
        self, network: TBDNetwork, learning: dict[str, torch.nn.Parameter], recipe: TrainRecipe, device: torch.device
    ) -> None:
        self.network, self.learning, self.recipe = network, list(learning.values()), recipe
        self.optimizer = make_optimizer(learning, recipe.optimizer)
        self.average = WeightAverage(list(learning), self.learning, recipe.ema.decay)
        self.schedule = noise_scheduler(recipe.model.noise)
        self.encoders = random_encoders(recipe.network, 0, str(device))

    def run(self, batch: Batch) -> None:
        """Forward, backward, clip, step, average."""
        recipe, kind = self.recipe, TYPES[self.recipe.hardware.precision]
        for _ in range(recipe.hardware.accumulate):
            half, kept = kind != torch.float32, recipe.hardware.keeps_casts
            with torch.autocast(batch.latents.device.type, kind, enabled=half, cache_enabled=kept):
                prediction, target = predict(self.network, batch, batch.text[:1, 0], self.schedule, recipe)
            loss = sample_losses(prediction, target).mean() / recipe.hardware.accumulate
            loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.learning, recipe.optimizer.clip)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.average.step()


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()
