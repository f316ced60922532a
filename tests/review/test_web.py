"""Reviewing on the page, as a browser without its script sees it."""

import json
import sqlite3
from contextlib import closing

import pytest
from review import DARK, FAIL, WARN, chain, flagged, manifest, meanings, small
from review_page import ORIGIN, Site, path_of
from rows import PROMPTS, failed

from tbd.annotate.gates import check
from tbd.manifest import read_manifest
from tbd.manifest.reviews import FILE
from tbd.manifest.text import reply_fields
from tbd.review.session import ReviewSession
from tbd.review.text_marks import part, pieces, spans
from tbd.review.web import tabs
from tbd.schema import Flag

EDIT = ["A man.", "Mild Joy.", "The lips part.", "They close."]


@pytest.fixture
def site(tmp_path):
    return Site(small(tmp_path / "m", 6))


@pytest.fixture
def ann(site):
    browser = site.browser()
    browser.open()
    return browser


def on_disk(folder):
    """What another process would find: (clip, action) of every event."""
    with closing(sqlite3.connect(folder / FILE)) as connection:
        return connection.execute("SELECT clip_id, action FROM event ORDER BY id").fetchall()


def test_a_queue_is_cleared_the_severest_first_and_each_decision_is_on_disk_before_the_next_card_shows(site, ann):
    shown = []
    while "data-ticket" in ann.page.text:
        shown.append(ann.clip)
        ann.decide()
        assert on_disk(site.folder)[-1] == (shown[-1], "accept")
    assert shown == ["clip_001", "clip_003", "clip_005", "clip_000", "clip_002", "clip_004"]
    assert ann.heading == "All 6 cards are decided"


def test_what_is_on_the_page_is_in_its_address(ann):
    assert path_of(ann.page.url) == "/review?clip=clip_001"
    ann.open("/review?flag=emotion_mismatch&emotion=")
    assert path_of(ann.page.url) == "/review?flag=emotion_mismatch&clip=clip_000"
    ann.decide()
    assert path_of(ann.page.url) == "/review?flag=emotion_mismatch&clip=clip_002"


def test_the_filters_of_the_command_line_hold_until_they_are_changed(tmp_path):
    site = Site(small(tmp_path / "m", 6), filters={"flag": "emotion_mismatch"})
    browser = site.browser()
    browser.open("/")
    assert path_of(browser.page.url) == "/review?flag=emotion_mismatch&clip=clip_000"
    browser.open("/review")
    assert browser.clip == "clip_001"


def test_ending_the_review_writes_the_decisions_into_the_manifest(tmp_path):
    site = Site(small(tmp_path / "m", 2))
    browser = site.browser()
    browser.open()
    with browser:  # the server starts, and ends
        browser.decide("edit", prompt=EDIT)
    assert read_manifest(site.folder).to_pylist()[1]["prompts_final"] == EDIT
    assert len(site.tabs.sealed) == 1
    with ReviewSession(site.folder, "Bob") as bob:
        assert bob.next().clip_id == "clip_000"  # leases were given back


def test_an_edit_is_saved_as_it_was_typed_and_shown_beside_the_models_text(site, ann):
    ann.edit()
    assert ann.page.text.count("<textarea") == 4 and "disabled>" not in ann.page.text.split("<textarea")[1]
    ann.decide("edit", prompt=EDIT)
    assert site.events[0].after == tuple(EDIT)
    ann.open("/review?clip=clip_001")
    assert "Mild Joy." in ann.page.text and "the model wrote" in ann.page.text and PROMPTS[1] in ann.page.text


def test_a_blank_level_is_refused_with_words_and_nothing_is_written(site, ann):
    assert ann.decide("edit", prompt=["", *EDIT[1:]]).status_code == 400
    assert "none of them blank" in ann.page.text
    assert site.events == []


@pytest.mark.parametrize("reason", ["text", "media", "label"])
def test_a_rejection_is_one_press_on_its_reason(site, ann, reason):
    ann.decide(None, reason=reason)
    assert (site.events[0].action, site.events[0].reason) == ("reject", reason)
    assert ann.status.startswith("Rejected clip_001")


