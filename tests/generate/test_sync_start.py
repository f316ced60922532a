"""Sound and picture of a rendered video start together, measured by the project's sync metric on drawn faces.

A drawn face opens its mouth as loudly as it speaks, so the offset is known. In SyncNet's place stands a listener that
sees how far the mouth is open and hears how loud the speech is.
"""

import numpy as np
import pytest
import sync

from tbd.demo.face import Portrait
from tbd.demo.identity import PEOPLE
from tbd.demo.landmarks import Expression
from tbd.demo.voice import energy, speak
from tbd.evaluate.measures.face_tracks import resized
from tbd.evaluate.measures.sync_pass import SyncPass
from tbd.evaluate.metrics.sync import PROTOCOLS
from tbd.generate.pipeline import Sampling
from tbd.generate.render import render_video
from tbd.media import audio, video
from tbd.media.canonical import ClipRule

FPS, SECONDS = 25, 4
MOUTHS = 12
"""Degrees of opening that are drawn."""


@pytest.fixture(scope="module")
def mouths():
    face = Portrait(PEOPLE[1], 112)
    return [np.array(face.draw(Expression({}, energy=step / MOUTHS))) for step in range(MOUTHS + 1)]


class OpenMouth(sync.Planted):
    """Sees how much of the mouth's place is not as in a picture where it is closed."""

    def __init__(self, closed):
        self.closed = self._place(resized(closed)[None])[0]

    def lips(self, crops):
        opened = np.abs(self._place(crops) - self.closed).mean((1, 2, 3)) / 8
        return sync.centred(np.lib.stride_tricks.sliding_window_view(opened, 5))

    def _place(self, crops):
        return crops[:, 140:200, 70:154].astype(int)


class DrawnPipe:
    """Stands in for the model: a face that opens its mouth ``late`` frames after the sound."""

    clip_rule = ClipRule(size=112)

    def __init__(self, mouths, late):
        self.mouths, self.late = mouths, late

    def frame_count(self, samples):
        return round(samples / 16_000 * FPS)

    def stream_frames(self, picture, samples, prompts, *, guard, **how):
        guard.drift.append(0.0)
        loud = np.roll(energy(samples, FPS, self.frame_count(len(samples))), self.late)
        return (self.mouths[round(MOUTHS * degree)] for degree in loud)


def measured_offset(path, closed):
    frames = np.stack([frame for _, frame in video.frames(path)])
    heard = np.round(audio.read(path) * 32767).astype(np.int16)
    passing = SyncPass(sync.clip(frames, heard), PROTOCOLS[-1], OpenMouth(closed))
    for window in sync.windows(frames):
        passing.update(window)
    return passing.finish().details["sync_offset"]


@pytest.mark.parametrize("late", [0, 1, -2])
def test_a_video_is_as_much_in_sync_as_what_was_drawn(late, mouths, tmp_path):
    pipe, speech = DrawnPipe(mouths, late), speak(SECONDS)
    render_video(pipe, tmp_path / "a.mp4", mouths[0], speech, ["a", "b"], sampling=Sampling(), seed=0)
    assert measured_offset(tmp_path / "a.mp4", mouths[0]) == late
