"""Fréchet and kernel distance: known answers, other ways to the same number, and what must not change it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import sqrtm

from tbd.errors import TbdError
from tbd.evaluate import frechet_distance, kernel_distance
from tbd.evaluate.measures import frechet
from tbd.evaluate.measures.frechet import frechet_of_moments, kernel_selves, kernel_sums, mmd


def two_sets():
    random = np.random.RandomState(0)
    return random.randn(500, 16), random.randn(400, 16) @ random.randn(16, 16) * 0.5 + 0.3


def with_square_root(x, y, ddof=1):
    """The definition as it is usually programmed."""
    sx, sy = np.cov(x, rowvar=False, ddof=ddof), np.cov(y, rowvar=False, ddof=ddof)
    root = sqrtm(sx @ sy).real
    return ((x.mean(0) - y.mean(0)) ** 2).sum() + np.trace(sx + sy - 2 * root)


def kernel_by_loops(x, y):
    def k(a, b):
        return (a @ b / len(a) + 1) ** 3

    within_x = np.mean([k(a, b) for i, a in enumerate(x) for j, b in enumerate(x) if i != j])
    within_y = np.mean([k(a, b) for i, a in enumerate(y) for j, b in enumerate(y) if i != j])
    return within_x + within_y - 2 * np.mean([k(a, b) for a in x for b in y])


def test_two_normal_distributions_on_a_line():
    assert frechet_of_moments([1], [[4]], [3], [[9]]) == pytest.approx(5, abs=1e-12)


def test_unit_covariances_leave_the_distance_of_the_means():
    eye = np.eye(2048)
    assert frechet_of_moments(np.zeros(2048), eye, np.ones(2048), eye) == pytest.approx(2048, rel=1e-12)


def test_two_by_two_covariances():
    found = frechet_of_moments([0, 0], [[2, 1], [1, 3]], [0, 0], [[1, -0.5], [-0.5, 2]])
    assert found == pytest.approx(0.8122104140147, abs=1e-12)


@pytest.mark.parametrize(("ddof", "expected"), [(1, 22.569625978527), (0, 22.513175501892)])
def test_known_features(ddof, expected):
    x, y = two_sets()
    assert frechet_distance(x, y, ddof) == pytest.approx(expected, abs=1e-11)
    assert with_square_root(x, y, ddof) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("rows", [(500, 400), (12, 400), (500, 16), (12, 9), (2, 2)])
def test_large_and_small_sets_give_what_the_square_root_gives(rows):
    x, y = (one[:n] for one, n in zip(two_sets(), rows, strict=True))
    sx, sy = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    by_moments = frechet_of_moments(x.mean(0), sx, y.mean(0), sy)
    found = frechet_distance(x, y)
    assert found == pytest.approx(by_moments, abs=1e-6)
    if min(rows) > 16:
        assert found == pytest.approx(with_square_root(x, y), rel=1e-10)


def test_singular_values_and_their_squares_agree(monkeypatch):
    x, y = (one[:12] for one in two_sets())
    exact = frechet_distance(x, y)
    monkeypatch.setattr(frechet, "SMALL", 0)
    assert frechet_distance(x, y) == pytest.approx(exact, rel=1e-8)


def test_dimensions_that_never_vary_do_no_harm():
    x, y = two_sets()
    dead = [np.hstack([one, np.zeros((len(one), 3)), np.full((len(one), 2), 7.0)]) for one in (x, y)]
    assert frechet_distance(*dead) == pytest.approx(frechet_distance(x, y), rel=1e-7)


@pytest.mark.parametrize(("rows", "width"), [(500, 16), (10, 16), (4, 4), (2, 64), (2, 1)])
def test_equal_sets_are_at_distance_zero(rows, width):
    x = np.random.RandomState(2023).randn(rows, width) * 30
    assert abs(frechet_distance(x, x)) < 1e-8 * (x**2).sum() / rows


def as_torch_fidelity(x, y):
    import torch
    from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric

    sides = [fid_features_to_statistics(torch.from_numpy(one)) for one in (x, y)]
    return fid_statistics_to_metric(*sides, verbose=False)["frechet_inception_distance"]


def grid(rows, width, seed):
    random = np.random.RandomState(seed)
    return random.randn(rows, width), random.randn(rows, width)


@pytest.mark.parametrize("rows", [2**i for i in range(1, 12)])
def test_on_torch_fidelitys_grid_of_sets_small_and_large_it_is_finite_and_torch_fidelitys(rows):
    for width in (2**i for i in range(1, 9)):
        pair = grid(rows, width, 2023)
        assert frechet_distance(*pair) == pytest.approx(as_torch_fidelity(*pair), rel=1e-6, abs=1e-5), width


def test_four_vectors_in_four_dimensions_which_make_real_square_roots_nan():
    x, y = grid(4, 4, 1)
    product = np.cov(x, rowvar=False) @ np.cov(y, rowvar=False)
    values = np.linalg.eigvals(product)
    assert not np.iscomplexobj(values) and values.min() < 0  # their root is NaN
    assert frechet_distance(x, y) == pytest.approx(as_torch_fidelity(x, y), abs=1e-5)


sets = st.tuples(st.integers(2, 40), st.integers(2, 40), st.integers(1, 12), st.integers(0, 10**6))


@settings(max_examples=40)
@given(sets)
def test_swapping_rotating_moving_and_shuffling_change_nothing(shape):
    n, m, width, seed = shape
    random = np.random.default_rng(seed)
    x, y = random.normal(size=(n, width)), random.normal(1, 2, size=(m, width))
    turn = np.linalg.qr(random.normal(size=(width, width)))[0]
    value = frechet_distance(x, y)
    assert value > -1e-6
    for a, b in ((y, x), (x @ turn, y @ turn), (x + 5, y + 5), (x[::-1], random.permutation(y))):
        assert frechet_distance(a, b) == pytest.approx(value, rel=1e-6, abs=1e-6)


@settings(max_examples=20)
@given(sets)
def test_the_kernel_distance_is_the_plain_mean_over_pairs(shape):
    n, m, width, seed = shape
    random = np.random.default_rng(seed)
    x, y = random.normal(size=(n, width)), random.normal(0.5, 1, size=(m, width))
    assert kernel_distance(x, y) == pytest.approx(kernel_by_loops(x, y), rel=1e-9, abs=1e-9)
    assert kernel_distance(y, x) == pytest.approx(kernel_distance(x, y), rel=1e-9, abs=1e-9)


def test_the_kernel_distance_is_torch_fidelitys():
    from torch_fidelity.metric_kid import kernel_mmd

    random = np.random.default_rng(3)
    x, y = random.normal(size=(60, 24)), random.normal(0.2, 1, size=(60, 24))
    theirs = kernel_mmd(
        x, y, kid_kernel="poly", kid_kernel_poly_degree=3, kid_kernel_poly_gamma=None, kid_kernel_poly_coef0=1
    )
    assert kernel_distance(x, y) == pytest.approx(theirs, rel=1e-10)


def test_the_kernel_distance_in_pieces_is_the_same(monkeypatch):
    x, y = two_sets()
    whole = kernel_distance(x, y)
    monkeypatch.setattr(frechet, "ROWS", 37)
    assert kernel_distance(x, y) == pytest.approx(whole, rel=1e-10)


def test_sums_by_clip_make_the_distance_of_any_clips():
    random = np.random.default_rng(0)
    clips = [random.normal(size=(n, 5)) for n in (3, 7, 2, 4)]
    others = [random.normal(1, 1, size=(n, 5)) for n in (2, 2, 6)]
    a, b = np.array([0, 2, 3]), np.array([1, 2])
    x, y = np.concatenate([clips[i] for i in a]), np.concatenate([others[i] for i in b])
    within_x = kernel_sums(clips)[np.ix_(a, a)].sum() - sum(kernel_selves(clips[i]) for i in a)
    within_y = kernel_sums(others)[np.ix_(b, b)].sum() - sum(kernel_selves(others[i]) for i in b)
    across = kernel_sums(clips, others)[np.ix_(a, b)].sum()
    assert mmd(within_x, within_y, across, len(x), len(y)) == pytest.approx(kernel_by_loops(x, y), rel=1e-10)


def test_the_kernel_distance_of_one_distribution_is_zero_on_average():
    random = np.random.default_rng(1)
    found = [kernel_distance(random.normal(size=(30, 8)), random.normal(size=(30, 8))) for _ in range(200)]
    assert abs(np.mean(found)) < 3 * np.std(found) / np.sqrt(200)
    assert min(found) < 0


@pytest.mark.parametrize("distance", [frechet_distance, kernel_distance])
@pytest.mark.parametrize(
    ("x", "y", "words"),
    [
        (np.ones(5), np.ones((5, 2)), "not \\(n, d\\)"),
        (np.ones((5, 2, 2)), np.ones((5, 2)), "not \\(n, d\\)"),
        (np.ones((5, 0)), np.ones((5, 0)), "not \\(n, d\\)"),
        (np.ones((5, 2), complex), np.ones((5, 2)), "not \\(n, d\\)"),
        (np.ones((1, 2)), np.ones((5, 2)), "x: 1 vectors"),
        (np.ones((5, 2)), np.ones((0, 2)), "y: 0 vectors"),
        (np.ones((5, 2)), np.ones((5, 3)), "2 and 3 dimensions"),
        (np.ones((5, 2)), np.array([[1, 2], [np.nan, 1], [np.inf, 1]]), "y: 2 of 3 vectors hold NaN"),
    ],
)
def test_what_is_no_set_of_features_is_refused_in_words(distance, x, y, words):
    with pytest.raises(TbdError, match=words):
        distance(x, y)


@pytest.mark.parametrize("bad", [([0], [[1, 0], [0, 1]]), ([[0]], [[1]]), ([np.nan], [[1]]), ([0], [[np.inf]])])
def test_what_are_no_moments_is_refused(bad):
    with pytest.raises(TbdError, match="moments"):
        frechet_of_moments(*bad, [0], [[1]])
