"""What a machine makes of a recipe: steps a second, peak memory, and how much of the card's arithmetic is used."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from tbd.errors import MissingError
from tbd.model.frozen_encoders import latent_factor
from tbd.model.network import TBDNetwork, build_network
from tbd.model.noise import noise_scheduler
from tbd.model.shapes import network_sizes
from tbd.train.batch import Batch
from tbd.train.loss import sample_losses
from tbd.train.optimizer import make_optimizer
from tbd.train.recipe import TrainRecipe, stage_settings
from tbd.train.stages import freeze, predict

PEAK = {
    "H200": 989e12,
    "H100": 989e12,
    "A100": 312e12,
    "L40": 181e12,
    "L20": 119.5e12,
    "A10": 125e12,
    "RTX 4090": 165e12,
    "RTX 3090": 71e12,
}
"""Dense bfloat16 operations a second, from NVIDIA's data sheets (SXM versions); a card's name contains the key."""
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


def measure_step(recipe: TrainRecipe, stage: int, steps: int = 10) -> StepFigures:
    """Time whole steps (forward, backward, optimizer) of a stage on this machine's GPU, or on its CPU.

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
        batch = _batch(recipe, stage, torch.device("meta"))
        freeze(network, recipe, stage)
        with FlopCounterMode(display=False) as counter:
            network(
                batch.latents,
                batch.timesteps,
                batch.text[:, 0],
                reference_latents=batch.reference,
                reference_text=batch.text[:1, 0],
                motion_latents=batch.earlier,
                audio=batch.audio,
            ).sum().backward()
    return int(counter.get_total_flops()) * recipe.hardware.accumulate


def _measure(recipe: TrainRecipe, stage: int, steps: int, device: torch.device) -> StepFigures:
    cuda = device.type == "cuda"
    if cuda:
        torch.cuda.reset_peak_memory_stats()
    with device:
        network = build_network(recipe.network, stage)
    learning = _readied(network, recipe, stage)
    tool = make_optimizer(learning, recipe.optimizer)
    model_gb = sum(p.numel() * p.element_size() for p in network.parameters()) / 1e9
    batch, schedule = _batch(recipe, stage, device), noise_scheduler(recipe.model.noise)
    for number in range(WARM_UP + steps):
        if number == WARM_UP:
            _wait(device)
            began = time.perf_counter()
        _step(network, batch, schedule, recipe, tool, learning)
    _wait(device)
    rate = steps / (time.perf_counter() - began)
    samples = recipe.hardware.batch * recipe.hardware.accumulate
    speed, name = operations(recipe, stage) * rate, torch.cuda.get_device_name() if cuda else "CPU"
    best = next((peak for key, peak in PEAK.items() if key in name), None)
    known = best if recipe.hardware.precision != "float32" else None
    return StepFigures(
        device=name,
        stage=stage,
        samples=samples,
        steps_per_second=rate,
        frames_per_second=rate * samples * stage_settings(recipe, stage).frames,
        model_gb=model_gb,
        peak_gb=torch.cuda.max_memory_allocated() / 1e9 if cuda else None,
        teraflops=speed / 1e12,
        mfu=speed / known if known else None,
    )


def _step(network: TBDNetwork, batch: Batch, schedule: Any, recipe: TrainRecipe, tool: Any, learning: Any) -> None:
    kind = TYPES[recipe.hardware.precision]
    for _ in range(recipe.hardware.accumulate):
        with torch.autocast(batch.latents.device.type, kind, enabled=kind != torch.float32):
            prediction, target = predict(network, batch, batch.text[:1, 0], schedule, recipe)
        (sample_losses(prediction, target).mean() / recipe.hardware.accumulate).backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(learning, recipe.optimizer.clip)
    tool.step()
    tool.zero_grad(set_to_none=True)


def _readied(network: TBDNetwork, recipe: TrainRecipe, stage: int) -> list[torch.nn.Parameter]:
    """Frozen, cast and compiled as the loop does it."""
    names = set(freeze(network, recipe, stage))
    network.set_checkpointing(recipe.hardware.checkpointing)
    if recipe.hardware.precision == "bfloat16":
        for parameter in network.parameters():
            parameter.data = parameter.data if parameter.requires_grad else parameter.data.bfloat16()
    if recipe.hardware.channels_last:
        network.to(memory_format=torch.channels_last)
    if recipe.hardware.compile:
        parts: tuple[Any, ...] = (network.unet, network.reference_net)
        for part in parts:
            part.compile_repeated_blocks()
    return [parameter for name, parameter in network.named_parameters() if name in names]


def _batch(recipe: TrainRecipe, stage: int, device: torch.device) -> Batch:
    """Made-up inputs in the shapes of a stage."""
    size, batch = recipe.data.size // latent_factor(recipe.network), recipe.hardware.batch
    frames, sizes = stage_settings(recipe, stage).frames, network_sizes(recipe.network)
    earlier = recipe.network.motion_frames if stage == 2 else 0
    window, length = 2 * recipe.network.audio_context + 1, 77 * recipe.model.chunks
    keep = torch.ones(batch, dtype=torch.bool, device=device)

    def made(*sizes: int) -> torch.Tensor:
        return torch.randn(batch, *sizes, device=device)

    return Batch(
        latents=made(4, frames, size, size),
        reference=made(4, size, size),
        earlier=made(4, earlier, size, size) if earlier else None,
        audio=made(frames, window, sizes.audio["layers"], sizes.audio["channels"]) if stage == 2 else None,
        text=made(recipe.model.guidance.k, length, sizes.text["hidden_size"]),
        noise=made(4, frames, size, size),
        timesteps=torch.full((batch,), recipe.model.noise.steps // 2, device=device),
        keep_reference=keep,
        keep_text=keep,
        keep_audio=keep,
        keep_motion=keep,
    )


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()
