import functools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny_weights import TINY_NETWORK
from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2Model

from tbd.model.frozen_encoders import random_encoders
from tbd.model.shapes import SD15, TINY
from tbd.model.speech import SAMPLE_RATE, SpeechEncoder, windows


@functools.cache
def _encoder():
    return random_encoders(TINY_NETWORK, 0).speech


def _sound(seconds=1.0, seed=0):
    n = int(seconds * SAMPLE_RATE)
    hum = np.sin(np.arange(n) * 2 * np.pi * 140 / SAMPLE_RATE)
    return (0.1 + 0.3 * hum + 0.05 * np.random.default_rng(seed).standard_normal(n)).astype(np.float32)


def _prepared(sound):
    """The samples as the published extractor hands them to the model."""
    extractor = Wav2Vec2FeatureExtractor(do_normalize=True)
    return extractor(sound, sampling_rate=SAMPLE_RATE, return_tensors="pt").input_values


@torch.no_grad()
def _features(sound):
    """``(n, channels)`` of the convolutions."""
    return _encoder().model.feature_extractor(_prepared(sound))[0].T


@torch.no_grad()
def _through(features):
    """``(T, layers, channels)``: the encoder walked layer by layer."""
    model = _encoder().model
    x = model.feature_projection(features[None])[0]
    x = model.encoder.layer_norm(x + model.encoder.pos_conv_embed(x))
    found = []
    for layer in model.encoder.layers:
        x = layer(x)
        x = x[0] if isinstance(x, tuple) else x
        found.append(x[0])
    return torch.stack(found, 1)


@torch.no_grad()
def test_without_interpolation_the_layers_are_the_models_own_hidden_states():
    sound = _sound()
    own = _encoder().model(_prepared(sound), output_hidden_states=True).hidden_states[1:]
    found = _encoder().layers(sound, own[0].shape[1])
    assert found.shape == (49, 12, 16)
    torch.testing.assert_close(found, torch.stack(own, 2)[0], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("frames", [1, 2, 25, 80])
def test_features_are_interpolated_to_the_frames_before_the_transformer(frames):
    features = _features(_sound()).numpy()
    places = np.linspace(0, len(features) - 1, frames) if frames > 1 else np.zeros(1)
    at = np.stack([np.interp(places, np.arange(len(features)), column) for column in features.T], 1)
    found = _encoder().layers(_sound(), frames)
    torch.testing.assert_close(found, _through(torch.from_numpy(at).float()), atol=1e-4, rtol=1e-4)


def test_it_never_trains_even_if_the_model_was_training():
    torch.manual_seed(0)
    model = Wav2Vec2Model(Wav2Vec2Config(**TINY.speech, layerdrop=0.9)).train()
    encoder = SpeechEncoder(model, "x")
    first = encoder.layers(_sound(), 10)
    assert torch.equal(first, encoder.layers(_sound(), 10))
    assert first.shape[1] == 12
    assert not any(weight.requires_grad for weight in model.parameters())


def test_nothing_stays_hooked():
    hooks = lambda: [len(module._forward_hooks) for module in _encoder().model.modules()]
    before = hooks()
    _encoder().layers(_sound(), 5)
    assert hooks() == before


def test_loudness_and_offset_do_not_matter_but_content_does():
    sound = _sound()
    torch.testing.assert_close(
        _encoder().layers(sound, 10), _encoder().layers(sound * 0.5 - 0.2, 10), atol=1e-3, rtol=1e-3
    )
    assert not torch.allclose(_encoder().layers(sound, 10), _encoder().layers(_sound(seed=1), 10), atol=1e-3)


def test_digital_silence_gives_numbers():
    assert _encoder().layers(np.zeros(SAMPLE_RATE, np.float32), 25).isfinite().all()


def test_less_sound_than_one_feature_needs_is_refused_in_words():
    published = SpeechEncoder(Wav2Vec2Model(Wav2Vec2Config(**TINY.speech)), "x")
    assert published.shortest == 400 == _encoder().shortest
    assert _encoder().layers(_sound()[:400], 3).shape == (3, 12, 16)
    for n in (0, 399):
        with pytest.raises(ValueError, match=f"{n} samples of sound.*400"):
            _encoder().layers(_sound()[:n], 3)


def test_the_full_size_is_the_published_base_model():
    config = Wav2Vec2Config(**SD15.speech)
    assert (config.num_hidden_layers, config.hidden_size, config.do_stable_layer_norm) == (12, 768, False)
    with torch.device("meta"):
        model = Wav2Vec2Model(config)
    assert sum(weight.numel() for weight in model.parameters()) == 94_371_712


def test_windows_repeat_the_first_and_last_entry_beyond_the_ends():
    layers = torch.arange(6.0).reshape(6, 1, 1)
    found = windows(layers, torch.tensor([0, 1, 3, 5]))
    assert found[..., 0, 0].tolist() == [[0, 0, 0, 1, 2], [0, 0, 1, 2, 3], [1, 2, 3, 4, 5], [3, 4, 5, 5, 5]]
    assert windows(layers, torch.tensor([2]), context=0).shape == (1, 1, 1, 1)


@given(st.integers(1, 9), st.integers(0, 4), st.data())
def test_every_window_is_centred_on_its_frame(count, context, data):
    frames = data.draw(st.lists(st.integers(0, count - 1), min_size=1, max_size=5))
    found = windows(torch.arange(float(count)).reshape(count, 1, 1), torch.tensor(frames), context)
    assert found.shape == (len(frames), 2 * context + 1, 1, 1)
    assert found[:, context, 0, 0].tolist() == frames
    for frame, row in zip(frames, found[:, :, 0, 0].tolist(), strict=True):
        assert row == [min(max(frame + d, 0), count - 1) for d in range(-context, context + 1)]
