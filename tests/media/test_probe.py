from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from media import cut_off, number, numbered, still, tone, video
from PIL import Image

from tbd.errors import InputError
from tbd.media import probe as probing
from tbd.media.probe import probe
from tbd.media.video import frames, write


@pytest.mark.parametrize("fps", [24, 25, 30, 29.97, 50])
def test_headers_tell_rate_count_and_duration_without_decoding_them_all(tmp_path, fps, monkeypatch):
    found = probe(video(tmp_path / "a.mp4", frames=37, fps=fps))
    assert found.fps == pytest.approx(fps, abs=0.001)
    assert found.num_frames == 37
    assert found.duration == pytest.approx(37 / fps, abs=0.001)
    assert (found.width, found.height, found.codec) == (64, 48, "h264")
    assert not found.variable_rate
    assert not found.has_audio
    assert found.exact


def test_sound_is_seen(tmp_path):
    assert probe(video(tmp_path / "a.mp4", audio=tone(0.8))).has_audio


def test_keyframes_are_frame_numbers(tmp_path):
    found = probe(video(tmp_path / "a.mp4", frames=30, g="10", sc_threshold="0"))
    assert found.keyframes.tolist() == [0, 10, 20]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_variable_rate_is_noticed_and_every_frame_keeps_its_time(tmp_path, suffix):
    times = [0, 0.04, 0.08, 0.2, 0.24, 0.5, 0.54]
    found = probe(video(tmp_path / f"a{suffix}", frames=7, times=times))
    assert found.variable_rate
    assert found.times == pytest.approx(times, abs=0.0011)
    assert found.fps == pytest.approx(6 / 0.54, abs=0.05)


def test_millisecond_time_stamps_are_not_a_variable_rate(tmp_path):
    found = probe(video(tmp_path / "a.mkv", frames=30, fps=30))
    assert not found.variable_rate
    assert found.fps == pytest.approx(30, abs=0.01)


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_rotation_turns_the_size(tmp_path, rotation):
    found = probe(video(tmp_path / "a.mp4", rotation=rotation))
    assert found.display.sideways == (rotation != 180)
    assert (found.width, found.height) == ((64, 48) if rotation == 180 else (48, 64))


def test_frames_before_an_edit_are_no_frames(tmp_path):
    path = video(tmp_path / "a.mp4", frames=30, times=[(i - 5) * 0.04 for i in range(30)], bf="0")
    found = probe(path)
    assert (found.num_frames, found.times[0]) == (25, 0)
    assert [number(frame) for _, frame in frames(path, [0, 24])] == [5, 29]


def test_odd_sizes(tmp_path):
    found = probe(video(tmp_path / "a.mp4", size=(65, 49)))
    assert (found.width, found.height) == (65, 49)


def test_a_picture_has_no_rate_and_one_frame(tmp_path):
    found = probe(still(tmp_path / "a.PNG", numbered(3, (40, 30))))
    assert (found.width, found.height, found.num_frames, found.fps, found.duration) == (40, 30, 1, None, 0)
    assert found.is_picture


def test_a_picture_stands_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turn clockwise by 90 degrees
    Image.fromarray(numbered(3, (40, 30))).save(tmp_path / "a.jpg", exif=exif)
    assert (probe(tmp_path / "a.jpg").width, probe(tmp_path / "a.jpg").height) == (30, 40)


BROKEN = {
    "missing": ("No such file", lambda path: path),
    "a folder": ("Is a directory", lambda path: path.mkdir()),
    "empty": ("empty", lambda path: path.write_bytes(b"")),
    "a git-lfs pointer": (
        "git-lfs pointer",
        lambda path: path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"),
    ),
    "a text": ("a text", lambda path: path.write_text("Bonjour, ceci n'est pas une vidéo.\n" * 99)),
    "a text cut in a letter": ("a text", lambda path: path.write_text("x" + "é" * 2000)),
    "noise": ("cannot be decoded", lambda path: path.write_bytes(np.random.default_rng(0).bytes(5000))),
    "cut before its index": ("cut off", lambda path: cut_off(path, 0.6, frames=50)),
    "cut within its index": ("before its index", lambda path: _cut_fast_start(path, 0.01)),
    "only sound": ("no video stream", lambda path: _only_sound(path)),
}


