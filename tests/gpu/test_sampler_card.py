"""Seconds for a second of video, both presets, at full size with random weights."""

import time

import numpy as np
import pytest
import torch

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

pytestmark = [pytest.mark.gpu, pytest.mark.timeout(540)]

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


@pytest.mark.parametrize("preset", ["fast", "paper"])
def test_seconds_for_a_second_of_video(pipe, size, device, figures, preset):
    picture = Portrait(person(0), 256).draw(Expression({}))
    prompts = ["A woman is speaking.", "Her lip corners rise."]
    began = time.perf_counter()
    found = pipe(
        image=picture,
        audio=speak(FRAMES / 25),
        prompts=prompts,
        sampling=Sampling(preset=PRESETS[preset]),
        output_type="np",
    )
    took = time.perf_counter() - began
    assert len(found.frames) == FRAMES and np.isfinite(np.asarray(found.frames, np.float32)).all()
    figures[f"{preset} preset: seconds for a second of video"] = took / (FRAMES / 25)
    if device.type == "cuda":
        figures[f"{preset} preset: GB at most"] = torch.cuda.max_memory_allocated() / 1e9
