"""SSIM in its three protocols against scikit-image and published values."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pixels import BAD_FRAMES, blurred, frames, noisy, score
from skimage import data
from skimage.metrics import structural_similarity

from tbd.errors import TbdError, UsageError
from tbd.evaluate import ssim
from tbd.evaluate.metrics import ssim as module
from tbd.evaluate.metrics.base import ClipInfo

GAUSSIAN = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 255}
PROTOCOLS = ["skimage", "wang2004", "gray"]


def camera():
    clean = data.camera()
    noise = np.clip(clean + 20 * np.random.RandomState(5).randn(512, 512), 0, 255).astype(np.uint8)
    return [np.repeat(image[None, ..., None], 3, axis=3) for image in (noise, clean)]


@pytest.mark.parametrize(
    ("protocol", "expected"),
    [("skimage", 0.3674518327910367), ("gray", 0.3674518327910367), ("wang2004", 0.3579642362)],
)
def test_the_published_value_of_the_camera_image(protocol, expected):
    assert ssim(*camera(), protocol)[0] == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_black_against_white_is_what_the_constants_leave(protocol):
    black = np.zeros((1, 20, 20, 3), np.uint8)
    white = np.full_like(black, 255)
    assert ssim(black, white, protocol)[0] == pytest.approx(9.999000099990664e-05, abs=1e-15)


@pytest.mark.parametrize(("protocol", "options"), [("skimage", {}), ("wang2004", GAUSSIAN)])
@pytest.mark.parametrize("size", [(11, 11), (12, 40), (39, 17), (70, 90)])
def test_it_equals_scikit_image(protocol, options, size):
    ref = frames(2, *size)
    for pred in (noisy(ref, 15), blurred(ref, 1), 255 - ref):
        expected = [structural_similarity(a, b, channel_axis=-1, **options) for a, b in zip(pred, ref, strict=True)]
        assert np.abs(ssim(pred, ref, protocol) - expected).max() < 1e-9


def test_gray_is_scikit_image_on_opencv_s_grey_levels():
    ref = frames(2, 50, 60)
    pred = noisy(ref, 15)
    grey = [[cv2.cvtColor(frame[..., ::-1].copy(), cv2.COLOR_BGR2GRAY) for frame in stack] for stack in (pred, ref)]
    expected = [structural_similarity(a, b) for a, b in zip(*grey, strict=True)]
    assert np.abs(ssim(pred, ref, "gray") - expected).max() < 1e-9


@settings(max_examples=40)
@given(st.data())
def test_any_pixels_follow_scikit_image_though_integers_hold_the_sums(data):
    pred = data.draw(arrays(np.uint8, (1, 8, 9, 3), elements=st.sampled_from([0, 1, 2, 127, 254, 255])))
    ref = data.draw(arrays(np.uint8, (1, 8, 9, 3), elements=st.sampled_from([0, 1, 128, 253, 254, 255])))
    assert ssim(pred, ref)[0] == pytest.approx(structural_similarity(pred[0], ref[0], channel_axis=-1), abs=1e-9)
    assert ssim(pred, ref)[0] == ssim(ref, pred)[0]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_equal_frames_are_exactly_one(protocol):
    assert ssim(frames(), frames(), protocol).tolist() == [1.0, 1.0]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_order_does_not_matter_and_frames_keep_their_places(protocol):
    ref = frames(4)
    pred, order = noisy(ref, 9), [2, 0, 3, 1]
    found = ssim(pred, ref, protocol)
    assert found.dtype == np.float64
    assert np.abs(found - ssim(ref, pred, protocol)).max() < 1e-15
    assert (found[order] == ssim(pred[order], ref[order], protocol)).all()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_more_noise_and_more_blur_are_worse(protocol):
    ref = frames(1, 80, 90)
    for spoil in (noisy, blurred):
        found = [ssim(spoil(ref, strength), ref, protocol)[0] for strength in (0.8, 1.5, 3, 6)]
        assert found == sorted(found, reverse=True)


def test_the_protocols_give_three_numbers():
    ref = frames(1, 60, 60)
    assert len({round(float(ssim(noisy(ref, 12), ref, protocol)[0]), 3) for protocol in PROTOCOLS}) == 3


@pytest.mark.parametrize("bad", BAD_FRAMES.values(), ids=BAD_FRAMES)
def test_what_is_no_stack_of_frames_is_refused(bad):
    with pytest.raises(TbdError):
        ssim(bad, bad)


def test_different_shapes_are_refused():
    with pytest.raises(ValueError, match="shape"):
        ssim(frames(1, 40, 52), frames(1, 52, 40))


@pytest.mark.parametrize(("protocol", "side"), [("skimage", 7), ("gray", 7), ("wang2004", 11)])
def test_frames_smaller_than_the_window_are_refused_and_the_window_itself_is_enough(protocol, side):
    metric = next(one for one in module.METRICS if one.protocol == f"ssim@{protocol}")
    least, less = frames(1, side, side + 3), frames(1, side + 3, side - 1)
    assert ssim(least, least, protocol)[0] == 1
    with pytest.raises(ValueError, match=f"{side}x{side}"):
        ssim(less, less, protocol)
    with pytest.raises(TbdError, match=f"{side}x{side}"):
        metric.open(ClipInfo("clip", 25.0, (side - 1, side + 3), 1))


def test_an_unknown_protocol_names_the_known_ones():
    with pytest.raises(UsageError) as caught:
        ssim(frames(), frames(), "matlab")
    assert all(protocol in caught.value.next for protocol in PROTOCOLS)


@pytest.mark.parametrize("metric", module.METRICS, ids=lambda metric: metric.protocol)
def test_a_run_is_the_mean_over_frames_however_they_come(metric):
    ref = frames(5)
    pred = noisy(ref, 10)
    protocol = metric.protocol.removeprefix("ssim@").removesuffix("-pooled")
    found = [score(metric, pred, ref, cut) for cut in (1, 2, 32)]
    assert {one.value for one in found} == {found[0].value}
    assert found[0].value == pytest.approx(ssim(pred, ref, protocol).mean(), abs=1e-14)
    assert found[0].n == 5
