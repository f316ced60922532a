"""What a person does in an hour of reviewing and must not go wrong, in a real browser."""

import re
import subprocess
import sys

import pytest
from playwright.sync_api import expect
from review import WARN, chain, flagged, manifest, small
from review_browser import DESKTOP, PHONE, ZOOMED, card, chromium, eventually, status, visit
from review_cards import hard
from review_page import Site
from rows import PROMPTS

from tbd.annotate.gates import GATES, check
from tbd.manifest.reviews import ABOUT_CLIP, FILE, read_events
from tbd.review.session import ReviewSession

__all__ = ["chromium", "visit"]
INSIDE = """(selector) => { const box = document.querySelector(selector).getBoundingClientRect();
  return box.top >= 0 && box.left >= 0 && box.bottom <= innerHeight && box.right <= innerWidth; }"""
WHOLE = """() => [...document.querySelectorAll(".level .text")].every((text) => {
  const box = text.getBoundingClientRect(), dock = document.querySelector(".dock").getBoundingClientRect();
  const header = document.querySelector("header").getBoundingClientRect();
  return box.height > 0 && box.top >= header.bottom && box.bottom <= dock.top; })"""


def type_into(page, text="Mine. "):
    page.keyboard.press("e")
    expect(page.locator("main.editing textarea:focus")).to_have_count(1)
    page.keyboard.type(text)


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["1280x800", "390x844"])
def test_both_prompts_are_whole_in_the_fold_on_every_card_with_20_findings(visit, tmp_path, size):
    page = visit(Site(hard(tmp_path, clips=4), check=check, gates=GATES), size)
    for at in range(4):
        card(page, f"mead_M003_front_angry_3_{at:03}")
        assert page.evaluate(WHOLE), at
        page.keyboard.press("a")


@pytest.mark.parametrize("size", [DESKTOP, PHONE, ZOOMED], ids=["1280x800", "390x844", "200 %"])
def test_what_the_page_says_is_in_view_after_every_action(visit, tmp_path, size):
    page = visit(Site(hard(tmp_path, clips=6), check=check, gates=GATES), size)
    for keys, words in (
        ("a", "Accepted"), (" ", "Skipped"), ("xm", "Rejected"), ("u", "Took back"), ("U", "Made again"), ("1", "right"),
        ("1", "wrong"), ("b", "Bookmarked"), ("k", ""), ("uuuuuu", "nothing to take back"),
    ):  # fmt: skip
        for key in keys:
            page.keyboard.press(key)
            page.wait_for_timeout(60)
            eventually(page, "!busy")
        if words:
            status(page, words)
            assert page.evaluate(INSIDE, "#status"), keys


@pytest.mark.parametrize("door", ["link", "undo", "filter", "next", "back", "reload", "escape"])
def test_typed_text_is_lost_through_no_door_without_a_question(visit, tmp_path, door):
    site = Site(small(tmp_path / "m", 3), check=check)
    page = visit(site)
    page.keyboard.press("a")
    card(page, "clip_000")
    type_into(page)
    asked = []
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.dismiss()))
    if door == "link":
        page.locator(".who").click()
    elif door == "undo":
        page.get_by_role("button", name="Undo").click()
    elif door == "filter":
        page.locator("summary", has_text="Filter").click()
        page.get_by_role("button", name="Show", exact=True).click()
    elif door == "next":
        page.get_by_role("link", name="Next").click()
    elif door == "back":
        page.evaluate("history.back()")
    elif door == "reload":
        page.evaluate("location.reload()")
    else:
        page.keyboard.press("Escape")
        page.keyboard.press("Escape")
    page.wait_for_timeout(300)
    assert asked == ["beforeunload" if door == "reload" else "confirm"]
    card(page, "clip_000")
    assert "Mine. " in "".join(page.locator("textarea").nth(at).input_value() for at in range(4))
    page.keyboard.press("Control+Enter")
    card(page, "clip_002")
    assert site.events[-1].action == "edit"


