"""The design is balanced: no system gains from its place."""

import itertools
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from tbd.evaluate.study.design import CHECK, latin_square, orders


@given(st.integers(1, 12))
def test_latin_square(n):
    square = latin_square(n)
    for lines in (square, list(zip(*square, strict=True))):
        assert all(sorted(line) == list(range(n)) for line in lines)
    if n % 2 == 0:
        followed = Counter(pair for line in square for pair in itertools.pairwise(line))
        assert set(followed.values()) <= {1}


@settings(max_examples=60)
@given(st.integers(1, 8), st.integers(1, 5), st.integers(1, 7), st.integers(0, 3), st.integers(0, 5))
def test_everybody_rates_everything_once(clips, systems, raters, checks, seed):
    every = {(clip, system) for clip in range(clips) for system in range(systems)}
    found = orders(clips, systems, raters, checks, seed)
    assert len(found) == raters
    for order in found:
        rated = [item for item in order if item[1] != CHECK]
        assert sorted(rated) == sorted(every)
        assert sorted(number for number, system in order if system == CHECK) == list(range(checks))
        assert order[0][1] != CHECK
        for start in range(0, len(rated), clips):
            assert {clip for clip, _ in rated[start : start + clips]} == set(range(clips))
        if clips > 1:
            assert all(one[0] != two[0] for one, two in itertools.pairwise(rated))


def test_each_system_shows_each_clip_in_each_pass_equally_often():
    found = orders(10, 4, 8, 0)
    places = Counter((system, clip, at // 10) for order in found for at, (clip, system) in enumerate(order))
    assert set(places.values()) == {2}


def test_orders_differ_between_raters_and_repeat_by_seed():
    assert orders(10, 3, 10, 2, 1) == orders(10, 3, 10, 2, 1) != orders(10, 3, 10, 2, 2)
    assert len(set(map(tuple, orders(10, 3, 10, 2)))) == 10
