"""Metrics of facial motion on landmarks that are known: dynamics, blinks, poses, still lips, alignment in time."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sync import clip, windows

from tbd.evaluate.measures import head_angles
from tbd.evaluate.measures.head_angles import HEAD, POINTS, angles, apart, rotations
from tbd.evaluate.metrics import (
    blink_rate,
    brow_dynamics,
    emo_fid,
    fd_expression,
    head_dynamics,
    head_pose,
    lip_dynamics,
    soft_dtw,
    still_lips,
)
from tbd.evaluate.metrics.landmark_tracks import agreement
from tbd.evaluate.metrics.soft_dtw import soft_dtw_divergence

FACE = np.random.default_rng(0).uniform(60, 190, (68, 2))
CLASSES = {
    "lip_dynamics": lip_dynamics.LipDynamics,
    "brow_dynamics": brow_dynamics.BrowDynamics,
    "head_dynamics": head_dynamics.HeadDynamics,
    "head_pose": head_pose.HeadPose,
    "blink_rate": blink_rate.BlinkRate,
    "still_lips": still_lips.StillLips,
    "m_lmd": lambda name, find: soft_dtw.SoftLandmarkDistance("m_lmd", "x", name, find),
}


def score(key, pred, ref=None, audio=None, fps=25.0):
    """A clip whose landmarks are known: each frame's first pixels hold its number."""
    tracks = {0: pred, 1: ref if ref is not None else pred}

    def find(frames):
        found = [tracks[int(frame[0, 0, 1])][int(frame[0, 0, 0])] for frame in frames]
        return [None if np.isnan(points).any() else points for points in found]

    def frames(side):
        made = np.zeros((len(tracks[side]), 256, 256, 3), np.uint8)
        made[:, 0, 0, 0], made[:, 0, 0, 1] = np.arange(len(made)), side
        return made

    metric = CLASSES[key]("planted", find)
    taker = metric.open(clip(frames(0), audio, fps=fps))
    for window in windows(frames(0), frames(1) if metric.compares == "frames" else None):
        taker.update(window)
    return taker.finish()


def talking(size=8.0, count=60, seed=0):
    """A face whose lips and brows move."""
    wave = np.sin(np.arange(count) / 3 + seed)[:, None]
    track = np.repeat(FACE[None], count, 0)
    track[:, 48:58, 1] -= size * wave / 2
    track[:, 58:, 1] += size * wave / 2
    track[:, 17:27, 1] -= size * wave
    return track


@pytest.mark.parametrize("key", ["lip_dynamics", "brow_dynamics"])
def test_as_much_motion_as_the_true_one_is_1_none_is_0_and_half_is_a_half(key):
    true = talking()
    assert score(key, true, true).value == pytest.approx(1)
    assert score(key, talking(seed=1), true).value == pytest.approx(1, abs=0.06)  # at another time
    assert score(key, np.repeat(FACE[None], 60, 0), true).value == pytest.approx(0, abs=1e-9)
    assert score(key, talking(size=4), true).value == pytest.approx(0.5, abs=0.05)
    found = score(key, true + 40, true)  # elsewhere in the picture
    assert found.value == pytest.approx(1) and found.details["in"] == "pixels"


def test_the_score_is_thevals():
    assert [agreement(*pair) for pair in ((1, 1), (0.5, 1), (1.5, 1), (3, 1), (0, 0), (1, 0))] == [1, 0.5, 0.5, 0, 1, 0]


def turned(pitch=0.0, yaw=0.0, roll=0.0):
    x, y, z = np.radians([pitch, yaw, roll])
    rx = np.array([[1, 0, 0], [0, np.cos(x), -np.sin(x)], [0, np.sin(x), np.cos(x)]])
    ry = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    rz = np.array([[np.cos(z), -np.sin(z), 0], [np.sin(z), np.cos(z), 0], [0, 0, 1]])
    return rz @ ry @ rx


def seen(rotation):
    """The landmarks of an average head, turned, half a metre away."""
    points = (HEAD * (1, -1, -1)) @ rotation.T + (0, 0, 500)
    face = np.zeros((68, 2))
    face[list(POINTS)] = points[:, :2] / points[:, 2:] * 256 + 128
    return face


@settings(max_examples=40)
@given(st.floats(-25, 25), st.floats(-35, 35), st.floats(-20, 20))
def test_a_turned_head_is_found_as_it_was_turned(pitch, yaw, roll):
    found = rotations(seen(turned(pitch, yaw, roll))[None])
    assert angles(found)[0] == pytest.approx((pitch, yaw, roll), abs=0.1)
    assert apart(found, turned(pitch, yaw, roll)[None])[0] < 0.1


def test_the_distance_of_poses_is_an_angle():
    true = np.stack([seen(turned(yaw=5 * np.sin(i / 5))) for i in range(50)])
    other = np.stack([seen(turned(yaw=5 * np.sin(i / 5) + 7)) for i in range(50)])
    assert score("head_pose", other, true).value == pytest.approx(7, abs=0.1)
    assert score("head_pose", true, true).value == pytest.approx(0, abs=1e-3)
    assert score("head_dynamics", other, true).value == pytest.approx(1, abs=0.02)
    still = np.repeat(seen(turned())[None], 50, 0)
    assert score("head_dynamics", still, true).value == pytest.approx(0, abs=0.02)


