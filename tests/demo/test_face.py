"""The drawings: found by a detector, readable, moved by sound, the same every time."""

import numpy as np
import pytest

from tbd.demo.acting import Acting
from tbd.demo.dataset import strengths
from tbd.demo.face import Portrait
from tbd.demo.identity import PEOPLE
from tbd.demo.landmarks import Expression, landmarks
from tbd.demo.pen import STILL, Pose
from tbd.demo.voice import energy, speak

SIZE = 256


@pytest.fixture(scope="module")
def portrait():
    return Portrait(PEOPLE[0], SIZE)


def test_a_detector_finds_exactly_one_face_on_every_person_and_emotion():
    from tbd.media.faces import detector

    shown = ["happiness", "sadness", "anger", "fear", "disgust", "surprise", "contempt", "neutral"]
    frames = []
    for one, emotion in zip(PEOPLE, shown, strict=True):
        acting = Acting(strengths(emotion, 1 if emotion == "neutral" else 2), seed=1)
        face = Portrait(one, SIZE)
        frames.append(face.draw(acting.expression(1.7, 0.5), acting.pose(1.7, 0.5)))
    found = detector().find(frames)
    assert [len(faces) for faces in found] == [1] * len(frames)
    for faces in found:
        assert faces[0].probability >= 0.99
        assert 0.35 <= faces[0].side / SIZE <= 0.75, "the canonical crop takes the whole picture"


def test_the_detected_points_are_where_the_geometry_says(portrait):
    from tbd.media.faces import detector

    expression, pose = Expression(strengths("happiness", 2)), Pose(x=0.03, y=-0.02, roll=0.05)
    face = detector().find([portrait.draw(expression, pose)])[0][0]
    known = landmarks(PEOPLE[0], expression)
    names = ("iris_left", "iris_right")
    eyes = np.concatenate([pose.place(known[name], SIZE, 0.12) for name in names])
    corners = pose.place(known["upper_lip_top"][[0, 6]], SIZE, 0.22)
    np.testing.assert_allclose(face.points[:2], eyes, atol=0.03 * SIZE)
    np.testing.assert_allclose(face.points[3:], corners, atol=0.06 * SIZE)


REGIONS = {"brows": (0.14, 0.39), "eyes": (0.36, 0.53), "nose": (0.41, 0.69), "mouth": (0.61, 0.95)}


@pytest.mark.parametrize(
    ("unit", "region"),
    [(1, "brows"), (2, "brows"), (4, "brows"), (5, "eyes"), (6, "eyes"), (7, "eyes"), (9, "nose"), (10, "mouth")]
    + [(unit, "mouth") for unit in (12, 14, 15, 17, 20, 23, 24, 25, 26, 27)]
    + [(43, "eyes"), (45, "eyes")],
)
def test_a_unit_can_be_seen_where_it_acts(portrait, unit, region):
    rest = portrait.draw(Expression({})).astype(int)
    change = np.abs(portrait.draw(Expression({unit: 0.8})).astype(int) - rest).max(2) > 16
    top, bottom = (round(edge * SIZE) for edge in REGIONS[region])
    assert change[top:bottom].sum() >= 60, "pixels that clearly differ from the face at rest"
    assert change[top:bottom].sum() >= 0.4 * change.sum(), "and many of them lie there"


def test_the_dark_of_the_mouth_grows_with_the_sound(portrait):
    loud = energy(speak(2.0, seed=5), 12.5, 25)
    dark = []
    for level in loud:
        mouth = portrait.draw(Expression({}, float(level)))[160:225, 92:164].astype(int)
        dark.append(int((mouth.sum(2) < 200).sum()))
    assert np.corrcoef(loud, dark)[0, 1] > 0.75
    assert max(dark) > 60 and max(dark) > 3 * min(dark)


def test_the_same_moment_gives_the_same_pixels_whatever_was_drawn_before(portrait):
    expression, pose = Expression({4: 0.6, 12: (0.2, 0.8)}, 0.5, (0.3, 0.1)), Pose(0.01, 0.0, 0.02, 0.1)
    first = portrait.draw(expression, pose)
    portrait.draw(Expression({27: 1.0}))
    np.testing.assert_array_equal(portrait.draw(expression, pose), first)
    np.testing.assert_array_equal(Portrait(PEOPLE[0], SIZE).draw(expression, pose), first)


@pytest.mark.parametrize("size", [32, 65, 200])
def test_any_size_can_be_drawn(size):
    for one in PEOPLE[:2]:
        picture = Portrait(one, size).draw(Expression({27: 1.0, 43: 1.0}, 1.0), Pose(0.2, 0.3, 0.5, scale=1.5))
        assert picture.shape == (size, size, 3) and picture.dtype == np.uint8


def test_the_head_stays_near_its_place_and_the_expression_builds_up_and_holds():
    acting = Acting({12: 1.0, 14: (0.0, 0.5)}, seed=4)
    times = np.arange(0, 6, 0.04)
    poses = [acting.pose(t, 1.0) for t in times]
    assert max(abs(pose.x) + abs(pose.y) for pose in poses) < 0.03
    assert max(abs(pose.roll) for pose in poses) < 0.05
    share = [acting.strength(t) for t in times]
    assert share[0] == 0.5 and min(share[11:]) > 0.9
    left, right = acting.expression(2.0, 0.0).units[14]
    assert left == 0.0 < right <= 0.5


def test_eyes_blink_for_a_moment_and_are_open_most_of_the_time():
    for seed in range(6):
        closed = np.array([Acting({}, seed).blink(t) for t in np.arange(0, 9, 0.01)])
        assert (closed == 0).mean() > 0.88
        assert 3 <= (np.diff((closed > 0.9).astype(int)) == 1).sum() <= 4
        assert closed.max() > 0.99 and closed.min() >= 0


def test_a_still_pose_puts_the_middle_of_the_eyes_where_it_says():
    np.testing.assert_allclose(STILL.place(np.zeros((1, 2)), 200), [[100, 88]])