def test_undo_takes_back_and_shows_the_card_again(site, ann):
    ann.decide()
    ann.submit("/undo", clip=ann.clip)
    assert (ann.clip, ann.status) == ("clip_001", "Took back: accepted clip_001.")
    ann.submit("/undo", clip=ann.clip)
    assert (ann.clip, ann.status) == ("clip_001", "There is nothing to take back.")


def test_all_with_one_flag_are_decided_at_once_and_one_undo_takes_them_back(site, ann):
    ann.submit("/bulk", flag="levels_missing", action="reject", reason="media")
    assert ann.status.startswith("Rejected 3 clips (media).")
    assert {(event.clip_id, event.reason) for event in site.events} == {(f"clip_00{at}", "media") for at in (1, 3, 5)}
    ann.submit("/undo", clip="clip_000")
    assert ann.clip == "clip_001" and "<b>0</b> of 6<" in ann.page.text


def test_skipped_cards_wait_at_the_end_and_come_again_when_asked_for(ann):
    for _ in range(6):
        ann.decide("skip")
    assert ann.heading == "No card is left for you now" and "You skipped 6 cards" in ann.page.text
    ann.submit("/skipped")
    assert ann.clip == "clip_001"


def test_one_moves_on_and_back_without_deciding(site, ann):
    ann.open("/review/next?after=clip_001")
    assert ann.clip == "clip_003"
    ann.open("/review/previous?after=clip_003")
    assert ann.clip == "clip_001"
    ann.open("/review/previous?after=clip_001")
    assert (ann.clip, ann.status) == ("clip_001", "This is the first card you were shown.")
    assert site.events == []


def test_a_filter_that_nothing_matches_says_so_and_offers_the_way_out(ann):
    ann.open("/review?flag=nothing")
    assert ann.heading == "No card matches these filters"
    assert ">Without filters</a>" in ann.page.text


def test_an_empty_queue_says_so(tmp_path):
    browser = Site(manifest(tmp_path / "m", [flagged("clip_000")])).browser()
    browser.open()
    assert browser.heading == "The queue flagged is empty"


def test_two_people_never_have_the_same_card_and_lose_no_decision(site):
    ann, bob = site.browser("Ann"), site.browser("Bob")
    seen = []
    for _ in range(3):
        for browser in (ann, bob):
            browser.open()
        assert ann.clip != bob.clip
        for browser in (ann, bob):
            seen.append(browser.clip)
            browser.decide()
    assert sorted(seen) == sorted(event.clip_id for event in site.events) and len(set(seen)) == 6
    assert {event.reviewer for event in site.events} == {"Ann", "Bob"}


def test_a_card_that_somebody_else_has_open_says_who(site, ann):
    bob = site.browser("Bob")
    bob.open(f"/review?clip={ann.clip}")
    assert "Ann has this card open" in bob.page.text


def overtaken(site, ann):
    """Ann has a card open; Bob decides about it meanwhile."""
    with ReviewSession(site.folder, "Bob") as bob:
        bob.decide(bob.card(ann.clip), "edit", prompts=[*EDIT[:3], "Bob's end."])


def test_a_stale_edit_gets_the_three_versions_and_overwrites_nothing(site, ann):
    overtaken(site, ann)
    answer = ann.decide("edit", prompt=[*EDIT[:3], "Ann's end."])
    assert answer.status_code == 409
    assert ann.heading == "Changed meanwhile"
    assert (
        "Bob&#39;s end." in answer.text and "Ann&#39;s end." in answer.text and "The smile of clip_001" in answer.text
    )
    assert [event.reviewer for event in site.events] == ["Bob"]


def test_after_a_stale_edit_ones_own_text_can_be_saved_as_a_new_decision(site, ann):
    overtaken(site, ann)
    mine = [*EDIT[:3], "Ann's end."]
    ann.decide("edit", prompt=mine)
    ann.submit("/decide", clip="clip_001", ticket=ann.ticket, action="edit", prompt=mine)
    assert ann.clip == "clip_003"
    assert [(event.reviewer, event.after[3]) for event in site.events] == [("Bob", "Bob's end."), ("Ann", "Ann's end.")]


def test_a_form_older_than_the_page_remembers_is_answered_with_the_difference(site, ann, monkeypatch):
    monkeypatch.setattr(tabs, "_REMEMBERED", 1)
    old = ann.ticket
    ann.open("/review?clip=clip_003")
    answer = ann.submit("/decide", clip="clip_001", ticket=old, action="edit", prompt=EDIT)
    assert answer.status_code == 409 and "Mild Joy." in answer.text
    assert site.events == []


