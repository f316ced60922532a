"""One clip: what is fed to whom, in what order, how often it is decoded, and what is remembered."""

import dataclasses
from collections import Counter

import media
import numpy as np
import pytest
import runs

from tbd.errors import InputError
from tbd.evaluate.engine import clip, one_pass
from tbd.evaluate.engine.cache import ScoreCache
from tbd.evaluate.inputs.jobs import ClipJob, GroundTruth, RunVideo, Settings
from tbd.evaluate.metrics.base import ClipScore
from tbd.evaluate.metrics.psnr import METRICS as PSNR
from tbd.evaluate.metrics.psnr import psnr
from tbd.media import faces, video

BASELINES = (RunVideo("ground truth", "truth"), RunVideo("still frame of the target clip", "still"))
ALL = (runs.Brightness(), runs.Difference(), runs.Spread())


@pytest.fixture
def store(tmp_path):
    with ScoreCache(tmp_path / "cache") as found:
        yield found


@pytest.fixture(autouse=True)
def fresh():
    runs.Brightness.seen.clear()


def films(folder, frames=40, pred=None, true=None):
    """A true and a worse video; returns their paths."""
    true = runs.clip(0, frames) if true is None else true
    pred = runs.worse(runs.clip(0, frames)) if pred is None else pred
    return (
        media.video(folder / "pred.mp4", pred, audio=media.tone(len(pred) / 25)),
        media.video(folder / "true.mp4", true, audio=media.tone(len(true) / 25)),
    )


def job(pred, true, metrics=ALL, videos=BASELINES, **settings):
    return ClipJob(
        "clip", GroundTruth(reference=true), (RunVideo("a", "run", pred), *videos), metrics, Settings(**settings)
    )


def pixels(path):
    return np.stack([frame for _, frame in video.frames(path)])


def values(rows):
    return {(row.name, row.protocol.partition("@")[0]): row.score.value for row in rows}


def test_scores_are_those_of_the_decoded_frames(tmp_path, store):
    pred, true = films(tmp_path)
    found = values(one_pass.score(job(pred, true, metrics=(*ALL, PSNR[0])), store))
    a, b = pixels(pred), pixels(true)
    assert found["a", "brightness"] == pytest.approx(a.mean(), abs=1e-9)
    assert found["a", "difference"] == pytest.approx(np.abs(a - b.astype(float)).mean(), abs=1e-9)
    assert found["a", "psnr"] == pytest.approx(psnr(a, b).mean(), abs=1e-9)
    assert found["ground truth", "brightness"] == pytest.approx(b.mean(), abs=1e-9)
    assert found["ground truth", "difference"] == 0
    assert found["still frame of the target clip", "brightness"] == pytest.approx(b[0].mean(), abs=1e-9)
    assert found["still frame of the target clip", "difference"] == pytest.approx(np.abs(b[0] - b.astype(float)).mean())


def test_a_set_of_a_still_has_as_many_vectors_as_the_clip_has_frames(tmp_path, store):
    pred, true = films(tmp_path)
    rows = one_pass.score(job(pred, true), store)
    row = next(row for row in rows if row.name == "still frame of the target clip" and "spread" in row.protocol)
    first = pixels(true)[0].mean(axis=(0, 1))
    np.testing.assert_allclose(store.get(row.key).features, np.tile(first, (40, 1)))


def test_features_of_both_sides_are_kept(tmp_path, store):
    pred, true = films(tmp_path)
    row = next(row for row in one_pass.score(job(pred, true), store) if row.name == "a" and "spread" in row.protocol)
    np.testing.assert_allclose(store.get(row.key).features, pixels(pred).mean(axis=(1, 2)))
    np.testing.assert_allclose(store.get(row.reference_key).features, pixels(true).mean(axis=(1, 2)))


def test_windows_come_in_order_and_hold_32_frames_at_most(tmp_path, store):
    one_pass.score(job(*films(tmp_path, 70)), store)
    windows = [seen[2:] for seen in runs.Brightness.seen if seen[0] == "difference"]
    assert Counter(windows) == {(0, 32): 3, (32, 32): 3, (64, 6): 3}


def test_every_video_is_decoded_once_for_all_runs_and_metrics(tmp_path, store, monkeypatch):
    pred, true = films(tmp_path)
    other = media.video(tmp_path / "other.mp4", runs.worse(runs.clip(0, 40), 3))
    decoded = Counter()
    decode = video.decoded

    def counted(source, indices):
        wanted = list(indices)
        decoded[source.path.name] += len(wanted)
        return decode(source, wanted)

    monkeypatch.setattr(video, "decoded", counted)
    asked = job(pred, true, videos=(RunVideo("b", "run", other), *BASELINES))
    one_pass.score(asked, store)
    assert decoded == {"pred.mp4": 40, "other.mp4": 40, "true.mp4": 40 + 1}  # and the portrait


