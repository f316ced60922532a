"""Reading is cheap: each figure is a ratio against the naive way, taken in the same run."""

import av
import numpy as np
import pytest
import torch
from media import face, numbered, video
from timing import least_seconds

from tbd.media.examine import examine
from tbd.media.faces import Detector
from tbd.media.probe import probe
from tbd.media.video import decoded, frames, rgb

pytestmark = pytest.mark.bench

WANTED = [0, 12, 25, 34, 43, 52, 61, 70, 79, 90, 112, 124]


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """Five seconds at 512 x 512 with a moving texture and one keyframe, as talking-head clips have."""
    texture = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8).repeat(8, 0).repeat(8, 1)
    moving = [np.roll(texture, 3 * i, 1) // 2 + numbered(i, (512, 512)) // 2 for i in range(125)]
    return video(tmp_path_factory.mktemp("bench") / "a.mp4", frames=moving, crf="20", preset="medium")


def seek_to_each(path):
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_count = 1
        unit = stream.time_base
        for index in WANTED:
            container.seek(int(index / 25 / unit), stream=stream)
            next(f.to_ndarray(format="rgb24") for f in container.decode(stream) if f.pts >= int(index / 25 / unit))


def decode_all(path):
    with av.open(str(path)) as container:
        container.streams.video[0].thread_count = 1
        for frame in container.decode(video=0):
            frame.to_ndarray(format="rgb24")


def test_one_forward_pass_against_seeking_and_against_decoding_all(clip):
    source = probe(clip)
    ours, seeking, whole = least_seconds(
        lambda: list(frames(source, WANTED)), lambda: seek_to_each(clip), lambda: decode_all(clip)
    )
    print(f"\n12 frames of 125: {ours * 1e3:.0f} ms; seeking {seeking / ours:.1f} x, whole decode {whole / ours:.1f} x")
    assert seeking / ours > 3
    assert whole / ours > 1.3


def test_detection_on_reduced_pictures_in_one_batch(clip):
    source = probe(clip)
    found = [frame for _, frame in decoded(source, WANTED)]
    small, full = [rgb(frame, source, 256) for frame in found], [rgb(frame, source) for frame in found]
    reduced, native = Detector(), Detector(longest=512)
    ours, naive = least_seconds(
        lambda: reduced.find(small), lambda: [native.find([picture]) for picture in full], times=3
    )
    print(f"\n12 detections at 256 pixels: {ours * 1e3:.0f} ms; one by one at 512: {naive / ours:.1f} x")
    assert naive / ours > 2.5


def test_a_whole_look_against_a_whole_decode(clip, monkeypatch):
    search = Detector.find

    def find(self, pictures):
        """The cost of the real network; its answer is ours, for the clip shows no face."""
        search(self, pictures)
        return [[face(60, 60, 160, 180)] for _ in pictures]

    monkeypatch.setattr(Detector, "find", find)
    examine(clip)
    look, whole = least_seconds(lambda: examine(clip), lambda: decode_all(clip))
    print(
        f"\nfile to medium: {look * 1e3:.0f} ms of one core, {1 / look:.1f} clips/s; {look / whole:.1f} x a whole decode"
    )
    assert look / whole < 8
