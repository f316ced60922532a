"""Every page of the review as axe-core sees it: no violation of any rule, in light and dark, wide and narrow."""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect
from review import WARN, chain, flagged, manifest, small
from review_browser import DESKTOP, PHONE, chromium, visit
from review_cards import hard
from review_page import Site

from tbd.annotate.gates import GATES, check
from tbd.review.session import ReviewSession

__all__ = ["chromium", "visit"]


def violations(page):
    """What axe finds, in words."""
    found = Axe().run(page).response["violations"]
    return [(one["id"], [node["html"][:120] for node in one["nodes"]]) for one in found]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["1280x800", "390x844"])
def test_a_card_its_panels_its_edit_and_the_end(visit, tmp_path, size, scheme):
    page = visit(Site(hard(tmp_path, clips=1), check=check, gates=GATES), size, color_scheme=scheme)
    assert violations(page) == []
    for key in "fAX?xn":
        page.keyboard.press(key)
        expect(page.locator(".panel[open]")).to_have_count(1)
        assert violations(page) == [], key
        page.keyboard.press("Escape")
    page.keyboard.press("m")
    page.keyboard.press("Escape")
    page.keyboard.press("e")
    page.keyboard.type("So. ")
    expect(page.locator(".diff ins").first).to_be_visible()
    assert violations(page) == []
    page.keyboard.press("Control+Enter")
    expect(page.locator("main.done")).to_be_visible()
    assert violations(page) == []


def test_a_chain_of_many_clips_and_what_changed_meanwhile(visit, tmp_path):
    site = Site(chain(tmp_path / "m", 28), check=check, gates=GATES)
    page = visit(site)
    page.keyboard.press("j")
    expect(page.locator("main")).to_have_attribute("data-clip", re.compile("happy"))
    page.keyboard.press("s")
    assert violations(page) == []
    with ReviewSession(site.folder, "Bob") as bob:
        bob.decide(bob.card("mead_M003_front_happy_2_001"), "edit", prompts=["One.", "Two.", "Three.", "Four."])
    page.keyboard.press("a")
    expect(page.locator("main.stale")).to_be_visible()
    assert violations(page) == []


def test_the_question_about_heavier_flags(visit, tmp_path):
    worse = {"code": "loop", "severity": 3, "message": "Again.", "where": "scene"}
    page = visit(Site(manifest(tmp_path / "m", [flagged(f"c{at}", WARN, *[worse] * (at > 1)) for at in range(4)])))
    page.keyboard.press("A")
    page.get_by_label("flag").last.page.locator(".panel[open] select").first.select_option("emotion_mismatch")
    page.locator(".panel[open] button").press("Enter")
    expect(page.locator("h1")).to_contain_text("have more than that")
    assert violations(page) == []


def test_ones_own_decisions_and_a_blind_audit(visit, tmp_path):
    folder = small(tmp_path / "m", 4)
    with ReviewSession(folder, "Ann") as ann:
        ann.decide(ann.next(), "accept", note="look at the lips")
    assert violations(visit(Site(folder, queue="decided"))) == []
    clean = manifest(tmp_path / "clean", [flagged("c")], run={"recipe": {"gates": {"audit": 1.0}}})
    assert violations(visit(Site(clean, queue="audit", gates=GATES))) == []


def test_the_name_and_the_pages_of_refusal(visit, tmp_path):
    site = Site(small(tmp_path / "m", 1), reviewer="")
    page = visit(site, name="Ann")
    for path in ("/name", "/nowhere", "/review?tab=1&clip=nobody"):
        page.goto(re.sub(r"/review.*", "", page.url) + path)
        assert violations(page) == [], path
    page.context.clear_cookies()
    page.goto(re.sub(r"/[^/]*$", "", page.url) + "/review")
    expect(page.locator("h1")).to_have_text("This page needs its token")
    assert violations(page) == []