def test_what_the_cache_knows_is_not_decoded_again(tmp_path, store, monkeypatch):
    asked = job(*films(tmp_path))
    first = one_pass.score(asked, store)
    monkeypatch.setattr(one_pass.Scheduler, "play", lambda *_: pytest.fail("something was decoded"))
    assert values(one_pass.score(asked, store)) == values(first)


def test_a_changed_video_is_scored_again_but_its_truth_is_not(tmp_path, store):
    pred, true = films(tmp_path)
    before = values(one_pass.score(job(pred, true), store))
    runs.Brightness.seen.clear()
    media.video(pred, runs.worse(runs.clip(0, 40), 4))
    after = values(one_pass.score(job(pred, true), store))
    assert after["a", "difference"] > before["a", "difference"]
    assert Counter(key for key, *_ in runs.Brightness.seen) == {"brightness": 2, "difference": 2}


def test_another_version_weight_or_setting_is_another_key(tmp_path, store):
    asked = job(*films(tmp_path), videos=())
    kept = {row.key for row in one_pass.score(asked, store)}
    newer = runs.Difference()
    newer.version = 2
    for changed in (
        dataclasses.replace(asked, metrics=(newer,)),
        dataclasses.replace(asked, metrics=(runs.Difference(),), weights={"difference@l1": ["f" * 64]}),
        dataclasses.replace(asked, metrics=(runs.Difference(),), settings=Settings(length="resample")),
    ):
        assert not kept & {row.key for row in one_pass.score(changed, store)}


def test_the_number_of_threads_changes_nothing(tmp_path):
    pred, true = films(tmp_path, 70)
    found = []
    for threads in (1, 4):
        with ScoreCache(tmp_path / str(threads)) as store:
            found.append(values(one_pass.score(job(pred, true, threads=threads), store)))
    assert found[0] == found[1]


@pytest.mark.parametrize(("pred", "true"), [(40, 55), (55, 40), (33, 32), (1, 40), (5, 5)])
def test_unequal_lengths_are_truncated_and_said(tmp_path, store, pred, true):
    paths = films(tmp_path, pred=runs.worse(runs.clip(0, pred)), true=runs.clip(0, true))
    rows = [row for row in one_pass.score(job(*paths), store) if row.name == "a"]
    a, b = (pixels(path)[: min(pred, true)].astype(float) for path in paths)
    difference = next(row for row in rows if "difference" in row.protocol)
    assert difference.score.value == pytest.approx(np.abs(a - b).mean())
    assert difference.score.n == min(pred, true)
    assert (difference.comparison.frames, difference.comparison.reference_frames) == (pred, true)
    assert bool(difference.note) == (pred != true)
    assert next(row for row in rows if "brightness" in row.protocol).score.n == pred


def test_resampling_takes_frames_of_both_evenly(tmp_path, store):
    paths = films(tmp_path, pred=runs.worse(runs.clip(0, 40)), true=runs.clip(0, 100))
    row = next(row for row in one_pass.score(job(*paths, length="resample"), store) if "difference" in row.protocol)
    picked = np.linspace(0, 100, 40, endpoint=False).astype(int)
    a, b = pixels(paths[0]).astype(float), pixels(paths[1])[picked].astype(float)
    assert row.score.value == pytest.approx(np.abs(a - b).mean())


def test_strict_lengths_are_a_reason_and_spare_metrics_of_one_video(tmp_path, store):
    paths = films(tmp_path, pred=runs.worse(runs.clip(0, 40)), true=runs.clip(0, 41))
    rows = {row.protocol: row for row in one_pass.score(job(*paths, length="strict", videos=()), store)}
    assert rows["difference@l1"].status == "failed" and "40 frames against 41" in rows["difference@l1"].score.reason
    assert rows["brightness@mean"].status == "ok"


def test_other_sizes_are_a_reason_on_the_canvas_and_fit_after_a_crop(tmp_path, store):
    small = [frame[::2, ::2] for frame in runs.clip(0, 10)]
    paths = films(tmp_path, pred=small, true=runs.clip(0, 10))
    rows = {row.protocol: row for row in one_pass.score(job(*paths, videos=()), store)}
    assert "32x32 pixels, the ground truth has 64x64" in rows["difference@l1"].score.reason
    assert rows["brightness@mean"].status == "ok"
    rows = {row.protocol: row for row in one_pass.score(job(*paths, videos=(), align="crop"), store)}
    assert rows["difference@l1"].score.value < 15


def test_a_take_without_truth_gets_what_needs_none(tmp_path, store):
    pred, _ = films(tmp_path)
    rows = {row.protocol: row for row in one_pass.score(job(pred, None, videos=()), store)}
    assert rows["brightness@mean"].status == "ok"
    assert rows["difference@l1"].score.reason.startswith("no ground truth")
    assert rows["spread@colour"].score.reason.startswith("no ground truth")


