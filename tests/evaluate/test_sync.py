import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from sync import FACE, Planted, clip, faces, loudness, speech, windows

from tbd import weights
from tbd.errors import InputError, MissingError
from tbd.evaluate import sync_scores
from tbd.evaluate.measures import file_chain, lip_sync, sync_pass
from tbd.evaluate.measures.sync_pass import SyncPass, ThroughFiles
from tbd.evaluate.metrics.sync import METRICS, PROTOCOLS, check_length, check_sound

SHORT, JOONSON, _, _, WHOLE = PROTOCOLS
BY_NAME = {metric.protocol: metric for metric in METRICS}


def random(shape, seed=0):
    return np.random.RandomState(seed).randn(*shape)


def run(frames, audio, monkeypatch, boxes=(FACE,), protocol=SHORT, fps=25.0, size=32):
    """A clip through the pass, with planted features and with the same boxes in every frame, or ``boxes(frame)``."""
    find = boxes if callable(boxes) else lambda i: boxes
    monkeypatch.setattr(
        sync_pass,
        "_finder",
        lambda *_: lambda window: [np.array(find(window.first + i)).reshape(-1, 4) for i in range(len(window.pred))],
    )
    passing = SyncPass(clip(frames, audio, fps), protocol, Planted())
    for window in windows(frames, size=size):
        passing.update(window)
    return passing.finish()


def test_features_of_three_frames_earlier_are_an_offset_of_plus_three():
    state = np.random.RandomState(0)
    audio = state.randn(40, 1024)
    found = sync_scores(np.roll(audio, 3, axis=0) + 0.1 * state.randn(40, 1024), audio)
    assert found.offset == 3
    assert found.distance == pytest.approx(5.363723, abs=5e-7)
    assert found.confidence == pytest.approx(37.229036, abs=5e-7)
    assert found.distances.shape == (31,)


@given(st.integers(-15, 15), st.integers(20, 60))
def test_the_offset_follows_the_shift_exactly(shift, frames):
    stream = random((frames + 30, 24))
    found = sync_scores(stream[15 - shift : 15 - shift + frames], stream[15 : 15 + frames])
    assert found.offset == shift
    assert found.distance == pytest.approx(abs(shift) / frames * 24**0.5, rel=0.5, abs=1e-4)


@given(st.integers(1, 40), st.integers(0, 20), st.integers(0, 99))
def test_distances_are_those_of_all_pairs(frames, vshift, seed):
    video, audio = random((frames, 7), seed), random((frames, 7), seed + 1)
    pairs = cdist(video + 1e-6, np.concatenate([np.zeros((vshift, 7)), audio, np.zeros((vshift, 7))]))
    wanted = [np.diagonal(pairs, j).mean() for j in range(2 * vshift + 1)]
    found = sync_scores(video, audio, vshift)
    assert found.distances == pytest.approx(wanted)
    assert found.confidence == pytest.approx(np.median(wanted) - min(wanted))
    assert found.offset == vshift - int(np.argmin(wanted))


def test_long_streams_in_blocks_are_the_same_as_in_one_piece(monkeypatch):
    video, audio = random((100, 7)), random((100, 7), 1)
    whole = sync_scores(video, audio).distances
    for rows in (1, 7, 99):
        monkeypatch.setattr(lip_sync, "BLOCK", rows)
        assert sync_scores(video, audio).distances == pytest.approx(whole, rel=1e-12)


@pytest.mark.parametrize(
    ("video", "audio", "vshift"),
    [
        (np.zeros((3, 4)), np.zeros((4, 4)), 15),
        (np.zeros((0, 4)), np.zeros((0, 4)), 15),
        (np.zeros(4), np.zeros(4), 15),
        (np.zeros((3, 4)), np.zeros((3, 4)), -1),
        (np.full((3, 4), np.nan), np.zeros((3, 4)), 15),
    ],
)
def test_features_that_cannot_be_compared_are_refused(video, audio, vshift):
    with pytest.raises(ValueError, match="features"):
        sync_scores(video, audio, vshift)


def test_three_seconds_get_a_confidence_and_fit(monkeypatch):
    levels = loudness(75)
    score = run(faces(levels), speech(levels), monkeypatch)
    assert score.usable
    assert score.details["sync_offset"] == 0
    assert score.value == score.details["sync_conf"] > 0.1
    assert score.n == 70
    assert [track["frames"] for track in score.details["tracks"]] == [75]


@pytest.mark.parametrize("shift", [-4, -1, 2, 7])
def test_sound_k_frames_later_moves_the_offset_by_exactly_minus_k(shift, monkeypatch):
    levels = loudness(120)
    score = run(faces(levels[20:95]), speech(levels)[(20 - shift) * 640 : (95 - shift) * 640], monkeypatch)
    assert score.details["sync_offset"] == -shift


@pytest.mark.parametrize("size", [1, 7, 32])
def test_windows_change_nothing(size, monkeypatch):
    levels = loudness(60)
    whole = run(faces(levels), speech(levels), monkeypatch)
    assert run(faces(levels), speech(levels), monkeypatch, size=size).details == whole.details


