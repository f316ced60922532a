import numpy as np
import pytest
import tiny_onnx
from PIL import Image
from sync import clip, windows

from tbd.errors import InputError, MissingError
from tbd.evaluate.metrics.base import ClipScore, Window
from tbd.evaluate.metrics.emotion import METRICS, EmotionAccuracy
from tbd.evaluate.networks import onnx
from tbd.evaluate.networks.hsemotion import EMOTIONS, HSEmotion
from tbd.media.faces import Face
from tbd.schema import EMOTIONS as MEAD

BOX = (10.0, 20.0, 50.0, 60.0)


class Bright:
    """Sees anger in dark faces and happiness in bright ones."""

    emotions = ("anger", "happiness")

    def classify(self, faces):
        bright = np.array([face.mean() / 255 for face in faces])
        return np.column_stack([1 - bright, bright])


@pytest.fixture(autouse=True)
def faces(monkeypatch):
    """One face in the same place of every frame that is not black."""
    face = Face(BOX, 0.99, np.zeros((5, 2)))
    monkeypatch.setattr(Window, "pred_faces", lambda self: [[face] if frame.any() else [] for frame in self.pred])


def frames(levels):
    return np.tile(np.array(levels, np.uint8)[:, None, None, None], (1, 64, 64, 3))


def score(levels, emotion="happiness", pred=None):
    pred = frames(levels) if pred is None else pred
    passing = EmotionAccuracy("bright", lambda device: Bright()).open(clip(pred, None, row={"emotion": emotion}))
    for window in windows(pred):
        passing.update(window)
    return passing.finish()


def test_a_clip_is_right_when_the_mean_over_its_frames_is():
    levels = [255] * 20 + [51] * 20
    assert (score(levels).value, score(levels, "anger").value) == (1.0, 0.0)
    found = score(levels)
    assert found.n == 40
    assert found.details["probabilities"] == pytest.approx({"anger": 0.4, "happiness": 0.6})


def test_only_the_box_is_looked_at():
    pred = frames([255, 255])
    pred[:, 20:60, 10:50] = 9
    assert score([], "anger", pred).value == 1.0


def test_a_box_outside_the_frame_is_cut_and_one_wholly_outside_is_no_face(monkeypatch):
    edge = Face((-30.0, -30.0, 20.0, 20.0), 0.99, np.zeros((5, 2)))
    gone = Face((-30.0, -30.0, -5.0, -5.0), 0.99, np.zeros((5, 2)))
    monkeypatch.setattr(Window, "pred_faces", lambda self: [[edge], [gone]])
    assert score([200, 200]).n == 1


def test_frames_without_a_face_are_counted_and_a_clip_without_any_has_a_reason():
    found = score([200, 0, 200])
    assert (found.n, found.details["frames_without_face"]) == (2, 1)
    assert "no face on any of 3 frames" in score([0, 0, 0]).reason


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (None, "no label"),
        ({"emotion": None}, "no label"),
        ({"emotion": "calm"}, "does not know 'calm'; it knows anger, happiness"),
    ],
)
def test_a_clip_without_a_label_that_can_be_seen_is_refused(row, reason):
    with pytest.raises(InputError, match=reason):
        EmotionAccuracy("bright", lambda device: Bright()).open(clip(frames([1]), None, row=row))


def test_the_headline_is_the_share_of_right_clips_with_its_confusions():
    metric = METRICS[0]
    pairs = [("anger", "anger"), ("anger", "disgust"), ("fear", "fear"), ("anger", "disgust")]
    scores = [ClipScore(float(a == b), 9, details={"wanted": a, "seen": b}) for a, b in pairs]
    found = metric.aggregate([*scores, ClipScore(None, 0, "no face", {"wanted": "anger"})])
    assert (found.value, found.n, found.of) == (0.5, 4, 5)
    assert found.details["confusion"] == {"anger": {"anger": 1, "disgust": 2}, "fear": {"fear": 1}}


def test_the_published_classifier_knows_the_emotions_of_mead():
    assert sorted(EMOTIONS) == sorted(MEAD)


def test_the_network_sees_normalised_pictures_and_gives_probabilities(tmp_path):
    path = tiny_onnx.linear(tmp_path / "b0.onnx", 8, 224)
    faces = [np.random.default_rng(i).integers(0, 256, (90, 70 + i, 3), np.uint8) for i in range(3)]
    found = HSEmotion(onnx.session(path)).classify(faces)
    assert found.sum(1) == pytest.approx(np.ones(3))
    small = np.asarray(Image.fromarray(faces[1]).resize((224, 224), Image.Resampling.BILINEAR)) / 255
    values = (small - (0.485, 0.456, 0.406)) / (0.229, 0.224, 0.225)
    parts = values.transpose(2, 0, 1).reshape(3, 4, 56, 4, 56).mean((2, 4)).ravel()
    logits = parts @ np.random.default_rng(0).normal(0, 1, (48, 8))
    assert found[1] == pytest.approx(np.exp(logits) / np.exp(logits).sum(), abs=1e-5)


def test_a_network_with_other_classes_is_refused(tmp_path):
    seven = HSEmotion(onnx.session(tiny_onnx.linear(tmp_path / "b0.onnx", 7, 224)))
    with pytest.raises(InputError, match="7 classes"):
        seven.classify([np.zeros((9, 9, 3), np.uint8)])


def test_the_file_is_found_and_a_clip_gets_its_score(tmp_path, monkeypatch):
    tiny_onnx.linear(tmp_path / "enet_b0_8_best_vgaf.onnx", 8, 224)
    monkeypatch.setenv("TBD_WEIGHTS", str(tmp_path))
    pred = frames([40, 90])
    passing = METRICS[0].open(clip(pred, None, row={"emotion": "fear"}))
    passing.update(windows(pred)[0])
    found = passing.finish()
    assert found.value == float(found.details["seen"] == "fear")


def test_without_its_weights_nothing_is_scored(monkeypatch):
    monkeypatch.setattr("tbd.weights.find", lambda entry: None)
    with pytest.raises(MissingError, match=r"enet_b0_8_best_vgaf\.onnx"):
        METRICS[0].open(clip(frames([1]), None, row={"emotion": "fear"}))