def test_an_unreadable_truth_spares_metrics_of_one_video(tmp_path, store):
    pred, true = films(tmp_path)
    true.write_bytes(b"")
    rows = {(row.name, row.protocol): row for row in one_pass.score(job(pred, true), store)}
    assert rows["a", "brightness@mean"].status == "ok"
    assert rows["a", "difference@l1"].score.reason == "no ground truth: true.mp4: empty (0 bytes)"
    assert rows["ground truth", "brightness@mean"].status == "failed"


def test_an_unreadable_video_is_a_row_for_every_metric_and_names_no_folder(tmp_path, store):
    pred, true = films(tmp_path)
    pred.write_bytes(pred.read_bytes()[:3000])
    rows = [row for row in one_pass.score(job(pred, true), store) if row.name == "a"]
    assert {row.status for row in rows} == {"unreadable"} and len(rows) == 3
    assert all("cut off" in row.score.reason and str(tmp_path) not in row.score.reason for row in rows)


def test_a_video_that_breaks_in_the_middle_spares_the_others(tmp_path, store, monkeypatch):
    pred, true = films(tmp_path, 70)
    other = media.video(tmp_path / "other.mp4", runs.worse(runs.clip(0, 70), 2))
    decode = video.decoded

    def breaking(source, indices):
        for index, frame in decode(source, indices):
            if source.path.name == "pred.mp4" and index == 40:
                raise InputError(f"{source.path}: frame 40 cannot be decoded")
            yield index, frame

    monkeypatch.setattr(video, "decoded", breaking)
    rows = one_pass.score(job(pred, true, videos=(RunVideo("b", "run", other), *BASELINES)), store)
    broken = {row.protocol for row in rows if row.status != "ok"}
    assert {row.name for row in rows if row.status != "ok"} == {"a"} and len(broken) == 3
    assert "unreadable: pred.mp4: frame 40" in next(row for row in rows if row.name == "a").score.reason


class Buggy(runs.Difference):
    key, protocol = "buggy", "buggy@x"

    def open(self, clip):
        if clip.num_frames > 5:
            raise ZeroDivisionError("planted")
        return super().open(clip)


class NotANumber(runs.Spread):
    key, protocol = "nan", "nan@x"

    def open(self, clip):
        made = super().open(clip)
        finish = made.finish
        made.finish = lambda: dataclasses.replace(finish(), features=np.array([[np.nan, 1.0]]))
        return made


def test_a_bug_in_one_metric_costs_the_others_nothing_and_is_not_remembered(tmp_path, store):
    asked = job(*films(tmp_path), metrics=(Buggy(), *ALL), videos=())
    rows = {row.protocol: row for row in one_pass.score(asked, store)}
    assert rows["buggy@x"].score.reason == "bug: ZeroDivisionError: planted"
    assert {row.status for name, row in rows.items() if name != "buggy@x"} == {"ok"}
    key = one_pass._asked(clip.ClipContext(asked), asked.videos[0], one_pass.groups(asked.metrics)[0]).own.key
    assert not store.has(key)


def test_features_that_are_not_finite_are_a_reason(tmp_path, store):
    row = one_pass.score(job(*films(tmp_path), metrics=(NotANumber(),), videos=()), store)[0]
    assert row.status == "failed" and "not finite" in row.score.reason


class Listening(runs.Brightness):
    key, protocol, needs_audio = "listening", "listening@x", True

    def open(self, clip):
        assert clip.audio.dtype == np.int16 and len(clip.audio) == round(clip.num_frames / clip.fps * 16_000)
        return super().open(clip)


def test_a_video_without_sound_is_a_reason_for_metrics_that_listen(tmp_path, store):
    pred, true = films(tmp_path)
    silent = media.video(tmp_path / "silent.mp4", 40, size=(64, 64))
    asked = job(pred, true, metrics=(Listening(),), videos=(RunVideo("silent", "run", silent),))
    rows = {row.name: row for row in one_pass.score(asked, store)}
    assert rows["a"].status == "ok"
    assert rows["silent"].score.reason == "no sound in the video"


def test_sound_that_cannot_be_decoded_is_not_no_sound(tmp_path, store, monkeypatch):
    from tbd.media import audio

    pred, true = films(tmp_path)
    asked = job(pred, true, metrics=(Listening(),), videos=())
    read = audio.read_sound
    whole = read(pred, 0.0, 1.6)
    for samples, damaged, holes, words in (
        (whole.samples * 0, 9, 0.0, "its sound cannot be decoded (9 pieces damaged)"),
        (whole.samples, 2, 0.0, "2 pieces of sound damaged"),
        (whole.samples, 0, 0.5, "0.50 s of sound missing"),
    ):
        monkeypatch.setattr(audio, "read_sound", lambda *_, s=samples, d=damaged, h=holes: audio.Sound(s, h, d))
        with ScoreCache(tmp_path / words[:3]) as fresh:
            for _ in range(2):  # computed, and from the cache
                row = one_pass.score(asked, fresh)[0]
                assert words in (row.score.reason or row.comparison.damage)


