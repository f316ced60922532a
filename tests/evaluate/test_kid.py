"""KID: from sums over clips the same as from the features; torch-fidelity's subsets; its headline."""

import numpy as np
import pytest
import torch

from tbd.evaluate import kernel_distance
from tbd.evaluate.measures.feature_sets import Sets
from tbd.evaluate.metrics import fid, kid
from tbd.evaluate.metrics.base import ClipScore
from tbd.evaluate.metrics.kid import KID, METRICS, by_sums


def clips(count, seed, frames_each=12, width=10, shift=0.0):
    random = np.random.default_rng(seed)
    made = [random.normal(shift, 1, (frames_each + i % 3, width)).astype(np.float32) for i in range(count)]
    return [ClipScore(None, len(one), features=one) for one in made]


def stacked(side, chosen=None):
    return np.concatenate([side[i].features for i in (range(len(side)) if chosen is None else chosen)])


def test_it_shares_the_features_of_fid_under_the_same_protocol():
    assert [metric.shares for metric in METRICS] == [metric.shares for metric in fid.METRICS]
    assert [metric.protocol for metric in METRICS] == ["kid@pytorch-fid", "kid@torch-fidelity", "kid@clean"]
    assert METRICS[0].weights == fid.METRICS[0].weights


def test_the_headline_is_the_distance_between_all_frames():
    run, truth = clips(8, 0, shift=0.4), clips(8, 1)
    found = KID("pytorch-fid").aggregate(run, truth)
    assert found.value == pytest.approx(kernel_distance(stacked(run), stacked(truth)), rel=1e-10)
    assert (found.n, found.of, found.details["frames"]) == (8, 8, len(stacked(truth)))
    assert found.interval.startswith("jackknife over clips, 8 groups")
    assert found.ci95[0] < found.value < found.ci95[1]
    assert abs(found.details["floor"]["value"]) < found.value
    assert found.warnings == ()


def test_the_distance_of_some_clips_comes_from_sums_over_clips():
    run, truth = clips(6, 0, shift=0.4), clips(6, 1)
    distances = by_sums(Sets.of(run, truth))
    a, b = np.array([0, 2, 5]), np.array([1, 3, 4])
    assert distances.across(a, b) == pytest.approx(kernel_distance(stacked(run, a), stacked(truth, b)), rel=1e-9)
    assert distances.floor(a, b) == pytest.approx(kernel_distance(stacked(truth, a), stacked(truth, b)), rel=1e-9)


def test_equal_sets_are_not_far_from_zero_and_the_order_of_the_clips_does_not_matter():
    run, truth = clips(7, 0, shift=0.4), clips(7, 1)
    metric = KID("clean")
    assert metric.aggregate(truth, truth).value < 0  # without bias: nobody is compared with himself inside a set
    order = np.random.default_rng(0).permutation(7)
    shuffled = metric.aggregate([run[i] for i in order], [truth[i] for i in order])
    assert shuffled.value == pytest.approx(metric.aggregate(run, truth).value, rel=1e-10)


def test_only_clips_that_both_sides_have_count():
    run, truth = clips(6, 0), clips(6, 1)
    lost = ClipScore(None, 0, "missing")
    found = KID("pytorch-fid").aggregate([lost, *run[1:]], [*truth[:5], lost])
    assert found.value == pytest.approx(KID("pytorch-fid").aggregate(run[1:5], truth[1:5]).value, rel=1e-12)
    assert (found.n, found.of) == (4, 6)


def test_torch_fidelitys_protocol_is_that_programs_mean_over_subsets(monkeypatch):
    from torch_fidelity.defaults import DEFAULTS
    from torch_fidelity.metric_kid import kid_features_to_metric

    monkeypatch.setattr(kid, "SUBSETS", 8)
    assert (DEFAULTS["kid_subsets"], DEFAULTS["kid_subset_size"], DEFAULTS["rng_seed"]) == (100, kid.SUBSET, kid.SEED)
    run, truth = clips(30, 0, 40, 4, shift=0.2), clips(30, 1, 40, 4)
    theirs = kid_features_to_metric(
        torch.from_numpy(stacked(run)).double(),
        torch.from_numpy(stacked(truth)).double(),
        **DEFAULTS | {"verbose": False, "kid_subsets": 8},
    )
    found = KID("torch-fidelity").aggregate(run, truth)
    assert found.value == pytest.approx(theirs["kernel_inception_distance_mean"], rel=1e-9)
    assert found.details["std_over_subsets"] == pytest.approx(theirs["kernel_inception_distance_std"], rel=1e-9)


def test_torch_fidelitys_protocol_says_when_there_are_too_few_frames():
    found = KID("torch-fidelity").aggregate(clips(4, 0), clips(4, 1))
    assert found.value is None
    assert found.reason == "51 frames, and a subset has 1000: kid@pytorch-fid needs no subsets"


@pytest.mark.parametrize("protocol", ["pytorch-fid", "torch-fidelity"])
@pytest.mark.parametrize("side", [[], [ClipScore(None, 0, "no frames")], clips(1, 0, 1)])
def test_too_few_features_are_a_reason(protocol, side):
    found = KID(protocol).aggregate(side, side)
    assert found.value is None
    assert found.reason
