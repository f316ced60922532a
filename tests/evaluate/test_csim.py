import cv2
import numpy as np
import pytest
import tiny_onnx
from hypothesis import given
from hypothesis import strategies as st
from skimage.transform import SimilarityTransform
from sync import clip, windows

from tbd.errors import InputError, MissingError
from tbd.evaluate.inputs.align import similarity
from tbd.evaluate.measures.face_embeddings import Faces, Finder, Mtcnn
from tbd.evaluate.metrics.base import Window
from tbd.evaluate.metrics.csim import METRICS, Likeness
from tbd.evaluate.networks import onnx
from tbd.evaluate.networks.arcface import TEMPLATE, ArcFace, aligned

PORTRAIT, FRAMES, SHARED = METRICS


def pictures(count, seed=0):
    rng = np.random.default_rng(seed)
    return np.stack([cv2.GaussianBlur(rng.integers(0, 256, (112, 112, 3), np.uint8), (0, 0), 9) for _ in range(count)])


def everywhere(frames):
    """A detector that finds one face, already aligned, on every frame that is not black."""
    return [TEMPLATE[None] if frame.any() else np.zeros((0, 5, 2)) for frame in frames]


@pytest.fixture(scope="module")
def arcface(tmp_path_factory):
    return ArcFace(onnx.session(tiny_onnx.linear(tmp_path_factory.mktemp("arc") / "r50.onnx", 512, 112)))


@pytest.fixture
def faces(arcface):
    return Faces(Finder("planted", everywhere), arcface)


def score(faces, pred, ref=None, portrait=None):
    passing = Likeness(faces, None if portrait is None else faces.portrait(portrait))
    for window in windows(pred, ref):
        passing.update(window)
    return passing.finish()


def test_the_points_of_the_template_need_no_alignment():
    assert similarity(TEMPLATE, TEMPLATE) == pytest.approx(np.eye(2, 3), abs=1e-12)
    picture = pictures(1)[0]
    assert (aligned(picture, TEMPLATE) == picture).all()


@given(st.floats(-3, 3), st.floats(0.2, 5), st.floats(-300, 300), st.floats(-300, 300))
def test_turned_scaled_and_shifted_points_come_back_exactly(angle, scale, x, y):
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    found = similarity(TEMPLATE @ turn.T + (x, y), TEMPLATE)
    inverse = np.linalg.inv(turn)
    assert found == pytest.approx(np.column_stack([inverse, -inverse @ (x, y)]), abs=1e-9 * (1 + abs(x) + abs(y)))


@given(st.integers(0, 999))
def test_points_that_no_similarity_fits_are_aligned_as_scikit_image_does(seed):
    points = TEMPLATE + np.random.default_rng(seed).normal(0, 12, (5, 2))
    wanted = SimilarityTransform.from_estimate(points, TEMPLATE)
    assert similarity(points, TEMPLATE) == pytest.approx(wanted.params[:2], abs=1e-9)


def test_a_shifted_face_is_cut_out_where_it_is():
    picture = np.zeros((200, 240, 3), np.uint8)
    face = pictures(1)[0]
    picture[30:142, 70:182] = face
    assert (aligned(picture, TEMPLATE + (70, 30)) == face).all()


def test_features_have_length_one_and_pictures_are_fed_from_minus_one_to_one(arcface):
    found = arcface.embed(pictures(3))
    assert np.linalg.norm(found, axis=1) == pytest.approx(np.ones(3))
    black, white = (np.full((1, 112, 112, 3), level, np.uint8) for level in (0, 255))
    assert arcface.embed(black) == pytest.approx(-arcface.embed(white))


def test_swapped_channels_are_another_face(arcface):
    faces = pictures(1)
    assert (arcface.embed(faces) @ arcface.embed(faces[..., ::-1]).T).item() < 0.99


@pytest.mark.parametrize("batch", ["n", 1])
def test_batches_change_nothing(tmp_path, batch):
    network = onnx.session(tiny_onnx.linear(tmp_path / "r50.onnx", 512, 112, batch=batch))
    faces = pictures(19)
    alone = np.concatenate([ArcFace(network).embed(face[None]) for face in faces])
    assert ArcFace(network).embed(faces) == pytest.approx(alone, abs=1e-6)


def test_frames_that_are_the_reference_score_one(faces):
    frames = pictures(5)
    assert score(faces, frames, frames).value == pytest.approx(1)
    still = score(faces, np.repeat(frames[:1], 40, 0), portrait=frames[0])
    assert (still.value, still.n) == (pytest.approx(1), 40)


