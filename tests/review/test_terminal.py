"""The terminal review: a queue cleared by keyboard alone, and everything a reviewer may meet on the way."""

import re

import pytest
from review import FAIL, WARN, chain, flagged, manifest, meanings, small
from review_cards import hard
from rows import PROMPTS
from terminal import done, edits, played
from textual.events import Key
from textual.widgets import OptionList

from tbd.annotate.gates import GATES
from tbd.manifest.reviews import FILE, read_events
from tbd.review.session import ReviewSession
from tbd.review.terminal import frame
from tbd.schema import Flag

ORDER = ["clip_001", "clip_003", "clip_005", "clip_000", "clip_002", "clip_004"]
"""Clips of ``small``, the severest first."""


def test_a_whole_queue_is_cleared_by_keyboard_alone(tmp_path):
    folder = small(tmp_path / "m")

    async def play(terminal, session):
        await terminal.type("a", "x", "t", "x", "m", "x", "l", "r", "e")
        await terminal.write("Now ")
        await terminal.type("ctrl+s")
        assert "All 6 cards are decided" in terminal.words()
        assert "6 of 6 cards decided, 6 by you just now" in terminal.words()
        await terminal.type("q")

    played(play, folder)
    verdicts = [("accept", None), ("reject", "text"), ("reject", "media"), ("reject", "label"), ("reject", "text")]
    expected = [(clip, *verdict) for clip, verdict in zip(ORDER, verdicts, strict=False)]
    assert done(folder) == [*expected, (ORDER[5], "edit", None)]
    # its warning speaks of the expression, so that is where the cursor was
    assert edits(folder) == [(PROMPTS[0], f"Now {PROMPTS[1]}", PROMPTS[2], "The smile of clip_004 grows.")]


def test_a_decision_is_on_disk_before_the_next_card_is_asked_for(tmp_path, monkeypatch):
    folder, found = small(tmp_path / "m"), []
    deal = ReviewSession.next

    def watched(session, after=None):
        found.append(len(done(folder)))
        return deal(session, after)

    monkeypatch.setattr(ReviewSession, "next", watched)
    played(lambda terminal, session: terminal.type("a", "space", "r"), folder)
    assert found == [0, 1, 2, 3]


def test_undo_brings_the_card_back_and_says_what_it_took_back(tmp_path):
    folder = small(tmp_path / "m")

    async def play(terminal, session):
        await terminal.type("u")
        assert "There is nothing to take back." in terminal.words()
        await terminal.type("a", "u")
        assert "Took back: accepted clip_001." in terminal.words()
        assert terminal.app.card.clip_id == "clip_001"
        assert terminal.app.card.state == "open"
        await terminal.type("space", "u")
        assert terminal.app.card.clip_id == "clip_001"

    played(play, folder)


def test_leaving_the_question_about_the_reason_rejects_nothing(tmp_path):
    folder = small(tmp_path / "m")

    async def play(terminal, session):
        await terminal.type("x", "z", "escape")
        assert terminal.app.card.clip_id == "clip_001"

    played(play, folder)
    assert done(folder) == []


def test_looking_about_decides_nothing(tmp_path):
    folder = small(tmp_path / "m")

    async def play(terminal, session):
        seen = []
        for key in ("j", "j", "k", "k", "k", "question_mark", "escape"):
            await terminal.type(key)
            seen.append(terminal.app.card.clip_id)
        assert seen == ["clip_003", "clip_005", "clip_003", "clip_001", "clip_001", "clip_001", "clip_001"]

    played(play, folder)
    assert done(folder) == []


def test_a_filter_is_typed_and_everything_comes_back(tmp_path):
    folder = small(tmp_path / "m")

    async def play(terminal, session):
        await terminal.type("f")
        await terminal.write("mismatch")
        await terminal.type("enter")
        assert session.filters == {"flag": "emotion_mismatch"}
        assert terminal.app.card.clip_id == "clip_000"
        assert "flag emotion_mismatch" in terminal.screen().splitlines()[0]
        assert "0/3 done" in terminal.words()
        await terminal.type("f", "enter")  # the first line: everything
        assert session.filters == {}
        assert terminal.app.card.clip_id == "clip_001"
        await terminal.type("f", "down", "down", "escape")
        assert session.filters == {}

    played(play, folder)


