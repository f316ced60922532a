"""The review page on a manifest of 20,000 flagged rows: a decision until the next card's text, and a bulk."""

import re
from html import unescape

import httpx
import numpy as np
import pytest
from review import large
from review_page import Site, served
from timing import wall_seconds

from tbd.annotate.gates import GATES

pytestmark = pytest.mark.bench


def test_the_next_card_is_there_in_six_times_a_static_file(tmp_path):
    site = Site(large(tmp_path / "m", rows=20_000, flagged=20_000), gates=GATES)
    with served(site.app) as address, httpx.Client(follow_redirects=True) as browser:
        origin = address.partition("/?")[0]
        browser.get(address)
        page = browser.get(f"{origin}/review")
        static = origin + re.search(r'href="(/static/review\.css[^"]*)"', page.text)[1]

        def decide():
            nonlocal page
            where = origin + unescape(re.search(r'action="(/decide[^"]*)"', page.text)[1])
            ticket = re.search(r'data-ticket="([^"]*)"', page.text)[1]
            clip = re.search(r'data-clip="([^"]*)"', page.text)[1]
            form = {"ticket": ticket, "clip": clip, "action": "accept"}
            page = browser.post(where, data=form, headers={"Origin": origin, "Prefer": "return=representation"})
            assert page.status_code == 200

        pairs = [(wall_seconds(decide), wall_seconds(lambda: browser.get(static))) for _ in range(100)]
        card, file = np.median(pairs, axis=0)
        session = next(iter(site.tabs._tabs.values())).popitem()[1].session
        told = []
        bulk = wall_seconds(lambda: session.decide_all("loop", "reject", "text", tell=lambda *far: told.append(far)))
        print(f"\ncard p50 {card * 1e3:.0f} ms, static file {file * 1e3:.0f} ms: {card / file:.1f} times; "
              f"bulk of {told[-1][1]:,} in {bulk:.1f} s, told {len(told)} times")  # fmt: skip
        assert card < 6 * file and len(told) > 10
