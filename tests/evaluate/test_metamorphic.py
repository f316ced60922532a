"""What must and what must not change a number, for every metric alike."""

import functools
from pathlib import Path

import every_metric
import numpy as np
import pytest
from every_metric import SIZE
from pixels import BAD_FRAMES, blurred, frames, noisy
from sync import faces, loudness, speech

from tbd.errors import InputError
from tbd.evaluate import sync_scores
from tbd.evaluate.metrics import registry
from tbd.evaluate.metrics.base import Window
from tbd.media.faces import Face

COMPARING = ["psnr@rgb", "psnr@rgb-pooled", "ssim@skimage", "ssim@wang2004", "ssim@gray", "ssim@skimage-pooled"]
COMPARING += ["lpips@alex", "csim@arcface-frames", "m_lmd", "f_lmd"]
SETS = ["fid@pytorch-fid", "fid@torch-fidelity", "fid@clean", "kid@pytorch-fid", "kid@clean", "fvd@styleganv"]
OF_ONE_VIDEO = ["cpbd@python-cpbd", "emotion_accuracy", "au_f1"]
SYNC = ["sync_conf@whole", "sync_dist@whole", "sync_offset@whole"]

pytestmark = [
    pytest.mark.filterwarnings(f"ignore:.torch.jit:{kind}") for kind in ("FutureWarning", "DeprecationWarning")
] + [pytest.mark.filterwarnings("ignore::UserWarning")]


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    folder = every_metric.weights(tmp_path_factory.mktemp("weights"))
    return every_metric.cases(folder), folder


@pytest.fixture(autouse=True)
def _world(cases, monkeypatch):
    """Random weights, one face that fills every frame, and a listener that understands the drawn speech."""
    monkeypatch.setenv("TBD_WEIGHTS", str(cases[1]))
    face = Face((8.0, 8.0, SIZE - 8.0, SIZE - 8.0), 0.99, np.zeros((5, 2)))
    monkeypatch.setattr(Window, "pred_faces", lambda self: [[face]] * len(self.pred))
    every_metric.plant(monkeypatch)


@pytest.fixture(params=[*COMPARING, *SETS, *OF_ONE_VIDEO, *SYNC])
def any_case(request, cases):
    return cases[0][request.param]


@functools.cache
def clips(count=2, length=4):
    return [frames(length, SIZE, SIZE, i) for i in range(count)]


def of(name, length=4):
    """Clips for a metric: a window of FVD has 16 frames."""
    return clips(2, 16 if name.startswith("fvd") else length)


def spoiled(stacks, how, strength):
    return [how(stack, strength) for stack in stacks]


def heard(case, size=32, shift=0):
    """A clip of lips that move with the sound; for metrics that listen."""
    levels = loudness(60)
    return case.score(faces(levels[10:50]), None, size, speech(levels)[(10 - shift) * 640 : (50 - shift) * 640])


MOTION = {
    "emo_fid",
    "fd_expression",
    "lip_dynamics",
    "brow_dynamics",
    "head_dynamics",
    "head_pose",
    "still_lips",
    "blink_rate",
}
STYLE = {"style_identity", "style_expression"}
"""What these files have tests of their own for: their inputs are faces in motion, or whole runs."""
ELSEWHERE = {"test_motion_metrics.py": MOTION, "style_codes/test_style_codes.py": STYLE}


def test_no_metric_is_forgotten(cases):
    tested = {case.metric.key for case in cases[0].values()}
    for file, keys in ELSEWHERE.items():
        text = (Path(__file__).parent / file).read_text()
        assert [key for key in keys if key not in text] == []
    assert tested | MOTION | STYLE == set(registry.KEYS)
    assert cases[0].keys() == {*COMPARING, *SETS, *OF_ONE_VIDEO, *SYNC}


@pytest.mark.parametrize("name", COMPARING)
def test_a_run_that_is_the_ground_truth_is_perfect(name, cases):
    perfect = {"psnr": 100, "ssim": 1, "csim": 1}.get(name.partition("@")[0], 0)
    assert cases[0][name].run(of(name), of(name)).value == pytest.approx(perfect, abs=1e-6)


@pytest.mark.parametrize("name", SETS)
def test_a_set_is_at_no_distance_from_itself(name, cases):
    true = of(name)
    equal, other = (cases[0][name].run(pred, true).value for pred in (true, spoiled(true, blurred, 3)))
    assert equal < other
    assert equal <= 0 if name.startswith("kid") else abs(equal) < 1e-6 * other  # the kernel distance has no bias


@pytest.mark.parametrize("name", COMPARING + SETS)
def test_prediction_and_ground_truth_may_change_places(name, cases):
    true = of(name)
    pred = spoiled(spoiled(true, blurred, 1.5), noisy, 9)
    there, back = cases[0][name].run(pred, true).value, cases[0][name].run(true, pred).value
    assert there == pytest.approx(back, rel=1e-5 if cases[0][name].network else 1e-10)