def eyes(closed, count=100):
    track = np.zeros((count, 68, 2)) + FACE
    for eye in (36, 42):
        track[:, eye : eye + 6] = np.array([(0, 0), (10, -6), (20, -6), (30, 0), (20, 6), (10, 6)]) + eye
        for i in closed:
            track[i, eye : eye + 6, 1] = eye
    return track


def test_blinks_are_counted_and_eyes_that_stay_closed_do_not_blink():
    twice = [10, 11, 12, 60, 61]
    assert blink_rate.blinks(eyes(twice), 25) == 2
    assert blink_rate.blinks(eyes([]), 25) == 0
    assert blink_rate.blinks(eyes(range(20, 40)), 25) == 0
    found = score("blink_rate", eyes(twice), eyes([50]))
    assert found.value == pytest.approx(15) and (found.details["measured"], found.details["true"]) == (30, 15)


def test_lips_are_still_while_nobody_speaks():
    count, rng = 100, np.random.default_rng(0)
    loud = np.concatenate([np.full(50, 9000), np.full(50, 10)])
    audio = (np.repeat(loud, 640) * rng.uniform(-1, 1, count * 640)).astype(np.int16)
    track = np.repeat(FACE[None], count, 0)
    track[:50, 66, 1] += 10 * np.sin(np.arange(50))
    assert score("still_lips", track, audio=audio).value == pytest.approx(0, abs=1e-9)
    track[50:, 66, 1] += np.where(np.arange(50) % 2, 3, -3)
    opening = still_lips.lip_opening(track)[50:]
    found = score("still_lips", track, audio=audio)
    assert found.value == pytest.approx(opening.std()) and found.details["stretches"] == 1
    assert "no silence" in score("still_lips", track, audio=np.full(count * 640, 9000, np.int16)).reason


def plain_soft_dtw(x, y, gamma):
    """The recursion of Cuturi and Blondel, written down."""
    cost = np.linalg.norm(x[:, None] - y[None], axis=-1).mean(-1)
    table = np.full((len(x) + 1, len(y) + 1), np.inf)
    table[0, 0] = 0
    for i in range(1, len(x) + 1):
        for j in range(1, len(y) + 1):
            three = np.array([table[i - 1, j - 1], table[i - 1, j], table[i, j - 1]])
            with np.errstate(all="ignore"):
                table[i, j] = cost[i - 1, j - 1] - gamma * (np.logaddexp.reduce(-three / gamma))
    return table[-1, -1]


@pytest.mark.parametrize("gamma", [0.1, 1.0])
def test_the_alignment_is_that_of_the_recursion(gamma):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(12, 5, 2)), rng.normal(size=(15, 5, 2))
    pairs = (plain_soft_dtw(*pair, gamma) for pair in ((x, y), (x, x), (y, y)))
    across, own, other = pairs
    assert soft_dtw_divergence(x, y, 99, gamma) == pytest.approx((across - (own + other) / 2) / 15)


def test_a_mouth_that_is_late_is_forgiven_and_one_that_does_something_else_is_not():
    true = talking(count=80)
    late = np.concatenate([true[:3], true[:-3]])
    assert score("m_lmd", true, true).value == 0
    assert score("m_lmd", late, true).value < 0.35 * score("m_lmd", talking(count=80, seed=np.pi), true).value
    assert score("m_lmd", late, true).value < score("m_lmd", np.repeat(FACE[None], 80, 0), true).value


@pytest.mark.parametrize("key", CLASSES)
def test_frames_without_a_face_are_counted_and_too_many_are_a_reason(key):
    audio = (np.repeat(np.concatenate([np.full(20, 9000), np.full(40, 5)]), 640) * np.tile([1, -1], 320 * 60)).astype(
        "i2"
    )
    true, some, most = talking(), talking(), talking()
    some[50:55], most[20:] = np.nan, np.nan
    found = score(key, some, true, audio)
    assert found.n == 55 and found.details["frames_without_face"] == 5 and not found.reason
    assert score(key, most, true, audio).reason == "a face on only 20 of 60 frames"


def test_distances_between_sets_of_faces_are_frechet_distances():
    from tbd.evaluate import frechet_distance

    frames = np.random.default_rng(0).integers(0, 256, (40, 64, 64, 3), dtype=np.uint8)

    def look(pictures):
        return [None if i == 3 else np.asarray(one, float).mean((0, 1)) for i, one in enumerate(pictures)]

    metric = fd_expression.ExpressionDistance("planted", look)

    def scored(pictures):
        taker = metric.open(clip(pictures, None))
        for window in windows(pictures, None, 40):
            taker.update(window)
        return taker.finish()

    one, other = scored(frames), scored(frames // 2)
    assert one.n == 39 and one.details["frames_without_face"] == 1
    found = metric.aggregate([one], [other])
    assert found.value == pytest.approx(frechet_distance(one.features, other.features))
    nothing = fd_expression.FaceFeatures(lambda pictures: [None] * len(pictures))
    nothing.update(next(iter(windows(frames, None, 32))))
    assert "no face on any of 32 frames" in nothing.finish().reason
    assert emo_fid.EmoFID().weights == ("hsemotion", "mtcnn") and head_angles.HEAD.shape == (6, 3)
