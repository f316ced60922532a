"""The review page in a real browser: Debian's Chromium, headless, driven by the keyboard alone."""

import pytest
from media import tone, video
from playwright.sync_api import Route, expect
from review import FAIL, WARN, chain, flagged, manifest, meanings, small
from review_browser import (
    DESKTOP,
    FOCUSED,
    LONG,
    PHONE,
    ZOOMED,
    card,
    chromium,
    contrast,
    eventually,
    nothing_is_cut_off,
    status,
    visit,
)
from review_page import Site

from tbd.annotate.gates import GATES, check
from tbd.manifest import read_manifest
from tbd.media.strip import draw_strip
from tbd.review.session import ReviewSession
from tbd.review.web import media

__all__ = ["chromium", "visit"]


def test_a_key_pressed_while_a_card_is_saved_decides_nothing_and_says_so(visit, tmp_path):
    site = Site(small(tmp_path / "m", 7), check=check)
    held = []
    page = visit(site, routes={"**/decide*": lambda route: held.append(route)})
    card(page, "clip_001")
    page.keyboard.press("a")
    page.keyboard.press("a")
    status(page, "The last one is still being saved; press again when the next is here.")
    while not held:
        page.wait_for_timeout(25)
    assert len(held) == 1
    held[0].continue_()
    card(page, "clip_003")
    status(page, "Accepted clip_001.")
    site.tabs.close()


def test_a_whole_queue_is_cleared_by_keyboard_alone(visit, tmp_path):
    site = Site(small(tmp_path / "m", 7), check=check)
    page = visit(site)
    card(page, "clip_001")
    page.keyboard.press("a")
    card(page, "clip_003")
    status(page, "Accepted clip_001.")
    page.keyboard.press("x")
    page.keyboard.press("m")
    card(page, "clip_005")
    page.keyboard.press("r")
    card(page, "clip_000")
    page.keyboard.press(" ")
    card(page, "clip_002")
    page.keyboard.press("e")
    expect(page.locator("textarea").nth(1)).to_be_focused()  # where the first finding is
    page.keyboard.press("Control+a")
    page.keyboard.type("A man is speaking with a happy emotion.")
    page.keyboard.press("Control+Enter")
    card(page, "clip_004")
    page.keyboard.press("a")
    card(page, "clip_006")
    page.keyboard.press("a")
    expect(page.locator("h1")).to_have_text("No card is left for you now")
    page.keyboard.press("j")
    card(page, "clip_000")
    page.keyboard.press("a")
    expect(page.locator("h1")).to_have_text("All 7 cards are decided")
    site.tabs.close()
    rows = {row["clip_id"]: row for row in read_manifest(site.folder).to_pylist()}
    assert [rows[f"clip_00{at}"]["review_status"] for at in range(7)] == [
        "accepted", "accepted", "edited", "rejected", "accepted", "rejected", "accepted",
    ]  # fmt: skip
    assert rows["clip_002"]["prompts_final"][1] == "A man is speaking with a happy emotion."


def test_typing_counts_tokens_and_runs_the_gates_and_leaving_asks_first(visit, tmp_path):
    site = Site(small(tmp_path / "m", 1), check=check)
    page = visit(site)
    page.keyboard.press("e")
    page.locator("textarea").first.focus()
    page.keyboard.type(" word" * 30)
    expect(page.locator(".group .count").first).to_contain_text("8 too many")
    expect(page.locator(".diff ins").first).to_contain_text("word word")
    page.keyboard.press("Escape")
    page.keyboard.press("a")
    status(page, "You changed the text")
    assert site.events == []
    page.once("dialog", lambda dialog: dialog.accept())
    page.keyboard.press("Escape")
    expect(page.locator("main.editing")).to_have_count(0)
    expect(page.locator("h1")).to_be_focused()


