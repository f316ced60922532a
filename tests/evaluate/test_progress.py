"""A kill within a long clip costs seconds: windows, not clips, and the result is the same number."""

import os
import signal
import subprocess
import sys
import time

import every_metric
import long_clip
import media
import numpy as np
import pytest
import runs
import sync
from sync import FACE, Planted

from tbd.evaluate.engine import progress
from tbd.evaluate.engine.progress import packed, unpacked
from tbd.evaluate.measures import face_tracks, sync_pass
from tbd.evaluate.measures.lip_sync import SyncProtocol
from tbd.evaluate.metrics import cpbd
from tbd.evaluate.metrics.base import Resumable
from tbd.media import video

FRAMES = 150

pytestmark = [pytest.mark.filterwarnings("ignore::UserWarning")] + [
    pytest.mark.filterwarnings(f"ignore:.torch.jit:{kind}") for kind in ("FutureWarning", "DeprecationWarning")
]


@pytest.mark.parametrize(
    "state",
    [{}, {"a": [1, 2.5, None, True, "x"], "b": {3: np.arange(4, dtype=np.uint8)}, "c": [[np.eye(2)], np.float64(2)]}],
)
def test_a_state_comes_back_as_it_was(state):
    assert repr(unpacked(packed(state))) == repr(state).replace("np.float64(2.0)", "2.0")


def test_what_is_code_is_not_packed():
    with pytest.raises(TypeError):
        packed({"a": lambda: 0})


@pytest.fixture
def films(tmp_path):
    frames = runs.clip(0, FRAMES, 96)
    return media.video(tmp_path / "pred.mp4", runs.worse(frames)), media.video(tmp_path / "true.mp4", frames)


@pytest.fixture
def counted(monkeypatch):
    """Frames that CPBD is asked for."""
    shown, score = [], cpbd.cpbd
    monkeypatch.setattr(cpbd, "cpbd", lambda grey: (shown.append(1), score(grey))[1])
    return shown


def test_an_interrupted_clip_goes_on_where_it_was(films, tmp_path, monkeypatch, counted):
    expected = long_clip.scored(tmp_path / "whole", films)
    monkeypatch.setattr(progress, "EVERY", 0.0)
    decode = video.decoded

    def killed(source, indices):
        for index, frame in decode(source, indices):
            if index == 100:
                raise KeyboardInterrupt
            yield index, frame

    monkeypatch.setattr(video, "decoded", killed)
    with pytest.raises(KeyboardInterrupt):
        long_clip.scored(tmp_path / "cut", films)
    monkeypatch.setattr(video, "decoded", decode)
    counted.clear()
    assert long_clip.scored(tmp_path / "cut", films) == expected
    assert len(counted) == 2 * (FRAMES - 96)  # of both videos, from the fourth window on
    counted.clear()
    assert long_clip.scored(tmp_path / "cut", films) == expected and not counted


def test_a_process_that_is_killed_within_a_clip_loses_its_last_window_alone(films, tmp_path, counted):
    expected, folder = long_clip.scored(tmp_path / "whole", films), tmp_path / "cut"
    child = subprocess.Popen([sys.executable, long_clip.__file__, folder, *films], stderr=subprocess.PIPE, text=True)
    while child.poll() is None and min(long_clip.reached(folder), default=0) < 64:
        time.sleep(0.01)
    assert child.poll() is None, child.communicate()[1]
    os.kill(child.pid, signal.SIGKILL)
    child.communicate()
    reached = long_clip.reached(folder)
    assert len(reached) == long_clip.RESUMABLE and 64 <= min(reached) <= max(reached) < FRAMES
    counted.clear()
    assert long_clip.scored(folder, films) == expected
    assert len(counted) == 2 * (FRAMES - reached[0])
    assert not long_clip.reached(folder)


@pytest.mark.parametrize("cut", [1, 2, 4])
def test_followed_faces_and_their_lips_go_on_too(monkeypatch, cut):
    boxes = [np.array([FACE, (10, 10, 60, 60)], float)] * 40 + [np.zeros((0, 4))] * 10 + [np.array([FACE], float)] * 100
    monkeypatch.setattr(sync_pass, "_finder", lambda *_: lambda window: boxes[window.first :][: len(window.pred)])
    monkeypatch.setattr(face_tracks, "CUT", 20.0)
    levels = sync.loudness(FRAMES)
    told = sync.clip(sync.faces(levels), sync.speech(levels))
    every = list(sync.windows(sync.faces(levels), None, 32))
    how = SyncProtocol("short", "mtcnn", 36, "")
    whole, first, second = (sync_pass.SyncPass(told, how, Planted()) for _ in range(3))
    for window in every:
        whole.update(window)
    for window in every[:cut]:
        first.update(window)
    second.restore(unpacked(packed(first.state())))
    for window in every[cut:]:
        second.update(window)
    one, other = whole.finish(), second.finish()
    assert (one.value, one.n, one.details) == (other.value, other.n, other.details) and one.n


def test_every_accumulator_with_a_number_a_frame_can_go_on(tmp_path, monkeypatch):
    every_metric.plant(monkeypatch)
    monkeypatch.setenv("TBD_WEIGHTS", str(every_metric.weights(tmp_path)))
    frames = np.random.default_rng(0).integers(0, 256, (64, 96, 96, 3), dtype=np.uint8)
    true = np.roll(frames, 1, axis=0)
    for protocol, case in every_metric.cases(tmp_path).items():
        metric, pair = case.metric, case.metric.compares == "frames"
        told = sync.clip(frames, sync.speech(sync.loudness(64)), **case.told)
        halves = list(sync.windows(frames, true if pair else None, 32))
        whole, first, second = (metric.open(told) for _ in range(3))
        if not isinstance(whole, Resumable):
            assert protocol.startswith("au_f1"), protocol
            continue
        for window in halves:
            whole.update(window)
        first.update(halves[0])
        second.restore(unpacked(packed(first.state())))
        second.update(halves[1])
        one, other = whole.finish(), second.finish()
        assert (one.value, one.n, one.details) == (other.value, other.n, other.details), protocol
        assert (one.features is None) or np.array_equal(one.features, other.features), protocol