def test_a_track_that_begins_late_hears_what_was_said_then(monkeypatch):
    levels = loudness(110)
    score = run(faces(levels), speech(levels), monkeypatch, lambda i: [FACE] if i >= 50 else [])
    assert score.details["sync_offset"] == 0
    assert score.details["tracks"][0]["first_frame"] == 50


def test_tracks_one_after_the_other_are_averaged(monkeypatch):
    levels = loudness(130)
    score = run(faces(levels), speech(levels), monkeypatch, lambda i: [] if 50 <= i < 80 else [FACE])
    values = [track["sync_conf"] for track in score.details["tracks"]]
    assert len(values) == 2
    assert score.value == pytest.approx(np.mean(values))


def test_of_two_faces_at_the_same_time_the_larger_counts_and_the_other_is_named(monkeypatch):
    levels = loudness(60)
    other = (0.0, 0.0, 110.0, 110.0)
    score = run(faces(levels), speech(levels), monkeypatch, [other, FACE])
    assert [track["face"] for track in score.details["tracks"]] == [160]
    assert [track["face"] for track in score.details["bystanders"]] == [110]
    assert "2 faces" in score.details["note"]


@pytest.mark.parametrize(
    ("boxes", "reason"),
    [
        ([], "no face was found"),
        ([(0, 0, 90, 90)], "the face is 90 pixels"),
        (lambda i: [FACE] if i < 20 else [], "the longest has 20 frames, and 36"),
    ],
)
def test_without_a_track_there_is_a_reason_and_no_number(boxes, reason, monkeypatch):
    levels = loudness(60)
    score = run(faces(levels), speech(levels), monkeypatch, boxes)
    assert score.value is None
    assert reason in score.reason


def test_the_original_needs_more_than_100_frames_and_says_so(monkeypatch):
    levels = loudness(101)
    assert run(faces(levels), speech(levels), monkeypatch, protocol=JOONSON).usable
    short = run(faces(levels), speech(levels), monkeypatch, lambda i: [FACE] * (i < 100), protocol=JOONSON)
    assert "the longest has 100 frames, and 101 are needed" in short.reason


def test_sound_that_ends_before_the_picture_counts_as_far_as_it_goes(monkeypatch):
    levels = loudness(60)
    assert run(faces(levels), speech(levels)[: 40 * 640], monkeypatch).n == 35
    assert "0.20 s of sound" in run(faces(levels), speech(levels)[: 5 * 640], monkeypatch).reason


@pytest.mark.parametrize("fps", [30.0, 24.0, 50.0, 12.5])
def test_other_rates_are_brought_to_25_and_told(fps, monkeypatch):
    levels = loudness(100)
    shown = levels[np.minimum(np.floor(np.arange(int(4 * fps)) * 25 / fps + 0.5).astype(int), 99)]
    score = run(faces(shown), speech(levels), monkeypatch, fps=fps)
    assert score.details["rate"] == f"{fps:g} -> 25 frames a second"
    assert abs(score.details["sync_offset"]) <= 1
    assert 99 <= score.details["tracks"][0]["frames"] <= 101


def test_the_whole_frame_needs_no_detector(monkeypatch):
    levels = loudness(40)
    monkeypatch.undo()
    frames, sound = faces(levels, (96, 64)), speech(levels)
    passing = SyncPass(clip(frames, sound), WHOLE, Planted())
    for window in windows(frames):
        passing.update(window)
    assert passing.finish().details["sync_offset"] == 0


def test_frames_are_let_go_while_the_clip_passes(monkeypatch):
    held, follow = [], SyncPass._follow

    def watch(self, *args):
        follow(self, *args)
        held.append(len(self._held))

    monkeypatch.setattr(SyncPass, "_follow", watch)
    levels = loudness(300)
    run(faces(levels), speech(levels), monkeypatch, lambda i: [FACE] if i % 20 < 3 else [])
    assert max(held) <= 26 + 6


@pytest.mark.parametrize(
    ("audio", "reason"),
    [(None, "no sound"), (np.zeros(0, np.int16), "no sound"), (np.full(16_000, -32, np.int16), "silence")],
)
def test_a_clip_that_says_nothing_is_refused(audio, reason):
    with pytest.raises(InputError, match=reason):
        check_sound(audio)


def test_the_quietest_speech_is_heard():
    check_sound(np.array([0, -33], np.int16))


def test_a_clip_that_is_too_short_or_too_small_is_refused_before_anything_is_loaded():
    with pytest.raises(InputError, match="too short: 20 frames at 25 a second, and 36"):
        check_length(clip(np.zeros((40, 256, 256, 3), np.uint8), None, fps=50.0), SHORT)
    with pytest.raises(InputError, match="96x256 pixels"):
        check_length(clip(np.zeros((40, 256, 96, 3), np.uint8), None), SHORT)
    check_length(clip(np.zeros((40, 64, 64, 3), np.uint8), None), WHOLE)


