"""What a card costs in keys, on 36 drawn clips whose prompts are as long as those of the paper's Fig. 4."""

import pytest
from playwright.sync_api import expect
from review_browser import DESKTOP, PHONE, chromium, visit
from review_page import Site

from tbd.annotate.gates import GATES, check
from tbd.manifest import read_manifest
from tbd.review.session import ReviewSession

__all__ = ["chromium", "visit"]
WHOLE = """() => [...document.querySelectorAll(".level .text")].every((text) => {
  const box = text.getBoundingClientRect(), dock = document.querySelector(".dock").getBoundingClientRect();
  const header = document.querySelector("header").getBoundingClientRect();
  return box.height > 0 && box.top >= header.bottom && box.bottom <= dock.top && box.right <= innerWidth; })"""
CLIPS = 36
pytestmark = pytest.mark.xdist_group("figure")


def test_a_card_has_thirteen_findings_or_more_in_the_median(figure):
    with ReviewSession(figure, "Ann", check=check, gates=GATES) as ann:
        counts = sorted(
            len(ann.card(clip).findings) for clip in read_manifest(figure, ["clip_id"])["clip_id"].to_pylist()
        )
    assert len(counts) == CLIPS and counts[CLIPS // 2] >= 13


class Keys:
    """A keyboard that counts."""

    def __init__(self, page):
        self.page, self.count = page, 0

    def press(self, *keys):
        for key in keys:
            self.page.keyboard.press(key)
            self.count += 1


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["1280x800", "390x844"])
def test_on_the_page_both_prompts_are_in_view_and_a_decision_takes_one_key_or_two(visit, figure_copy, size):
    site = Site(figure_copy, check=check, gates=GATES)
    page, seen = visit(site, size), set()
    keys = Keys(page)
    main = page.locator("main.card")
    for _ in range(CLIPS - 2):
        clip = main.get_attribute("data-clip")
        seen.add(clip)
        assert page.evaluate(WHOLE), clip  # nothing was scrolled
        keys.press("a")
        expect(main).not_to_have_attribute("data-clip", clip)
    assert keys.count == CLIPS - 2 == len(seen)
    clip = main.get_attribute("data-clip")
    keys.press("x", "m")
    expect(main).not_to_have_attribute("data-clip", clip)
    assert keys.count == CLIPS
    keys.press("e")
    page.keyboard.type("Now ")
    keys.press("Control+Enter")
    expect(page.locator("main.done")).to_be_visible()
    assert keys.count == CLIPS + 2
    edit = site.events[-1]
    assert edit.action == "edit" and any(text.startswith("Now ") for text in edit.after)
