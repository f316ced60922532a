from collections import Counter

import numpy as np
import pytest
import training
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, chisquare

from tbd.errors import UsageError
from tbd.train.sampling import clip_order, draw_sample

LONG = training.clip(frames=100, path="/nowhere")


def _clips(count, manifest="toy", **how):
    return [training.clip(i, manifest, path="/nowhere", **how) for i in range(count)]


def _within(count, total, share):
    """Whether a count of independent draws is one that chance gives in all but one of a million cases."""
    low, high = binom.interval(1 - 1e-6, total, share)
    return low <= count <= high


@settings(max_examples=40)
@given(st.integers(1, 30), st.integers(0, 200), st.integers(0, 200), st.sampled_from(["none", "level", "emotion"]))
def test_a_longer_run_begins_as_a_shorter_one(clips, short, more, balance):
    recipe, there = training.recipe({"data.balance": balance}), _clips(clips)
    assert clip_order(there, recipe, 1, short + more)[:short].tolist() == clip_order(there, recipe, 1, short).tolist()


def test_every_clip_is_seen_once_before_any_is_seen_again():
    found = clip_order([*_clips(7), *_clips(5, "other")], training.recipe(), 1, 60)
    rounds = found.reshape(5, 12)
    assert all(sorted(one) == list(range(12)) for one in rounds.tolist())
    assert len({tuple(one) for one in rounds.tolist()}) == 5


def test_seeds_and_stages_have_their_own_order():
    found = [clip_order(_clips(20), training.recipe(seed=seed), stage, 40) for seed in (0, 1) for stage in (1, 2)]
    assert len({tuple(one.tolist()) for one in found}) == 4


def test_manifests_are_mixed_by_their_shares_whatever_their_sizes():
    clips = [*_clips(300, "mead"), *_clips(3, "hdtf"), *_clips(30, "ours")]
    mix = {"mead": 5.0, "hdtf": 3.0, "ours": 2.0}
    seen = Counter(clips[i].manifest for i in clip_order(clips, training.recipe({"data.mix": mix}), 2, 5000).tolist())
    assert all(_within(seen[name], 5000, share / 10) for name, share in mix.items())


@pytest.mark.parametrize(("mix", "words"), [
    ({"mead": 1.0, "hdtf": 1.0, "x": 1.0}, "x is no manifest with clips here; there are hdtf, mead"),
    ({"mead": 1.0}, "hdtf has no share"),
    ({"mead": 1.0, "hdtf": 0.0}, "shares must be positive"),
])  # fmt: skip
def test_a_mix_that_does_not_fit_the_manifests_is_refused(mix, words):
    with pytest.raises(UsageError, match=words):
        clip_order([*_clips(2, "mead"), *_clips(2, "hdtf")], training.recipe({"data.mix": mix}), 1, 4)


@pytest.mark.parametrize("kind", ["level", "emotion"])
def test_balance_draws_every_kind_equally_often(kind):
    clips = [*_clips(40, emotion="anger", level=1), *_clips(2, emotion="fear", level=2),
             *_clips(9, "hdtf", emotion="neutral", level=None)]  # fmt: skip
    found = clip_order(clips, training.recipe({"data.balance": kind}), 1, 3000).tolist()
    seen = Counter(getattr(clips[i], kind) for i in found)
    assert len(seen) == 3 and all(_within(count, 3000, 1 / 3) for count in seen.values())


def test_balance_is_kept_within_each_share_of_a_mix():
    clips = [*_clips(9, "mead", level=1), *_clips(2, "mead", level=3), *_clips(5, "hdtf", level=None)]
    recipe = training.recipe({"data.balance": "level", "data.mix": {"mead": 1.0, "hdtf": 1.0}})
    seen = Counter(clips[i].level for i in clip_order(clips, recipe, 1, 4000).tolist())
    assert all(_within(seen[level], 4000, share) for level, share in {None: 0.5, 1: 0.25, 3: 0.25}.items())


