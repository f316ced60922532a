"""CPBD against a plain transcription of its definition, and on pictures worked by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pixels import blurred, frames, picture, score
from scipy.ndimage import gaussian_filter
from skimage import data
from skimage.feature import canny
from slow_cpbd import slow_cpbd

from tbd.errors import TbdError
from tbd.evaluate import cpbd
from tbd.evaluate.measures import edge_blocks
from tbd.evaluate.metrics.cpbd import METRICS

(CPBD,) = METRICS
SHARP, SOFT, MILD = [90, 91], [10, 20, 40, 40, 20, 10], [5, 10, 10, 5]


def profile(rising, falling, scale=1, base=20):
    """64 equal rows that rise once and fall once, by the given steps; both edges are strict maxima."""
    steps = np.zeros(64)
    steps[10 : 10 + len(rising)], steps[40 : 40 + len(falling)] = rising, -np.array(falling)
    steps[40 + len(falling)] = sum(falling) - sum(rising)
    return np.tile(base + scale * np.cumsum(steps), (64, 1)).astype(np.uint8)


def test_a_sharp_and_a_soft_edge_are_one_half():
    picture = profile(SOFT, [70, 70])  # widths 3 + 3 > 3, and 1 + 1
    assert cpbd(picture) == 0.5 == slow_cpbd(picture)


@pytest.mark.parametrize(("scale", "expected"), [(1, 1.0), (4, 0.0)])
def test_a_width_of_four_is_sharp_only_where_contrast_is_at_most_50(scale, expected):
    picture = profile(MILD, MILD, scale)
    assert cpbd(picture) == expected == slow_cpbd(picture)


def test_a_picture_that_only_rises_to_the_right_has_no_widths():
    rising = np.tile(np.cumsum([0] * 31 + [100, 100] + [0] * 31), (64, 1)).astype(np.uint8)
    assert cpbd(rising) == 0 == slow_cpbd(rising)
    rising[5, 5] += 1  # one pixel elsewhere, and all of them count
    assert cpbd(rising) == 1 == slow_cpbd(rising)


@pytest.mark.parametrize("still", [np.full((128, 128), 7), np.tile(np.repeat([0, 255], 64), (128, 1))])
def test_a_constant_and_a_horizontal_step_are_zero(still):
    assert cpbd(still.astype(np.uint8)) == 0 == slow_cpbd(still)


def test_the_camera_image_has_the_value_of_the_transcription():
    assert cpbd(data.camera()) == pytest.approx(0.7481657466284676, abs=1e-15)


@pytest.mark.parametrize("size", [(64, 64), (65, 127), (130, 200), (191, 70)])
@pytest.mark.parametrize("sigma", [0, 0.7, 2])
def test_it_equals_the_transcription(size, sigma):
    for seed in range(2):
        drawn = blurred(picture(*size, seed), sigma) if sigma else picture(*size, seed)
        assert cpbd(drawn) == pytest.approx(slow_cpbd(drawn), abs=1e-12)


@settings(max_examples=40)
@given(st.integers(0, 2**32), st.floats(0, 3), st.sampled_from([1, 2, 5, 30, 120]), st.booleans())
def test_it_equals_the_transcription_on_smooth_noise_of_any_strength(seed, sigma, strength, whole):
    noise = gaussian_filter(np.random.default_rng(seed).normal(0, 1, (66, 129)), sigma)
    drawn = np.clip(128 + strength * noise / noise.std(), 0, 255)
    drawn = np.round(drawn).astype(np.uint8) if whole else drawn
    assert cpbd(drawn) == pytest.approx(slow_cpbd(drawn), abs=1e-12)


@settings(max_examples=60)
@given(st.integers(0, 2**32), st.floats(0, 4), st.floats(-3, 2), st.floats(0, 1))
def test_edge_blocks_are_those_of_canny_even_where_the_thresholds_bite(seed, sigma, magnitude, share):
    rng = np.random.default_rng(seed)
    noise = gaussian_filter(rng.normal(0, 1, (70, 200)) * (rng.random((70, 200)) < share), sigma)
    image = 128 + 10**magnitude * noise / max(noise.std(), 1e-9)
    found = edge_blocks.edge_blocks(image, np.ones((1, 3), bool))
    assert (found == _blocks_by_canny(image)).all()


def _blocks_by_canny(image):
    down, across = image.shape[0] // 64, image.shape[1] // 64
    edges = canny(image)[: down * 64, : across * 64].reshape(down, 64, across, 64)
    return edges.sum(axis=(1, 3)) > 0.002 * 64 * 64


@pytest.mark.parametrize(("gap", "expected"), [(0, [True, True]), (12, [True, False])])
def test_weak_edges_count_when_they_hang_on_strong_ones_of_the_next_block(gap, expected, monkeypatch):
    step = np.zeros((64, 128))
    step[32:] = np.interp(np.arange(128), [10, 50], [0.5, 0.055])  # gradients from 1.4 to 0.15; thresholds 0.1, 0.2
    step[32:, 52 : 52 + gap] = 0
    whole, calls = edge_blocks._canny_counts, []
    monkeypatch.setattr(edge_blocks, "_canny_counts", lambda *given: calls.append(1) or whole(*given))
    assert edge_blocks.edge_blocks(100 + step, np.ones((1, 2), bool)).tolist() == [expected]
    assert _blocks_by_canny(100 + step).tolist() == [expected]
    assert calls, "one block cannot tell"


def test_blur_makes_it_smaller():
    drawn = picture(192, 256, 3)
    found = [cpbd(drawn), *(cpbd(blurred(drawn, sigma)) for sigma in (0.8, 1.2, 2, 3))]
    assert found == sorted(found, reverse=True)
    assert found[0] > 0.5
    assert found[-1] < 0.2


def test_whole_levels_of_any_type_are_the_same_picture():
    drawn = picture(64, 128)
    assert {cpbd(drawn.astype(kind)) for kind in (np.uint8, np.int32, np.uint16, np.float32, float)} == {cpbd(drawn)}


BAD_PICTURES = {
    "in 0..1": picture() / 255,
    "below 0": picture() - 128.0,
    "above 255": picture() * 2.0,
    "not a number": np.full((64, 64), np.nan),
    "colour": frames(1)[0],
    "frames": picture()[None],
    "a line": picture()[0],
    "no pixel": np.zeros((0, 64), np.uint8),
    "a mask": picture() > 90,
    "a list": picture().tolist(),
}


@pytest.mark.parametrize("bad", BAD_PICTURES.values(), ids=BAD_PICTURES)
def test_what_is_no_picture_of_grey_levels_is_refused(bad):
    with pytest.raises(TbdError):
        cpbd(bad)
    with pytest.raises(ValueError):
        cpbd(bad)


def test_a_picture_without_a_whole_block_has_no_edges_but_a_run_says_why():
    assert cpbd(picture(63, 200)) == 0
    with pytest.raises(TbdError, match="200x63 hold no block of 64x64"):
        score(CPBD, np.zeros((1, 63, 200, 3), np.uint8))


def test_a_run_takes_pil_s_grey_levels_and_the_mean_over_frames():
    stack = frames(3, 70, 140)
    expected = np.mean([cpbd(np.asarray(Image.fromarray(frame).convert("L"))) for frame in stack])
    found = [score(CPBD, stack, cut=cut) for cut in (1, 2, 32)]
    assert [one.value for one in found] == pytest.approx([expected] * 3, abs=1e-15)
    assert found[0].n == 3
    assert CPBD.compares == "nothing"
