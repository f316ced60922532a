"""The voice: as long as asked, voiced at its pitch, in syllables, and the same every time."""

import numpy as np
import pytest

from tbd.demo.voice import SAMPLE_RATE, energy, speak


@pytest.mark.parametrize("seconds", [0.0, 0.01, 0.5, 2.345])
def test_length_type_and_range(seconds):
    sound = speak(seconds, seed=1)
    assert sound.shape == (round(seconds * SAMPLE_RATE),) and sound.dtype == np.float32
    assert np.isfinite(sound).all() and np.abs(sound).max(initial=0) <= 0.7 + 1e-6


def test_the_same_seed_says_the_same_and_another_does_not():
    np.testing.assert_array_equal(speak(1.0, seed=3), speak(1.0, seed=3))
    assert not np.array_equal(speak(1.0, seed=3), speak(1.0, seed=4))


@pytest.mark.parametrize("pitch", [100.0, 210.0])
def test_it_is_voiced_at_its_pitch(pitch):
    sound = speak(3.0, pitch=pitch, seed=2).astype(float)
    loudest = int(np.argmax(energy(sound, 25, 75)) / 25 * SAMPLE_RATE)
    part = sound[max(0, loudest - 800) : loudest + 800]
    echo = np.correlate(part, part, "full")[len(part) - 1 :]
    shortest, longest = int(SAMPLE_RATE / pitch / 1.4), int(SAMPLE_RATE / pitch * 1.4)
    lag = shortest + int(np.argmax(echo[shortest:longest]))
    assert SAMPLE_RATE / lag == pytest.approx(pitch, rel=0.2)
    assert echo[lag] > 0.6 * echo[0], "periodic"


def test_it_comes_in_syllables_with_silence_between():
    loud = energy(speak(4.0, seed=7), 50, 200)
    assert loud.max() == 1 and loud.min() < 0.05
    peaks = (loud[1:-1] > loud[:-2]) & (loud[1:-1] >= loud[2:]) & (loud[1:-1] > 0.25)
    assert 2.5 <= peaks.sum() / 4 <= 7


def test_energy_is_the_loudness_at_the_frames_middle():
    sound = np.zeros(SAMPLE_RATE, np.float32)
    sound[8000:9600] = 0.5  # 0.5 to 0.6 s
    loud = energy(sound, 10, 10)
    assert loud.argmax() == 5 and loud[5] == 1
    assert loud[[0, 1, 2, 3, 7, 8, 9]].max() < 0.01


def test_silence_and_sound_that_ends_early_have_no_energy():
    assert not energy(np.zeros(1000, np.float32), 25, 10).any()
    assert not energy(np.zeros(0, np.float32), 25, 3).any()
    assert not energy(speak(0.4, seed=1), 25, 40)[15:].any()
