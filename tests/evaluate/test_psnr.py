"""PSNR against the formula, against scikit-image, and as a run counts it."""

import math
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pixels import BAD_FRAMES, blurred, frames, noisy, score
from skimage import data
from skimage.metrics import peak_signal_noise_ratio

from tbd.errors import TbdError
from tbd.evaluate import psnr
from tbd.evaluate.metrics.psnr import METRICS

PSNR, POOLED = METRICS
STACKS = arrays(np.uint8, st.tuples(st.integers(1, 3), st.integers(1, 5), st.integers(1, 5), st.just(3)))


def plain(pred, ref):
    error = np.mean((pred.astype(float) - ref.astype(float)) ** 2)
    return math.inf if error == 0 else 10 * math.log10(255**2 / error)


def test_the_published_value_of_the_camera_image():
    clean = data.camera()
    noise = np.clip(clean + 20 * np.random.RandomState(5).randn(512, 512), 0, 255).astype(np.uint8)
    pair = [np.repeat(image[None, ..., None], 3, axis=3) for image in (noise, clean)]
    assert psnr(*pair)[0] == pytest.approx(22.40935284991, abs=1e-10)


@pytest.mark.parametrize(("shift", "expected"), [(1, 48.1308036), (5, 34.1514035), (255, 0.0)])
def test_a_constant_shift_is_20_log10_of_255_by_the_shift(shift, expected):
    dark = np.zeros((2, 9, 11, 3), np.uint8)
    assert psnr(dark + np.uint8(shift), dark) == pytest.approx([expected] * 2, abs=1e-7)


def test_it_equals_scikit_image_frame_by_frame():
    ref = frames(4)
    pred = noisy(ref, 12)
    expected = [peak_signal_noise_ratio(b, a) for a, b in zip(pred, ref, strict=True)]
    assert np.abs(psnr(pred, ref) - expected).max() < 1e-9


def test_equal_frames_are_infinite_and_no_warning_is_raised():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert psnr(frames(), frames()).tolist() == [math.inf, math.inf]


@given(st.data())
def test_any_pair_follows_the_formula_and_does_not_depend_on_the_order(data):
    pred = data.draw(STACKS)
    ref = data.draw(arrays(np.uint8, pred.shape))
    found = psnr(pred, ref)
    assert found.dtype == np.float64
    assert found.shape == (len(pred),)
    assert found == pytest.approx([plain(a, b) for a, b in zip(pred, ref, strict=True)], rel=1e-12)
    assert (found == psnr(ref, pred)).all()


def test_frames_keep_their_places():
    ref = frames(5)
    pred, order = noisy(ref, 9), [3, 0, 4, 1, 2]
    assert (psnr(pred, ref)[order] == psnr(pred[order], ref[order])).all()


def test_more_noise_and_more_blur_are_worse():
    ref = frames(1, 80, 90)
    for spoil in (noisy, blurred):
        found = [psnr(spoil(ref, strength), ref)[0] for strength in (0.8, 1.5, 3, 6)]
        assert found == sorted(found, reverse=True)


@pytest.mark.parametrize("bad", BAD_FRAMES.values(), ids=BAD_FRAMES)
def test_what_is_no_stack_of_frames_is_refused(bad):
    with pytest.raises(TbdError):
        psnr(bad, bad)
    with pytest.raises(ValueError):
        psnr(np.zeros((1, 70, 70, 3), np.uint8), bad)


def test_different_shapes_are_refused_with_both_named():
    with pytest.raises(ValueError, match=r"2, 40, 52, 3.*3, 40, 52, 3"):
        psnr(frames(2), frames(3))


def test_a_run_caps_equal_frames_at_100_db_and_counts_them():
    ref = frames(4)
    pred = noisy(ref, 10)
    pred[1] = ref[1]
    found = score(PSNR, pred, ref)
    assert found.value == pytest.approx(np.minimum(psnr(pred, ref), 100).mean(), abs=1e-12)
    assert (found.n, found.details) == (4, {"capped_frames": 1})
    assert PSNR.aggregate([found, found]).details == {"capped_frames": 2}


@pytest.mark.parametrize("cut", [1, 2, 3, 32])
def test_windows_do_not_change_a_bit(cut):
    ref = frames(7)
    assert score(PSNR, noisy(ref, 10), ref, cut).value == score(PSNR, noisy(ref, 10), ref, 7).value


def test_a_clip_without_frames_has_a_reason():
    none = np.zeros((0, 40, 52, 3), np.uint8)
    found = score(PSNR, none, none)
    assert (found.value, found.n, found.reason) == (None, 0, "no frames")


def test_pooled_weighs_clips_by_their_frames():
    ref = frames(6)
    clips = [score(PSNR, noisy(ref[:n], strength), ref[:n]) for n, strength in ((1, 5), (6, 20))]
    assert PSNR.aggregate(clips).value == pytest.approx((clips[0].value + clips[1].value) / 2)
    assert POOLED.aggregate(clips).value == pytest.approx((clips[0].value + 6 * clips[1].value) / 7)
    assert len({PSNR.protocol, POOLED.protocol}) == 2
