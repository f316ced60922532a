"""The sampler against the plain one that computes every condition at every step; memory against length. One CPU thread."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest
import talking_head
import torch
from timing import least_seconds

from tbd.evaluate import psnr, ssim
from tbd.generate.pipeline import Sampling
from tbd.generate.sampler_presets import PRESETS
from tbd.model.ddim import sample_clip
from tbd.model.network import TBDNetwork
from tbd.model.speech import SpeechEncoder, windows
from tbd.model.text import TextEncoder

pytestmark = pytest.mark.bench

FRAMES, ROUNDS = 8, 2


@pytest.fixture(scope="module")
def pipe():
    torch.set_num_threads(1)
    return talking_head.pipeline(frames=FRAMES)


class Recomputing(TBDNetwork):
    """Computes a window's conditions anew whenever it is asked, as samplers of this family do that keep none."""

    seconds = 0.0
    """That the conditions took."""

    def denoise(self, sample, timesteps, text, conditions, keep_reference=None):
        started = time.process_time()
        found = self.conditions(*self.given)
        Recomputing.seconds += time.process_time() - started
        chosen = found if conditions.reference is not None else type(found)(None, found.earlier, conditions.audio)
        return super().denoise(sample, timesteps, text, chosen, keep_reference)


def plainly(pipe, picture, sound):
    """One window by 40 DDIM steps."""
    network = Recomputing(pipe.unet, pipe.reference_net, pipe.audio_projection)
    text = TextEncoder(pipe.text_encoder, "x")
    words, empty = text.encode(talking_head.PROMPTS)[None], text.encode([""])
    latents = pipe.image.scaled(pipe.image.moments(picture[None]))
    layers = SpeechEncoder(pipe.speech_encoder, "x").layers(sound, FRAMES)
    side = latents.shape[-1]
    network.given = (latents, empty, torch.zeros(1, 4, 2, side, side), windows(layers, torch.arange(FRAMES))[None])
    with torch.no_grad():
        return sample_clip(
            network, torch.randn(1, 4, FRAMES, side, side), words, empty, network.conditions(*network.given),
            network.silence(1, FRAMES), pipe.scheduler, pipe.recipe.guidance,
        )  # fmt: skip


def ours(pipe, picture, sound, preset):
    sampling = Sampling(preset=PRESETS[preset])
    return torch.cat(
        list(pipe.stream_latents(picture, sound, talking_head.PROMPTS, sampling=sampling,
                                            generator=talking_head.noise())), 1
    )  # fmt: skip


def test_the_presets_against_the_plain_sampler(pipe):
    picture, sound = talking_head.picture(), talking_head.speech(FRAMES)
    plain, paper, fast = least_seconds(
        lambda: plainly(pipe, picture, sound),
        lambda: ours(pipe, picture, sound, "paper"),
        lambda: ours(pipe, picture, sound, "fast"),
        times=ROUNDS,
    )
    share = Recomputing.seconds / (ROUNDS * plain)
    shown = (pipe._decode(ours(pipe, picture, sound, name)) for name in ("fast", "paper"))
    alike = _likeness(*shown)
    print(
        f"\nplain {plain:.2f} s, about {share:.0%} of it for conditions; paper {paper:.2f} s ({plain / paper:.2f} x); "
        f"fast {fast:.2f} s ({paper / fast:.2f} x the paper preset), alike: {alike}"
    )
    assert plain / paper > 1.0
    assert paper / fast >= 4.0


def _likeness(fast, paper) -> str:
    return f"PSNR {psnr(fast, paper).mean():.1f} dB, SSIM {ssim(fast, paper).mean():.3f}"


MEMORY = """
import resource, sys
sys.path[:0] = ["tests/support"]
import numpy, talking_head, torch
from pathlib import Path
from dataclasses import replace
from tbd.generate.pipeline import Sampling
from tbd.generate.render import render_video
from tbd.generate.sampler_presets import PRESETS
torch.set_num_threads(1)
talking_head.SIZE = 32
pipe = talking_head.pipeline(frames=8)
sampling = Sampling(preset=replace(PRESETS["paper"], steps=1, interval=(0.0, 0.0)))
sound = numpy.tile(talking_head.speech(500), int(sys.argv[1]) // 20)  # making five minutes needs more than saying them
render_video(pipe, Path(sys.argv[2]), talking_head.picture(), sound, talking_head.PROMPTS, sampling=sampling, seed=0)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_memory_does_not_grow_with_the_length(tmp_path):
    peaks = [
        int(
            subprocess.run(
                [sys.executable, "-c", MEMORY, str(seconds), str(tmp_path / "a.mp4")], capture_output=True, text=True,
                check=True,
            ).stdout
        )
        for seconds in (20, 300)
    ]  # fmt: skip
    print(
        f"\npeak {peaks[0] / 1e3:.0f} MB for 20 s, {peaks[1] / 1e3:.0f} MB for 5 minutes ({peaks[1] / peaks[0]:.2f} x)"
    )
    assert peaks[1] <= 1.10 * peaks[0]
