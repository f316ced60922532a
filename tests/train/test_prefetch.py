import threading
import time
from contextlib import closing

import pytest

from tbd.train.prefetch import prefetch


def _count(n, seen=None, fail_at=None):
    def source():
        for i in range(n):
            if i == fail_at:
                raise ValueError(f"broken at {i}")
            if seen is not None:
                seen.append(i)
            yield i

    return source


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_items_come_in_order_source_after_source(threads):
    sizes = [3, 0, 7, 1, 30, 2]
    assert [list(items) for items in prefetch(map(_count, sizes), threads)] == [list(range(n)) for n in sizes]


def test_an_error_is_raised_where_its_item_would_be_and_the_next_source_is_read():
    first, second, third = [], [], []
    for items, into in zip(
        prefetch([_count(2), _count(5, fail_at=3), _count(2)], 2), (first, second, third), strict=True
    ):
        if into is second:
            with pytest.raises(ValueError, match="broken at 3"):
                into.extend(items)
            into.append("error")
        else:
            into.extend(items)
    assert (first, third) == ([0, 1], [0, 1])


def test_going_on_drops_what_is_left_and_closing_ends_every_thread():
    before = threading.active_count()
    with closing(prefetch([_count(10_000)] * 6, 2)) as sources:
        assert [next(items) for items, _ in zip(sources, range(3), strict=False)] == [0, 0, 0]
    assert threading.active_count() == before


def test_a_thread_pauses_when_it_is_far_ahead():
    seen = []
    with closing(prefetch([_count(1000, seen)], 1, hold=3)) as sources:
        items = next(sources)
        next(items)
        time.sleep(0.3)
        assert len(seen) <= 6
