import os
import subprocess
import sys

import numpy as np
import pytest
from media import number, numbered, tone, video

from tbd.errors import InputError
from tbd.media import audio
from tbd.media import video as films
from tbd.media.video import decoded, frames, probe, rgb, write


def numbers(path, indices=None):
    return [(index, number(frame)) for index, frame in frames(path, indices)]


def test_all_frames_come_in_order(tmp_path):
    assert numbers(video(tmp_path / "a.mp4", frames=30)) == [(i, i) for i in range(30)]


@pytest.mark.parametrize("options", [{}, {"g": "10"}, {"bf": "3", "g": "250"}, {"g": "7", "bf": "2", "refs": "2"}])
@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
def test_chosen_frames_are_the_right_ones_whatever_the_keyframes(tmp_path, options, codec):
    options = {key: value for key, value in options.items() if codec == "libx264" or key == "g"}
    path = video(tmp_path / "a.mp4", frames=120, codec=codec, **options)
    wanted = [3, 4, 40, 77, 119]
    assert numbers(path, [77, 3, 119, 4, 40, 4]) == [(i, i) for i in wanted]


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_chosen_frames_equal_those_of_a_whole_decode_to_the_bit(tmp_path, codec):
    rng = np.random.default_rng(0)
    moving = [np.roll(rng.integers(0, 255, (48, 64, 3), np.uint8) // 4 + numbered(i) // 2, i, 1) for i in range(60)]
    path = video(tmp_path / "a.mp4", frames=moving, codec=codec, g="25", bf="3")
    whole = dict(frames(path))
    for index, frame in frames(path, [5, 6, 23, 31, 58]):
        assert np.array_equal(frame, whole[index])


def test_the_pass_ends_at_the_last_wanted_frame_and_jumps_to_late_ones(tmp_path, monkeypatch):
    path = video(tmp_path / "a.mp4", frames=100, g="10", bf="0", sc_threshold="0")
    source, seen = probe(path), []
    plain = films.decode_all
    monkeypatch.setattr(films, "decode_all", lambda *a: (seen.append(f.pts) or f for f in plain(*a)))
    assert [index for index, _ in decoded(source, [2, 55])] == [2, 55]
    assert len(seen) == 3 + 6


def test_a_container_whose_index_lies_is_decoded_from_the_start(tmp_path, monkeypatch):
    path = video(tmp_path / "a.mp4", frames=100, g="10", bf="0", sc_threshold="0")
    source = probe(path)
    plain = films._pass

    class Landed:
        """A container that has come down too late, and stays there."""

        def __init__(self, container, stream):
            container.seek(int(source.pts[70]), stream=stream)
            self.demux = container.demux

        def seek(self, *args, **kwargs):
            pass

    def lie(source, container, stream, keyframe, run, **keywords):
        container = Landed(container, stream) if keyframe else container
        return plain(source, container, stream, keyframe, run, **keywords)

    monkeypatch.setattr(films, "_pass", lie)
    assert [number(rgb(frame, source)) for _, frame in decoded(source, [55, 60])] == [55, 60]


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_rotated_videos_come_upright(tmp_path, rotation):
    stored = numbered(5)
    path = video(tmp_path / "a.mp4", frames=[stored] * 3, rotation=rotation)
    (_, frame), *_ = frames(path)
    upright = np.rot90(stored, rotation // 90)
    assert frame.shape == upright.shape
    assert np.abs(frame.astype(int) - upright).mean() < 12


def test_odd_sizes_survive_reading_and_are_padded_in_writing(tmp_path):
    (_, frame), *_ = frames(video(tmp_path / "a.mp4", size=(65, 49)))
    assert frame.shape == (49, 65, 3)
    write(tmp_path / "b.mp4", [numbered(9, (65, 49))] * 4, 25)
    (_, frame), *_ = frames(tmp_path / "b.mp4")
    assert frame.shape == (50, 66, 3)
    assert np.abs(frame[:49, :65].astype(int) - numbered(9, (65, 49))).mean() < 12


def test_variable_rate_frames_are_counted_not_timed(tmp_path):
    path = video(tmp_path / "a.mkv", frames=6, times=[0, 0.01, 0.5, 0.51, 2, 2.5])
    assert numbers(path, [1, 2, 5]) == [(1, 1), (2, 2), (5, 5)]


@pytest.mark.parametrize("suffix,codec", [(".avi", "mpeg4"), (".flv", "flv1"), (".webm", "libvpx"), (".ts", "libx264")])
def test_other_containers(tmp_path, suffix, codec):
    path = video(tmp_path / f"a{suffix}", frames=25, codec=codec)
    assert numbers(path, [0, 7, 24]) == [(0, 0), (7, 7), (24, 24)]


def test_frames_that_do_not_exist_are_refused(tmp_path):
    with pytest.raises(InputError, match="frame 20 asked for, it has 20"):
        list(frames(video(tmp_path / "a.mp4"), [3, 20]))


def test_a_written_video_reads_back(tmp_path):
    sound = tone(2)
    count = write(tmp_path / "a.mp4", (numbered(i) for i in range(50)), 25, sound)
    found = probe(tmp_path / "a.mp4")
    assert (count, found.num_frames, found.fps, found.codec) == (50, 50, 25, "h264")
    assert numbers(tmp_path / "a.mp4", [0, 20, 49]) == [(0, 0), (20, 20), (49, 49)]
    read = audio.read(tmp_path / "a.mp4", 0, 2)
    assert np.corrcoef(read, sound)[0, 1] > 0.99  # in step: an offset of 5 samples would show


def test_writing_is_whole_or_not_at_all(tmp_path):
    def frames_that_end_badly():
        yield numbered(1)
        raise InputError("the source broke")

    with pytest.raises(InputError, match="broke"):
        write(tmp_path / "a.mp4", frames_that_end_badly(), 25)
    with pytest.raises(InputError, match="without a frame"):
        write(tmp_path / "a.mp4", [], 25)
    assert not list(tmp_path.iterdir())


def test_the_same_frames_give_the_same_bytes(tmp_path):
    for name in ("a.mp4", "b.mp4"):
        write(tmp_path / name, [numbered(i) for i in range(10)], 29.97, tone(0.3))
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


FILMS = """
import sys, numpy as np
from pathlib import Path
from tbd.media.video import write
for side in (32, 64, 192):
    noise = np.random.default_rng(0)
    picture = noise.integers(0, 60, (side, side, 3)) + np.linspace(0, 190, side)[:, None, None]
    films = (np.roll(picture, i, 1) + noise.normal(0, 3, picture.shape) for i in range(8))
    write(Path(sys.argv[1]) / f"{side}.mp4", (film.clip(0, 255).astype(np.uint8) for film in films), 25)
"""


def test_not_even_memory_that_nobody_wrote_changes_a_byte(tmp_path):
    """glibc fills new memory with the byte of MALLOC_PERTURB_; x264's macroblock tree let it decide about sizes."""
    made = []
    for byte in ("1", "85", "170"):
        subprocess.run([sys.executable, "-c", FILMS, tmp_path], check=True, env=os.environ | {"MALLOC_PERTURB_": byte})
        made.append([path.read_bytes() for path in sorted(tmp_path.iterdir())])
    assert made[0] == made[1] == made[2]


def test_long_sound_is_woven_in_between_the_pictures(tmp_path):
    import av

    write(tmp_path / "a.mp4", [numbered(i % 200) for i in range(600)], 25, tone(24))
    with av.open(str(tmp_path / "a.mp4")) as container:
        kinds = [packet.stream.type for packet in container.demux() if packet.size]
    middle = kinds[len(kinds) // 4 : len(kinds) // 2]
    assert {"audio", "video"} <= set(middle)