def test_undo_and_moving_and_the_browsers_own_way_back(visit, tmp_path):
    page = visit(Site(small(tmp_path / "m", 3)))
    card(page, "clip_001")
    page.keyboard.press("a")
    card(page, "clip_000")
    page.keyboard.press("u")
    card(page, "clip_001")
    status(page, "Took back: accepted clip_001.")
    page.keyboard.press("j")
    card(page, "clip_000")
    page.keyboard.press("k")
    card(page, "clip_001")
    page.go_back()
    card(page, "clip_000")
    page.reload()
    card(page, "clip_000")


def test_filter_and_bulk_by_keyboard_and_one_undo(visit, tmp_path):
    site = Site(small(tmp_path / "m", 6))
    page = visit(site)
    page.keyboard.press("f")
    expect(page.get_by_label("flag").first).to_be_focused()
    page.keyboard.press("e")  # chooses emotion_mismatch in the list; it edits nothing
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Show", exact=True).press("Enter")
    card(page, "clip_000")
    assert "flag=emotion_mismatch" in page.url
    page.keyboard.press("A")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("All 3 cards are decided")
    assert len(site.events) == 3
    page.keyboard.press("u")
    card(page, "clip_000")
    status(page, "Took back: accepted 3 clips.")


def test_a_held_key_decides_one_card(visit, tmp_path):
    site = Site(small(tmp_path / "m", 5))
    page = visit(site)
    for _ in range(4):
        page.keyboard.down("a")  # Playwright repeats a key that is down
    card(page, "clip_003")
    page.keyboard.up("a")
    assert len(site.events) == 1


def test_a_stale_edit_shows_the_difference_and_the_choice(visit, tmp_path):
    site = Site(small(tmp_path / "m", 2))
    page = visit(site)
    page.keyboard.press("e")
    page.locator("textarea").first.focus()
    with ReviewSession(site.folder, "Bob") as bob:
        bob.decide(bob.card("clip_001"), "edit", prompts=["Bob's.", "Bob's.", "Bob's.", "Bob's."])
    page.keyboard.press("Control+a")
    page.keyboard.type("Mine & <b>mine</b>.")
    page.keyboard.press("Control+Enter")
    expect(page.locator("h1")).to_have_text("Changed meanwhile")
    expect(page.locator("main")).to_contain_text("Mine & <b>mine</b>.")
    assert len(site.events) == 1
    nothing_is_cut_off(page)
    page.keyboard.press("m")
    card(page, "clip_000")
    assert [event.after[0] for event in site.events] == ["Bob's.", "Mine & <b>mine</b>."]


def test_two_browsers_at_once_never_share_a_card(visit, tmp_path):
    site = Site(small(tmp_path / "m", 6), reviewer="")
    ann, bob = visit(site, name="Ann"), visit(site, name="Böb <b>")
    for _ in range(3):
        clips = [page.locator("main").get_attribute("data-clip") for page in (ann, bob)]
        assert clips[0] != clips[1]
        for page, clip in zip((ann, bob), clips, strict=True):
            page.keyboard.press("a")
            expect(page.locator("main")).not_to_have_attribute("data-clip", clip)
    assert len({event.clip_id for event in site.events}) == len(site.events) == 6
    assert {event.reviewer for event in site.events} == {"Ann", "Böb <b>"}


def test_when_the_server_is_gone_the_page_says_that_nothing_was_saved(visit, tmp_path):
    answers = iter([Route.abort, Route.continue_])
    page = visit(Site(small(tmp_path / "m", 2)), routes={"**/decide*": lambda route: next(answers)(route)})
    page.keyboard.press("a")
    status(page, "nothing was saved")
    card(page, "clip_001")
    page.keyboard.press("a")
    card(page, "clip_000")


