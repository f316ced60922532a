"""A newcomer can follow one sample of stage 2: from the cache to the loss of its step it passes 25 files at most."""

import sys
from pathlib import Path

import torch
import training

import tbd
from tbd.model.initial_weights import add_stage2_layers, random_network
from tbd.model.noise import noise_scheduler
from tbd.train.batch import BatchEncoder
from tbd.train.dataset import TrainingDataset, collate
from tbd.train.loss import sample_losses
from tbd.train.stages import predict

HOME = Path(tbd.__file__).parent
MOST = 25
"""Files of ``tbd/``; without a cache the ten that read media come before them."""


def test_one_sample_through_stage_2_passes_at_most_25_files(tmp_path):
    recipe, clips = training.recipe(), training.clips(1)
    cache = training.filled(tmp_path / "cache", clips, recipe)
    network, _ = add_stage2_layers(
        random_network(recipe.network, 1, 0), recipe.network, motion=None, warm_start=None, seed=0
    )
    encoders, seen = BatchEncoder(training.base(), recipe, torch.device("cpu")), set()
    sys.setprofile(lambda frame, event, _: seen.add(frame.f_code.co_filename) if event == "call" else None)
    try:
        sample = TrainingDataset(clips.train, [0], recipe, 2, cache, training.FACTOR)[0]
        batch = encoders.batch(collate([sample]))
        prediction, target = predict(network, batch, encoders.empty, noise_scheduler(recipe.model.noise), recipe)
        sample_losses(prediction, target).mean().backward()
    finally:
        sys.setprofile(None)
    files = sorted(str(Path(name).relative_to(HOME)) for name in seen if Path(name).is_relative_to(HOME))
    assert 10 < len(files) <= MOST, files
