import json
import math

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from tbd.errors import InputError
from tbd.model.checkpoint_meta import CheckpointMeta
from tbd.model.checkpoints import Checkpoint
from tbd.model.noise import mixed_noise, noise_scheduler, prediction_target, snr, standard_noise
from tbd.model.recipe import Noise

KINDS = {
    "paper": Noise(),
    "hallo": Noise(prediction="v_prediction", zero_snr=True, offset=0.05),
    "linear": Noise(beta_schedule="linear", spacing="leading"),
    "cosine": Noise(beta_schedule="squaredcos_cap_v2", spacing="linspace", prediction="v_prediction"),
    "short": Noise(steps=100),
}
kinds = pytest.mark.parametrize("noise", KINDS.values(), ids=KINDS.keys())


def _kept(noise):
    """Share of the signal's power at every timestep, from the papers' formulas, in double precision."""
    n = noise.steps
    if noise.beta_schedule == "scaled_linear":
        beta = np.linspace(noise.beta_start**0.5, noise.beta_end**0.5, n) ** 2
    elif noise.beta_schedule == "linear":
        beta = np.linspace(noise.beta_start, noise.beta_end, n)
    else:  # Nichol & Dhariwal 2021, eq. 17
        bar = np.cos((np.arange(n + 1) / n + 0.008) / 1.008 * math.pi / 2) ** 2
        beta = np.minimum(1 - bar[1:] / bar[:-1], 0.999)
    alpha = np.cumprod(1 - beta)
    if noise.zero_snr:  # Lin et al. 2024, Algorithm 1
        root = np.sqrt(alpha)
        alpha = ((root - root[-1]) * root[0] / (root[0] - root[-1])) ** 2
    return alpha


@kinds
def test_the_schedule_is_the_papers(noise):
    np.testing.assert_allclose(
        noise_scheduler(noise).alphas_cumprod.double().numpy(), _kept(noise), rtol=2e-3, atol=1e-7
    )


def test_with_zero_snr_the_last_step_is_nothing_but_noise_and_the_first_is_as_before():
    plain, zero = (noise_scheduler(Noise(prediction="v_prediction", zero_snr=z)).alphas_cumprod for z in (False, True))
    assert float(zero[-1]) < 1e-6
    assert float(plain[-1]) > 0.004
    torch.testing.assert_close(zero[0], plain[0])
    assert (zero[1:] < plain[1:]).all() and (zero.diff() < 0).all()


@kinds
def test_a_sampler_reads_from_the_file_what_training_used(noise, tmp_path):
    trained = noise_scheduler(noise)
    trained.save_pretrained(tmp_path / "scheduler")
    again = Checkpoint(tmp_path, CheckpointMeta(stage=1, step=1)).scheduler()
    assert {key: value for key, value in again.config.items() if key[0] != "_"} == {
        key: value for key, value in trained.config.items() if key[0] != "_"
    }
    assert torch.equal(again.alphas_cumprod, trained.alphas_cumprod)
    for one in (again, trained):
        one.set_timesteps(10)
    assert again.timesteps.tolist() == trained.timesteps.tolist()
    x, out = torch.randn(2, 4, 1, 8, 8), torch.randn(2, 4, 1, 8, 8)
    steps = [one.step(out, one.timesteps[0], x).prev_sample for one in (again, trained)]
    assert torch.equal(*steps)
    file = json.loads((tmp_path / "scheduler" / "scheduler_config.json").read_text())
    assert (file["prediction_type"], file["rescale_betas_zero_snr"]) == (noise.prediction, noise.zero_snr)
    assert (file["timestep_spacing"], file["clip_sample"]) == (noise.spacing, False)


def test_a_checkpoint_without_a_schedule_says_so(tmp_path):
    with pytest.raises(InputError, match=r"scheduler_config\.json: is missing"):
        Checkpoint(tmp_path, CheckpointMeta(stage=1, step=1)).scheduler()


def test_forty_trailing_steps_begin_at_pure_noise_and_end_at_the_picture():
    schedule = noise_scheduler(Noise())
    schedule.set_timesteps(40)
    assert schedule.timesteps.tolist() == [999 - 25 * i for i in range(40)]
    assert float(schedule.final_alpha_cumprod) == 1


