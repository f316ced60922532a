"""Style codes: planted identities are found, shuffled labels give chance, the same seed gives the same picture."""

import numpy as np
import pytest
import random_weights
import tiny_onnx
import torch
from sync import clip, windows

from tbd.errors import InputError
from tbd.evaluate.inputs.jobs import ScoreRow
from tbd.evaluate.measures.separation import separation
from tbd.evaluate.metrics import style_codes
from tbd.evaluate.metrics.base import ClipScore
from tbd.evaluate.metrics.registry import choose, suite
from tbd.evaluate.metrics.style_codes import METRICS, StyleCode
from tbd.evaluate.networks.facenet import CLASSES, facenet
from tbd.evaluate.style_codes.points import expression_points, identity_points
from tbd.evaluate.style_codes.style_figures import draw_style_codes
from tbd.evaluate.style_codes.tsne_figure import colour_and_marker, draw_tsne, tsne


def planted(labels, spread=0.05, seed=0):
    """Features around one direction a label."""
    rng = np.random.default_rng(seed)
    centres = {name: rng.normal(size=32) for name in sorted(set(labels))}
    return np.array([centres[name] + spread * rng.normal(size=32) for name in labels])


SPEAKERS = [f"M{i:03d}" for i in range(8) for _ in range(15)]


def test_separate_identities_give_purity_1_and_shuffled_labels_chance():
    features = planted(SPEAKERS)
    found = separation(features, SPEAKERS)
    assert found.purity == 1.0
    assert found.chance == pytest.approx(14 / 119)
    assert abs(found.shuffled_purity - found.chance) < 0.03
    assert found.silhouette > 0.9
    assert found.shuffled_silhouette < 0.05
    shuffled = separation(features, np.random.default_rng(1).permutation(SPEAKERS).tolist())
    assert abs(shuffled.purity - shuffled.chance) < 0.06


def test_separation_is_sklearns():
    from sklearn.metrics import calinski_harabasz_score, silhouette_score
    from sklearn.neighbors import NearestNeighbors

    features = planted(SPEAKERS, 1.5)
    found = separation(features, SPEAKERS)
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    assert found.silhouette == pytest.approx(silhouette_score(features, SPEAKERS, metric="cosine"))
    assert found.calinski_harabasz == pytest.approx(calinski_harabasz_score(unit, SPEAKERS))
    near = NearestNeighbors(n_neighbors=6, metric="cosine").fit(features).kneighbors(return_distance=False)[:, :5]
    names = np.array(SPEAKERS)
    assert found.purity == pytest.approx((names[near] == names[:, None]).mean(), abs=0.01)


def test_a_face_recogniser_knows_no_expression_of_other_speakers():
    """Features that only say who it is: pure among all, chance among other speakers."""
    emotions = ["anger", "fear", "happiness"] * 20
    speakers = [f"M{i // 12}" for i in range(60)]
    clusters = [f"{s}{e}" for s, e in zip(speakers, emotions, strict=True)]
    features = planted(clusters)
    assert separation(features, emotions).purity > 0.75
    found = separation(features, emotions, speakers)
    assert found.leave_out
    assert found.purity < 0.75
    knows = planted(emotions)
    assert separation(knows, emotions, speakers).purity == 1.0
    assert not separation(knows, emotions, ["M1"] * 60).leave_out


def test_too_little_to_tell_apart():
    assert separation(np.eye(3), ["a", "b", "c"]) is None
    assert separation(np.eye(3), ["a", "a", "a"]) is None
    assert separation(np.zeros((0, 4)), []) is None
    found = separation(planted(["a", "a", "b", "b", "c"]), ["a", "a", "b", "b", "c"])
    assert (found.points, found.labels, found.k, found.purity) == (4, 2, 1, 1.0)


def test_same_seed_same_picture(tmp_path):
    rows, arrays = rows_of(SPEAKERS)
    points = identity_points(rows, arrays.get)
    pictures = []
    for name in "ab":
        paths, caption = draw_tsne(points, "Speakers", tmp_path / name)
        pictures.append([path.read_bytes() for path in paths])
    assert pictures[0] == pictures[1]
    assert "perplexity 30, seed 0" in caption and "120 videos: 8 of subject with 15 each" in caption
    laid = tsne(points.features)
    assert separation(laid.xy - laid.xy.mean(0) + 1e-3, list(points.labels)) is not None
    np.testing.assert_array_equal(laid.xy, tsne(points.features).xy)


def rows_of(labels, key="style_identity", protocol="style_identity@insightface", speaker=None):
    features = planted(labels)
    rows, arrays = [], {}
    for i, (label, array) in enumerate(zip(labels, features, strict=True)):
        details = {"subject": speaker or label, "emotion": label}
        score = ClipScore(None, 16, details=details)
        rows.append(ScoreRow("mine", "run", f"clip{i:04d}", protocol, score, key=f"k{i}"))
        arrays[f"k{i}"] = array[None]
    return rows, arrays


def test_the_papers_choice_and_what_is_there():
    many = [f"M{i:03d}" for i in range(11) for _ in range(15 + i)]
    rows, arrays = rows_of(many)
    found = identity_points(rows, arrays.get)
    assert len(found.labels) == 120 and set(found.labels) == {f"M{i:03d}" for i in range(3, 11)}
    emotions = [e for e in ("anger", "fear", "neutral", "sadness") for _ in range(25)]
    rows, arrays = rows_of(emotions, speaker="M003")
    found = expression_points(rows, arrays.get)
    assert set(found.labels) == {"anger", "fear", "sadness"} and len(found.labels) == 60
    assert "of M003" in found.words and "the paper: 7 emotions x 20 videos" in found.words
    assert expression_points([], arrays.get).labels == identity_points([], arrays.get).labels == ()


