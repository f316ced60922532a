"""Reviewing MEAD: 281,400 rows, 20,000 of them flagged."""

import resource

import numpy as np
import pyarrow.parquet as pq
import pytest
from review import MEAD, large
from timing import wall_seconds

from tbd.review.session import ReviewSession

pytestmark = pytest.mark.bench


def test_the_next_card_comes_at_once(tmp_path):
    folder = large(tmp_path / "m")
    session = None

    def open_desk():
        nonlocal session
        session = ReviewSession(folder, "Ann")

    opening = wall_seconds(open_desk)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    naive = wall_seconds(lambda: pq.read_table(folder / "manifest.parquet").num_rows)  # read all of it for every card
    assert session.progress().total == 20_000

    def decide():
        nonlocal card
        session.decide(card, "accept")
        card = session.next()

    card = session.next()
    p50, p95 = np.quantile([wall_seconds(decide) for _ in range(500)], [0.5, 0.95])
    print(f"\n{MEAD} rows: open {opening:.1f} s; decide + next p50 {p50 * 1e3:.0f} ms, p95 {p95 * 1e3:.0f} ms; "
          f"reading the table {naive * 1e3:.0f} ms ({naive / p95:.0f} times as long); open at {peak:.2f} GB")  # fmt: skip
    assert p95 * 5 < naive
