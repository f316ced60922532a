import importlib.util
import sys
import types

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sync import clip, windows

from tbd.errors import InputError, MissingError
from tbd.evaluate.metrics.landmarks import METRICS, LandmarkDistance, landmark_distance
from tbd.evaluate.networks.facemesh import MESH, FaceMesh

FACE = np.random.default_rng(0).uniform(60, 190, (68, 2))


def frames(codes, size=(256, 256)):
    """Frames whose first pixel says what the planted detector finds on them."""
    made = np.zeros((len(codes), size[1], size[0], 3), np.uint8)
    made[:, 0, 0, 0] = codes
    return made


def planted(found):
    """A detector that looks up each frame's first pixel; 0 is no face."""
    return lambda pictures: [None if frame[0, 0, 0] == 0 else found[int(frame[0, 0, 0])] for frame in pictures]


def score(find, pred, ref):
    mouth, face = (LandmarkDistance(key, key, "planted", find) for key in ("m_lmd", "f_lmd"))
    passing = mouth.open(clip(pred, None))
    for window in windows(pred, ref):
        passing.update(window)
    found = passing.finish()
    return mouth.read(found), face.read(found)


def opened(pixels):
    """The face with its mouth opened: the first half of its points up, the other down."""
    points = FACE.copy()
    points[48:58, 1] -= pixels / 2
    points[58:, 1] += pixels / 2
    return points


def test_a_mouth_opened_by_ten_pixels_is_five_away_at_every_point():
    mouth, face = score(planted({1: FACE, 2: opened(10)}), frames([2] * 40), frames([1] * 40))
    assert (mouth.value, mouth.n) == (pytest.approx(5), 40)
    assert face.value == pytest.approx(20 * 5 / 68)


@given(st.floats(-50, 50), st.floats(-50, 50), st.floats(0.5, 2))
def test_a_face_elsewhere_is_the_same_face_but_a_larger_one_is_not(x, y, scale):
    assert landmark_distance(FACE + (x, y), FACE) == pytest.approx(0, abs=1e-9)
    spread = np.linalg.norm(FACE - FACE.mean(0), axis=1).mean()
    assert landmark_distance(scale * FACE, FACE) == pytest.approx(abs(scale - 1) * spread)
    assert landmark_distance(FACE, scale * FACE) == pytest.approx(abs(scale - 1) * spread)


def test_pictures_of_other_sizes_give_the_same_distance():
    small = score(planted({1: FACE, 2: opened(10)}), frames([2]), frames([1]))
    twice = score(planted({1: 2 * FACE, 2: 2 * opened(10)}), frames([2], (512, 256)), frames([1], (512, 256)))
    assert twice[0].value == pytest.approx(small[0].value)


def test_frames_without_a_face_on_either_side_are_counted_and_not_scored():
    find = planted({1: FACE, 2: opened(10)})
    mouth, _ = score(find, frames([2, 0, 1, 2]), frames([1, 1, 0, 1]))
    assert (mouth.n, mouth.details["frames_without_face"]) == (2, 2)
    assert mouth.value == pytest.approx(5)


def test_without_a_face_there_is_a_reason_in_both():
    for found in score(planted({1: FACE}), frames([0, 0]), frames([1, 1])):
        assert found.value is None
        assert "no face on both videos on any of 2 frames" in found.reason


def test_no_point_of_the_mesh_stands_for_two_of_the_68():
    assert MESH.shape == (68,)
    assert len(set(MESH)) == 68
    assert MESH[[48, 54]].tolist() == [61, 291]  # corners of the mouth
    assert MESH[[36, 45]].tolist() == [33, 263]  # outer corners of the eyes


def test_the_extra_and_the_weights_are_named_when_they_lack(monkeypatch):
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "mediapipe" else find_spec(name, *rest)
    )
    assert "pip install 'think-before-draw[landmarks]'" in METRICS[0].missing()
    assert LandmarkDistance("m_lmd", "M-LMD", "mine", planted({})).missing() == ""
    monkeypatch.setattr("tbd.weights.find", lambda entry: None)
    with pytest.raises(MissingError, match=r"face_landmarker\.task"):
        METRICS[0].open(clip(frames([1]), None))


@pytest.fixture
def mediapipe(monkeypatch):
    """MediaPipe's names, with a landmarker that finds the meshes the test says."""
    meshes: list[np.ndarray] = []

    def create(options):
        if not options["base_options"]["model_asset_path"].endswith(".task"):
            raise RuntimeError("Unable to open zip archive.")
        points = [[types.SimpleNamespace(x=x, y=y, z=0) for x, y in mesh] for mesh in meshes]
        return types.SimpleNamespace(detect=lambda picture: types.SimpleNamespace(face_landmarks=points))

    package = types.ModuleType("mediapipe")
    package.Image, package.ImageFormat = (lambda **told: told), types.SimpleNamespace(SRGB=1)
    python = types.ModuleType("mediapipe.tasks.python")
    python.BaseOptions = lambda **told: told
    python.vision = types.SimpleNamespace(
        FaceLandmarker=types.SimpleNamespace(create_from_options=create), FaceLandmarkerOptions=lambda **told: told
    )
    for name, module in (("mediapipe", package), ("mediapipe.tasks", types.ModuleType("t")), (python.__name__, python)):
        monkeypatch.setitem(sys.modules, name, module)
    return meshes


def test_the_largest_mesh_becomes_68_points_in_pixels(mediapipe, tmp_path):
    small, large = (np.random.default_rng(0).uniform(0.4, top, (478, 2)) for top in (0.5, 0.9))
    mediapipe += [small, large]
    (found,) = FaceMesh(tmp_path / "face_landmarker.task").find(frames([1], (200, 100)))
    assert found == pytest.approx(large[MESH] * (200, 100))


def test_no_mesh_is_no_face(mediapipe, tmp_path):
    assert FaceMesh(tmp_path / "face_landmarker.task").find(frames([1, 2])) == [None, None]


def test_a_damaged_file_is_refused(mediapipe, tmp_path):
    with pytest.raises(InputError, match="not a face landmarker"):
        FaceMesh(tmp_path / "face_landmarker.zip")