@pytest.mark.parametrize("how", [blurred, noisy], ids=["blur", "noise"])
@pytest.mark.parametrize("name", [name for name in COMPARING + SETS if "lmd" not in name])
def test_more_of_it_is_worse(name, how, cases):
    case, true = cases[0][name], of(name)
    strengths = (0.8, 2, 5) if how is blurred else (4, 12, 40)
    values = [case.run(spoiled(true, how, strength), true).value for strength in strengths]
    assert values == sorted(values, reverse=case.metric.direction == "higher")
    assert len(set(values)) == 3


def test_points_that_err_more_are_further_away(cases):
    for name in ("m_lmd", "f_lmd"):
        true = clips()
        values = [cases[0][name].run(spoiled(true, noisy, strength), true).value for strength in (4, 12, 40)]
        assert values == sorted(values) and values[0] > 0


def test_blur_takes_sharp_edges_away_and_noise_on_a_blurred_picture_brings_some(cases):
    case, soft = cases[0]["cpbd@python-cpbd"], spoiled(clips(), blurred, 2)
    values = [case.run(spoiled(clips(), blurred, strength), clips()).value for strength in (0.8, 1.3, 2, 3)]
    assert values == sorted(values, reverse=True)
    assert case.run(spoiled(soft, noisy, 20), clips()).value > case.run(soft, clips()).value


def test_features_that_err_more_have_less_confidence_and_more_distance():
    random = np.random.default_rng(0)
    sound, error = random.normal(size=(2, 60, 64))
    found = [sync_scores(sound + strength * error, sound) for strength in (0, 0.3, 1, 3)]
    assert [one.offset for one in found] == [0] * 4
    assert [one.distance for one in found] == sorted(one.distance for one in found)
    assert [one.confidence for one in found] == sorted((one.confidence for one in found), reverse=True)


@pytest.mark.parametrize("shift", [-3, 1, 6])
def test_sound_that_comes_k_frames_later_moves_the_offset_by_minus_k(shift, cases):
    case = cases[0]["sync_offset@whole"]
    assert (heard(case).value, heard(case, shift=shift).value) == (0, -shift)


def test_the_order_of_the_clips_changes_nothing(any_case):
    if any_case.metric.needs_audio:
        scores, truth = [heard(any_case), heard(any_case, shift=2), heard(any_case, shift=-1)], ()
    else:
        true = clips(3, 16 if any_case.metric.key == "fvd" else 2)
        pred = [noisy(stack, 5 * i + 5) for i, stack in enumerate(true)]
        scores = [any_case.score(*pair) for pair in zip(pred, true, strict=True)]
        truth = [any_case.score(stack) for stack in true] if any_case.sets else ()
    found = any_case.metric.aggregate(scores, truth)
    order = [2, 0, 1]
    mixed = any_case.metric.aggregate([scores[i] for i in order], [truth[i] for i in order] if truth else ())
    assert found.value is not None
    assert mixed.value == pytest.approx(found.value, rel=1e-10)
    assert (mixed.n, mixed.of) == (found.n, found.of) == (3, 3)


@pytest.mark.parametrize("size", [1, 3])
def test_how_a_clip_is_cut_into_windows_changes_nothing(any_case, size):
    if any_case.metric.needs_audio:
        whole, cut = heard(any_case), heard(any_case, size)
    else:
        (true,) = clips(1, 17 if any_case.metric.key == "fvd" else 7)
        pred = noisy(true, 9)
        whole, cut = any_case.score(pred, true), any_case.score(pred, true, size)
    assert (cut.n, cut.reason) == (whole.n, "")
    near = 1e-5 if any_case.network else 1e-12
    if any_case.sets:
        assert np.abs(cut.features - whole.features).max() <= near * np.abs(whole.features).max()
    else:
        assert cut.value == pytest.approx(whole.value, rel=near, abs=1e-12)


@pytest.mark.parametrize("name", ["lpips@alex", "csim@arcface-frames", "m_lmd", *SETS])
def test_swapped_channels_are_seen(name, cases):
    true = of(name)
    pred = spoiled(true, noisy, 9)
    swapped = cases[0][name].run([stack[..., ::-1].copy() for stack in pred], true).value
    assert swapped != pytest.approx(cases[0][name].run(pred, true).value, rel=0.01)


@pytest.mark.parametrize("bad", BAD_FRAMES.values(), ids=BAD_FRAMES)
def test_what_is_no_frames_reaches_no_metric(bad):
    good = frames(1, 70, 70)
    for pair in ((bad, None), (bad, bad), (bad, good), (good, bad)):
        with pytest.raises(InputError):
            Window(*pair, 0)


def test_frames_of_two_sizes_reach_no_metric():
    with pytest.raises(ValueError, match="differ in shape"):
        Window(frames(2), frames(3), 0)
