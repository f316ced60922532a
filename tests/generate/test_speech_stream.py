import numpy as np
import torch
from talking_head import speech

from tbd.generate import speech_stream
from tbd.generate.speech_stream import SpeechStream
from tbd.model.frozen_encoders import random_encoders
from tbd.model.recipe import Network
from tbd.model.speech import windows

ENCODER = random_encoders(Network(size="tiny"), 0).speech


def test_short_speech_is_heard_whole_and_its_end_repeats():
    samples = speech(20)
    stream = SpeechStream(ENCODER, samples, 25, 2)
    layers = ENCODER.layers(samples, 20)
    for first, last in ((0, 8), (8, 16), (16, 24), (24, 30)):
        numbers = torch.arange(first, last).clamp(max=19)
        torch.testing.assert_close(stream.windows(first, last), windows(layers, numbers, 2))


def test_long_speech_is_heard_in_pieces_that_know_their_neighbours(monkeypatch):
    for name, seconds in (("WHOLE", 1.0), ("CORE", 0.8), ("MARGIN", 0.4)):
        monkeypatch.setattr(speech_stream, name, seconds)
    samples, lengths = speech(60), []
    plain = ENCODER.layers
    monkeypatch.setattr(ENCODER, "layers", lambda heard, frames: (lengths.append(len(heard)), plain(heard, frames))[1])
    stream = SpeechStream(ENCODER, samples, 25, 2)
    found = torch.cat([stream.windows(at, at + 4) for at in range(0, 60, 4)])
    assert found.shape[:2] == (60, 5) and torch.isfinite(found).all()
    assert max(lengths) <= 1.61 * 16_000 and len(lengths) < 12, "pieces, each encoded a few times at most"
    assert all(not torch.equal(found[at], found[at + 1]) for at in range(58))


def test_silence_and_a_single_sample_have_one_frame():
    assert SpeechStream(ENCODER, np.zeros(1, np.float32), 25, 2).windows(0, 4).shape[0] == 4