def test_the_score_is_the_mean_cosine_of_the_features(faces, arcface):
    pred, ref = pictures(40, 1), pictures(40, 2)
    one, other = arcface.embed(pred), arcface.embed(ref)
    assert score(faces, pred, ref).value == pytest.approx((one * other).sum(1).mean(), abs=1e-6)
    assert score(faces, pred, portrait=ref[0]).value == pytest.approx((one @ other[0]).mean(), abs=1e-6)
    assert score(faces, ref, pred).value == pytest.approx(score(faces, pred, ref).value, abs=1e-6)


def test_frames_without_a_face_are_counted_and_not_scored(faces):
    pred, ref = pictures(6, 1), pictures(6, 2)
    holed = pred.copy()
    holed[[1, 4]] = 0
    found = score(faces, holed, ref)
    assert (found.n, found.details["frames_without_face"]) == (4, 2)
    kept = [0, 2, 3, 5]
    assert found.value == pytest.approx(score(faces, pred[kept], ref[kept]).value, abs=1e-6)


def test_without_any_face_there_is_a_reason(faces):
    found = score(faces, np.zeros((3, 112, 112, 3), np.uint8), pictures(3))
    assert found.value is None
    assert "no face on any of 3 frames" in found.reason


def test_of_two_faces_the_first_counts_and_the_frames_are_counted(arcface):
    two = Faces(Finder("two", lambda frames: [np.stack([TEMPLATE, TEMPLATE + 9])] * len(frames)), arcface)
    frames = pictures(3)
    found = score(two, frames, frames)
    assert found.details["frames_with_more_faces"] == 3


@pytest.mark.parametrize(
    ("picture", "reason"), [(None, "not known"), (np.zeros((112, 112, 3), np.uint8), "no face in")]
)
def test_a_portrait_that_is_no_reference_is_refused(faces, picture, reason):
    with pytest.raises(InputError, match=reason):
        faces.portrait(picture)


def test_detections_of_mtcnn_are_those_that_the_window_shares(monkeypatch):
    calls = []
    monkeypatch.setattr(Window, "pred_faces", lambda self: calls.append(self) or [[] for _ in self.pred])
    window = Window(pictures(2), None, 0)
    assert [faces.shape for faces in Mtcnn().pred(window)] == [(0, 5, 2)] * 2
    assert calls == [window]


def test_the_published_files_are_opened_and_a_clip_gets_its_score(tmp_path, monkeypatch):
    tiny_onnx.linear(tmp_path / "w600k_r50.onnx", 512, 112)
    tiny_onnx.scrfd(tmp_path / "det_10g.onnx", [(20, 30, 60, 0.8), (60, 30, 90, 0.6), (40, 70, 30, 0.4)])
    monkeypatch.setenv("TBD_WEIGHTS", str(tmp_path))
    frames = np.tile(cv2.resize(pictures(1)[0], (320, 320)), (3, 1, 1, 1))
    told = clip(frames, None, portrait=lambda: frames[0])
    passing = PORTRAIT.open(told)
    for window in windows(frames):
        passing.update(window)
    found = passing.finish()
    assert found.value == pytest.approx(1, abs=1e-6)
    assert found.details == {"frames_without_face": 0, "frames_with_more_faces": 3}


def test_scrfd_gives_points_in_pixels_of_the_frame_largest_face_first_and_sure_ones_only(tmp_path):
    from tbd.evaluate.networks.arcface import SCRFD

    net = SCRFD(tiny_onnx.scrfd(tmp_path / "det.onnx", [(20, 30, 60, 0.8), (60, 30, 90, 0.6), (40, 70, 30, 0.4)]))
    (found,) = net.find(np.zeros((1, 320, 320, 3), np.uint8))  # searched at twice its size
    assert found.shape == (2, 5, 2)
    assert found[0].tolist() == [[240, 120], [236, 120], [240, 116], [244, 120], [240, 124]]
    assert found[1, 0].tolist() == [80, 120]


def test_damaged_and_other_networks_are_refused(tmp_path):
    (tmp_path / "bad.onnx").write_bytes(b"<html>")
    with pytest.raises(InputError, match="not an ONNX network"):
        onnx.session(tmp_path / "bad.onnx")
    small = onnx.session(tiny_onnx.linear(tmp_path / "small.onnx", 4, 64))
    with pytest.raises(InputError, match="refuses pictures"):
        ArcFace(small).embed(pictures(1))


def test_without_its_weights_nothing_is_scored(monkeypatch):
    monkeypatch.setattr("tbd.weights.find", lambda entry: None)
    with pytest.raises(MissingError, match=r"w600k_r50\.onnx"):
        PORTRAIT.open(clip(pictures(2), None))


def test_the_protocols_say_what_they_need():
    assert (PORTRAIT.needs_portrait, PORTRAIT.compares) == (True, "nothing")
    assert (FRAMES.needs_portrait, FRAMES.compares) == (False, "frames")
    assert SHARED.weights == ("buffalo_l", "mtcnn")
