import multiprocessing

import numpy as np
import pytest
from media import face

from tbd.media import faces
from tbd.media.faces import Detector, detector


@pytest.fixture
def answered(monkeypatch):
    """A detector whose network answers what the test says, in pixels of the reduced picture."""

    def build(boxes, probabilities, points, longest=256):
        made = Detector(longest)
        monkeypatch.setattr(made.mtcnn, "detect", lambda batch, landmarks: ([boxes], [probabilities], [points]))
        return made

    return build


def test_the_real_network_sees_no_face_in_noise_or_on_a_wall():
    noise = np.random.default_rng(0).integers(0, 255, (90, 120, 3), np.uint8)
    assert Detector().find([noise, np.full_like(noise, 90)]) == [[], []]


def test_pictures_too_small_for_any_face_and_no_pictures():
    assert detector().find([np.zeros((20, 30, 3), np.uint8)] * 2) == [[], []]
    assert detector().find([]) == []


def test_one_detector_a_process():
    assert detector() is detector()


def test_boxes_come_back_in_the_pixels_that_were_given_and_doubtful_ones_are_dropped(answered):
    boxes = np.array([[10, 20, 30, 40], [0, 0, 64, 64], [5, 5, 60, 70]], object)
    points = np.array([[[12, 22]] * 5, [[1, 2]] * 5, [[3, 4]] * 5], object)
    found = answered(boxes, [0.999, 0.985, 0.99], points, longest=128)
    (seen,) = found.find([np.zeros((256, 512, 3), np.uint8)])
    assert [face.box for face in seen] == [(20, 20, 240, 280), (40, 80, 120, 160)]  # largest first
    assert seen[1].points.tolist() == [[48, 88]] * 5


def test_pictures_without_a_face_are_empty_lists(answered):
    assert answered(None, [None], None).find([np.zeros((64, 64, 3), np.uint8)]) == [[]]


@pytest.mark.parametrize("error", [IndexError("mask"), ValueError("expected a non-empty list of Tensors")])
def test_a_candidate_outside_the_picture_costs_one_picture_not_the_batch(monkeypatch, error):
    made = Detector()
    good = (np.array([[[1, 1, 50, 50]]], object), [[0.995]], np.array([[[[9, 9]] * 5]], object))

    def detect(batch, landmarks):
        if batch.max() > 200:
            raise error
        return good

    monkeypatch.setattr(made.mtcnn, "detect", detect)
    pictures = [np.full((64, 64, 3), level, np.uint8) for level in (10, 255, 20)]
    assert [len(found) for found in made.find(pictures)] == [1, 0, 1]


def test_other_failures_of_the_network_are_not_hidden(monkeypatch):
    made = Detector()
    monkeypatch.setattr(made.mtcnn, "detect", lambda *a, **k: (_ for _ in ()).throw(RuntimeError("out of memory")))
    with pytest.raises(RuntimeError, match="memory"):
        made.find([np.zeros((64, 64, 3), np.uint8)])


@pytest.mark.parametrize("nose,frontality", [(0.5, 1), (0.25, 0.5), (0.75, 0.5), (0, 0), (-0.4, 0)])
def test_frontality_is_where_the_nose_stands_between_the_eyes(nose, frontality):
    assert face(10, 10, 60, 70, nose=nose).frontality == pytest.approx(frontality)


def test_scaling_a_face():
    twice = face(10, 20, 30, 60).scaled(2, 0.5)
    assert twice.box == (20, 10, 60, 30)
    assert (twice.side, twice.centre) == (40, (40, 20))


def test_a_worker_uses_one_thread(monkeypatch):
    import torch

    asked = []
    monkeypatch.setattr(multiprocessing, "parent_process", lambda: object())
    monkeypatch.setattr(torch, "set_num_threads", asked.append)
    faces.Detector()
    assert asked == [1]
