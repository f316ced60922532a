import pytest
from hypothesis import given
from hypothesis import strategies as st

from tbd.generate.guidance_scales import GuidanceScales

NOTHING, ALL = frozenset(), frozenset({"picture", "text", "audio"})
scales = st.floats(0, 12, allow_nan=False)


@given(picture=scales, text=scales, audio=scales)
def test_the_counts_are_the_formulas(picture, text, audio):
    found = GuidanceScales(picture, text, audio).branches(0.5)
    answers = {NOTHING: 1.7, frozenset({"picture"}): -0.4, frozenset({"picture", "text"}): 2.9, ALL: 0.3}
    e0, ep, ept, e = answers.values()
    wanted = e0 + picture * (ep - e0) + text * (ept - ep) + audio * (e - ept)
    assert sum(count * answers[branch] for branch, count in found.items()) == pytest.approx(wanted, abs=1e-9)
    assert sum(found.values()) == pytest.approx(1)


def test_the_network_is_asked_no_oftener_than_needed():
    assert GuidanceScales(3.5, 3.5, 3.5).branches(0.2) == {NOTHING: -2.5, ALL: 3.5}
    assert GuidanceScales(1, 1, 1).branches(0.2) == {ALL: 1.0}
    assert len(GuidanceScales(2, 3, 3).branches(0.2)) == 3


def test_outside_the_interval_conditions_are_followed_as_trained():
    limited = GuidanceScales(interval=(0.2, 0.6))
    assert [len(limited.branches(progress)) for progress in (0.0, 0.2, 0.59, 0.6, 1.0)] == [1, 2, 2, 1, 1]