@kinds
def test_targets_and_noisy_latents_are_those_of_the_formula(noise):
    schedule, alpha = noise_scheduler(noise), _kept(noise)
    generator = torch.Generator().manual_seed(0)
    latents, drawn = (torch.randn(3, 4, 2, 8, 8, generator=generator) for _ in range(2))
    timesteps = torch.tensor([0, noise.steps // 2, noise.steps - 1])
    a = torch.from_numpy(alpha[timesteps]).float().reshape(3, 1, 1, 1, 1)
    noisy = a.sqrt() * latents + (1 - a).sqrt() * drawn
    torch.testing.assert_close(schedule.add_noise(latents, drawn, timesteps), noisy, atol=1e-3, rtol=1e-3)
    wanted = drawn if noise.prediction == "epsilon" else a.sqrt() * drawn - (1 - a).sqrt() * latents
    torch.testing.assert_close(prediction_target(schedule, latents, drawn, timesteps), wanted, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_targets_are_those_of_diffusers_training_scripts(prediction):
    noise = Noise(prediction=prediction)
    peer = DDPMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
    latents, drawn, timesteps = torch.randn(2, 4, 8, 8), torch.randn(2, 4, 8, 8), torch.tensor([3, 700])
    own = drawn if prediction == "epsilon" else peer.get_velocity(latents, drawn, timesteps)
    assert torch.equal(prediction_target(noise_scheduler(noise), latents, drawn, timesteps), own)


@kinds
def test_snr_is_signal_over_noise_at_every_timestep(noise):
    found = snr(noise_scheduler(noise), torch.arange(noise.steps))
    alpha = _kept(noise)
    np.testing.assert_allclose(found.double().numpy(), alpha / (1 - alpha), rtol=1e-2, atol=1e-6)
    assert found.shape == (noise.steps,) and (found >= 0).all()


def test_snr_is_zero_and_finite_where_only_noise_is_left():
    found = snr(noise_scheduler(KINDS["hallo"]), torch.tensor([999, 0]))
    assert float(found[0]) < 1e-6 and found.isfinite().all()


def test_epsilon_cannot_be_learned_without_signal():
    with pytest.raises(ValidationError, match="zero_snr"):
        Noise(zero_snr=True)


def _draw(shape=(4, 14, 8, 8), offset=0.0, seed=0, shared=0.0):
    return standard_noise(shape, Noise(offset=offset, shared=shared), torch.Generator().manual_seed(seed))


def test_noise_is_standard_normal():
    noise = _draw((4, 14, 64, 64))
    assert abs(float(noise.mean())) < 0.01 and abs(float(noise.std()) - 1) < 0.01


def test_offset_noise_is_one_constant_a_channel_over_the_whole_clip():
    constant = _draw(offset=0.1) - _draw()
    spread = constant.flatten(1)
    torch.testing.assert_close(spread, spread[:, :1].expand_as(spread), atol=1e-6, rtol=0)
    many = torch.stack([(_draw((4, 1, 1, 1), 0.1, i) - _draw((4, 1, 1, 1), 0, i)) for i in range(2000)])
    assert abs(float(many.std()) - 0.1) < 0.01 and abs(float(many.mean())) < 0.01


def test_without_a_share_noise_and_what_is_drawn_behind_it_are_what_they_were():
    generator, plain = (torch.Generator().manual_seed(3) for _ in range(2))
    noise = standard_noise((4, 2, 8, 8), Noise(), generator)
    assert torch.equal(noise, torch.randn((4, 2, 8, 8), generator=plain))
    torch.randn((4, 1, 1, 1), generator=plain)
    assert torch.equal(torch.randn(3, generator=generator), torch.randn(3, generator=plain))


@pytest.mark.parametrize("shared", [0.0, 0.25, 0.5, 1.0])
def test_frames_are_normal_and_correlated_by_their_share(shared):
    frames = _draw((4, 6, 64, 64), shared=shared).transpose(0, 1).flatten(1)
    assert abs(float(frames.mean())) < 0.03 and abs(float(frames.std(1).mean()) - 1) < 0.02
    found = torch.corrcoef(frames)[~torch.eye(6, dtype=bool)]
    assert (found - shared).abs().max() < 0.04
    if shared == 1:
        assert torch.equal(frames, frames[:1].expand_as(frames))


def test_the_share_is_pyocos_for_every_alpha():
    own, common = torch.randn(4, 3, 8, 8), torch.randn(4, 1, 8, 8)
    for alpha in (0.5, 1.0, 2.0):
        theirs = common * (alpha**2 / (1 + alpha**2)) ** 0.5 + own * (1 / (1 + alpha**2)) ** 0.5
        torch.testing.assert_close(mixed_noise(own, common, alpha**2 / (1 + alpha**2)), theirs)


@pytest.mark.parametrize("shared", [-0.1, 1.1])
def test_a_share_lies_between_nothing_and_all(shared):
    with pytest.raises(ValidationError, match="shared"):
        Noise(shared=shared)


@settings(max_examples=20)
@given(st.integers(0, 2**31), st.integers(1, 4), st.sampled_from([0.0, 0.05]))
def test_a_seed_gives_the_same_noise_again_and_another_seed_another(seed, frames, offset):
    shape = (4, frames, 4, 4)
    assert torch.equal(_draw(shape, offset, seed), _draw(shape, offset, seed))
    assert not torch.equal(_draw(shape, offset, seed), _draw(shape, offset, seed + 1))


def test_the_scheduler_is_deterministic_ddim():
    assert type(noise_scheduler(Noise())) is DDIMScheduler
