"""The demo's own measures: they see what is there in drawn clips, and nothing in noise."""

import numpy as np
import pytest

from tbd.demo.dataset import draw
from tbd.demo.measures import estimate, recognised
from tbd.demo.mouth import MouthReader, follows_sound, follows_truth
from tbd.demo.voice import speak
from tbd.media import video


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """Two takes of each of three people, with the truth beside them."""
    clips = draw(tmp_path_factory.mktemp("drawn"), people=3, clips=8, size=96, seconds=(1.6, 1.6), workers=1)
    return [[clips[who], clips[who + 3]] for who in range(3)]  # people take turns; the last two clips are flawed


@pytest.fixture(scope="module")
def reader(drawn):
    """Of one person and a half."""
    return MouthReader([*drawn[0], drawn[1][0]])


def test_the_opening_of_people_never_seen_is_read(drawn, reader):
    unseen = [drawn[1][1], *drawn[2]]
    assert min(follows_truth(reader.opening(path), path) for path in unseen) > 0.8
    assert min(follows_sound(reader.opening(path), path) for path in unseen) > 0.6


def test_another_clips_sound_is_not_followed(drawn, reader):
    first, second = drawn[2]
    opening = reader.opening(first)
    assert abs(follows_sound(opening, second)) < 0.5 < follows_sound(opening, first)


def test_a_mouth_that_never_moves_follows_nothing(tmp_path, reader):
    grey = np.full((40, 64, 64, 3), 128, np.uint8)
    video.write(tmp_path / "still.mp4", iter(grey), 25, speak(1.6, seed=0))
    assert follows_sound(reader.opening(tmp_path / "still.mp4"), tmp_path / "still.mp4") == 0


def test_the_mouth_of_noise_does_not(tmp_path, reader):
    noise = np.random.default_rng(0).integers(0, 255, (8, 40, 64, 64, 3), np.uint8)
    values = []
    for number, frames in enumerate(noise):
        video.write(tmp_path / f"{number}.mp4", iter(frames), 25, speak(1.6, seed=number))
        path = tmp_path / f"{number}.mp4"
        values.append(follows_sound(reader.opening(path), path))
    assert abs(estimate(values).value) < 0.25


def test_people_are_known_by_another_clip_of_theirs(drawn):
    made = {str(number): clips[0] for number, clips in enumerate(drawn)}
    names = {str(number): f"person {number}" for number in range(3)}
    gallery = {f"person {number}": clips[1] for number, clips in enumerate(drawn)}
    assert all(recognised(made, names, gallery).values())
    swapped = dict(zip(gallery, [*list(gallery.values())[1:], next(iter(gallery.values()))], strict=True))
    assert not any(recognised(made, names, swapped).values())


def test_an_estimate_leaves_out_what_is_no_number():
    found = estimate([1.0, float("nan"), 1.0])
    assert (found.value, found.low, found.high, found.clips) == (1.0, 1.0, 1.0, 2)
    assert estimate([]).clips == 0
