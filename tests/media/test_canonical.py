import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from media import number, numbered, still, tone, video

from tbd.errors import InputError
from tbd.media import audio
from tbd.media.canonical import CanonicalClip, ClipRule, crop, crop_box, whole_box

SMALL = ClipRule(size=64)


def test_the_crop_by_hand():
    # Union 100..200 x 120..260: longer side 140, square 238, centre (150, 190), lifted by 14 to 176.
    boxes = [(100, 140, 180, 260), (120, 120, 200, 250)]
    assert crop_box(boxes, 1000, 800, ClipRule(scale=1.7, lift=0.1)) == (31, 57, 269, 295)


def test_the_crop_is_moved_inside_where_it_fits():
    assert crop_box([(0, 10, 100, 110)], 640, 480, ClipRule()) == (0, 0, 170, 170)
    assert crop_box([(540, 380, 640, 480)], 640, 480, ClipRule()) == (470, 310, 640, 480)


def test_the_crop_is_no_larger_than_the_frame_while_the_face_fits():
    assert crop_box([(10, 10, 200, 210)], 640, 300, ClipRule()) == (0, 0, 300, 300)
    assert crop_box([(54, 40, 204, 215)], 256, 256, ClipRule()) == (0, 0, 256, 256)  # an already cut clip
    assert crop_box([(-30, 20, 120, 170)], 640, 480, ClipRule(lift=0)) == (0, 0, 255, 255)  # boxes end at the frame


def test_only_a_face_larger_than_the_frame_is_padded():
    x0, y0, x1, y1 = crop_box([(100, 0, 500, 300)], 640, 300, ClipRule())
    assert (x1 - x0, y1 - y0) == (400, 400)
    assert y0 <= 0 and y1 >= 300 and 0 <= x0 < x1 <= 640


@settings(max_examples=300)
@given(data=st.data(), width=st.integers(16, 900), height=st.integers(16, 900))
def test_the_crop_is_a_square_of_whole_pixels_around_the_face(data, width, height):
    x0 = data.draw(st.floats(-20, width - 5))
    y0 = data.draw(st.floats(-20, height - 5))
    box = (x0, y0, x0 + data.draw(st.floats(4, 400)), y0 + data.draw(st.floats(4, 400)))
    a, b, c, d = crop_box([box], width, height)
    shown = [max(box[0], 0), max(box[1], 0), min(box[2], width), min(box[3], height)]
    longer = max(shown[2] - shown[0], shown[3] - shown[1])
    assert c - a == d - b == round(c - a) <= max(min(width, height), longer + 1)
    assert c - a >= min(round(1.7 * longer), min(width, height)) or longer < 1
    for low, high, length, inner in ((a, c, width, shown[0::2]), (b, d, height, shown[1::2])):
        fits = low >= 0 and high <= length
        assert fits or (low <= 0 and high >= length and longer > min(width, height) - 1)
        assert low - 1 <= inner[0] and inner[1] <= high + 1


def test_cropping_repeats_the_edge_outside_the_frame():
    frame = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
    expected = np.pad(frame, ((2, 1), (1, 0), (0, 0)), mode="edge")[:, :7]
    assert np.array_equal(crop(frame, (-1, -2, 6, 5), 7), expected)


@pytest.mark.parametrize("box", [(100, 100, 108, 108), (-20, -20, -12, -12), (-9, 2, -1, 10)])
def test_a_crop_wholly_outside_is_all_edge(box):
    frame = np.random.default_rng(0).integers(0, 255, (12, 12, 3), np.uint8)
    padded = np.pad(frame, ((120, 120), (120, 120), (0, 0)), mode="edge")
    x0, y0, x1, y1 = (edge + 120 for edge in box)
    assert np.array_equal(crop(frame, box, 8), padded[y0:y1, x0:x1])


def test_a_crop_of_the_right_size_changes_no_pixel_and_others_are_antialiased():
    frame = np.indices((64, 64)).sum(0)[..., None].repeat(3, 2).astype(np.uint8) % 2 * 255
    assert np.array_equal(crop(frame, (0, 0, 64, 64), 64), frame)
    assert np.abs(crop(frame, (0, 0, 64, 64), 16).astype(int) - 128).max() < 40  # grey, no moiré


@pytest.mark.parametrize("fps", [24, 25, 30, 29.97, 50, 12])
def test_canonical_frames_are_the_nearest_of_the_source(tmp_path, fps):
    path = video(tmp_path / "a.mp4", frames=41, fps=fps)
    clip = CanonicalClip(path, rule=SMALL)
    times = [j / fps for j in range(41)]
    count = int(41 / fps * 25 + 0.5)
    expected = [min(range(41), key=lambda j: (abs(times[j] - i / 25), j)) for i in range(count)]
    assert clip.num_frames == count
    assert [number(frame) for frame in clip.frames()] == expected


