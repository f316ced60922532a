"""What a run needs beside its card: disk, and the host's memory. Arithmetic from the recipe and its network without memory."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from tbd.model.network import build_network
from tbd.train.recipe import TrainRecipe
from tbd.train.stages import freeze

OPTIMIZER_BYTES = {"adamw": 8, "adamw-8bit": 2.1, "adamw-8bit-paged": 2.1}
"""Of the states of one weight; 8-bit ones have a scale for every block."""
ENCODER_WEIGHTS = {"sd15": 301_086_055, "small": 4_027_655, "tiny": 1_507_223}
"""Of the frozen networks: sd-vae-ft-mse, CLIP's text encoder, wav2vec 2.0; a test counts them."""
PROCESS = 1.0e9
"""Bytes of a process with torch and the other libraries, without CUDA's own (0.92 GB measured)."""
LOADER = 0.4e9
"""Bytes of a process that loads samples (0.32 GB measured, of which most is shared), and of those that wait in it."""


@dataclass(frozen=True)
class RunNeeds:
    """What a run needs.

    Attributes:
        weights, learning: how many there are, and how many of them learn.
        checkpoint: bytes of one.
        disk: bytes of all that are kept, and of one that is being written.
        host: bytes of the host's memory at most, over all processes of this machine.
    """

    weights: int
    learning: int
    checkpoint: float
    disk: float
    host: float


def run_needs(recipe: TrainRecipe, stage: int, *, processes: int = 1, card: bool = True) -> RunNeeds:
    """Count what a run of a stage needs.

    Args:
        recipe: of the run, fitted to its card.
        stage: 1 or 2.
        processes: of the run on this machine.
        card: False: it trains in the host's memory, whose activations are not counted here.
    """
    weights, learning = count_weights(recipe, stage)
    checkpoint = checkpoint_bytes(weights, learning, recipe)
    each = PROCESS + 4 * ENCODER_WEIGHTS[recipe.network.size] + recipe.data.workers * LOADER
    if not card:
        each += checkpoint + 4 * learning  # weights, average and states as in a checkpoint, and the gradients
    return RunNeeds(
        weights=weights,
        learning=learning,
        checkpoint=checkpoint,
        disk=(recipe.watch.keep + 2) * checkpoint,  # the newest, the best, and one being written
        host=processes * each + checkpoint,  # while one is written, which is more than while weights are read
    )


def count_weights(recipe: TrainRecipe, stage: int) -> tuple[int, int]:
    """How many weights the network of a stage has, and how many of them learn."""
    with torch.device("meta"):
        network = build_network(recipe.network, stage)
    names = freeze(network, recipe, stage)
    sizes = {name: parameter.numel() for name, parameter in network.named_parameters()}
    return sum(sizes.values()), sum(sizes[name] for name in names)


def checkpoint_bytes(weights: int, learning: int, recipe: TrainRecipe) -> float:
    """What a checkpoint takes on disk, and on the host while it is written: weights, average, optimizer.

    Args:
        weights, learning: how many there are, and how many of them learn.
        recipe: optimizer and average.
    """
    average = 4 * learning if recipe.ema.decay else 0
    return 4 * weights + average + OPTIMIZER_BYTES[recipe.optimizer.name] * learning
