"""The pipeline: equal to the plain formula, whatever is cached, batched or streamed; and at home in diffusers."""

from dataclasses import replace

import numpy as np
import pytest
import tiny_model
import tiny_weights
import torch
from talking_head import FRAMES, PROMPTS, SIZE, noise, picture, pipeline, speech

from tbd.errors import InputError, UsageError
from tbd.generate.guidance_scales import GuidanceScales
from tbd.generate.pipeline import Sampling, TalkingHeadPipeline
from tbd.generate.sampler_presets import PRESETS, make_scheduler
from tbd.model.ddim import sample_clip
from tbd.model.network import TBDNetwork
from tbd.model.published_weights import load_hallo, load_motion
from tbd.model.recipe import Noise
from tbd.model.speech import SpeechEncoder, windows
from tbd.model.text import TextEncoder

STEPS = 3


@pytest.fixture(scope="module")
def pipe():
    return pipeline()


def run(pipe, count=2 * FRAMES, *, steps=STEPS, output="latent", **how):
    how = {"generator": noise(), "crop_face": False, "num_inference_steps": steps, "output_type": output} | how
    return pipe(picture(), speech(count), PROMPTS, **how)


def assert_equal(one, other):
    """Equal to 1e-5 of the latents' spread: random networks blow latents up, and float32 rounds by their size."""
    assert (one - other).abs().max() <= 1e-5 * other.std()


def plainly(pipe, count, scale):
    """Window after window by ``sample_clip``, which computes every condition at every step."""
    network = TBDNetwork(pipe.unet, pipe.reference_net, pipe.audio_projection)
    text = TextEncoder(pipe.text_encoder, "x")
    words, empty = text.encode(PROMPTS)[None].half().float(), text.encode([""]).half().float()
    layers = SpeechEncoder(pipe.speech_encoder, "x").layers(speech(count), count)
    latents = pipe.image.scaled(pipe.image.moments(picture()[None]))
    side, generator, parts = SIZE // pipe.image.factor, noise(), []
    shared = pipe.recipe.noise.shared
    common = torch.randn(1, 4, 1, side, side, generator=generator) if shared else torch.zeros(1, 4, 1, 1, 1)
    earlier = torch.zeros(1, 4, 2, side, side)
    for start in range(0, count, FRAMES):
        heard = windows(layers, torch.arange(start, start + FRAMES).clamp(max=count - 1)).half().float()[None]
        own = torch.randn(1, 4, FRAMES, side, side, generator=generator)
        found = sample_clip(
            network,
            shared**0.5 * common + (1 - shared) ** 0.5 * own,
            words,
            empty,
            network.conditions(latents, empty, earlier, heard),
            network.silence(1, FRAMES),
            pipe.scheduler,
            pipe.recipe.guidance,
            steps=STEPS,
            scale=scale,
        )
        parts.append(found)
        earlier = found[:, :, -2:]
    return torch.cat(parts, 2)[0, :, :count]


@pytest.mark.parametrize("scale", [1.0, 3.5])
def test_the_cached_sampler_equals_the_plain_one(pipe, scale):
    found = run(pipe, 2 * FRAMES - 1, guidance_scale=scale, sampling=Sampling(drift_limit=0))
    wanted = plainly(pipe, 2 * FRAMES - 1, scale)
    assert found.frames.shape == wanted.shape == (4, 2 * FRAMES - 1, *wanted.shape[2:])
    assert_equal(found.frames, wanted)
    assert wanted.std() > 0.1


def test_all_windows_of_a_clip_share_one_part_of_the_noise():
    mixed = pipeline(noise=Noise(shared=0.5))
    found = run(mixed, 2 * FRAMES, guidance_scale=1.0, sampling=Sampling(drift_limit=0))
    assert_equal(found.frames, plainly(mixed, 2 * FRAMES, 1.0))


@pytest.mark.parametrize("layout", ["hallo", "animatediff"])
def test_with_weights_in_published_layouts_it_equals_the_plain_one_too(layout, tmp_path):
    network = tiny_model.network(2)
    if layout == "hallo":
        tiny_weights.hallo(tmp_path)
        load_hallo(network, tmp_path / "hallo" / "net.pth")
    else:
        tiny_weights.animatediff(tmp_path)
        load_motion(network.unet, next(path for path in tmp_path.rglob("*") if path.is_file()))
    loaded = pipeline(network=network)
    found = run(loaded, 2 * FRAMES, guidance_scale=3.5, sampling=Sampling(drift_limit=0))
    assert_equal(found.frames, plainly(loaded, 2 * FRAMES, 3.5))


@pytest.mark.parametrize("mode", ["overlap", "shift"])
def test_windows_in_batches_of_any_size_give_the_same(pipe, mode):
    chosen = Sampling(mode=mode, overlap=1, batch=1)
    one = run(pipe, 4 * FRAMES + 2, sampling=chosen).frames
    several = run(pipe, 4 * FRAMES + 2, sampling=replace(chosen, batch=3)).frames
    assert one.shape[1] == 4 * FRAMES + 2
    assert_equal(one, several)


