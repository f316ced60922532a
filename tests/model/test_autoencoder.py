import functools

import numpy as np
import pytest
import torch
from diffusers.image_processor import VaeImageProcessor
from tiny_weights import TINY_NETWORK

from tbd.model.autoencoder import ImageAutoencoder
from tbd.model.frozen_encoders import random_encoders

SCALE = 5.0


@functools.cache
def _encoder():
    return random_encoders(TINY_NETWORK, 0).image


def _pictures(count=5, side=32):
    return np.random.default_rng(0).integers(0, 256, (count, side, side, 3), dtype=np.uint8)


def _posterior(pictures):
    """diffusers' own posterior of pictures that its own processor prepared."""
    floats = pictures.astype(np.float32) / 255
    prepared = VaeImageProcessor(do_resize=False).preprocess(floats)
    with torch.no_grad():
        return _encoder().model.encode(prepared).latent_dist


def test_moments_are_the_autoencoders_own():
    found, own = _encoder().moments(_pictures()), _posterior(_pictures())
    assert found.shape == (5, 8, 8, 8) and found.dtype == torch.float32
    torch.testing.assert_close(found[:, :4], own.mean, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(found[:, 4:].clamp(-30, 20), own.logvar, atol=1e-5, rtol=1e-5)


def test_pictures_can_be_a_tensor_too():
    assert torch.equal(_encoder().moments(torch.from_numpy(_pictures())), _encoder().moments(_pictures()))


@pytest.mark.parametrize("batch", [1, 2, 5, 64])
def test_how_many_pictures_go_at_a_time_changes_nothing(batch):
    slices = ImageAutoencoder(_encoder().model, "x", batch)
    torch.testing.assert_close(slices.moments(_pictures()), _encoder().moments(_pictures()), atol=1e-5, rtol=1e-5)
    latents = torch.randn(5, 4, 4, 4, generator=torch.Generator().manual_seed(0))
    assert np.abs(slices.decode(latents).astype(int) - _encoder().decode(latents)).max() <= 1


def test_a_draw_is_the_posteriors_own_with_the_same_noise_times_the_scaling_factor():
    own = _posterior(_pictures())
    drawn = own.sample(torch.Generator().manual_seed(7))
    noise = torch.randn(own.mean.shape, generator=torch.Generator().manual_seed(7))
    found = _encoder().scaled(_encoder().moments(_pictures()), noise)
    torch.testing.assert_close(found, drawn * SCALE, atol=1e-5, rtol=1e-5)


def test_without_noise_or_without_spread_it_is_the_mode():
    moments = _encoder().moments(_pictures())
    mode = _posterior(_pictures()).mode() * SCALE
    torch.testing.assert_close(_encoder().scaled(moments), mode, atol=1e-5, rtol=1e-5)
    only = _encoder().scaled(moments[:, :4], torch.ones(5, 4, 8, 8))
    torch.testing.assert_close(only, mode, atol=1e-5, rtol=1e-5)


def test_leading_dimensions_and_half_precision_are_welcome():
    moments = torch.randn(2, 3, 8, 4, 4, generator=torch.Generator().manual_seed(0))
    noise = torch.randn(2, 3, 4, 4, 4, generator=torch.Generator().manual_seed(1))
    flat = _encoder().scaled(moments.flatten(0, 1), noise.flatten(0, 1))
    assert torch.equal(_encoder().scaled(moments, noise).flatten(0, 1), flat)
    assert _encoder().scaled(moments.half(), noise).dtype == torch.float32


def test_extreme_log_variances_are_clamped_as_diffusers_does():
    moments = torch.zeros(1, 8, 1, 1)
    moments[:, 4:] = torch.tensor([-1000.0, 1000.0, 20.0, -30.0]).reshape(1, 4, 1, 1)
    found = _encoder().scaled(moments, torch.ones(1, 4, 1, 1)) / SCALE
    expected = torch.tensor([-15.0, 10.0, 10.0, -15.0]).exp()
    torch.testing.assert_close(found.flatten(), expected)


def test_decoding_is_the_autoencoders_own_in_whole_grey_levels():
    latents = 2 * torch.randn(3, 4, 4, 4, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        own = _encoder().model.decode(latents / SCALE).sample
    pictures = VaeImageProcessor().postprocess(own, output_type="np")
    found = _encoder().decode(latents)
    assert found.shape == (3, 16, 16, 3) and found.dtype == np.uint8
    assert np.abs(found - pictures * 255).max() <= 0.51


def test_decoding_stays_within_the_grey_levels(monkeypatch):
    wild = torch.tensor([-3.0, 3.0, 0.0]).reshape(1, 3, 1, 1).expand(1, 3, 8, 8)
    monkeypatch.setattr(_encoder().model, "decode", lambda x: type("Decoded", (), {"sample": wild}))
    assert _encoder().decode(torch.zeros(1, 4, 1, 1))[0, 0, 0].tolist() == [0, 255, 128]


def test_a_toy_latent_stands_for_four_pixels():
    assert _encoder().factor == 4
    assert _encoder().moments(_pictures(1, 64)).shape == (1, 8, 16, 16)


def test_random_weights_give_latents_of_about_unit_variance_and_a_narrow_posterior():
    moments = _encoder().moments(_pictures(8, 64))
    assert 0.1 < float(_encoder().scaled(moments).std()) < 10
    assert float(moments[:, 4:].mean()) < -5
