"""A tiny talking-head pipeline at random weights that are nowhere zero, and inputs for it."""

import numpy as np
import tiny_model
import torch

from tbd.demo.voice import speak
from tbd.generate.pipeline import TalkingHeadPipeline
from tbd.model.frozen_encoders import random_encoders
from tbd.model.noise import noise_scheduler
from tbd.model.recipe import ModelRecipe, Network, Noise

SIZE, FRAMES = 64, 4
PROMPTS = ["A woman is speaking.", "Her lip corners rise and her cheeks lift."]


def pipeline(recipe=None, *, noise=None, frames=FRAMES, seed=0, network=None):
    """The whole pipeline, in float32 on the CPU."""
    model = recipe or ModelRecipe(network=Network(size="tiny"), noise=noise or Noise())
    network = network or tiny_model.network(2, seed=seed)
    encoders = random_encoders(model.network, seed)
    pipe = TalkingHeadPipeline(
        network.unet.eval(),
        network.reference_net.eval(),
        network.audio_projection.eval(),
        encoders.image.model,
        encoders.text.model,
        encoders.speech.model,
        noise_scheduler(model.noise),
        recipe=model.model_dump(mode="json"),
        frames=frames,
        size=SIZE,
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe


def picture(seed=0):
    """``(64, 64, 3)`` uint8 RGB noise with a gradient."""
    noise = np.random.default_rng(seed).integers(0, 60, (SIZE, SIZE, 3))
    return (noise + np.linspace(0, 190, SIZE)[:, None, None]).astype(np.uint8)


def speech(frames, seed=1):
    """A voice as long as so many frames at 25 a second."""
    return speak(frames / 25, seed=seed)


def noise(seed=0):
    """A generator on the CPU."""
    return torch.Generator().manual_seed(seed)
