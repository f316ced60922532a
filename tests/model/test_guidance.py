"""Progressive guidance against the paper's own algorithms, written out, and against worked numbers."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tbd.errors import UsageError
from tbd.model.guidance import blend, stage_weights, weights_for
from tbd.model.recipe import Guidance

TRAILING = 999 - 25 * torch.arange(40)
"""Forty DDIM steps."""
EVERY = torch.arange(1000)
DIRECTIONS = ("denoising", "timestep")
PARTNERS = ("next", "previous", "cyclic")


@pytest.mark.parametrize(
    ("direction", "step", "timestep", "coarse", "fine"),
    [
        ("denoising", 0, 999, 1, 0),
        ("denoising", 8, 799, 0.75, 0.25),
        ("denoising", 15, 624, 0.53125, 0.46875),
        ("denoising", 16, 599, 0, 1),
        ("denoising", 28, 299, 0.25, 0.75),
        ("denoising", 39, 24, 0.4791667, 0.5208333),
        ("timestep", 0, 999, 0.4991667, 0.5008333),
        ("timestep", 23, 424, 0.02, 0.98),
        ("timestep", 24, 399, 0.50125, 0.49875),
        ("timestep", 39, 24, 0.97, 0.03),
    ],
)
def test_forty_steps_have_the_weights_worked_out_by_hand(direction, step, timestep, coarse, fine):
    assert TRAILING[step] == timestep
    found = stage_weights(TRAILING[step : step + 1], direction=direction)
    assert found[0].tolist() == pytest.approx([coarse, fine], abs=1e-7)


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_over_a_trajectory_the_fine_prompt_has_a_little_more_than_half(direction):
    assert stage_weights(TRAILING, direction=direction)[:, 1].mean().item() == pytest.approx(0.55, abs=0.011)


def alpha(t, t_start, t_end):
    """Algorithm 1."""
    alpha_max, alpha_min = 1.0, 0.5
    return alpha_max - (alpha_max - alpha_min) * (t - t_start) / (t_end - t_start)


def algorithm_2(t, total=1000):
    """Algorithm 2 for one sample: the weights that it gives the coarse and the fine text at a time ``t``."""
    t_end = 0.4 * total
    if t < t_end:
        a = alpha(t, 0, t_end)
        return a, 1 - a
    a = alpha(t, t_end, total)
    return 1 - a, a


def test_algorithm_1_has_its_four_corners():
    assert (alpha(0, 0, 400), alpha(400, 0, 400), alpha(400, 400, 1000), alpha(1000, 400, 1000)) == (1, 0.5, 1, 0.5)


@pytest.mark.parametrize("partner", PARTNERS)
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_two_levels_are_the_papers_algorithms_at_every_timestep(direction, partner):
    found = stage_weights(EVERY, direction=direction, partner=partner)
    times = [999 - t if direction == "denoising" else t for t in range(1000)]
    expected = torch.tensor([algorithm_2(t) for t in times])
    assert torch.allclose(found, expected.float(), atol=1e-6)


SHARES = st.lists(st.integers(1, 20), min_size=1, max_size=4).map(lambda parts: [part / sum(parts) for part in parts])


@given(SHARES, st.sampled_from(DIRECTIONS), st.sampled_from(PARTNERS), st.sampled_from(["paper", "hard", "continuous"]))
def test_weights_are_shares_of_at_most_two_levels(fractions, direction, partner, schedule):
    found = stage_weights(EVERY, fractions=fractions, direction=direction, partner=partner, schedule=schedule)
    assert found.shape == (1000, len(fractions)) and found.dtype == torch.float32
    assert torch.allclose(found.sum(1), torch.ones(1000), atol=1e-6) and found.min() >= 0
    assert ((found > 0).sum(1) <= (1 if schedule == "hard" else 2)).all()


@given(SHARES, st.sampled_from(DIRECTIONS))
def test_every_level_leads_for_its_share_of_the_steps(fractions, direction):
    hard = stage_weights(EVERY, fractions=fractions, direction=direction, schedule="hard")
    assert (hard.mean(0) - torch.tensor(fractions)).abs().max() <= 1.001e-3
    leaders = hard.argmax(1) if direction == "timestep" else hard.argmax(1).flip(0)
    assert (leaders.diff() >= 0).all()  # global to local


@given(SHARES)
def test_the_continuous_schedule_has_no_jump(fractions):
    found = stage_weights(EVERY, fractions=fractions, schedule="continuous")
    assert found.diff(dim=0).abs().max() <= 1 / (1000 * min(fractions) - 1) + 1e-6  # a share is rounded to whole steps


def test_the_printed_schedule_jumps_by_a_half_at_the_boundary():
    jump = stage_weights(torch.tensor([600, 599]))
    assert (jump[1] - jump[0]).tolist() == pytest.approx([-0.5, 0.5], abs=2e-3)


def test_three_levels_take_the_rest_from_the_neighbour_that_was_asked_for():
    middle = torch.tensor([500])
    third = (1 / 3, 1 / 3, 1 / 3)
    rest = {partner: stage_weights(middle, fractions=third, partner=partner)[0] for partner in PARTNERS}
    assert rest["next"][2] > 0 == rest["next"][0]
    assert rest["previous"][0] > 0 == rest["previous"][2]
    last = torch.tensor([0])
    assert stage_weights(last, fractions=third, partner="next")[0, 1] > 0
    assert stage_weights(last, fractions=third, partner="cyclic")[0, 0] > 0


def test_blending_is_the_weighted_sum_of_every_token():
    texts = torch.randn(3, 2, 5, 7)
    weights = stage_weights(torch.tensor([999, 700, 100]))
    expected = sum(weights[:, i, None, None] * texts[:, i] for i in range(2))
    assert torch.allclose(blend(texts, weights), expected)
    assert torch.equal(blend(texts, weights)[0], texts[0, 0])  # pure noise hears the coarse text alone
    assert blend(texts.half(), weights).dtype == torch.float16


def test_a_recipe_without_guidance_has_one_level():
    assert weights_for(TRAILING, Guidance(schedule="none"), 1000).equal(torch.ones(40, 1))
    assert weights_for(TRAILING, Guidance(levels=3), 1000).shape == (40, 3)
    assert weights_for(TRAILING, Guidance(), 1000).equal(stage_weights(TRAILING))


def test_a_sampler_with_fewer_steps_hears_the_same_text_at_the_same_noise():
    assert stage_weights(TRAILING[::5]).equal(stage_weights(TRAILING)[::5])


@pytest.mark.parametrize("fractions", [(), (0.5, 0.6), (1.2, -0.2), (0.9999, 0.0001)])
def test_impossible_shares_raise(fractions):
    with pytest.raises(UsageError, match="fractions"):
        stage_weights(EVERY, fractions=fractions)


@pytest.mark.parametrize("timestep", [-1, 1000])
def test_a_timestep_out_of_range_raises(timestep):
    with pytest.raises(UsageError, match="outside"):
        stage_weights(torch.tensor([timestep]))