def test_without_its_weights_nothing_is_scored_and_no_other_detector_steps_in(monkeypatch, tmp_path):
    monkeypatch.setattr(weights, "find", lambda entry: None)
    levels = loudness(60)
    with pytest.raises(MissingError, match=r"syncnet_v2\.model"):
        METRICS[0].open(clip(faces(levels), speech(levels)))
    with pytest.raises(MissingError, match=r"sfd_face\.pth"):
        SyncPass(clip(faces(levels), speech(levels)), SHORT, Planted())


def test_three_numbers_come_from_one_pass(monkeypatch):
    levels = loudness(60)
    score = run(faces(levels), speech(levels), monkeypatch)
    group = [metric for metric in METRICS if metric.shares == "sync@joonson-short"]
    assert [metric.key for metric in group] == ["sync_conf", "sync_dist", "sync_offset"]
    assert [metric.read(score).value for metric in group] == [score.details[metric.key] for metric in group]


def test_what_could_not_be_scored_stays_so_in_every_number(monkeypatch):
    score = run(faces(loudness(60)), speech(loudness(60)), monkeypatch, [])
    assert BY_NAME["sync_dist@joonson-short"].read(score).reason == "no face was found"


def test_the_first_protocol_of_each_number_scores_mead():
    assert [metric.protocol for metric in METRICS if metric.protocol.endswith("joonson-short")] == [
        "sync_conf@joonson-short",
        "sync_dist@joonson-short",
        "sync_offset@joonson-short",
    ]
    assert METRICS[0].protocol == "sync_conf@joonson-short"
    assert METRICS[0].weights == ("syncnet", "s3fd")


def test_the_offset_tells_how_many_clips_are_near(monkeypatch):
    metric = BY_NAME["sync_offset@joonson-short"]
    scores = [sync_pass.ClipScore(value, 70) for value in (0.0, -1.0, 3.0, 8.0)]
    found = metric.aggregate([*scores, sync_pass.ClipScore(None, 0, "no sound")])
    assert (found.value, found.n, found.of) == (2.5, 4, 5)
    assert found.details["within_one_frame"] == 0.5


FILES = next(protocol for protocol in PROTOCOLS if protocol.files)


def test_an_mp3_in_an_avi_is_heard_1105_samples_late():
    heard = np.random.default_rng(0).normal(0, 3000, 40_000)
    heard = np.convolve(heard, np.ones(8) / 8, "same").astype(np.int16)
    for rate in (16_000, 44_100, 48_000):
        late = round(file_chain.LATE * 16_000 / rate)
        found = file_chain.sound(heard, rate)
        fits = {
            shift: np.corrcoef(heard[:20_000], found[shift : shift + 20_000])[0, 1]
            for shift in range(late - 9, late + 10)
        }
        assert abs(max(fits, key=fits.get) - late) <= 1 and max(fits.values()) > 0.95
        assert found.shape == heard.shape and found.dtype == np.int16


def test_pictures_come_out_of_the_files_in_order_and_none_is_lost():
    shown = [np.full((64, 96, 3), level, np.uint8) for level in range(0, 240, 12)]
    chain = file_chain.Pictures()
    found = [one for picture in shown for one in chain.push([picture])] + chain.flush()
    assert len(found) == len(shown)
    assert max(abs(float(one.mean()) - float(other.mean())) for one, other in zip(found, shown, strict=True)) < 3
    assert file_chain.Pictures().flush() == []


def test_the_file_chain_hears_lips_later(monkeypatch):
    """Its sound is 69 ms late at 16 kHz, so that the offset moves by two frames; the scores stay near."""
    monkeypatch.setattr(sync_pass, "_finder", lambda *_: lambda window: [np.array([FACE]) for _ in window.pred])
    levels = loudness(130)
    told = clip(faces(levels), speech(levels))
    plain, filed = (kind(told, FILES, Planted()) for kind in (SyncPass, ThroughFiles))
    for window in windows(faces(levels), None, 32):
        plain.update(window)
        filed.update(window)
    one, other = plain.finish(), filed.finish()
    assert one.n == other.n and other.details["sync_offset"] - one.details["sync_offset"] in (-1, -2)


def test_of_many_faces_at_a_time_the_largest_are_looked_at(monkeypatch):
    looked = []

    class Counting(Planted):
        def lips(self, crops):
            looked.append(len(crops))
            return super().lips(crops)

    boxes = np.array([[x, 10, x + 105 + 5 * i, 115 + 5 * i] for i, x in enumerate(range(0, 1600, 160))], float)
    monkeypatch.setattr(sync_pass, "_finder", lambda *_: lambda window: [boxes for _ in window.pred])
    levels = loudness(60)
    wide = np.zeros((60, 200, 1800, 3), np.uint8)
    taker = SyncPass(clip(wide, speech(levels)), SHORT, Counting())
    for window in windows(wide, None, 32):
        taker.update(window)
    score = taker.finish()
    assert sum(looked) <= sync_pass.MOST * (60 + 5 * 4)
    assert score.details["left_out"].startswith("7 smaller faces")
    assert score.details["tracks"][0]["face"] == 150