class Half(runs.Brightness):
    """Two metrics that share one accumulator."""

    shares = "halves"

    def __init__(self, key, share):
        self.key, self.protocol, self.share = key, f"{key}@x", share

    def read(self, score):
        return ClipScore(score.value * self.share, score.n)


def test_metrics_that_share_an_accumulator_are_fed_once(tmp_path, store):
    pred, true = films(tmp_path, 10)
    found = values(one_pass.score(job(pred, true, metrics=(Half("x", 1), Half("y", 0.5)), videos=()), store))
    assert found["a", "y"] == found["a", "x"] / 2
    assert len(runs.Brightness.seen) == 1


def test_rates_are_brought_together_and_said(tmp_path, store):
    true = media.video(tmp_path / "true.mp4", runs.clip(0, 50), 25)
    pred = media.video(tmp_path / "pred.mp4", runs.clip(0, 60), 30)
    row = next(row for row in one_pass.score(job(pred, true), store) if "difference" in row.protocol)
    assert row.note == "30 -> 25 frames a second" and row.comparison.frames == 50


def test_a_variable_rate_is_brought_to_the_constant_one(tmp_path, store):
    times = np.cumsum([0.03, 0.06] * 20) - 0.03
    pred = media.video(tmp_path / "pred.mp4", runs.clip(0, 40), times=times)
    true = media.video(tmp_path / "true.mp4", runs.clip(0, 45), 25)
    row = next(row for row in one_pass.score(job(pred, true), store) if "difference" in row.protocol)
    assert row.status == "ok" and "variable rate -> 25" in row.note


@pytest.mark.parametrize("options", [{"pix_fmt": "gray"}, {"rotation": 90}, {"codec": "mpeg4"}])
def test_odd_videos_are_scored_like_others(tmp_path, store, options):
    options = dict(options)
    grey = options.pop("pix_fmt", None)
    frames = runs.clip(0, 10)
    frames = [np.repeat(frame[..., :1], 3, axis=2) for frame in frames] if grey else frames
    pred = media.video(tmp_path / "odd.mp4", frames, **options)
    true = media.video(tmp_path / "true.mp4", runs.clip(0, 10))
    assert {row.status for row in one_pass.score(job(pred, true), store)} == {"ok"}


class Where:
    """A detector that knows where the drawn head is."""

    def __init__(self, scale=1.0, found=True):
        self.scale, self.found = scale, found

    def find(self, pictures):
        side = pictures[0].shape[1]
        box = media.face(0.2 * side, 0.1 * side, 0.8 * side, 0.9 * side)
        return [[box] if self.found else [] for _ in pictures]


def test_a_region_is_cut_out_of_both_alike(tmp_path, store, monkeypatch):
    monkeypatch.setattr(faces, "detector", lambda *_: Where())
    pred, true = films(tmp_path, 10)
    found = values(one_pass.score(job(pred, true, region="face", videos=()), store))
    part = np.s_[:, 6:58, 12:52]
    a, b = pixels(pred)[part].astype(float), pixels(true)[part].astype(float)
    assert found["a", "difference"] == pytest.approx(np.abs(a - b).mean())
    assert found["a", "brightness"] == pytest.approx(a.mean())


def test_a_region_without_a_face_is_a_reason(tmp_path, store, monkeypatch):
    monkeypatch.setattr(faces, "detector", lambda *_: Where(found=False))
    rows = one_pass.score(job(*films(tmp_path, 10), region="mouth", videos=()), store)
    assert all("no face" in row.score.reason for row in rows)


def test_by_the_face_a_shifted_video_lies_on_its_truth(tmp_path, store, monkeypatch):
    class Apart:
        """Finds the head where it was drawn: in the larger pictures it is moved by 20 pixels."""

        def find(self, pictures):
            move = 20 if pictures[0].shape[1] > 64 else 0
            return [[media.face(12.8 + move, 6.4 + move, 51.2 + move, 57.6 + move)] for _ in pictures]

    monkeypatch.setattr(faces, "detector", lambda *_: Apart())
    true = runs.clip(0, 10)
    moved = [np.pad(frame, ((20, 16), (20, 16), (0, 0)), mode="edge") for frame in true]
    paths = films(tmp_path, pred=moved, true=true)
    found = values(one_pass.score(job(*paths, align="face", videos=(BASELINES[0],)), store))
    assert found["a", "difference"] < 6
    assert found["ground truth", "difference"] == 0
