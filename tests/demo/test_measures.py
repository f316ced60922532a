"""The demo's own measures: they see what is there in drawn clips, and nothing in noise."""

import numpy as np
import pytest

from tbd.demo.dataset import draw_clip
from tbd.demo.identity import PEOPLE
from tbd.demo.measures import estimate, mouth_correlation, recognised
from tbd.demo.voice import speak
from tbd.media import video


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drawn")
    return [
        [
            draw_clip(folder / f"{who.name}-{seed}.mp4", who, "neutral", 1, seconds=1.6, size=96, seed=seed)
            for seed in (1, 2)
        ]
        for who in PEOPLE[:3]
    ]


def test_the_mouth_of_drawn_clips_follows_their_sound(drawn):
    found = estimate([mouth_correlation(path) for one in drawn for path in one])
    assert found.low > 0.5 and found.clips == 6


def test_the_mouth_of_noise_does_not(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (8, 40, 64, 64, 3), np.uint8)
    values = []
    for number, frames in enumerate(noise):
        video.write(tmp_path / f"{number}.mp4", iter(frames), 25, speak(1.6, seed=number))
        values.append(mouth_correlation(tmp_path / f"{number}.mp4"))
    assert abs(estimate(values).value) < 0.25


def test_people_are_known_by_another_clip_of_theirs(drawn):
    made = {path[0].stem: path[0] for path in drawn}
    names = {path[0].stem: who.name for path, who in zip(drawn, PEOPLE, strict=False)}
    gallery = {who.name: path[1] for path, who in zip(drawn, PEOPLE, strict=False)}
    assert all(recognised(made, names, gallery).values())
    swapped = dict(zip(gallery, [*list(gallery.values())[1:], next(iter(gallery.values()))], strict=True))
    assert not any(recognised(made, names, swapped).values())


def test_an_estimate_leaves_out_what_is_no_number():
    found = estimate([1.0, float("nan"), 1.0])
    assert (found.value, found.low, found.high, found.clips) == (1.0, 1.0, 1.0, 2)
    assert estimate([]).clips == 0
