import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler
from tiny_weights import TINY_NETWORK, seeded

from tbd.model.ddim import sample_clip
from tbd.model.guidance import blend, stage_weights, weights_for
from tbd.model.network import Conditions, build_network
from tbd.model.noise import noise_scheduler
from tbd.model.recipe import Guidance, Noise

GIVEN = Conditions((torch.ones(1),), None, None)


class Denoiser:
    """Stands for the network: answers by a formula, and remembers what it was asked."""

    def __init__(self, answer):
        self.answer, self.asked = answer, []

    def denoise(self, latents, timesteps, text, conditions):
        self.asked.append((latents, timesteps, text, conditions))
        return self.answer(latents, int(timesteps[0]), conditions)


def _noise(batch=1, frames=1, side=4, seed=0):
    return torch.randn(batch, 4, frames, side, side, generator=torch.Generator().manual_seed(seed))


def _text(batch=1, k=2):
    return torch.randn(batch, k, 77, 16, generator=torch.Generator().manual_seed(9))


EMPTY = torch.zeros(1, 77, 16)


def _sample(network, noise, *, kind=None, guidance=None, text=None, conditions=GIVEN, silent=None, **how):
    schedule = noise_scheduler(kind or Noise())
    words = _text(len(noise)) if text is None else text
    return sample_clip(network, noise, words, EMPTY, conditions, silent, schedule, guidance or Guidance(), **how)


def _alpha(kind):
    return noise_scheduler(kind).alphas_cumprod.double()


def _as_asked(kind, x, x0, t):
    """What a network would have to say about noisy ``x`` of which ``x0`` is the clean picture."""
    a = _alpha(kind)[t]
    eps = (x - a.sqrt() * x0) / (1 - a).sqrt()
    return eps if kind.prediction == "epsilon" else a.sqrt() * eps - (1 - a).sqrt() * x0


