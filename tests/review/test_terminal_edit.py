"""Editing in the terminal: the keys, the gates while one types, and the ways out."""

import pytest
from review import FAIL, WARN, chain, flagged, manifest, small
from rows import PROMPTS
from terminal import done, edits, played

from tbd.manifest.reviews import FILE, read_events
from tbd.review.session import ReviewSession
from tbd.review.terminal import frame
from tbd.schema import Flag

ORDER = ["clip_001", "clip_003", "clip_005", "clip_000", "clip_002", "clip_004"]
"""Clips of ``small``, the severest first."""


def test_the_editor_takes_letters_that_are_commands_elsewhere(tmp_path):
    folder = small(tmp_path / "m", 1)

    async def play(terminal, session):
        await terminal.type("e")
        await terminal.write("axq u ")
        assert done(folder) == []
        await terminal.type("ctrl+s")

    played(play, folder)
    assert edits(folder)[0][1] == f"axq u {PROMPTS[1]}"


def test_tab_goes_from_level_to_level_and_token_counts_follow_every_key(tmp_path):
    folder = small(tmp_path / "m", 1)

    async def play(terminal, session):
        assert "18 of 40 tokens" in terminal.words()
        await terminal.type("e", "shift+tab")
        await terminal.write("Look ")
        assert "19 of 40 tokens" in terminal.words()
        await terminal.type("tab", "tab", "tab")
        await terminal.write("Slowly ")
        await terminal.type("ctrl+s")

    played(play, folder)
    assert edits(folder) == [(f"Look {PROMPTS[0]}", *PROMPTS[1:3], "Slowly The smile of clip_000 grows.")]


def test_too_many_tokens_are_said_while_typing(tmp_path):
    folder = small(tmp_path / "m", 1)

    async def play(terminal, session):
        await terminal.type("e", "shift+tab")
        await terminal.write("a " * 24)
        assert "42 of 40 tokens, 2 too many" in terminal.words()

    played(play, folder, size=(120, 40))


def test_the_gates_look_at_the_edited_text(tmp_path):
    folder = manifest(tmp_path / "m", [flagged("clip_0", WARN)])

    def check(annotation):
        bad = "sneer" in annotation.prompts[1]
        return [Flag("odd_word", 3, "A sneer is no smile.", "expression", "sneer")] if bad else []

    async def play(terminal, session):
        assert "emotion_mismatch" in terminal.words()
        await terminal.type("e")
        await terminal.write("A ")
        await terminal.until(lambda: "emotion_mismatch" not in terminal.words())
        await terminal.write("sneer. ")
        await terminal.until(lambda: "error odd_word A sneer is no smile." in terminal.words())

    played(play, folder, check=check)


def test_what_is_wrong_with_the_medium_stays_when_the_text_is_checked_again(tmp_path):
    dark = {"code": "dark", "severity": 2, "message": "The picture is dark.", "where": "media"}
    folder = manifest(tmp_path / "m", [flagged("clip_0", WARN, dark)])

    async def play(terminal, session):
        await terminal.type("e", "y")
        await terminal.until(lambda: "emotion_mismatch" not in terminal.words())
        assert "The picture is dark." in terminal.words()

    played(play, folder, check=lambda annotation: [])


def test_leaving_an_untouched_editor_asks_nothing(tmp_path):
    folder = small(tmp_path / "m", 1)

    async def play(terminal, session):
        await terminal.type("e", "escape", "a")

    played(play, folder)
    assert done(folder) == [("clip_000", "accept", None)]


@pytest.mark.parametrize(("answer", "outcome"), [("d", []), ("s", [("clip_000", "edit", None)]), ("escape", [])])
@pytest.mark.parametrize("key", ["escape", "ctrl+q"])
def test_an_edit_is_not_thrown_away_without_a_question(tmp_path, key, answer, outcome):
    folder = small(tmp_path / "m", 1)

    async def play(terminal, session):
        await terminal.type("e", "y", key)
        assert "Leave the edit?" in terminal.words()
        await terminal.type(answer)
        if answer == "escape":
            assert "yHer face" in terminal.words()  # still in the editor, with what was typed
        if answer == "d":
            assert "yHer face" not in terminal.words()

    played(play, folder)
    assert done(folder) == outcome


def test_an_edit_that_changes_nothing_is_an_acceptance(tmp_path):
    folder = small(tmp_path / "m", 1)
    played(lambda terminal, session: terminal.type("e", "ctrl+s"), folder)
    assert done(folder) == [("clip_000", "accept", None)]


def test_a_row_without_a_text_can_be_given_one(tmp_path):
    folder = manifest(tmp_path / "m", [flagged("clip_0", FAIL, prompts=[], status="error", error="cut off")])

    async def play(terminal, session):
        assert "error: cut off" in terminal.words()
        await terminal.type("e")
        for level in ("one", "two", "three", "four"):
            await terminal.write(level)
            await terminal.type("tab")
        await terminal.type("ctrl+s")

    played(play, folder)
    assert edits(folder) == [("one", "two", "three", "four")]


def test_while_somebody_types_the_card_is_held_and_its_loss_is_told(tmp_path, monkeypatch):
    folder = small(tmp_path / "m", 1)
    monkeypatch.setattr(frame, "RENEWAL", 0.05)

    async def play(terminal, session):
        renewed, renew = [], session.renew
        monkeypatch.setattr(session, "renew", lambda card: renewed.append(card.clip_id) or renew(card))
        await terminal.pilot.pause(0.2)
        assert renewed == []
        await terminal.type("e", "y")
        await terminal.until(lambda: renewed)
        assert "another reviewer" not in terminal.words()
        with ReviewSession(folder, "Bob") as other:
            assert other.next().clip_id == "clip_000"
            await terminal.type("y")
            await terminal.until(lambda: "another reviewer has this card now" in terminal.words())

    played(play, folder, lease=0.0)


def test_what_goes_with_a_decision_survives_the_edit(tmp_path):
    folder = chain(tmp_path / "m", 8)

    async def play(terminal, session):
        await terminal.type("j", "s", "down", "space", "s", "1", "n")
        await terminal.write("lips")
        await terminal.type("enter", "e")
        await terminal.write("So ")
        await terminal.type("escape", "escape", "ctrl+s")

    played(play, folder, size=(120, 40))
    made = read_events(folder / FILE)
    assert len(made) == 7 and {event.note for event in made} == {"lips"}
    assert {event.flags for event in made} == {("emotion_mismatch",)}
    assert all(event.clip_id != "mead_M003_front_happy_2_002" for event in made)


@pytest.mark.parametrize("key", ["escape", "ctrl+q"])
def test_the_models_text_comes_back_by_one_key_and_words_show_what_changed(tmp_path, key):
    folder = small(tmp_path / "m", 1)

    async def play(terminal, session):
        await terminal.type("e")
        await terminal.write("Oh ")
        assert "Oh Her face shows" in terminal.words()
        await terminal.type("ctrl+r", key)
        assert "Leave the edit?" not in terminal.words()

    played(play, folder)
