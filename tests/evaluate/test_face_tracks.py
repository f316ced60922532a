import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.interpolate import interp1d
from scipy.signal import medfilt

from tbd.evaluate.measures.face_tracks import PATIENCE, Scenes, Tracker, cut_out, resized

PLAIN = np.full((32, 32, 3), 90, np.uint8)


def follow(detections, frame=PLAIN):
    """All tracks of a clip with these boxes a frame, in the order in which they began, from the left."""
    tracker, ended = Tracker(), []
    for index, boxes in enumerate(detections):
        ended += tracker.step(index, frame, np.array(boxes, np.float64).reshape(-1, 4))
    return sorted(ended + tracker.running, key=lambda track: (track.first, track.boxes[0][0]))


def box(x, y=0, side=100):
    return (x, y, x + side, y + side)


def offline(detections):
    """The original's way: take the first face that is left and follow it through the whole video, again and again."""
    left = [[(index, np.array(one, np.float64)) for one in boxes] for index, boxes in enumerate(detections)]
    tracks = []
    while any(left):
        track = []
        for faces in left:
            for place, face in enumerate(faces):
                if not track:
                    fits = True
                elif face[0] - track[-1][0] > PATIENCE:
                    break
                else:
                    fits = iou(face[1], track[-1][1]) > 0.5
                if fits:
                    track.append(face)
                    del faces[place]
                    break
        tracks.append(track)
    return tracks


def iou(one, other):
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    common = max(0, width) * max(0, height)
    return common / ((one[2] - one[0]) * (one[3] - one[1]) + (other[2] - other[0]) * (other[3] - other[1]) - common)


@st.composite
def scenes_of_faces(draw):
    """Up to three places, each seen or not in each frame, wandering a little or jumping."""
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    frames, places = draw(st.integers(1, 90)), draw(st.integers(1, 3))
    seen = rng.random((frames, places)) < draw(st.sampled_from([0.1, 0.6, 0.95]))
    places = 400 * np.arange(places) + np.cumsum(rng.normal(0, draw(st.sampled_from([2, 30])), (frames, places)), 0)
    return [[box(x, rng.uniform(0, 9)) for x in places[i][seen[i]]] for i in range(frames)]


@settings(max_examples=150)
@given(scenes_of_faces())
def test_following_online_gives_the_tracks_of_the_original(detections):
    wanted = offline(detections)
    found = follow(detections)
    assert len(found) == len(wanted)
    for track, faces in zip(found, sorted(wanted, key=lambda faces: (faces[0][0], faces[0][1][0])), strict=True):
        assert (track.first, track.last, track.seen) == (faces[0][0], faces[-1][0], len(faces))
        if len(faces) > 1:
            fill = interp1d([index for index, _ in faces], [place for _, place in faces], axis=0)
            assert np.array(track.boxes) == pytest.approx(fill(np.arange(track.first, track.last + 1)))


@given(st.integers(13, 40), st.integers(0, 99))
def test_places_are_those_of_a_median_filter_that_sees_zeros_outside(count, seed):
    rng = np.random.default_rng(seed)
    boxes = np.column_stack([(low := rng.uniform(0, 9, (count, 2))), low + rng.uniform(90, 99, (count, 2))])
    (track,) = follow([[one] for one in boxes])
    half = medfilt((boxes[:, 2:] - boxes[:, :2]).max(1) / 2, 13)
    middle = [medfilt((boxes[:, i] + boxes[:, i + 2]) / 2, 13) for i in range(2)]
    assert np.array([track.place(i) for i in range(count)]) == pytest.approx(np.column_stack([half, *middle]))


def test_a_face_may_hide_for_25_frames_and_not_for_26():
    hidden = [[]] * (PATIENCE - 1)
    assert [track.seen for track in follow([[box(0)], *hidden, [box(0)]])] == [2]
    assert [track.seen for track in follow([[box(0)], *hidden, [], [box(0)]])] == [1, 1]


def test_pictures_are_cut_once_their_place_is_settled():
    (track,) = follow([[box(0)]] * 20)
    assert track.ready(ended=False) == range(14)
    track.cut = 14
    assert track.ready(ended=True) == range(14, 20)


def test_a_frame_is_needed_until_every_track_has_its_picture():
    tracker = Tracker()
    for index in range(10):
        tracker.step(index, PLAIN, np.array([box(0)]))
    tracker.running[0].cut = 4
    assert tracker.needs(9) == 4
    assert Tracker().needs(9) == 10


def test_a_new_scene_ends_every_track():
    tracker = Tracker()
    for index in range(20):
        tracker.step(index, np.zeros((32, 32, 3), np.uint8), np.array([box(0)]))
    (ended,) = tracker.step(20, np.full((32, 32, 3), (255, 40, 10), np.uint8), np.array([box(0)]))
    assert (ended.last, tracker.running[0].first) == (19, 20)


def test_a_scene_lasts_15_frames_at_least_and_a_flicker_is_none():
    black, white = np.zeros((30, 30, 3), np.uint8), np.full((30, 30, 3), 255, np.uint8)
    scenes = Scenes()
    assert [i for i in range(40) if scenes.begins(i, white if i % 2 else black)] == [15, 30]
    scenes = Scenes()
    assert not any(scenes.begins(i, black + 20 * (i % 2)) for i in range(40))


@pytest.mark.parametrize("place", [(50, 100.3, 90.9), (30.7, 10.2, 5.5), (80, 120, 150), (20, 60, 60), (1, 9, 9)])
def test_a_picture_is_cut_as_padding_the_frame_and_opencv_would(place):
    frame = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (180, 160, 3), np.uint8), (0, 0), 2)
    half, x, y = place
    pad = int(half * 1.8)
    padded = np.pad(frame, ((pad, pad), (pad, pad), (0, 0)), constant_values=110)
    rows = slice(int(y + pad - half), int(y + pad + half * 1.8))
    columns = slice(int(x + pad - half * 1.4), int(x + pad + half * 1.4))
    wanted = cv2.resize(padded[rows, columns], (224, 224)).astype(int)
    found = cut_out(frame, half, x, y)
    assert found.shape == (224, 224, 3)
    assert found.dtype == np.uint8
    assert np.abs(found - wanted).max() <= 1


def test_a_picture_far_outside_the_frame_is_grey():
    assert (cut_out(PLAIN, 10, -500, 900) == 110).all()


def test_resizing_keeps_colours_and_their_order():
    picture = np.full((7, 9, 3), (10, 20, 250), np.uint8)
    assert (resized(picture) == (10, 20, 250)).all()