def test_clips_that_were_left_out_stay_left_out_through_an_edit(visit, tmp_path):
    site = Site(chain(tmp_path / "m", 8), check=check)
    page = visit(site)
    page.keyboard.press("j")
    card(page, "mead_M003_front_happy_2_001")
    page.keyboard.press("s")
    for at in (2, 5):
        page.locator("[name=without]").nth(at).check()
    type_into(page, "So. ")
    page.keyboard.press("Control+Enter")
    expect(page.locator("main")).not_to_have_attribute("data-clip", "mead_M003_front_happy_2_001")
    edited = [event.clip_id[-3:] for event in site.events if event.action == "edit"]
    assert edited == ["001", "002", "004", "005", "007", "008"]


def test_two_tabs_of_one_reviewer_never_move_each_other(visit, tmp_path):
    site = Site(small(tmp_path / "m", 12))
    one = visit(site)
    other = one.context.new_page()
    other.goto(re.sub(r"tab=.*", "", one.url))
    expect(other.locator("html.js main.card")).to_be_visible()
    seen = []
    for _ in range(5):
        clips = [page.locator("main").get_attribute("data-clip") for page in (one, other)]
        assert clips[0] != clips[1]
        for page, clip in zip((one, other), clips, strict=True):
            page.keyboard.press("a")
            expect(page.locator("main")).not_to_have_attribute("data-clip", clip)
            seen.append(clip)
    assert [event.clip_id for event in site.events] == seen and len(set(seen)) == 10


def test_a_manifest_sealed_anew_beneath_an_open_card_is_told_at_once(visit, tmp_path):
    folder = manifest(tmp_path / "m", [flagged(f"clip_{at}", WARN) for at in range(3)])
    site = Site(folder, check=check)
    page = visit(site)
    page.keyboard.press("a")
    card(page, "clip_1")
    rows = [flagged(f"clip_{at}", WARN, prompts=[*PROMPTS[:3], "All is new."]) for at in range(3)]
    (folder / "journal.sqlite").unlink()
    manifest(folder, rows)
    page.keyboard.press("a")
    expect(page.locator("h1")).to_have_text("Changed meanwhile")
    expect(page.locator("main")).to_contain_text("All is new.")
    assert len(site.events) == 1
    page.keyboard.press("e")
    expect(page.locator("main.card")).to_be_visible()
    page.keyboard.press("x")
    page.keyboard.press("m")
    card(page, "clip_2")
    assert site.events[-1].reason in ABOUT_CLIP
    with ReviewSession(folder, "Ann") as ann:
        assert {clip: ann.card(clip).state for clip in ("clip_0", "clip_1")} == {"clip_0": "open", "clip_1": "rejected"}
    assert site.session.progress().gone == 1


SERVE = """
import sys
from pathlib import Path
from tbd.annotate.gates import GATES, check
from tbd.review.session import ReviewSession
from tbd.review.web.serve import serve_review
folder, port, token = Path(sys.argv[1]), int(sys.argv[2]), "the-token"
session = lambda name: ReviewSession(folder, name, check=check, gates=GATES)
serve_review(session, port=port, token=token, reviewers=["Ann"])
"""


def serving(folder, port):
    """A server in a process of its own, and its address."""
    process = subprocess.Popen([sys.executable, "-c", SERVE, folder, str(port)], stdout=subprocess.PIPE, text=True)
    return process, process.stdout.readline().strip()