def _cut_fast_start(path, share=0.5):
    rng = np.random.default_rng(0)
    write(path, list(rng.integers(0, 255, (40, 48, 64, 3), np.uint8)), 25)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])


def _only_sound(path):
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=16_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(tone(0.1)[None, :1024], format="fltp", layout="mono")
        frame.sample_rate = 16_000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


@pytest.mark.parametrize("case", BROKEN)
def test_every_broken_file_has_its_own_words(tmp_path, case):
    words, make = BROKEN[case]
    path = tmp_path / "broken.mp4"
    make(path)
    with pytest.raises(InputError, match=words) as error:
        probe(path)
    assert str(path) in error.value.message


def test_a_broken_picture_is_an_input_error(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"\xff\xd8\xff\xe0" + bytes(100))
    with pytest.raises(InputError, match="picture"):
        probe(tmp_path / "a.jpg")


def test_an_unknown_codec_is_an_input_error(tmp_path):
    path = video(tmp_path / "a.mkv")
    path.write_bytes(path.read_bytes().replace(b"V_MPEG4/ISO/AVC", b"V_XXXX4/ISO/AVC"))
    with pytest.raises(InputError, match="no decoder"):
        probe(path)


def test_frames_that_cannot_be_decoded_are_an_input_error(tmp_path):
    path = video(tmp_path / "a.mp4")
    data = path.read_bytes()
    at = data.index(b"mdat") + 4
    path.write_bytes(
        data[:at] + bytes(len(data) - at)
        if data.rindex(b"moov") < at
        else data[:at] + bytes(data.rindex(b"moov") - 4 - at) + data[data.rindex(b"moov") - 4 :]
    )
    with pytest.raises(InputError, match="no frame can be decoded"):
        probe(path)


def test_a_file_cut_after_its_index_is_shorter_and_says_so(tmp_path):
    _cut_fast_start(tmp_path / "a.mp4")
    found = probe(tmp_path / "a.mp4")
    assert 10 < found.num_frames < 40 and found.damage
    assert "missing at the end" in found.damage.words()
    assert len(list(frames(found))) == found.num_frames


@pytest.mark.parametrize(
    "name", ["a b.mp4", 'it\'s "quoted".mp4', "line\nbreak.mp4", "顔.mp4", "a:b%03d?.mp4", "-x.mp4"]
)
def test_any_name_a_file_can_have(tmp_path, name, monkeypatch):
    video(tmp_path / "plain.mp4", frames=3).rename(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert [number(frame) for _, frame in frames(Path(name))] == [0, 1, 2]


def test_a_window_holds_the_frames_whose_time_lies_in_it(tmp_path):
    found = probe(video(tmp_path / "a.mp4", frames=50, fps=25))
    assert found.window() == (0, 50)
    assert found.window(0.4, 1.2) == (10, 30)
    assert found.window(0.41, 1.21) == (11, 31)
    assert found.window(None, 99) == (0, 50)
    with pytest.raises(InputError, match=r"2\.00 s long"):
        found.window(2.0, 3.0)
    with pytest.raises(InputError, match="no frame"):
        found.window(0.5, 0.5)


@settings(max_examples=200)
@given(
    gaps=st.lists(st.integers(1, 200), min_size=1, max_size=30),
    asked=st.lists(st.integers(-50, 3000), min_size=1, max_size=20),
)
def test_nearest_is_what_brute_force_finds(gaps, asked):
    milliseconds = np.cumsum([0, *gaps])
    found = _with_times(milliseconds / 1000)
    brute = [min(range(len(milliseconds)), key=lambda j: (abs(milliseconds[j] - t), j)) for t in asked]
    assert found.nearest(np.array(asked) / 1000).tolist() == brute


def test_of_two_equally_near_frames_the_earlier_is_taken():
    assert _with_times([0, 0.5, 1.0, 1.1]).nearest([0.25, 0.75, 1.05, 9]).tolist() == [0, 1, 2, 3]


def _with_times(times):
    count = np.arange(len(times))
    return probing.Probe(
        Path("x"), "h264", 1, 1, 0, 25.0, 1.0, False, False, np.asarray(times, float), count, count, True
    )
