"""Seconds for a second of video, both presets, at full size with random weights."""

import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from card import forget_peak, peak_gb, wait

from tbd.demo.face import Portrait
from tbd.demo.identity import person
from tbd.demo.landmarks import Expression
from tbd.demo.voice import speak
from tbd.generate.pipeline import Sampling, TalkingHeadPipeline
from tbd.generate.sampler_presets import PRESETS
from tbd.model.frozen_encoders import random_encoders
from tbd.model.network import build_network
from tbd.model.noise import noise_scheduler
from tbd.model.recipe import ModelRecipe, Network

pytestmark = pytest.mark.gpu

FRAMES = 14


@pytest.fixture(scope="module")
def pipe(size, device):
    model = ModelRecipe(network=Network(size=size))
    torch.manual_seed(0)
    with device:
        network = build_network(model.network, 2)
    encoders = random_encoders(model.network, 0)
    made = TalkingHeadPipeline(
        network.unet, network.reference_net, network.audio_projection, encoders.image.model, encoders.text.model,
        encoders.speech.model, noise_scheduler(model.noise), recipe=model.model_dump(mode="json"), frames=FRAMES,
        size=512 if size == "sd15" else 64,
    )  # fmt: skip
    made.set_progress_bar_config(disable=True)
    return made.to(device, torch.bfloat16 if device.type == "cuda" else torch.float32)


def _rendered(pipe, preset):
    return pipe(
        image=Portrait(person(0), 256).draw(Expression({})),
        audio=speak(FRAMES / 25),
        prompts=["A woman is speaking.", "Her lip corners rise."],
        sampling=Sampling(preset=preset),
        output_type="np",
    ).frames


@pytest.mark.parametrize("name", ["fast", "paper"])
def test_seconds_for_a_second_of_video(pipe, device, figures, name):
    _rendered(pipe, replace(PRESETS[name], steps=3))  # kernels are chosen and loaded at the first use
    forget_peak(device)
    wait(device)
    began = time.perf_counter()
    frames = _rendered(pipe, PRESETS[name])
    wait(device)
    took = time.perf_counter() - began
    assert len(frames) == FRAMES and np.isfinite(np.asarray(frames, np.float32)).all()
    figures[f"{name} preset: seconds for a second of video"] = took / (FRAMES / 25)
    if (most := peak_gb(device)) is not None:
        figures[f"{name} preset: GB at most"] = most