def test_skipped_cards_come_again_through_the_filter(tmp_path):
    folder = small(tmp_path / "m", 2)

    async def play(terminal, session):
        await terminal.type("space", "space")
        assert "You skipped 2" in terminal.words()
        await terminal.type("a", "e", "x", "p", "s", "A")  # there is no card that they could speak of
        await terminal.type("f", "enter")
        assert terminal.app.card is not None

    played(play, folder)
    assert [action for _, action, _ in done(folder)] == ["skip", "skip"]


def test_all_shown_with_one_flag_are_accepted_after_one_question_and_one_undo_takes_them_back(tmp_path):
    folder = small(tmp_path / "m")

    async def play(terminal, session):
        await terminal.type("A")
        assert "levels_missing: 3 cards" in terminal.words()
        await terminal.type("escape")
        assert done(folder) == []
        await terminal.type("A", "1")
        await terminal.until(lambda: len(done(folder)) == 3 and terminal.app.card.clip_id == "clip_000")
        assert "Accepted 3 clips. u takes it back." in terminal.words()
        assert [clip for clip, _, _ in done(folder)] == ["clip_001", "clip_003", "clip_005"]
        assert terminal.app.card.clip_id == "clip_000"
        await terminal.type("u")
        assert session.progress().left == 6

    played(play, folder)


def test_rejecting_all_with_one_flag_asks_for_the_reason_only(tmp_path):
    folder = small(tmp_path / "m")

    async def play(terminal, session):
        await terminal.type("X", "m")
        await terminal.until(lambda: len(done(folder)) == 3 and terminal.app.card.clip_id == "clip_000")

    played(play, folder)
    assert done(folder) == [(clip, "reject", "media") for clip in ("clip_001", "clip_003", "clip_005")]


def test_of_two_flags_the_bulk_asks_which(tmp_path):
    folder = manifest(tmp_path / "m", [flagged("clip_0", WARN, FAIL), flagged("clip_1", WARN), flagged("clip_2", FAIL)])

    async def play(terminal, session):
        await terminal.type("X", "2", "l")
        await terminal.until(lambda: terminal.app.card.clip_id == "clip_1")

    played(play, folder)
    assert done(folder) == [("clip_0", "reject", "label"), ("clip_2", "reject", "label")]


def test_clips_are_split_off_a_chain(tmp_path):
    folder = chain(tmp_path / "m", 3)

    async def play(terminal, session):
        await terminal.type("j")
        assert "applies to 3 clips" in terminal.words()
        await terminal.type("s", "n", "s", "down", "space", "s")  # with nothing ticked the question stays
        assert "applies to 1 of 3 clips" in terminal.words()
        await terminal.type("x", "m")

    played(play, folder, size=(120, 40))
    assert done(folder) == [("mead_M003_front_happy_2_002", "reject", "media")]


@pytest.mark.parametrize(("key", "last"), [("k", ("Bob", "edit")), ("m", ("Ann", "accept"))])
def test_a_decision_that_came_too_late_gets_the_difference_and_a_choice(tmp_path, key, last):
    folder = small(tmp_path / "m", 2)

    async def play(terminal, session):
        with ReviewSession(folder, "Bob", lease=0.0) as other:
            theirs = [*PROMPTS[:3], "The smile freezes."]
            other.decide(other.card("clip_001"), "edit", prompts=theirs)
            await terminal.type("a")
        words = terminal.words()
        assert "This card changed meanwhile" in words
        assert "The smile of clip_001 grows." in words
        assert "The smile freezes." in words
        assert len(done(folder)) == 1
        await terminal.type("x", key)  # other keys answer nothing
        assert terminal.app.card.clip_id == "clip_000"

    played(play, folder, lease=0.0)
    event = read_events(folder / FILE)[-1]
    assert (event.reviewer, event.action) == last


def test_a_blind_audit_shows_no_findings_neither_before_nor_while_editing(tmp_path):
    info = {"code": "dark", "severity": 1, "message": "The picture is dark.", "where": "media"}
    rows = [flagged(f"clip_{at}", info) for at in range(3)]
    run = {"recipe": {"gates": {"audit": 1.0}}}
    folder = manifest(tmp_path / "m", rows, run=run)
    alarm = [Flag("odd_word", 3, "No.", "expression")]

    async def play(terminal, session):
        assert "blind audit" in terminal.words()
        await terminal.type("e", "y")
        await terminal.pilot.pause(0.4)
        assert "odd_word" not in terminal.words()
        await terminal.type("escape", "d", "f")
        assert "emotion happiness" in terminal.words()
        assert "dark" not in terminal.words()

    played(play, folder, queue="audit", check=lambda annotation: alarm)


