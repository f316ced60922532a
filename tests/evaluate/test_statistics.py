"""Means, intervals, jackknife, floors and warnings: known answers, and coverage in small simulations."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from tbd.evaluate.measures.statistics import (
    RESAMPLES,
    bootstrap,
    extrapolate,
    halves,
    jackknife,
    mean,
    small_sets,
    uncovered,
)
from tbd.evaluate.metrics.base import ClipScore


def scores(values, n=10):
    return [ClipScore(value, n) for value in values]


def lost(reason, count=1):
    return [ClipScore(None, 0, reason) for _ in range(count)]


def distance_of_means(x, y):
    """A Fréchet distance of two sets with equal, known variance: biased upwards by the trace over N, as FID is."""
    return float(((x.mean(axis=0) - y.mean(axis=0)) ** 2).sum())


# the mean over clips


def test_the_mean_is_over_clips_and_over_frames_it_is_weighted():
    clips = [ClipScore(10.0, 1), ClipScore(20.0, 3)]
    assert mean(clips).value == 15
    assert mean(clips, over="frames").value == 17.5
    assert (mean(clips).aggregate, mean(clips, over="frames").aggregate) == (
        "mean over clips",
        "mean over all frames of all clips",
    )


def test_clips_without_a_number_count_in_the_denominator_and_nowhere_else():
    found = mean([*scores([1.0, 2.0, 3.0] * 10), *lost("no face", 3)])
    assert (found.value, found.n, found.of) == (2.0, 30, 33)
    assert found.warnings == ()


def test_below_80_percent_the_reasons_are_told_the_commonest_first():
    found = mean([*scores(range(24)), *lost("no sound", 2), *lost("no face", 5), ClipScore(math.nan, 4)])
    assert (found.n, found.of) == (24, 32)
    assert found.warnings == ("covers 24 of 32 clips (75%): no face (5), no sound (2), not a number (1)",)


def test_reasons_are_counted_without_the_files_that_they_name():
    names = [f"mead_M003_{i}.mp4: cut off: it ends after 0.52 s of sound" for i in range(3)]
    doubled = [f"duplicate: a/{i}.mp4, b/{i}.mov" for i in range(2)]
    found = mean([ClipScore(None, 0, reason) for reason in (*names, *doubled)])
    assert found.reason == "cut off: it ends after 0.52 s of sound (3), duplicate (2)"
    found = mean([*lost("a", 4), *lost("b", 3), *lost("c", 2), *lost("d"), *lost("e")])
    assert found.reason == "a (4), b (3), c (2), other reasons (2)"


@pytest.mark.parametrize(("used", "warns"), [(8, False), (7, True)])
def test_exactly_80_percent_is_enough(used, warns):
    assert bool(uncovered([*scores([1.0] * used), *lost("no face", 10 - used)])) is warns


def test_clips_of_a_set_metric_are_covered_by_their_features():
    whole = [ClipScore(None, 4, features=np.zeros((4, 2))) for _ in range(9)]
    assert uncovered([*whole, *lost("unreadable")]) == ()
    assert "unreadable (8)" in uncovered([*whole, *lost("unreadable", 8)])[0]


def test_without_any_number_the_result_is_none_with_a_reason():
    assert mean([]).reason == "no clips"
    found = mean(lost("no face", 3))
    assert (found.value, found.n, found.of, found.reason, found.ci95) == (None, 0, 3, "no face (3)", None)


def test_one_clip_has_a_value_and_no_interval_and_a_few_have_a_word_of_warning():
    one, few, many = (mean(scores(np.arange(float(n)))) for n in (1, 19, 20))
    assert (one.value, one.ci95, one.interval) == (0.0, None, "")
    assert one.warnings == ("from one clip: no interval",)
    assert few.warnings == ("from 19 clips only: the interval is too narrow",)
    assert many.warnings == ()
    assert "BCa" in many.interval
    assert str(RESAMPLES) in many.interval


@settings(max_examples=15)
@given(st.lists(st.floats(-100, 100), min_size=2, max_size=12), st.randoms(use_true_random=False))
def test_the_order_of_clips_changes_nothing_and_the_interval_holds_the_mean(values, random):
    clips = [ClipScore(value, 1 + i) for i, value in enumerate(values)]
    mixed = random.sample(clips, len(clips))
    for over in ("clips", "frames"):
        found = mean(clips, over=over)
        assert (found.value, found.ci95) == (mean(mixed, over=over).value, mean(mixed, over=over).ci95)
        assert all(math.isfinite(bound) for bound in found.ci95)
        assert min(values) - 1e-9 <= found.ci95[0] <= found.ci95[1] <= max(values) + 1e-9


# the bootstrap


def test_equal_values_have_an_interval_of_no_width():
    assert bootstrap([3.5] * 7) == (3.5, 3.5)
    assert bootstrap([0.1 + 0.2, 0.3]) == pytest.approx((0.3, 0.3))
    assert bootstrap([1.0]) is None
    assert bootstrap([]) is None


def test_the_same_seed_gives_the_same_interval_and_another_seed_nearly_the_same():
    values = np.random.default_rng(1).exponential(size=60)
    assert bootstrap(values, seed=3) == bootstrap(values, seed=3) != bootstrap(values, seed=4)
    assert bootstrap(values, seed=3) == pytest.approx(bootstrap(values, seed=4), abs=0.02)


def test_for_many_symmetric_values_it_is_the_textbook_interval():
    values = np.random.default_rng(2).normal(30, 4, 400)
    half = 1.96 * values.std(ddof=1) / 20
    assert bootstrap(values) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.05)


def test_weights_of_one_and_equal_weights_are_no_weights():
    values = np.random.default_rng(3).normal(size=30)
    assert bootstrap(values, np.full(30, 25.0)) == pytest.approx(bootstrap(values), abs=1e-12)


def test_95_percent_means_about_95_percent_even_for_skewed_values():
    rng = np.random.default_rng(4)
    intervals = [bootstrap(rng.exponential(size=40), resamples=400) for _ in range(150)]
    assert 0.87 < np.mean([low <= 1 <= high for low, high in intervals]) <= 1


# the jackknife


def test_leaving_out_one_clip_gives_the_textbook_error_of_a_mean():
    values = np.random.default_rng(5).normal(size=30)
    found = jackknife(lambda kept: values[kept].mean(), 30, groups=30)
    assert found.se == pytest.approx(values.std(ddof=1) / math.sqrt(30), rel=1e-12)
    assert found.bias == pytest.approx(0, abs=1e-12)
    half = stats.t.ppf(0.975, 29) * found.se
    assert found.ci95 == pytest.approx((found.value - half, found.value + half))


def test_it_finds_the_bias_of_the_plain_variance_exactly():
    values = np.random.default_rng(6).normal(size=25)
    found = jackknife(lambda kept: values[kept].var(), 25, groups=25)
    assert found.value - found.bias == pytest.approx(values.var(ddof=1), rel=1e-12)


def test_equal_groups_give_the_error_of_a_mean_of_group_means():
    values = np.random.default_rng(7).normal(size=60)
    seen = []
    found = jackknife(lambda kept: seen.append(kept) or values[kept].mean(), 60, groups=12, seed=1)
    left_out = [np.setdiff1d(np.arange(60), kept) for kept in seen[1:]]
    assert sorted(np.concatenate(left_out).tolist()) == list(range(60))
    means = np.array([values[part].mean() for part in left_out])
    assert found.se == pytest.approx(means.std(ddof=1) / math.sqrt(12), rel=1e-9)
    assert (found.groups, len(seen)) == (12, 13)


def test_groups_follow_the_seed_and_need_three_clips():
    values = np.random.default_rng(8).normal(size=50)
    errors = [jackknife(lambda kept: values[kept].mean(), 50, groups=5, seed=seed).se for seed in (0, 0, 1)]
    assert errors[0] == errors[1] != errors[2]
    assert jackknife(lambda kept: 0.0, 2) is None
    assert jackknife(lambda kept: float(len(kept)), 3).groups == 3


def test_its_error_is_the_spread_over_fresh_samples_and_the_bootstrap_of_a_distance_would_miss_the_value():
    rng = np.random.default_rng(9)
    made = [(rng.normal(size=(60, 30)), rng.normal(0.2, 1, (60, 30))) for _ in range(60)]
    spread = np.std([distance_of_means(x, y) for x, y in made])
    errors = [jackknife(lambda kept, x=x, y=y: distance_of_means(x[kept], y[kept]), 60).se for x, y in made]
    assert np.mean(errors) == pytest.approx(spread, rel=0.3)
    x, y = made[0]
    drawn = [distance_of_means(x[kept], y[kept]) for kept in rng.integers(0, 60, (200, 60))]
    assert np.quantile(drawn, 0.25) > distance_of_means(x, y)  # why no interval here comes from resampling


# halves: the floor


def test_the_floor_of_one_distribution_is_the_bias_at_that_size():
    x = np.random.default_rng(10).normal(size=(400, 50))
    found = halves(lambda a, b: distance_of_means(x[a], x[b]), 400, splits=20)
    assert found.value == pytest.approx(50 * 2 / 200, rel=0.15)
    assert found.low < found.value < found.high
    assert (found.n, found.splits) == (200, 20)


@pytest.mark.parametrize("n", [4, 7, 20])
def test_halves_are_equal_share_no_clip_and_follow_the_seed(n):
    seen = []
    found = halves(lambda a, b: seen.append((a, b)) or 1.0, n, splits=4, seed=2)
    assert (found.value, found.low, found.high, found.n) == (1.0, 1.0, 1.0, n // 2)
    for a, b in seen:
        assert len(a) == len(b) == n // 2
        assert len(set(a) | set(b)) == 2 * (n // 2)
        assert max(*a, *b) < n
    again = []
    halves(lambda a, b: again.append((a, b)) or 1.0, n, splits=4, seed=2)
    assert all((x == y).all() for one, two in zip(seen, again, strict=True) for x, y in zip(one, two, strict=True))
    assert len({tuple(a) for a, _ in seen}) > 1


def test_three_clips_have_no_halves():
    assert halves(lambda a, b: 0.0, 3) is None


# extrapolation


def test_a_distance_that_is_linear_in_one_over_n_extrapolates_exactly():
    found = extrapolate(lambda kept: 7 + 30 / len(kept), 40)
    assert (found.limit, found.slope, found.residual) == pytest.approx((7, 30, 0), abs=1e-9)


def test_the_limit_is_nearer_to_the_truth_than_the_value():
    rng = np.random.default_rng(11)
    x, y = rng.normal(size=(300, 40)), rng.normal(0.1, 1, (300, 40))
    found = extrapolate(lambda kept: distance_of_means(x[kept], y[kept]), 300)
    assert abs(found.limit - 0.4) < abs(distance_of_means(x, y) - 0.4)
    assert found.residual < 0.2


def test_it_looks_at_a_third_of_the_clips_to_all_of_them_and_needs_twelve():
    sizes = []
    extrapolate(lambda kept: sizes.append(len(set(kept))) or 1.0, 60)
    assert (min(sizes), max(sizes), len(sizes)) == (20, 60, 6)
    assert extrapolate(lambda kept: 0.0, 11) is None


def test_a_curve_that_is_no_line_shows_in_the_residual():
    assert extrapolate(lambda kept: 1000 / len(kept) ** 2, 30).residual > 0.05


# sample sizes


@pytest.mark.parametrize(
    ("metric", "n", "warns"),
    [("fid", 2047, True), ("fid", 2048, False), ("fvd", 255, True), ("fvd", 256, False), ("psnr", 1, False)],
)
def test_small_sets_are_warned_of(metric, n, warns):
    assert bool(small_sets(metric, n)) is warns
    assert not warns or (str(n) in small_sets(metric, n)[0] and "bias" in small_sets(metric, n)[0])


def test_tiny_values_have_an_interval_too():
    assert bootstrap([0.0, 3e-181]) == (0.0, 3e-181)
