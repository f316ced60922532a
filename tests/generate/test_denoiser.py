"""One guided step against the plain formula, and a section's windows against one window that holds everything."""

import pytest
import torch
from talking_head import FRAMES, SIZE, noise, picture, pipeline, speech

from tbd.generate.guidance_scales import GuidanceScales
from tbd.generate.pipeline import Sampling
from tbd.model.guidance import blend, weights_for
from tbd.model.network import Conditions, TBDNetwork
from tbd.model.recipe import Guidance
from tbd.model.speech import SpeechEncoder, windows
from tbd.model.text import TextEncoder

LEVELS = ["A woman is speaking.", "She smiles.", "Her lip corners rise.", "Her cheeks lift."]


@pytest.fixture(scope="module")
def pipe():
    return pipeline()


@pytest.mark.parametrize("levels", [1, 2, 3, 4])
@torch.no_grad()
def test_each_scale_weighs_its_own_condition_with_any_number_of_levels(pipe, levels):
    network, guidance = TBDNetwork(pipe.unet, pipe.reference_net, pipe.audio_projection), Guidance(levels=levels)
    text = TextEncoder(pipe.text_encoder, "x")
    words, empty = text.encode(LEVELS[:levels], 1), text.encode([""], 1)
    latents = pipe.image.scaled(pipe.image.moments(picture()[None]))
    layers = SpeechEncoder(pipe.speech_encoder, "x").layers(speech(FRAMES), FRAMES)
    heard = windows(layers, torch.arange(FRAMES))[None]
    side = SIZE // pipe.image.factor
    sample, earlier = torch.randn(1, 4, FRAMES + 2, side, side, generator=noise()).split([FRAMES, 2], 2)
    step = torch.tensor([600])

    whole, silence = network.conditions(latents, empty, earlier, heard), network.silence(1, FRAMES)
    spoken = blend(words[None], weights_for(step, guidance, 1000))

    def ask(text, reference, audio):
        return network.denoise(sample, step, text, Conditions(reference, whole.earlier, audio))

    nothing, seen = ask(empty, None, silence), ask(empty, whole.reference, silence)
    told, everything = ask(spoken, whole.reference, silence), ask(spoken, whole.reference, whole.audio)
    wanted = nothing + 2 * (seen - nothing) + 3 * (told - seen) + 5 * (everything - told)

    denoiser = pipe._denoiser(guidance)
    clip = denoiser.clip(latents, empty, words, empty)
    window = denoiser.window(heard, earlier, empty)
    found = denoiser.predict(sample, step[0], clip, window, GuidanceScales(2, 3, 5))
    assert (found - wanted).abs().max() <= 5e-5 * wanted.std(), "scales of 2 to 5 multiply what float32 rounds"
    assert (wanted - everything).abs().max() > 1e-3


@pytest.mark.parametrize("mode", ["autoregressive", "overlap", "shift"])
def test_windows_hand_every_frame_on_to_its_own_place(pipe, mode, monkeypatch):
    """A network that answers with what it sees makes every way of cutting a section the same as not cutting it."""
    count = FRAMES if mode == "autoregressive" else 5 * FRAMES + 1
    monkeypatch.setattr("tbd.generate.denoiser.CachedDenoiser.predict", lambda self, latents, *_, **__: latents)
    found = torch.cat(
        list(
            pipe.stream_latents(
                picture(), speech(count), LEVELS[:2], generator=noise(), sampling=Sampling(mode=mode, overlap=1)
            )
        ),
        1,
    )
    scheduler, side = pipe.scheduler, SIZE // pipe.image.factor
    length = -(-count // FRAMES) * FRAMES
    wanted = torch.randn(1, 4, length, side, side, generator=noise())
    scheduler.set_timesteps(40)
    for timestep in scheduler.timesteps:
        wanted = scheduler.step(wanted, timestep, wanted, return_dict=False)[0]
    torch.testing.assert_close(found, wanted[0, :, :count])
