"""Words of the terminal review without a terminal: marks, outlines, the player."""

import dataclasses
import json
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rows import row

from tbd.review.card import Card, Progress, Receipt
from tbd.review.terminal import player, words
from tbd.review.terminal.marks import concerning, marked, one_line, places, plain
from tbd.review.terminal.replies import outline
from tbd.schema import Flag

ANY = st.text(st.characters(exclude_categories=()), max_size=60)
CARD = Card("clip_0", ("clip_0",), row("clip_0"), ("a",), ("a",), path=Path("/clips/a b.mp4"))


def drawn(content):
    """(words, style) of every marked stretch."""
    return [(content.plain[span.start : span.end], str(span.style)) for span in content.spans]


@given(ANY)
def test_plain_text_keeps_its_length_and_commands_nothing(text):
    shown = plain(text)
    assert len(shown) == len(text)
    assert plain(shown) == shown
    shown.encode()
    assert {unicodedata.category(letter) for letter in shown if letter != "\n"}.isdisjoint({"Cc", "Cs", "Zl", "Zp"})


def test_control_characters_are_shown_by_their_signs():
    assert plain("a\x1b[31m\tb\x00\x7f\x9b\u202e\ud800\n") == "a␛[31m b␀␡\ufffd\ufffd\ufffd\n"
    assert one_line(" a\n\tb ") == "a b"


@given(ANY, ANY)
def test_a_quote_is_found_wherever_it_stands(text, quote):
    for start, end in places(text, quote):
        assert "".join(text[start:end].split()).casefold() == "".join(quote.split()).casefold()
    if quote.strip():
        assert (0, len(quote)) in places(quote + text, quote)


def test_a_quote_is_found_in_other_case_and_over_a_line_end_only_when_it_is_nowhere_as_written():
    assert places("Mild Joy, mild joy", "mild joy") == [(10, 18)]
    assert places("Mild\n Joy", "mild joy") == [(0, 9)]
    assert places("anything", " ") == []
    assert places("a.b acb", "a.b") == [(0, 3)]


def test_marks_differ_by_severity_without_colour_and_the_severest_lies_on_top():
    text = "The [b]smile[/b] grows"
    flags = [Flag("x", 3, "", quote="smile"), Flag("y", 2, "", quote="grows"), Flag("z", 1, "", quote="The [b]smile")]
    content = marked(text, flags)
    assert content.plain == text  # markup is text
    assert [quoted for quoted, _ in drawn(content)] == ["The [b]smile", "grows", "smile"]
    for (_, style), word in zip(drawn(content), ("italic", "underline", "reverse"), strict=True):
        assert word in style


@pytest.mark.parametrize(
    ("parts", "part", "found"),
    [
        (("scene", "expression", "muscles", "dynamics"), "muscles", ["muscles"]),
        (("coarse", "fine"), "coarse", ["scene"]),
        (("coarse", "fine"), "fine", ["muscles", "dynamics"]),
        (("prompt",), "prompt", ["scene", "muscles", "dynamics"]),
    ],
)
def test_flags_find_their_level_also_where_levels_are_joined(parts, part, found):
    flags = [Flag("x", 2, "", where) for where in ("media", "scene", "muscles", "dynamics", "step2")]
    assert [flag.where for flag in concerning(flags, part, parts)] == found


def test_a_reply_in_json_becomes_an_outline_with_nothing_left_out():
    unit = {"au": 12, "name": "Lip Corner Puller", "side": "left", "intensity": "C", "description": "rises"}
    reply = {"age_range": "thirties", "ethnicity": None, "action_units": [unit], "notes": ["a", 2], "more": {"k": [1]}}
    assert outline(json.dumps(reply)).splitlines() == [
        "age range: thirties",
        "ethnicity: –",
        "· AU 12 · Lip Corner Puller · left · C · rises",
        "notes: a, 2",
        'more: {"k": [1]}',
    ]


@pytest.mark.parametrize("reply", ["", "Sure! {", "[1, 2]", "{}", "3", "[" * 100_000, '{"a":'])
def test_any_other_reply_stays_as_it_is(reply):
    assert outline(reply) == reply


def test_over_ssh_and_without_a_screen_the_path_is_told_and_nothing_is_opened(monkeypatch):
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("opened"))
    monkeypatch.setattr(sys, "platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "SSH_TTY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SSH_CONNECTION", "1 2 3 4")
    assert player.play(CARD) == "this is an SSH session; the clip is /clips/a b.mp4"
    monkeypatch.delenv("SSH_CONNECTION")
    assert "no screen" in player.play(CARD)
    assert "--root" in player.play(dataclasses.replace(CARD, path=None))


def test_the_system_s_player_gets_the_path_as_one_word_and_the_window_is_told(monkeypatch):
    started = []
    monkeypatch.setattr(subprocess, "Popen", lambda command, **options: started.append((command, options)))
    monkeypatch.setattr(player, "hindrance", lambda environment: "")
    monkeypatch.setattr(sys, "platform", "linux")
    window = dataclasses.replace(CARD, row=CARD.row | {"start": 1.5, "end": 4.0})
    assert player.play(window) == "opened a b.mp4, from 1.50 s to 4.00 s"
    monkeypatch.setattr(sys, "platform", "darwin")
    player.play(CARD)
    assert [command for command, _ in started] == [["xdg-open", "/clips/a b.mp4"], ["open", "/clips/a b.mp4"]]
    assert all(options["stdin"] == options["stdout"] == subprocess.DEVNULL for _, options in started)


def test_a_player_that_cannot_be_started_is_told(monkeypatch):
    def broken(*_, **__):
        raise FileNotFoundError(2, "No such file")

    monkeypatch.setattr(subprocess, "Popen", broken)
    monkeypatch.setattr(player, "hindrance", lambda environment: "")
    assert "cannot be started (No such file); the clip is /clips/a b.mp4" in player.play(CARD)


def test_receipts_and_ends_in_words():
    assert words.done(Receipt("accept", ("a",)), None) == "accepted a"
    assert words.done(Receipt("reject", ("a", "b"), left_out=("c",)), "media").startswith(
        "rejected 2 clips (media); 1 "
    )
    assert words.done(Receipt("undo", ("a", "b"), undone="edit"), None) == "took back: edited 2 clips"
    assert words.nothing(Progress(0, 0, 0), "audit", {}) == "nothing to review: the queue 'audit' has no cards"
    assert "all 5 cards" in words.nothing(Progress(5, 0, 5), "flagged", {})
    assert "open at other reviewers" in words.nothing(Progress(3, 2, 5), "flagged", {"flag": "loop"})
    ending = words.ending(Progress(2, 3, 5, skipped=1), {}).plain
    assert "You skipped 1" in ending
    assert "Other reviewers have 2" in ending
