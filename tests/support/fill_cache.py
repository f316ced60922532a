"""``tbd train cache`` in a process of its own, made to be killed."""

import time
from pathlib import Path

import torch
import training

from tbd.train import cache_builder
from tbd.train.approved_clips import read_training_clips
from tbd.train.latent_cache import LatentCache


def fill_slowly(manifest: Path, folder: Path, pause: float, ready) -> None:
    """Set ``ready`` when everything is planned, then make one clip after the other, ``pause`` seconds apart."""
    torch.set_num_threads(1)
    recipe = training.recipe()
    keep = LatentCache(folder, training.base().identities, "both")
    plan = cache_builder.plan_cache(read_training_clips([manifest], recipe, 2), recipe, keep)
    ready.set()
    cache_builder.build_cache(plan, recipe, training.base(), callback=lambda name: time.sleep(pause))