def test_canonical_frames_of_a_variable_rate(tmp_path):
    times = [0, 0.03, 0.2, 0.21, 0.5, 0.9, 0.93]
    clip = CanonicalClip(video(tmp_path / "a.mkv", frames=7, times=times), rule=SMALL)
    expected = [min(range(7), key=lambda j: (abs(times[j] - i / 25), j)) for i in range(clip.num_frames)]
    assert [number(frame) for frame in clip.frames()] == expected


def test_a_window_takes_its_own_frames_only(tmp_path):
    path = video(tmp_path / "a.mp4", frames=60, fps=30, g="15")
    clip = CanonicalClip(path, 0.505, 1.0, rule=SMALL)  # frames 16 to 29; frame 15 would be nearer
    expected = [min(range(16, 30), key=lambda j: (abs(j / 30 - 0.505 - i / 25), j)) for i in range(12)]
    assert clip.num_frames == 12
    assert [number(frame) for frame in clip.frames()] == expected
    assert clip.duration == pytest.approx(0.495)


def test_a_window_beyond_the_end_is_cut(tmp_path):
    clip = CanonicalClip(video(tmp_path / "a.mp4", frames=50), 1.5, 9.0, rule=SMALL)
    assert clip.duration == pytest.approx(0.5)
    assert clip.num_frames == len(clip.indices) == 13  # 12.5 frames, a half up


def test_the_picture_of_a_frame_is_what_frames_shows_of_it(tmp_path):
    path = video(tmp_path / "a.mp4", frames=30, fps=30)
    clip = CanonicalClip(path, crop_box=(5, -3, 45, 37), rule=ClipRule(size=48))
    shown = list(clip.frames())
    for i in (0, 7, 24):
        assert np.array_equal(clip.picture(int(clip.indices[i])), shown[i])
    assert shown[0].shape == (48, 48, 3)
    with pytest.raises(InputError, match="frame 30 asked for"):
        clip.picture(30)


def test_frames_are_the_callers_to_change(tmp_path):
    frames = CanonicalClip(video(tmp_path / "a.mp4", frames=3, fps=5), rule=SMALL).frames()
    first = next(frames)
    kept = first.copy()
    first[:] = 0
    assert np.array_equal(next(frames), kept)  # the same source frame, shown again


def test_without_a_box_the_whole_frame_is_fitted_into_the_square(tmp_path):
    clip = CanonicalClip(video(tmp_path / "a.mp4", frames=2), rule=SMALL)
    assert whole_box(64, 48) == (0, -8, 64, 56)
    assert np.array_equal(clip.picture(1), CanonicalClip(clip.path, None, None, (0, -8, 64, 56), SMALL).picture(1))


@pytest.mark.parametrize("fps,start,end", [(30, None, None), (24, 0.3, 1.1), (29.97, 0.2, None)])
def test_sound_is_exactly_as_long_as_the_pictures(tmp_path, fps, start, end):
    path = video(tmp_path / "a.mp4", frames=50, fps=fps, audio=tone(3, 44_100), sample_rate=44_100)
    clip = CanonicalClip(path, start, end, rule=SMALL)
    assert len(clip.audio()) == round(clip.num_frames / 25 * 16_000)
    begin = round((start or 0) * 16_000)
    assert np.corrcoef(clip.audio(), tone(3)[begin : begin + len(clip.audio())])[0, 1] > 0.98


def test_sound_from_another_file_keeps_the_window(tmp_path):
    audio.write_wav(tmp_path / "a.wav", tone(2, frequency=500))
    clip = CanonicalClip(video(tmp_path / "a.mp4", frames=50), 0.5, 1.5, None, SMALL, tmp_path / "a.wav")
    assert np.abs(clip.audio() - tone(2, frequency=500)[8_000:24_000]).max() < 0.01


def test_a_portrait_with_speech_is_a_clip(tmp_path):
    audio.write_wav(tmp_path / "a.wav", tone(1.3))
    clip = CanonicalClip(still(tmp_path / "a.png"), None, None, None, SMALL, tmp_path / "a.wav")
    frames = list(clip.frames())
    assert clip.num_frames == len(frames) == 33  # 32.5, a half up
    assert all(np.array_equal(frame, clip.picture(0)) for frame in frames)
    assert len(clip.audio()) == 33 * 640
    part = CanonicalClip(clip.path, 0.5, 0.9, None, SMALL, tmp_path / "a.wav")
    assert part.num_frames == 10
    assert np.abs(part.audio() - tone(1.3)[8_000:14_400]).max() < 0.01


def test_a_silent_clip_has_no_sound_to_give(tmp_path):
    with pytest.raises(InputError, match="no sound"):
        CanonicalClip(video(tmp_path / "a.mp4"), rule=SMALL).audio()


def test_the_rule_can_be_imported_without_a_decoder_or_a_network():
    code = "import sys, tbd.media.canonical; print(sorted({'av', 'torch', 'PIL'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


def test_numbered_frames_survive_being_fitted(tmp_path):
    assert [number(crop(numbered(i), (0, 0, 64, 48), 64)) for i in (0, 85, 255)] == [0, 85, 255]
