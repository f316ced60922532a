import pytest
from hypothesis import given
from hypothesis import strategies as st

from tbd.errors import UsageError
from tbd.generate.windows import MODES, padded_length, section_windows


@given(
    mode=st.sampled_from(MODES), frames=st.integers(2, 16), more=st.integers(0, 60), step=st.integers(0, 50),
    overlap=st.integers(0, 8),
)  # fmt: skip
def test_every_frame_comes_from_exactly_one_window_that_holds_it(mode, frames, more, step, overlap):
    total = frames + more
    windows = section_windows(mode, total, frames, step, min(overlap, frames - 1))
    answered = [frame for window in windows for frame in range(window.first, window.last)]
    assert answered == list(range(total))
    for window in windows:
        assert 0 <= window.start <= window.first < window.last <= window.start + frames <= total


def test_windows_that_follow_each_other():
    assert [(w.start, w.first, w.last) for w in section_windows("autoregressive", 28, 14)] == [(0, 0, 14), (14, 14, 28)]


def test_an_overlapped_frame_is_taken_where_it_lies_deeper():
    first, second = section_windows("overlap", 24, 14, overlap=4)
    assert (first.start, second.start) == (0, 10) and first.last == second.first == 12


def test_borders_move_at_every_step():
    borders = {tuple(w.last for w in section_windows("shift", 56, 14, step, 3))[:-1] for step in range(14)}
    assert len(borders) == 14


@pytest.mark.parametrize(("total", "padded"), [(1, 14), (14, 14), (15, 28), (0, 14)])
def test_whole_windows_are_computed(total, padded):
    assert padded_length(total, 14) == padded


def test_an_overlap_as_long_as_a_window_is_refused():
    with pytest.raises(UsageError, match="cannot overlap"):
        section_windows("overlap", 28, 14, overlap=14)