def test_the_strip_of_the_next_card_is_fetched_while_this_one_is_open(visit, tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(
        media, "draw_strip", lambda clip, columns: drawn.append(clip.path.name) or draw_strip(clip, columns)
    )
    for at in range(2):
        video(tmp_path / f"{at}.mp4", frames=16, size=(96, 96))
    rows = [flagged(f"clip_{at}", WARN, file_name=f"{at}.mp4", crop_box=None) for at in range(2)]
    page = visit(Site(manifest(tmp_path / "m", rows), roots={"mead": tmp_path}))
    card(page, "clip_0")
    eventually(page, "document.querySelector('.strip img').naturalWidth === 384")
    for _ in range(200):
        page.wait_for_timeout(25)
        if len(drawn) == 2:
            break
    assert drawn == ["0.mp4", "1.mp4"]
    page.keyboard.press("a")
    card(page, "clip_1")
    eventually(page, "document.querySelector('.strip img').naturalWidth === 384")
    assert drawn == ["0.mp4", "1.mp4"]


def test_the_video_plays_steps_and_stays_in_its_window(visit, tmp_path):
    video(tmp_path / "a.webm", frames=50, size=(96, 96), codec="libvpx", audio=None)
    rows = [flagged("clip_0", WARN, file_name="a.webm", crop_box=None, start=0.4, end=1.2, fps=25.0)]
    page = visit(Site(manifest(tmp_path / "m", rows), roots={"mead": tmp_path}))
    expect(page.locator("video")).not_to_be_visible()
    now = "document.querySelector('video').currentTime"
    page.keyboard.press("p")
    expect(page.locator("video")).to_be_visible()
    eventually(page, f"{now} > 0.45")
    for _ in range(30):  # it loops in its window
        page.wait_for_timeout(50)
        assert 0.3 < page.evaluate(now) < 1.6 and not page.evaluate("document.querySelector('video').paused")
    eventually(page, f"{now} > 0.55 && {now} < 1.0")  # away from its edges, where a step back goes to the start
    page.keyboard.press(",")
    stopped = page.evaluate(now)
    page.keyboard.press(",")
    assert page.evaluate(now) == pytest.approx(stopped - 0.04, abs=0.01)
    page.keyboard.press(".")
    assert page.evaluate(now) == pytest.approx(stopped, abs=0.01)


def test_a_file_that_the_browser_cannot_play_is_explained(visit, tmp_path):
    video(tmp_path / "a.mp4", frames=8, size=(96, 96), codec="mpeg4", audio=tone(0.3))
    (tmp_path / "b.mp4").write_bytes(b"nothing")
    rows = [flagged(f"clip_{name}", WARN, file_name=f"{name}.mp4", crop_box=None) for name in "ab"]
    page = visit(Site(manifest(tmp_path / "m", rows), roots={"mead": tmp_path}))
    page.keyboard.press("p")
    expect(page.locator(".player .missing")).to_be_visible()
    expect(page.locator(".strip img")).to_be_visible()
    page.keyboard.press("j")
    expect(page.locator(".media > .missing")).to_contain_text("cannot be shown: b.mp4")


def rich(folder):
    """A card that shows everything: long texts and words, findings of each severity, many clips."""
    flags = [FAIL | {"where": "dynamics", "quote": "grows", "message": LONG}, WARN | {"quote": "Moderate"}]
    more = {"step_outputs": [f'{{"appearance": "{LONG}"}}', "word" * 60, LONG, LONG], "subject": "M003_" + "x" * 60}
    return chain(folder, 28, prompts=[LONG, "Moderate", "x" * 150, f"It grows. {LONG}"], **more) and manifest(
        folder / "m",
        [
            flagged(
                f"clip_{'y' * 60}_{at}",
                *flags,
                chain_id="c",
                prompts=[LONG, "Moderate", "x" * 150, LONG + "grows"],
                **more,
            )
            for at in range(30)
        ],
    )


@pytest.mark.parametrize("size", [DESKTOP, PHONE, ZOOMED, (320, 640)], ids=["desktop", "phone", "zoom 200 %", "narrow"])
def test_nothing_is_cut_off(visit, tmp_path, size):
    page = visit(Site(rich(tmp_path), check=check), size)
    nothing_is_cut_off(page)
    for key in "fAX?":
        page.keyboard.press(key)
        expect(page.locator(".panel[open]")).to_have_count(1)
        nothing_is_cut_off(page)
        page.keyboard.press("Escape")
    for key in "xs":
        page.keyboard.press(key)
        nothing_is_cut_off(page)
        page.keyboard.press("Escape")
    page.keyboard.press("e")
    expect(page.locator(".group .count").first).to_contain_text("too many")
    nothing_is_cut_off(page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_is_readable_in_light_and_dark(visit, tmp_path, scheme):
    page = visit(Site(rich(tmp_path)), color_scheme=scheme)
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")
    assert (min(ground) > 200) == (scheme == "light")
    for selector in (
        "h1",
        ".text",
        ".quiet",
        ".findings .error b",
        ".findings .warning b",
        "mark",
        ".accept",
        "h3",
        ".count",
        "nav a",
    ):
        assert contrast(page, selector) >= 4.5, selector


def test_a_screen_reader_finds_landmarks_names_and_news(visit, tmp_path):
    page = visit(Site(rich(tmp_path)))
    for role in ("banner", "main", "navigation", "status"):
        expect(page.get_by_role(role)).to_have_count(1)
    assert page.evaluate("document.documentElement.lang") == "en"
    expect(page.locator("h1")).to_be_focused()
    nameless = page.evaluate(
        """() => [...document.querySelectorAll("button, a, input:not([type=hidden]), select, textarea, img, video, summary")]
            .filter((e) => !(e.textContent.trim() || e.alt || e.ariaLabel || e.labels?.length)).map((e) => e.outerHTML)"""
    )
    assert nameless == []
    described = page.evaluate(
        "[...document.querySelectorAll('[aria-describedby]')].every((e) => document.getElementById(e.getAttribute('aria-describedby')))"
    )
    assert described


def test_tab_reaches_every_control_in_the_order_of_the_page(visit, tmp_path):
    page = visit(Site(small(tmp_path / "m", 1)))
    page.locator(".jump").focus()
    reached = ["To the card"]
    while reached[-1] and len(reached) < 60:
        page.keyboard.press("Tab")
        reached.append(page.evaluate(FOCUSED))
    wanted = [
        "To the card",
        "tbd review",
        "f Filter",
        "? Help",
        "u Undo",
        "Ann",
        "a Accept",
        "e Edit",
        "x Reject…",
        "j Next",
    ]
    assert [name for name in reached if name in wanted] == wanted


def test_single_keys_can_be_turned_off(visit, tmp_path):
    site = Site(small(tmp_path / "m", 2))
    page = visit(site)
    page.keyboard.press("?")
    page.get_by_label("single keys are on").uncheck()
    page.keyboard.press("Escape")
    page.keyboard.press("a")
    page.get_by_role("button", name="Skip").click()
    card(page, "clip_000")
    assert [event.action for event in site.events] == ["skip"]


def test_missing_flags_are_named_by_keyboard(visit, tmp_path):
    codes = {code: gate.meaning for code, gate in GATES.items()}
    site = Site(small(tmp_path / "m", 3), gates=meanings(codes))
    page = visit(site)
    for keys in (["m", "Space", "Tab", "Space", "Escape"], ["x", "m"]):  # m in the panel of reasons is media
        for key in keys:
            page.keyboard.press(key)
    card(page, "clip_000")
    page.keyboard.press("e")
    page.locator("textarea").nth(3).focus()
    page.keyboard.type("mm")
    for key in ("Escape", "m", "Space", "Escape", "Control+Enter"):  # also while an edit is not saved
        page.keyboard.press(key)
    card(page, "clip_002")
    named = [(event.action, event.reason, event.flags) for event in site.events]
    assert named == [("reject", "media", ("refused", "empty_reply")), ("edit", None, ("refused",))]