@pytest.mark.parametrize("steps", [1, 8, 40])
@pytest.mark.parametrize(
    "kind",
    [Noise(), Noise(prediction="v_prediction"), Noise(prediction="v_prediction", zero_snr=True), Noise(spacing="leading")],
    ids=["paper", "v", "hallo", "leading"],
)  # fmt: skip
def test_a_network_that_knows_the_picture_leads_to_it(kind, steps):
    picture = _noise(seed=5).double()
    network = Denoiser(lambda x, t, _: _as_asked(kind, x, picture, t))
    found = _sample(network, _noise().double(), kind=kind, steps=steps, scale=1)
    torch.testing.assert_close(found, picture, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("steps", [7, 15, 30, 60])
def test_steps_that_do_not_divide_the_thousand_end_with_about_the_noise_of_the_first_timestep(steps):
    kind, picture = Noise(), _noise(seed=5, side=16).double()
    network = Denoiser(lambda x, t, _: _as_asked(kind, x, picture, t))
    found = _sample(network, _noise(side=16).double(), kind=kind, steps=steps, scale=1)
    assert float((found - picture).std()) < 1.2 * float((1 - _alpha(kind)[0]).sqrt())


def test_pictures_from_a_gaussian_follow_its_known_path():
    """For data N(0, s^2) the best guess of the noise is linear, so each DDIM step is one known factor."""
    kind, spread, steps = Noise(), 0.6, 40
    alpha = _alpha(kind).numpy()
    network = Denoiser(lambda x, t, _: x * (1 - alpha[t]) ** 0.5 / (alpha[t] * spread**2 + 1 - alpha[t]))
    factor, times = 1.0, [999 - 25 * i for i in range(steps)]
    for t, after in zip(times, [*times[1:], None], strict=True):
        now, then = alpha[t], 1.0 if after is None else alpha[after]
        eps = (1 - now) ** 0.5 / (now * spread**2 + 1 - now)
        factor *= then**0.5 * (1 - (1 - now) ** 0.5 * eps) / now**0.5 + (1 - then) ** 0.5 * eps
    noise = _noise().double()
    torch.testing.assert_close(
        _sample(network, noise, kind=kind, steps=steps, scale=1), noise * factor, atol=1e-6, rtol=1e-6
    )


def test_with_many_steps_samples_have_the_spread_of_the_data():
    kind, spread = Noise(), 0.6
    alpha = _alpha(kind).numpy()
    network = Denoiser(lambda x, t, _: x * (1 - alpha[t]) ** 0.5 / (alpha[t] * spread**2 + 1 - alpha[t]))
    noise = _noise(1, 1, 16).double()
    found = _sample(network, noise, kind=kind, steps=1000, scale=1)
    assert float(found.std() / noise.std()) == pytest.approx(spread, rel=0.02)


@pytest.mark.parametrize("direction", ["denoising", "timestep"])
@pytest.mark.parametrize(("steps", "k"), [(40, 2), (9, 3), (5, 1)])
def test_the_text_of_every_step_is_that_of_its_own_timestep(direction, steps, k):
    guidance = Guidance(levels=k, direction=direction)
    text, network = _text(2, k), Denoiser(lambda x, t, _: x * 0)
    _sample(network, _noise(2), guidance=guidance, text=text, steps=steps, scale=1)
    peer = noise_scheduler(Noise())
    peer.set_timesteps(steps)
    assert [int(t[0]) for _, t, _, _ in network.asked] == peer.timesteps.tolist()
    for _, timesteps, words, _ in network.asked:
        assert timesteps.shape == (2,)
        assert torch.equal(words, blend(text, weights_for(timesteps, guidance, 1000)))


def test_the_coarse_prompt_stands_alone_at_first_and_the_fine_one_takes_over_at_two_fifths():
    network, text = Denoiser(lambda x, t, _: x * 0), _text()
    _sample(network, _noise(), text=text, steps=40, scale=1)
    heard = [words for _, _, words, _ in network.asked]
    torch.testing.assert_close(heard[0], text[:, 0])
    torch.testing.assert_close(heard[8], 0.75 * text[:, 0] + 0.25 * text[:, 1])
    torch.testing.assert_close(heard[16], text[:, 1])


def test_guidance_without_levels_hears_one_joined_text():
    network, text = Denoiser(lambda x, t, _: x * 0), _text(1, 1)
    _sample(network, _noise(), guidance=Guidance(schedule="none"), text=text, steps=3, scale=1)
    assert all(torch.equal(words, text[:, 0]) for _, _, words, _ in network.asked)


def test_at_scale_1_the_network_is_asked_once_a_step_with_its_conditions():
    network = Denoiser(lambda x, t, _: x * 0)
    _sample(network, _noise(), steps=6, scale=1)
    assert [conditions for *_, conditions in network.asked] == [GIVEN] * 6


def test_otherwise_half_of_the_questions_go_without_reference_text_and_sound():
    earlier, silent = (torch.ones(1),), torch.zeros(1, 1, 32, 16)
    given = Conditions((torch.ones(1),), earlier, torch.ones(1, 1, 32, 16))
    network = Denoiser(lambda x, t, _: x * 0)
    _sample(network, _noise(3), conditions=given, silent=silent, steps=2, scale=3.5)
    with_, without = network.asked[::2], network.asked[1::2]
    assert len(with_) == len(without) == 2
    for (x, t, _, told), (y, u, words, untold) in zip(with_, without, strict=True):
        assert x is y and torch.equal(t, u) and told is given
        assert (untold.reference, untold.earlier, untold.audio) == (None, earlier, silent)
        assert torch.equal(words, EMPTY.expand(3, -1, -1))


@pytest.mark.parametrize("scale", [0.0, 2.0, 3.5])
def test_classifier_free_guidance_leads_away_from_the_unconditional_answer(scale):
    """Both answers know a picture; guidance must follow the line through them, beyond the conditional one."""
    kind, told, untold = Noise(), _noise(seed=5).double(), _noise(seed=6).double()
    network = Denoiser(lambda x, t, c: _as_asked(kind, x, untold if c.reference is None else told, t))
    found = _sample(network, _noise().double(), kind=kind, steps=5, scale=scale)
    torch.testing.assert_close(found, untold + scale * (told - untold), atol=1e-5, rtol=1e-5)


def _network(stage):
    return seeded(lambda: build_network(TINY_NETWORK, stage), 0).eval()


def _asked_of(network, stage, batch=2, frames=3):
    generator = torch.Generator().manual_seed(1)
    draw = lambda *shape: torch.randn(*shape, generator=generator)
    noise, text = draw(batch, 4, frames, 8, 8), draw(batch, 2, 77, 16)
    given = {"reference_latents": draw(batch, 4, 8, 8), "reference_text": draw(1, 77, 16)}
    if stage == 2:
        given |= {"motion_latents": draw(batch, 4, 2, 8, 8), "audio": draw(batch, frames, 5, 12, 16)}
    return noise, text, given


@pytest.mark.parametrize("stage", [1, 2])
@torch.no_grad()
def test_a_network_is_sampled_as_its_own_forward_and_diffusers_scheduler_would(stage):
    network = _network(stage)
    noise, text, given = _asked_of(network, stage)
    conditions, silent = network.conditions(**given), network.silence(2, 3)
    found = sample_clip(
        network, noise, text, EMPTY, conditions, silent, noise_scheduler(Noise()), Guidance(), steps=4, scale=2.0
    )

    peer = DDIMScheduler.from_config(noise_scheduler(Noise()).config)
    peer.set_timesteps(4)
    quiet = {**given, "audio": torch.zeros_like(given["audio"])} if stage == 2 else given
    nothing, x = torch.zeros(2, dtype=torch.bool), noise
    for t in peer.timesteps:
        now = t.expand(2)
        words = torch.einsum("bk,bkld->bld", stage_weights(now), text)
        told = network(x, now, words, **given)
        untold = network(x, now, EMPTY.expand(2, -1, -1), **quiet, keep_reference=nothing)
        x = peer.step(untold + 2.0 * (told - untold), t, x, eta=0.0).prev_sample
    torch.testing.assert_close(found, x, atol=1e-4, rtol=1e-4)


def test_the_same_noise_gives_the_same_latents_and_a_clip_does_not_see_its_neighbour():
    network = _network(2)
    noise, text, given = _asked_of(network, 2)

    def latents(part):
        mine = {k: v if k == "reference_text" else v[part] for k, v in given.items()}
        with torch.no_grad():
            conditions = network.conditions(**mine)
        silent = network.silence(len(noise[part]), 3)
        schedule = noise_scheduler(Noise())
        return sample_clip(network, noise[part], text[part], EMPTY, conditions, silent, schedule, Guidance(), steps=3)

    both = latents(slice(0, 2))
    assert torch.equal(both, latents(slice(0, 2)))
    torch.testing.assert_close(both[1:], latents(slice(1, 2)), atol=1e-4, rtol=1e-4)
    assert both.shape == noise.shape and np.isfinite(both.numpy()).all()
    assert not both.requires_grad