def test_the_same_seed_gives_the_same_video_and_another_one_another(pipe):
    first, again, other = (run(pipe, output="np", generator=noise(seed)).frames for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (first != other).mean() > 0.1


def test_every_condition_is_heard(pipe):
    base = run(pipe, FRAMES).frames
    how = {"generator": noise(), "crop_face": False, "num_inference_steps": STEPS, "output_type": "latent"}
    others = {
        "picture": pipe(picture(5), speech(FRAMES), PROMPTS, **how),
        "sound": pipe(picture(), speech(FRAMES, seed=9), PROMPTS, **how),
        "coarse": pipe(picture(), speech(FRAMES), ["A man shouts.", PROMPTS[1]], **how),
        "fine": pipe(picture(), speech(FRAMES), [PROMPTS[0], "His brows lower."], **how),
    }
    for name, other in others.items():
        assert (other.frames - base).abs().max() > 1e-4, name


def test_the_scales_of_picture_text_and_sound_are_their_own(pipe):
    same = run(pipe, FRAMES, sampling=Sampling(scales=GuidanceScales(2.0, 2.0, 2.0))).frames
    torch.testing.assert_close(same, run(pipe, FRAMES, guidance_scale=2.0).frames)
    for name in ("picture", "text", "audio"):
        scales = replace(GuidanceScales(2.0, 2.0, 2.0), **{name: 5.0})
        assert (run(pipe, FRAMES, sampling=Sampling(scales=scales)).frames - same).abs().max() > 1e-4, name


def test_frames_stream_and_are_those_of_a_call(pipe):
    frames = list(pipe.stream_frames(picture(), speech(9), PROMPTS, generator=noise(), sampling=_quick()))
    whole = pipe(picture(), speech(9), PROMPTS, generator=noise(), sampling=_quick(), output_type="np", crop_face=False)
    np.testing.assert_array_equal(np.stack(frames), whole.frames)
    assert len(frames) == 9 and whole.fps == 25 and len(whole.drift) == 3


def test_the_fast_preset_asks_the_network_less(pipe):
    asked = []
    hook = pipe.unet.register_forward_pre_hook(lambda *_: asked.append(1))
    try:
        run(pipe, FRAMES, steps=None, sampling=Sampling(preset=PRESETS["fast"]))
    finally:
        hook.remove()
    assert PRESETS["paper"].steps * 2 == 80 and len(asked) <= 24


def test_it_is_a_diffusers_pipeline(pipe, tmp_path):
    pipe.save_pretrained(tmp_path)
    again = TalkingHeadPipeline.from_pretrained(tmp_path)
    assert again.recipe == pipe.recipe and again.config.frames == FRAMES
    np.testing.assert_array_equal(run(again, output="np").frames, run(pipe, output="np").frames)
    again.to(torch.float32)
    again.vae.enable_slicing()
    seen = []

    def told(own, step, timestep, tensors):
        seen.append((step, int(timestep)))
        return {"latents": torch.zeros_like(tensors["latents"])}

    (frames,) = run(again, output="pt", callback_on_step_end=told, return_dict=False)
    assert frames.shape == (8, 3, SIZE, SIZE) and 0 <= frames.min() <= frames.max() <= 1
    assert [step for step, _ in seen] == list(range(2 * STEPS)) and seen[0][1] > seen[1][1]
    pictures = run(again, FRAMES, output="pil").frames
    assert len(pictures) == FRAMES and pictures[0].size == (SIZE, SIZE)


@pytest.mark.parametrize("name", ["EulerDiscreteScheduler", "UniPCMultistepScheduler", "DPMSolverMultistepScheduler"])
def test_other_schedulers_fit(pipe, name):
    preset = replace(PRESETS["paper"], scheduler=name, steps=4)
    found = run(pipe, FRAMES, steps=None, sampling=Sampling(preset=preset)).frames
    assert torch.isfinite(found).all() and found.std() > 0.05


@pytest.mark.parametrize("name", ["EulerAncestralDiscreteScheduler", "LCMScheduler"])
def test_samplers_that_draw_noise_draw_it_from_the_seed(pipe, name):
    def video(seed):
        preset = replace(PRESETS["paper"], scheduler=name, steps=2)
        return run(pipe, FRAMES, steps=None, sampling=Sampling(preset=preset), generator=noise(seed)).frames

    first = video(3)
    torch.randn(5)  # whatever else of this process drew
    assert torch.equal(first, video(3)) and not torch.equal(first, video(4))


def test_a_sampler_that_no_seed_reaches_is_refused(pipe):
    with pytest.raises(UsageError, match="the seed does not reach"):
        make_scheduler("DPMSolverSDEScheduler", pipe.scheduler.config)


def test_mistakes_are_named(pipe):
    with pytest.raises(UsageError, match="1 prompts, the model hears 2"):
        pipe(picture(), speech(4), ["one"], crop_face=False)
    with pytest.raises(InputError, match="CLIP tokens"):
        pipe(picture(), speech(4), ["a", "lip " * 90], crop_face=False)
    with pytest.raises(InputError, match="no sound"):
        pipe(picture(), np.zeros(0, np.float32), PROMPTS, crop_face=False)
    with pytest.raises(InputError, match="no face"):
        pipe(picture(), speech(4), PROMPTS)
    with pytest.raises(UsageError, match="output_type"):
        run(pipe, output="gif", steps=1)


@pytest.mark.parametrize("samples", [1, 400, 1600, 16_000 * 3 // 25])
def test_short_sounds_and_silence_have_frames_too(pipe, samples):
    found = pipe(
        picture(), np.zeros(samples, np.float32), PROMPTS, crop_face=False, output_type="np", sampling=_quick()
    )
    assert len(found.frames) == max(1, round(samples / 640))


def _quick():
    return Sampling(preset=replace(PRESETS["paper"], steps=2))