def test_a_second_tab_does_not_decide_twice(site, ann):
    fields = {"clip": ann.clip, "ticket": ann.ticket, "action": "accept"}
    assert ann.submit("/decide", **fields).status_code == 200
    assert ann.submit("/decide", **fields).status_code == 409
    assert len(site.events) == 1


def test_a_card_applies_to_every_clip_of_its_chain_but_those_left_out(tmp_path):
    site = Site(chain(tmp_path / "m", 5))
    browser = site.browser()
    browser.open("/review?clip=mead_M003_front_happy_2_001")
    assert "<b>5 clips</b>" in browser.page.text
    browser.decide(without=["mead_M003_front_happy_2_002", "mead_M003_front_happy_2_004"])
    assert {event.clip_id[-3:] for event in site.events} == {"001", "003", "005"}
    browser.open("/review?clip=mead_M003_front_happy_2_002")
    assert "<b>2 clips</b>" in browser.page.text


def test_confirmed_findings_go_with_the_decision(site, ann):
    ann.decide(None, reason="text", flags=["levels_missing"])
    assert site.events[0].flags == ("levels_missing",)


def test_an_audit_shows_neither_findings_nor_a_way_to_decide_by_flag(tmp_path):
    rows = [flagged(f"clip_{at}", DARK | {"code": "gloomy"}) for at in range(3)]
    folder = manifest(tmp_path / "m", rows, run={"recipe": {"gates": {"audit": 1.0}}})
    browser = Site(folder, queue="audit", check=check).browser()
    browser.open()
    assert "blind audit" in browser.page.text
    for word in ("gloomy", "The picture is dark", "Accept all…", 'id="findings'):
        assert word not in browser.page.text
    checked = browser.submit("/recheck", ticket=browser.ticket, prompt=["AU12 " * 90] * 4)
    assert "finding" not in checked.text


def test_a_row_that_failed_can_be_rejected_or_written_by_hand(tmp_path):
    site = Site(manifest(tmp_path / "m", [failed("clip_000")], journal=False))
    browser = site.browser()
    browser.open()
    assert "cut off" in browser.page.text and "nothing is written here" in browser.page.text
    assert browser.decide().status_code == 400 and "there is no prompt to accept" in browser.page.text
    browser.open("/review?clip=clip_000")
    browser.edit()
    assert browser.page.text.count("<textarea") == 4
    browser.decide("edit", prompt=EDIT)
    assert site.events[0].after == tuple(EDIT)


def test_typed_text_is_counted_and_goes_through_the_gates_again_without_being_saved(tmp_path):
    site = Site(small(tmp_path / "m", 1), check=check)
    browser = site.browser()
    browser.open()
    answer = browser.submit("/recheck", ticket=browser.ticket, prompt=["word " * 50, "AU12 rises.", "c", "d"]).text
    assert "12 too many" in answer and "of 75 tokens" in answer
    assert "leak" in answer or "code" in answer
    assert site.events == []


def test_an_open_card_is_held_for_longer_until_somebody_else_has_it(site, ann):
    ticket = ann.ticket
    assert ann.submit("/renew", ticket=ticket).json() == {"held": True}
    site.tabs.close()
    assert ann.submit("/renew", ticket=ticket).json() == {"held": False}


def test_a_browser_without_a_name_is_asked_for_one(tmp_path):
    browser = Site(small(tmp_path / "m", 1), reviewer="").browser()
    assert path_of(browser.open().url) == "/name"
    assert browser.post("/undo", headers={"Origin": ORIGIN}).status_code == 403
    assert browser.submit("/name", name="   ").status_code == 400
    assert "blank" in browser.page.text
    assert browser.submit("/name", name="a\x07b").status_code == 400
    browser.submit("/name", name="Zoë “Ω” <b> O'Brien; DROP")
    assert "Zoë “Ω” &lt;b&gt; O&#39;Brien; DROP</a>" in browser.page.text


