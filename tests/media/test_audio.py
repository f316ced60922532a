import wave

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from media import tone, video

from tbd.errors import InputError
from tbd.media import audio


def wav(path, samples, sample_rate):
    samples = np.atleast_2d(samples)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(len(samples))
        file.setsampwidth(2)
        file.setframerate(sample_rate)
        file.writeframes(np.round(samples.T * 32767).astype("<i2").tobytes())
    return path


@pytest.mark.parametrize("sample_rate", [8_000, 16_000, 22_050, 44_100, 48_000])
def test_any_rate_becomes_sixteen_thousand_in_step(tmp_path, sample_rate):
    read = audio.read(wav(tmp_path / "a.wav", tone(1.5, sample_rate), sample_rate))
    assert read.dtype == np.float32
    assert abs(len(read) - 24_000) <= 1
    assert np.abs(read[200:-200] - tone(1.5)[200 : len(read) - 200]).max() < 0.01


def test_channels_are_averaged_and_never_amplified(tmp_path):
    left, right = tone(0.5, level=1.0), tone(0.5, frequency=330, level=0.5)
    read = audio.read(wav(tmp_path / "a.wav", np.stack([left, right]), 16_000))
    assert np.abs(read - (left + right) / 2).max() < 1e-3
    same = audio.read(wav(tmp_path / "b.wav", np.stack([left, left]), 16_000))
    assert np.abs(same - left).max() < 1e-3


def test_a_window_is_cut_to_the_sample_and_filled_with_silence(tmp_path):
    ramp = np.linspace(-1, 1, 5 * 16_000, dtype="f4")
    path = wav(tmp_path / "a.wav", ramp, 16_000)
    assert np.abs(audio.read(path, 2.5, 4) - ramp[40_000:64_000]).max() < 1e-3
    over = audio.read(path, 4.5, 6)
    assert len(over) == 24_000
    assert np.abs(over[:8_000] - ramp[72_000:]).max() < 1e-3
    assert not over[8_000:].any()
    assert len(audio.read(path, 9)) == 0


def test_a_window_of_a_video_equals_that_part_of_the_whole(tmp_path):
    path = video(tmp_path / "a.mp4", frames=100, audio=tone(4, 48_000), sample_rate=48_000)
    whole = audio.read(path)
    assert np.abs(audio.read(path, 2.2, 3.2) - whole[35_200:51_200]).max() < 1e-3
    assert np.corrcoef(whole[:60_000], tone(4)[:60_000])[0, 1] > 0.99


@settings(max_examples=40)
@given(start=st.floats(0, 2), length=st.floats(0, 3))
def test_lengths_are_exact(tmp_path_factory, start, length):
    path = tmp_path_factory.getbasetemp() / "tone.wav"
    if not path.exists():
        wav(path, tone(2, 44_100), 44_100)
    assert len(audio.read(path, start, start + length)) == round((start + length - start) * 16_000)


def test_silence_of_a_file_is_said(tmp_path):
    path = video(tmp_path / "a.mp4")
    for door in (audio.read, audio.duration):
        with pytest.raises(InputError, match=r"a\.mp4: no sound in it"):
            door(path)
    (tmp_path / "b.wav").write_bytes(b"")
    with pytest.raises(InputError, match="empty"):
        audio.read(tmp_path / "b.wav")


def test_duration(tmp_path):
    assert audio.duration(wav(tmp_path / "a.wav", tone(1.25), 16_000)) == pytest.approx(1.25)


def test_a_written_wav_reads_back(tmp_path):
    audio.write_wav(tmp_path / "a.wav", tone(0.5) * 4)
    with wave.open(str(tmp_path / "a.wav")) as file:
        assert (file.getnchannels(), file.getframerate(), file.getnframes(), file.getsampwidth()) == (
            1,
            16_000,
            8_000,
            2,
        )
    assert np.abs(audio.read(tmp_path / "a.wav") - np.clip(tone(0.5) * 4, -1, 1)).max() < 1e-4