def test_fewer_points_than_a_picture_needs_are_said(tmp_path):
    rows, arrays = rows_of(["a", "b", "b"])
    document = {"runs": [{"name": "mine", "scores": {"style_identity": {"status": "failed", "value": None, "reason": "nothing to tell apart"}}}]}  # fmt: skip
    (found,) = draw_style_codes(tmp_path, document, rows, arrays.get)
    assert (
        found["files"] == []
        and "fewer than 5 points" in found["caption"]
        and "nothing to tell apart" in found["caption"]
    )


def metric(label="subject", describe=None):
    return StyleCode(
        f"style_{label}", "planted", label, lambda device: describe or (lambda frames: frames[:, 0, 0, :].astype(float))
    )


def score(frames, told=None, one=None, size=32):
    one = one or metric()
    taker = one.open(clip(frames, None, row={"subject": "M003", "emotion": "anger"} if told is None else told))
    for window in windows(frames, None, size):
        taker.update(window)
    return taker.finish()


@pytest.mark.parametrize(("count", "chosen"), [(1, [0]), (5, [0, 1, 2, 3, 4]), (16, range(16)), (61, range(0, 61, 4))])
def test_a_point_is_the_mean_over_16_even_frames_whatever_the_windows(count, chosen):
    frames = np.zeros((count, 8, 8, 3), np.uint8)
    frames[:, :, :, 0] = np.arange(count)[:, None, None]
    found = score(frames)
    assert found.features[0, 0] == pytest.approx(np.mean(list(chosen)))
    assert found.n == len(list(chosen)) and found.usable
    np.testing.assert_array_equal(score(frames, size=7).features, found.features)
    assert found.details == {"subject": "M003", "emotion": "anger"}


def test_no_face_no_label():
    blank = metric(describe=lambda frames: np.zeros((0, 4)))
    assert "no face" in score(np.zeros((20, 8, 8, 3), np.uint8), one=blank).reason
    with pytest.raises(InputError, match="no label"):
        score(np.zeros((2, 8, 8, 3), np.uint8), told={"subject": None})


def test_the_headline_is_the_purity_and_says_what_is_left_out():
    one = metric()
    scores = [ClipScore(None, 16, details={"subject": s, "emotion": "anger"}, features=f[None]) for s, f in zip(SPEAKERS, planted(SPEAKERS), strict=True)]  # fmt: skip
    scores += [
        ClipScore(None, 0, "no face"),
        ClipScore(None, 1, details={"subject": "alone", "emotion": ""}, features=np.ones((1, 32))),
    ]
    found = one.aggregate(scores)
    assert (found.value, found.n, found.of) == (1.0, 120, 122)
    assert any("1 videos are alone" in words for words in found.warnings)
    assert one.aggregate(scores[:15]).reason.startswith("fewer than two")
    assert one.aggregate([]).value is None


def test_the_published_layouts_load(tmp_path, monkeypatch):
    """The real classes on random weights: InceptionResnetV1 with its classes, HSEmotion's network."""
    from facenet_pytorch import InceptionResnetV1
    from torch import nn

    network = InceptionResnetV1(pretrained=None)
    network.logits = nn.Linear(512, CLASSES)
    random_weights.lively(network)
    torch.save(network.state_dict(), tmp_path / "20180402-114759-vggface2.pt")
    faces = [np.random.default_rng(i).integers(0, 256, (40, 30 + i, 3), np.uint8) for i in range(3)]
    found = facenet(tmp_path / "20180402-114759-vggface2.pt").embed(faces)
    assert found.shape == (3, 512)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    tiny_onnx.linear(tmp_path / "enet_b0_8_best_vgaf.onnx", 8, 224)
    monkeypatch.setenv("TBD_WEIGHTS", str(tmp_path))
    monkeypatch.setattr(style_codes, "_crops", lambda frames: list(frames))
    clip_frames = np.stack([np.random.default_rng(i).integers(0, 256, (48, 48, 3), np.uint8) for i in range(4)])
    for one, width in ((METRICS[1], 512), (METRICS[2], 8)):
        assert score(clip_frames, one=one).features.shape == (1, width)
    monkeypatch.setattr(style_codes, "_crops", lambda frames: [])
    assert "no face" in score(clip_frames, one=METRICS[1]).reason
    (tmp_path / "broken.pt").write_bytes(b"no weights")
    with pytest.raises(InputError, match="not the weights"):
        facenet(tmp_path / "broken.pt")


def test_part_of_all_and_paper():
    keys = {"style_identity", "style_expression"}
    assert keys <= {one.key for one in choose(["all"])}
    assert keys <= set(suite("paper").metrics)
    assert [one.protocol for one in choose(["style"])] == [
        "style_identity@insightface",
        "style_expression@inception-resnet",
    ]
    assert choose(["style_expression@hsemotion"])[0].weights == ("hsemotion", "mtcnn")


def test_no_two_of_many_people_look_alike():
    assert len({colour_and_marker(place) for place in range(48)}) == 48
