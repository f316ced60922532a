import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tbd.evaluate import mfcc
from tbd.media.mfcc import BLOCK, mel_filters

K = np.arange(16_000)
SAWS = ((7 * K**2 + 13 * K) % 4001 - 2000).astype(np.int16)
TONES = np.round(8000 * np.sin(2 * np.pi * 440 * K / 16_000) + 4000 * np.sin(2 * np.pi * 1234 * K / 16_000))

FIRST_ROW = [
    *(20.04278408, -33.22330648, -3.42683672, -1.75172073, -1.19130542, -6.18504544, -10.05165145),
    *(-2.3219289, 2.4843998, 2.0443444, -4.59532124, -6.72573763, -4.19610255),
]


def test_coefficients_equal_those_of_python_speech_features():
    found = mfcc(SAWS)
    assert found.shape == (99, 13)
    assert found[0] == pytest.approx(FIRST_ROW, abs=5e-9)
    assert found.sum() == pytest.approx(-4651.798009030, abs=1e-8)


def test_two_tones():
    found = mfcc(TONES.astype(np.int16))
    assert found[0, :3] == pytest.approx([20.11056156, 16.19553124, -14.11786911], abs=5e-9)
    assert found.sum() == pytest.approx(-414.581673575, abs=1e-8)


def test_silence_is_the_smallest_step_and_not_minus_infinity():
    found = mfcc(np.zeros(16_000, np.int16))
    assert found[:, 0] == pytest.approx(-36.04365339, abs=5e-9)
    assert found.sum() == pytest.approx(-3568.321685523, abs=1e-8)


@pytest.mark.parametrize(
    ("samples", "frames"),
    [(1, 1), (399, 1), (400, 1), (401, 2), (640, 3), (3200, 19), (16_000, 99), (16_001, 99), (64_000, 399)],
)
def test_how_many_frames_a_sound_has(samples, frames):
    assert mfcc(np.ones(samples, np.int16)).shape == (frames, 13)


def test_the_filters():
    filters = mel_filters()
    assert filters.shape == (26, 257)
    assert filters.sum() == pytest.approx(242.5)
    assert np.flatnonzero(filters[0]).tolist() == [1, 2, 3]
    assert np.flatnonzero(filters[25])[[0, -1]].tolist() == [210, 255]
    assert not filters.flags.writeable


@given(st.integers(1, 20))
def test_sound_one_video_frame_later_is_four_columns_later(frames):
    sound = np.random.default_rng(frames).integers(-9000, 9000, 640 * 30, np.int16)
    whole, later = mfcc(sound), mfcc(sound[640 * frames :])
    assert later[1:] == pytest.approx(whole[4 * frames + 1 :], abs=1e-9)  # the first has no sample before it


def test_long_sound_in_blocks_is_the_same_as_in_one_piece():
    sound = np.random.default_rng(0).integers(-9000, 9000, 160 * (BLOCK + 50), np.int16)
    piece = mfcc(sound[160 * (BLOCK - 10) :])
    assert mfcc(sound)[BLOCK - 9 : BLOCK + 40] == pytest.approx(piece[1:50], abs=1e-9)


def test_the_loudest_samples_do_not_wrap_around():
    sound = np.tile(np.array([-32768, 32767], np.int16), 400)
    assert mfcc(sound)[0, 0] == pytest.approx(mfcc(sound // 2)[0, 0] + 2 * np.log(2), abs=1e-3)


@pytest.mark.parametrize(
    "samples", [np.zeros(100), np.zeros((2, 100), np.int16), np.zeros(0, np.int16), [1, 2], np.zeros(9, np.float32)]
)
def test_what_is_no_sound_of_16_bit_is_refused_with_a_way_out(samples):
    with pytest.raises(ValueError, match="int16") as error:
        mfcc(samples)
    assert "astype" in error.value.next
