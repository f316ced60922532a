"""``tbd train cache`` as a process that can be killed: ``python fill_cache.py MANIFEST CACHE SECONDS-A-CLIP``."""

import sys
import time
from pathlib import Path

import training

from tbd.train import cache_builder
from tbd.train.approved_clips import read_training_clips
from tbd.train.latent_cache import LatentCache


def main(manifest: Path, folder: Path, pause: float) -> None:
    recipe = training.recipe()
    keep = LatentCache(folder, training.base().identities, "both")
    plan = cache_builder.plan_cache(read_training_clips([manifest], recipe, 2), recipe, keep)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    cache_builder.build_cache(plan, recipe, training.base(), callback=lambda name: time.sleep(pause))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3]))
