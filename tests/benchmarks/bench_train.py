"""What the cache and selective checkpointing are worth, on one CPU thread and the tiny family at 256 pixels."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time

import pytest
import torch

from tbd.train import memory_presets
from tbd.train.approved_clips import read_training_clips
from tbd.train.batch import BatchEncoder
from tbd.train.cache_builder import build_cache, plan_cache
from tbd.train.dataset import TrainingDataset, collate, data_loader
from tbd.train.latent_cache import LatentCache
from tbd.train.sampling import clip_order
from tbd.train.start_state import recipe_encoders

pytestmark = pytest.mark.bench

TINY = ("model.network.size=tiny", "weights.start=random", "hardware.precision=float32", "data.size=256")
BATCHES = 6


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """Four drawn clips, sealed and cached; one CPU thread."""
    from tbd.annotate.recipe import AnnotateRecipe
    from tbd.annotate.run import AnnotationRequest, prepare_annotation, run_annotation
    from tbd.demo.dataset import draw_clip
    from tbd.recipe import load

    torch.set_num_threads(1)
    root = tmp_path_factory.mktemp("bench")
    for person in ("M901", "W901"):
        for index in (1, 2):
            path = root / "mead" / person / "video/front/happy/level_2" / f"{index:03d}.mp4"
            draw_clip(path, emotion="happiness", level=2, seconds=3, size=256, seed=index)
    recipe = load(AnnotateRecipe, "annotate", None, ["backend.name=facs"])
    run_annotation(prepare_annotation(AnnotationRequest(root / "mead", recipe, root / "manifests/mead", quiet=True)))
    recipe = memory_presets.load_recipe(None, [*TINY, "data.split=train", "data.validation=0"])
    clips = read_training_clips([root / "manifests/mead"], recipe, 2)
    networks = recipe_encoders(recipe, "cpu")
    keep = LatentCache(root / "cache", networks.identities, "both")
    build_cache(plan_cache(clips, recipe, keep), recipe, networks)
    return recipe, clips, networks, keep


def outside(prepared, keep: LatentCache | None) -> float:
    """Seconds a batch takes to reach the networks: decoding, VAE, wav2vec, CLIP, or reading what they said."""
    recipe, clips, networks, _ = prepared
    order = clip_order(clips.train, recipe, 2, 100)
    samples = TrainingDataset(clips.train, order, recipe, 2, keep, networks.image.factor)
    encoders = BatchEncoder(networks, recipe, torch.device("cpu"))
    encoders.batch(collate([samples[0], samples[1]]))
    began = time.perf_counter()
    for number in range(BATCHES):
        encoders.batch(collate([samples[2 * number], samples[2 * number + 1]]))
    return (time.perf_counter() - began) / BATCHES


def test_the_cache_takes_the_frozen_networks_out_of_the_step(prepared):
    live, cached = outside(prepared, None), outside(prepared, prepared[-1])
    print(
        f"\noutside the two UNets: {live * 1000:.0f} ms from media, {cached * 1000:.1f} ms cached: {live / cached:.0f} x"
    )
    assert live >= 10 * cached


def test_half_of_the_cache_costs_what_the_lost_half_costs(prepared, tmp_path):
    recipe, clips, networks, keep = prepared
    shutil.copytree(keep.folder, tmp_path / "half")
    half = LatentCache(tmp_path / "half", networks.identities, "both")
    for clip in clips.train[::2]:
        half.path(clip).unlink(missing_ok=True)  # the first clips of both people are drawn alike: one file
    order = clip_order(clips.train, recipe, 2, 100)[: 2 * BATCHES]
    lost = sum(int(index) % 2 == 0 for index in order) / len(order)
    live, cached, bent = outside(prepared, None), outside(prepared, keep), outside(prepared, half)
    words = f"{live * 1000:.0f} ms from media, {cached * 1000:.1f} ms cached, {bent * 1000:.0f} ms with"
    print(
        f"\n{words} {100 * lost:.0f} % of the samples lost: {(bent - cached) / (lost * (live - cached)):.2f} of their cost"
    )
    assert bent <= cached + 1.15 * lost * (live - cached)


def test_the_loader_is_ahead_of_the_step(prepared):
    recipe, clips, networks, keep = prepared
    samples = TrainingDataset(
        clips.train, clip_order(clips.train, recipe, 2, 100), recipe, 2, keep, networks.image.factor
    )
    step, waited = 0.3, 0.0  # seconds a network takes: the tiny one at this size, or the full one on a fast card
    source = iter(data_loader(samples, list(range(60)), 2, 1))
    next(source)
    for _ in range(20):
        time.sleep(step)
        began = time.perf_counter()
        next(source)
        waited += time.perf_counter() - began
    share = waited / (waited + 20 * step)
    print(f"\nwaiting for data: {100 * share:.1f} % of the time")
    assert share < 0.05


PEAK = """
import resource, torch
from tbd.model.network import build_network
from tbd.model.noise import noise_scheduler
from tbd.train import memory_presets
from tbd.train.loss import sample_losses
from tbd.train.made_up import made_up_batch
from tbd.train.stages import predict
from tbd.train.training_state import prepare_network
torch.set_num_threads(1)
recipe = memory_presets.load_recipe(None, [{settings}, "hardware.checkpointing={mode}", "hardware.batch=2", "stage2.frames=4"])
network = build_network(recipe.network, 2)
prepare_network(network, recipe, 2)
batch, schedule = made_up_batch(recipe, 2, torch.device("cpu")), noise_scheduler(recipe.model.noise)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
prediction, target = predict(network, batch, batch.text[:1, 0], schedule, recipe)
sample_losses(prediction, target).mean().backward()
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1e3)
"""


def peak(mode: str) -> float:
    """Megabytes that one forward and backward pass takes above the loaded model, in a process of its own."""
    settings = ", ".join(repr(setting) for setting in (*TINY, "data.size=512"))
    code = PEAK.format(settings=settings, mode=mode)
    return float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)


def test_selective_checkpointing_takes_two_thirds_of_the_memory_at_most():
    plain, selective, full = (peak(mode) for mode in ("none", "selective", "full"))
    print(f"\nabove the model: {plain:.0f} MB plain, {selective:.0f} MB selective, {full:.0f} MB full")
    assert selective <= 0.65 * plain