def test_a_server_that_is_killed_while_somebody_edits_costs_no_letter_and_no_decision(chromium, tmp_path):
    folder = small(tmp_path / "m", 3)
    server, address = serving(folder, 0)
    try:
        page = chromium.new_context().new_page()
        page.goto(address, wait_until="networkidle")
        card(page, "clip_001")
        page.keyboard.press("a")
        card(page, "clip_000")
        type_into(page)
        server.kill()
        server.wait()
        page.keyboard.press("Control+Enter")
        status(page, "what you typed is still here")
        assert page.evaluate(INSIDE, "#status")
        assert "Mine. " in "".join(page.locator("textarea").nth(at).input_value() for at in range(4))
        server, _ = serving(folder, re.search(r":(\d+)/", address)[1])
        other = page.context.new_page()
        other.goto(address)  # the new server gives its own cookie
        card(other, "clip_000")  # the server that was killed holds nothing any more
        page.keyboard.press("Control+Enter")
        expect(page.locator("h1")).to_have_text("Changed meanwhile")
        page.keyboard.press("m")
        expect(page.locator("main")).not_to_have_attribute("data-clip", "clip_000")
        events = read_events(folder / FILE)
        assert [(event.clip_id, event.action) for event in events] == [("clip_001", "accept"), ("clip_000", "edit")]
        assert "Mine. " in " ".join(events[1].after)
    finally:
        server.kill()
        server.wait()


def test_enter_on_a_tick_ticks_and_decides_nothing(visit, tmp_path):
    site = Site(small(tmp_path / "m", 2))
    page = visit(site)
    tick = page.locator("[name=flags]").first
    tick.focus()
    page.keyboard.press("Enter")
    expect(tick).to_be_checked()
    card(page, "clip_001")
    assert site.events == []


def test_keys_count_by_their_place_on_layouts_of_other_scripts(visit, tmp_path):
    site = Site(small(tmp_path / "m", 2))
    page = visit(site)
    page.evaluate(
        "document.activeElement.dispatchEvent(new KeyboardEvent('keydown', {key: 'ф', code: 'KeyA', bubbles: true}))"
    )
    card(page, "clip_000")
    assert site.events[0].action == "accept"


def test_bulk_takes_only_what_the_flag_is_the_heaviest_of_and_asks_about_the_rest(visit, tmp_path):
    upscaled = {"code": "upscaled", "severity": 2, "message": "Small.", "where": "media"}
    worse = {"code": "loop", "severity": 3, "message": "Again.", "where": "scene"}
    rows = [flagged(f"clip_{at}", upscaled, *([worse] if at > 1 else [])) for at in range(4)]
    site = Site(manifest(tmp_path / "m", rows))
    page = visit(site)
    page.keyboard.press("A")
    page.locator(".panel[open] select").select_option("upscaled")
    page.get_by_role("button", name="Accept all of them").click()
    expect(page.locator("h1")).to_contain_text("2 clips with upscaled have more than that")
    assert sorted(event.clip_id for event in site.events) == ["clip_0", "clip_1"]
    page.keyboard.press("y")
    expect(page.locator("h1")).to_have_text("All 4 cards are decided")


def test_notes_search_bookmarks_and_ones_own_decisions(visit, tmp_path):
    folder = small(tmp_path / "m", 4)
    site = Site(folder)
    page = visit(site)
    page.keyboard.press("b")
    status(page, "Bookmarked")
    page.keyboard.press("n")
    page.keyboard.type("look at the lips")
    page.keyboard.press("Enter")
    page.keyboard.press("a")
    card(page, "clip_003")
    assert site.events[0].note == "look at the lips"
    page.goto(f"{page.url.split('?')[0]}?text=SMILE of clip_002")
    card(page, "clip_002")
    site.tabs.close()
    with ReviewSession(folder, "ANN", queue="decided", filters={"bookmark": "yes"}) as again:
        found = again.next()
        assert (found.clip_id, found.state, found.bookmarked) == ("clip_001", "accepted", True)
        again.decide(found, "reject", reason="label")
        assert again.next() is None


@pytest.mark.parametrize("address", ["/review", "//evil.example/%2e%2e"])
def test_the_pages_of_refusal_are_styled(visit, tmp_path, address):
    page = visit(Site(small(tmp_path / "m", 1)))
    page.context.clear_cookies()
    page.goto(re.sub(r"/review.*", "", page.url) + address)
    expect(page.locator("h1")).to_have_text("This page needs its token")
    eventually(page, "getComputedStyle(document.body).display === 'grid'")