def test_the_page_ahead_names_pictures_that_are_there_and_leases_nothing(site, ann):
    assert ann.get("/ahead?clip=clip_001").status_code == 204  # the videos are not on this machine
    with ReviewSession(site.folder, "Bob") as bob:
        assert bob.next().clip_id == "clip_003"


def test_a_full_disk_is_said_and_is_no_bug(site, ann, monkeypatch):
    from tbd.errors import MissingError

    def full(*_, **__):
        raise MissingError("the disk is full", next="free some space")

    monkeypatch.setattr(ReviewSession, "decide", full)
    assert ann.decide().status_code == 503
    assert "the disk is full" in ann.page.text and "free some space" in ann.page.text


@pytest.mark.parametrize(
    ("where", "levels", "found"),
    [
        ("scene", ("scene", "expression", "muscles", "dynamics"), "scene"),
        ("scene", ("coarse", "fine"), "coarse"),
        ("dynamics", ("coarse", "fine"), "fine"),
        ("muscles", ("prompt",), "prompt"),
        ("step2", ("prompt",), "step2"),
        ("scene", (), "scene"),
    ],
)
def test_a_flag_finds_its_part_in_rows_with_fewer_levels(where, levels, found):
    assert part(where, levels) == found


def test_a_quote_is_found_letter_for_letter_first_and_loosely_else():
    assert spans("Joy, joy.", "joy") == [(5, 8)]
    assert spans("Much\n joy", "much JOY") == [(0, 9)]
    assert spans("a+b", "+") == [(1, 2)]
    assert spans("anything", " ") == spans("anything", "") == []


def test_where_two_quotes_meet_the_severest_marks_and_the_text_is_whole():
    worse, bad = Flag("a", 3, "bad", "scene", "b c"), Flag("b", 2, "odd", "scene", "a b")
    assert list(pieces("a b c & d", [worse, bad])) == [("a ", bad), ("b c", worse), (" & d", None)]
    assert list(pieces("", [worse])) == []


def test_a_reply_in_json_is_split_into_fields_and_any_other_stays_as_it_is():
    units = [{"au": 12, "name": "Lip Corner Puller", "side": None, "intensity": "C"}]
    assert reply_fields(json.dumps({"action_units": units, "age_range": None, "tags": [], "n": 1})) == [
        ("action units", ["AU 12 · Lip Corner Puller · C"]),
        ("age range", ["–"]),
        ("tags", []),
        ("n", ["1"]),
    ]
    neutral = {"au": 0, "name": "Neutral Face", "side": "both", "intensity": "", "description": ""}
    assert reply_fields(json.dumps({"action_units": [neutral]})) == [("action units", ["AU 0 · Neutral Face · both"])]
    assert reply_fields("[" * 100_000) is reply_fields("text") is reply_fields("[1]") is reply_fields("{}") is None


def test_findings_point_at_the_words_that_bit(tmp_path):
    finding = FAIL | {"where": "expression", "quote": "Moderate Happiness"}
    rows = [flagged("clip_000", finding, WARN | {"quote": "zygomaticus", "where": "muscles"})]
    browser = Site(manifest(tmp_path / "m", rows)).browser()
    browser.open()
    assert 'aria-describedby="finding-1">Moderate Happiness</mark>' in browser.page.text
    assert 'aria-describedby="finding-2">zygomaticus</mark>' in browser.page.text
    assert 'class="error" id="finding-1"' in browser.page.text


def test_missing_flags_are_ticked_on_the_form_and_go_with_the_decision(tmp_path):
    codes = {"levels_missing": "two prompts instead of four", "levels_alike": "two levels say <the same>"}
    site = Site(small(tmp_path / "m", 2), gates=meanings(codes))
    ann = site.browser()
    offered = ann.open("/review?clip=clip_001").text.split('<details class="list unflagged"')[1].split("</details>")[0]
    assert 'name="flags" value="levels_alike"' in offered and "say &lt;the same&gt;" in offered
    assert 'data-key="m"' in offered and "levels_missing" not in offered  # which is a finding of this card
    assert ann.decide("edit", prompt=EDIT, flags=["invented"]).status_code == 400
    assert "there is no flag" in ann.page.text and site.events == []
    ann.open("/review?clip=clip_001")
    ann.decide(None, reason="text", flags=["levels_missing", "levels_alike"])
    assert site.events[0].flags == ("levels_missing", "levels_alike")
