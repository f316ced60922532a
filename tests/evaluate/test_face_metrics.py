"""The metrics of faces and speech through the one pass: real files, real formats, random weights."""

import media
import numpy as np
import pytest
import torch
from sync import FACE, faces, loudness, speech

from tbd.evaluate.engine import one_pass
from tbd.evaluate.engine.cache import ScoreCache
from tbd.evaluate.inputs.jobs import ClipJob, GroundTruth, RunVideo, Settings
from tbd.evaluate.metrics import registry
from tbd.evaluate.metrics.action_units import METRICS as ACTION_UNITS
from tbd.evaluate.metrics.sync import METRICS as SYNC
from tbd.evaluate.networks.s3fd import S3FD
from tbd.media.syncnet import SyncNet

SHORT = tuple(metric for metric in SYNC if metric.protocol.endswith("@joonson-short"))


@pytest.fixture
def store(tmp_path):
    with ScoreCache(tmp_path / "cache") as found:
        yield found


@pytest.fixture
def weights(tmp_path, monkeypatch):
    """Random weights in the published formats; the random detector's answers are replaced by one face."""
    folder = tmp_path / "weights"
    folder.mkdir()
    torch.manual_seed(0)
    torch.save(SyncNet().state_dict(), folder / "syncnet_v2.model")
    torch.save(S3FD().state_dict(), folder / "sfd_face.pth")
    monkeypatch.setenv("TBD_WEIGHTS", str(folder))
    monkeypatch.setattr(S3FD, "find", lambda self, frames: [np.array([[*FACE, 0.99]])] * len(frames))


def film(path, frames, sound=True):
    levels = loudness(frames)
    return media.video(path, faces(levels, (320, 320)), audio=speech(levels).astype("f4") / 32768 if sound else None)


def job(video, metrics, row=None, videos=(), true=None):
    return ClipJob(
        "clip", GroundTruth(row=row, reference=true), (RunVideo("run", "run", video), *videos), metrics, Settings()
    )


def test_a_short_clip_gets_its_three_numbers_from_one_pass_and_again_from_the_cache(
    tmp_path, store, weights, monkeypatch
):
    video = film(tmp_path / "clip.mp4", 40)
    rows = one_pass.score(job(video, SHORT), store)
    assert [row.status for row in rows] == ["ok"] * 3
    conf, dist, offset = (row.score for row in rows)
    assert conf.n == dist.n == offset.n == 35
    assert dist.value > conf.value > 0
    assert -15 <= offset.value <= 15
    monkeypatch.setattr(SyncNet, "lips", None)
    again = one_pass.score(job(video, SHORT), store)
    assert [row.score.value for row in again] == [row.score.value for row in rows]


def test_random_weights_are_never_called_published(weights):
    seen = registry.seen(SHORT[0].weights)
    assert [name for name, _, _ in seen.files] == ["syncnet_v2.model", "sfd_face.pth"]
    assert not seen.published


@pytest.mark.parametrize(
    ("frames", "sound", "reason"),
    [(40, False, "no sound"), (20, True, "too short: 20 frames at 25 a second, and 36 are needed")],
)
def test_a_clip_without_a_score_says_why_in_all_three(tmp_path, store, weights, frames, sound, reason):
    for row in one_pass.score(job(film(tmp_path / "clip.mp4", frames, sound), SHORT), store):
        assert row.status == "failed"
        assert reason in row.score.reason


def test_features_that_are_not_numbers_are_a_reason_and_no_score(tmp_path, store, weights, monkeypatch):
    monkeypatch.setattr(SyncNet, "lips", lambda self, crops: np.full((len(crops) - 4, 1024), np.nan, np.float32))
    (row, *_) = one_pass.score(job(film(tmp_path / "clip.mp4", 40), SHORT), store)
    assert "not finite" in row.score.reason
    assert row.score.value is None


def test_a_table_beside_the_video_is_part_of_what_a_score_depends_on(tmp_path, store):
    csv = ACTION_UNITS[1]
    video = media.video(tmp_path / "clip.mp4", 10)
    row = {"clip_id": "clip", "action_units": [{"au": 12}]}

    def score(present=None):
        if present is not None:
            lines = ["frame,confidence,success,AU04_c,AU12_c", *[f"{i},1,1,1,{present}" for i in range(10)]]
            (tmp_path / "clip.csv").write_text("\n".join(lines))
        (found,) = one_pass.score(job(video, (csv,), row=row | {"file_name": "none.mp4"}), store)
        return found.score

    assert "no OpenFace table" in score().reason
    assert score(1).value == pytest.approx(2 / 3)
    assert score(0).value == 0


def test_without_a_manifest_row_labels_and_units_are_missed(tmp_path, store):
    video = media.video(tmp_path / "clip.mp4", 10)
    (found,) = one_pass.score(job(video, ACTION_UNITS[1:], true=video), store)
    assert "no action units" in found.score.reason
