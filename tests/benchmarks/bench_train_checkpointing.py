"""Selective checkpointing against full in time and against none in memory, on one CPU thread: widths 64 and 128, at the
full size's 64 x 64 latents, where attention is most of the arithmetic (at full size 22 % of a forward pass)."""

from __future__ import annotations

import time

import pytest
import torch
from host_memory import LiveBytes

from tbd.model.network import build_network
from tbd.model.noise import noise_scheduler
from tbd.train import memory_presets
from tbd.train.loss import sample_losses
from tbd.train.made_up import made_up_batch
from tbd.train.stages import predict
from tbd.train.training_state import prepare_network

pytestmark = pytest.mark.bench

SMALL = ("model.network.size=small", "weights.start=random", "hardware.precision=float32", "data.size=256",
         "hardware.batch=1", "stage2.frames=2")  # fmt: skip
ROUNDS = 4
MODES = ("none", "selective", "full")


class Steps:
    """Forward and backward passes of stage 2 over one made-up batch, in any mode."""

    def __init__(self) -> None:
        torch.set_num_threads(1)
        recipe = memory_presets.load_recipe(None, SMALL)
        network = build_network(recipe.network, 2)
        prepare_network(network, recipe, 2)
        batch, schedule = made_up_batch(recipe, 2, torch.device("cpu")), noise_scheduler(recipe.model.noise)
        self.network = network
        self.arguments = (batch, batch.text[:1, 0], schedule, recipe)

    def loss(self, mode: str) -> torch.Tensor:
        """One forward pass."""
        self.network.set_checkpointing(mode)  # type: ignore[arg-type]
        return sample_losses(*predict(self.network, *self.arguments)).mean()

    def seconds(self, mode: str) -> float:
        """Processor seconds of one forward and backward pass."""
        began = time.process_time()
        self.loss(mode).backward()
        return time.process_time() - began

    def kept(self, mode: str) -> float:
        """Megabytes that the forward pass leaves for the backward pass."""
        with LiveBytes() as live:
            loss = self.loss(mode)
        assert loss.requires_grad
        return live.now / 1e6


def test_selective_is_faster_than_full_and_keeps_less_than_none():
    steps = Steps()
    rounds = [[steps.seconds(mode) for mode in MODES] for _ in range(ROUNDS)]  # in turn: what slows one slows all
    none, selective, full = map(min, zip(*rounds, strict=True))
    kept = {mode: steps.kept(mode) for mode in MODES}
    print(f"\na step: {none:.2f} s plain, {selective:.2f} s selective, {full:.2f} s full: {selective / full:.2f} of it")
    print("kept for the backward pass: " + ", ".join(f"{size:.0f} MB {mode}" for mode, size in kept.items()))
    assert selective <= 0.92 * full
    assert kept["full"] <= kept["selective"] <= 0.5 * kept["none"]