def test_keys_that_come_in_one_burst_act_one_after_another(tmp_path):
    folder = small(tmp_path / "m", 6)

    async def play(terminal, session):
        for key in ("a", "x", "m", "r", "x", "a", "escape", "e", "H", "a", "ctrl+s"):
            terminal.app.post_message(Key(key, key if len(key) == 1 else None))
        await terminal.until(lambda: terminal.app.card.clip_id == ORDER[4])
        await terminal.pilot.pause()

    played(play, folder)
    verdicts = [("accept", None), ("reject", "media"), ("reject", "text"), ("edit", None)]
    assert done(folder) == [(clip, *verdict) for clip, verdict in zip(ORDER, verdicts, strict=False)]
    assert edits(folder)[0][1] == f"Ha{PROMPTS[1]}"


def test_missing_flags_are_named_from_a_list_and_go_with_the_decision(tmp_path):
    folder = small(tmp_path / "m", 4)
    codes = {"levels_alike": "two levels say the same", "too_short": "a prompt of one or two words"}

    async def play(terminal, session):
        await terminal.type("m")
        assert "too_short a prompt of one or two words" in terminal.words()
        await terminal.type("down", "space", "m")
        assert "missing: too_short" in terminal.words()
        await terminal.type("m", "space", "escape")  # left: nothing changes
        await terminal.type("x", "t", "a")
        await terminal.type("m", "space", "m", "m", "space", "m", "a")  # ticked, and no longer
        await terminal.type("m", "space", "m", "e", "escape", "e", "ctrl+s")

    played(play, folder, gates=meanings(codes))
    assert [event.flags for event in read_events(folder / FILE)] == [("too_short",), (), (), ("levels_alike",)]


def test_a_desk_without_codes_has_no_flag_to_name(tmp_path):
    async def play(terminal, session):
        await terminal.type("m")
        assert "no other flag to name" in terminal.words()

    played(play, small(tmp_path / "m", 1))


def test_every_missing_flag_can_be_read_whole_at_80_columns(tmp_path):
    codes = {code: gate.meaning for code, gate in GATES.items()}

    async def play(terminal, session):
        await terminal.type("m")
        options, seen = terminal.app.screen.query_one(OptionList), []
        for line in range(0, options.virtual_size.height, 4):
            options.scroll_to(y=line, animate=False)
            await terminal.pilot.pause()
            seen.append(" ".join(re.sub("[▁▂▃▄▅▆▇█]", " ", terminal.screen()).split()))  # without the scroll bar
        lost = [code for code, meaning in codes.items() if not any(f"{code} {meaning}" in page for page in seen)]
        assert lost == ["levels_missing"]  # which the card has

    played(play, small(tmp_path / "m", 2), gates=meanings(codes))


def test_a_key_that_is_held_down_decides_one_card_and_says_so(tmp_path, monkeypatch):
    folder = small(tmp_path / "m")
    monkeypatch.setattr(frame, "HELD", 60.0)

    async def play(terminal, session):
        await terminal.type("a", "a", "a", "a")
        assert "a key that is held down decides one card" in terminal.words()
        await terminal.type("j", "a")

    played(play, folder)
    assert len(done(folder)) == 2


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
def test_the_prompts_are_whole_on_the_screen_of_a_card_with_20_findings(tmp_path, size):
    async def play(terminal, session):
        for _ in range(3):
            view = terminal.app.view
            assert all(level.region.bottom <= view.region.bottom for level in view.levels) and view.scroll_y == 0
            await terminal.type("a")

    played(play, hard(tmp_path, clips=3), size=size, gates=GATES)


def test_a_manifest_sealed_anew_is_told_and_a_decision_on_its_old_text_is_not_made(tmp_path):
    folder = small(tmp_path / "m", 2)

    async def play(terminal, session):
        (folder / "journal.sqlite").unlink()
        manifest(folder, [flagged(f"clip_{at:03}", FAIL, prompts=[*PROMPTS[:3], "All is new."]) for at in range(2)])
        await terminal.type("a")
        assert "annotated anew" in terminal.words() and "All is new." in terminal.words()
        await terminal.type("k")
        assert "The manifest was sealed anew" in terminal.words()

    played(play, folder, size=(120, 40))
    assert done(folder) == []


def test_redo_makes_again_what_undo_took_back(tmp_path):
    folder = small(tmp_path / "m", 3)

    async def play(terminal, session):
        await terminal.type("a", "space", "u", "u", "U", "U", "U")
        assert "There is nothing to make again." in terminal.words()
        assert (session.progress().mine, session.progress().skipped) == (1, 1)

    played(play, folder)