def test_a_draw_follows_from_seed_stage_and_number_alone():
    recipe = training.recipe()
    first = [draw_sample(n, 0, LONG, recipe, 1) for n in range(50)]
    np.random.seed(1)
    assert [draw_sample(n, 0, LONG, recipe, 1) for n in reversed(range(50))][::-1] == first
    others = [draw_sample(n, 0, LONG, training.recipe(seed=1), 1) for n in range(50)]
    others += [draw_sample(n, 0, LONG, recipe, 2) for n in range(50)]
    assert len({one.noise_seed for one in (*first, *others)}) == 150


def test_no_two_streams_of_chance_are_the_same():
    recipe = training.recipe()
    picks = {
        draw_sample(n, 0, LONG, recipe, stage).noise_seed for n in (0, 1, 2**32, 2**40, 2**40 + 1) for stage in (1, 2)
    }
    assert len(picks) == 10
    two = [*_clips(50, "a"), *_clips(50, "b")]
    mixed = clip_order(two, training.recipe({"data.mix": {"a": 1.0, "b": 1.0}}), 1, 100)
    alone = clip_order(_clips(50, "a"), training.recipe(), 1, 100)
    ones = mixed[mixed < 50]
    assert ones.tolist() == alone[: len(ones)].tolist()  # which manifest comes next does not disturb its own order


def test_timesteps_are_uniform_and_chances_as_the_recipe_says():
    chances = {"reference": 0.05, "text": 0.1, "audio": 0.2, "everything": 0.15, "motion": 0.25}
    recipe = training.recipe(drop=chances)
    draws = [draw_sample(n, 0, LONG, recipe, 2) for n in range(4000)]
    assert chisquare(np.bincount([one.timestep * 10 // 1000 for one in draws], minlength=10)).pvalue > 1e-6
    assert {one.timestep for one in draws} <= set(range(1000))
    for name in ("reference", "text", "audio"):
        kept = sum(getattr(one, f"keep_{name}") for one in draws)
        assert _within(kept, 4000, (1 - chances["everything"]) * (1 - chances[name]))
    assert _within(sum(one.keep_motion for one in draws), 4000, 1 - chances["motion"])
    none = sum(not (one.keep_reference or one.keep_text or one.keep_audio) for one in draws)
    assert _within(none, 4000, 0.15 + 0.85 * 0.05 * 0.1 * 0.2)


def test_nothing_is_left_out_where_the_recipe_says_so():
    never = training.recipe(drop=dict.fromkeys(("reference", "text", "audio", "everything", "motion"), 0.0))
    always = training.recipe(drop=dict.fromkeys(("reference", "text", "audio", "everything", "motion"), 1.0))
    for n in range(100):
        kept, dropped = draw_sample(n, 0, LONG, never, 2), draw_sample(n, 0, LONG, always, 2)
        assert kept.keep_reference and kept.keep_text and kept.keep_audio and kept.keep_motion
        assert not (dropped.keep_reference or dropped.keep_text or dropped.keep_audio or dropped.keep_motion)


@settings(max_examples=150)
@given(st.integers(2, 90), st.integers(0, 60), st.integers(0, 10_000))
def test_the_reference_of_stage_1_is_as_far_away_as_asked_or_as_the_clip_allows(frames, apart, sample):
    found = draw_sample(
        sample, 0, training.clip(frames=frames, path="/nowhere"), training.recipe({"data.apart": apart}), 1
    )
    assert 0 <= found.start < frames and 0 <= found.reference < frames
    farthest = max(found.start, frames - 1 - found.start)
    assert abs(found.start - found.reference) >= min(apart, farthest)


def test_every_frame_can_be_target_and_reference():
    clip = training.clip(frames=12, path="/nowhere")
    draws = [draw_sample(n, 0, clip, training.recipe({"data.apart": 3}), 1) for n in range(600)]
    assert {one.start for one in draws} == {one.reference for one in draws} == set(range(12))


@settings(max_examples=150)
@given(st.integers(1, 20), st.integers(0, 40), st.integers(0, 8), st.integers(0, 10_000))
def test_stage_2_fits_the_clip_and_leaves_room_for_earlier_frames_where_it_can(frames, more, earlier, sample):
    clip = training.clip(frames=frames + more, path="/nowhere")
    recipe = training.recipe({"stage2.frames": frames, "model.network.motion_frames": earlier})
    found = draw_sample(sample, 0, clip, recipe, 2)
    assert min(earlier, more) <= found.start <= more
    assert 0 <= found.reference < clip.frames
