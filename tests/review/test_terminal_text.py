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
from rows import PROMPTS, row

from tbd.annotate.gates import check
from tbd.hidden_characters import hidden_characters, one_line, visible, without_hidden
from tbd.manifest.text import reply_outline
from tbd.review import words
from tbd.review.card import Card, Receipt, ReviewProgress
from tbd.review.terminal import player
from tbd.review.terminal.facts import changed, marked
from tbd.review.text_marks import concerning, spans, word_changes
from tbd.schema import Annotation, Flag

ANY = st.text(st.characters(exclude_categories=()), max_size=60)
CARD = Card("clip_0", ("clip_0",), row("clip_0"), ("a",), ("a",), path=Path("/clips/a b.mp4"))


def drawn(content):
    """(words, style) of every marked stretch."""
    return [(content.plain[span.start : span.end], str(span.style)) for span in content.spans]


@given(ANY)
def test_what_is_shown_can_be_seen_and_commands_nothing(text):
    shown = visible(text)
    assert visible(shown) == shown
    shown.encode()
    assert {unicodedata.category(letter) for letter in shown if letter != "\n"}.isdisjoint({"Cc", "Cs", "Zl", "Zp"})
    assert not hidden_characters(shown) and not hidden_characters(without_hidden(text))


def test_control_characters_are_shown_by_their_signs():
    assert visible("a\x1b[31m\tb\x00\x7f\x9b\u202e\ud800\n") == "a␛[31m b␀␡⟨009B⟩⟨202E⟩⟨D800⟩\n"
    assert one_line(" a\n\tb ") == "a b"


@given(ANY, ANY)
def test_a_quote_is_found_wherever_it_stands(text, quote):
    for start, end in spans(text, quote):
        assert "".join(text[start:end].split()).casefold() == "".join(quote.split()).casefold()
    if quote.strip():
        assert (0, len(quote)) in spans(quote + text, quote)


def test_a_quote_is_found_in_other_case_and_over_a_line_end_only_when_it_is_nowhere_as_written():
    assert spans("Mild Joy, mild joy", "mild joy") == [(10, 18)]
    assert spans("Mild\n Joy", "mild joy") == [(0, 9)]
    assert spans("anything", " ") == []
    assert spans("a.b acb", "a.b") == [(0, 3)]


def test_marks_differ_by_severity_without_colour_and_the_severest_lies_on_top():
    text = "The [b]smile[/b] grows"
    flags = [Flag("x", 3, "", quote="smile"), Flag("y", 2, "", quote="grows"), Flag("z", 1, "", quote="The [b]smile")]
    content = marked(text, flags)
    assert content.plain == text  # markup is text
    assert [quoted for quoted, _ in drawn(content)] == ["The [b]", "smile", "grows"]
    for (_, style), word in zip(drawn(content), ("italic", "reverse", "underline"), strict=True):
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
    assert reply_outline(json.dumps(reply)).splitlines() == [
        "age range: thirties",
        "ethnicity: –",
        "· AU 12 · Lip Corner Puller · left · C · rises",
        "notes: a, 2",
        "more: [1]",
    ]


@pytest.mark.parametrize("reply", ["", "Sure! {", "[1, 2]", "{}", "3", "[" * 100_000, '{"a":'])
def test_any_other_reply_stays_as_it_is(reply):
    assert reply_outline(reply) == reply


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


@pytest.mark.parametrize("sign", ["\u200b", "\u202e", "\u00ad", "\u2066", "\ufeff", "\u200d", "\U000e0041"])
def test_a_hidden_character_is_shown_and_flagged_by_a_gate_where_it_is(sign):
    assert visible(f"a{sign}b") == f"a⟨{ord(sign):04X}⟩b"
    text = f"Her face shows Moderate{sign} Happiness."
    found = [
        flag for flag in check(Annotation.of_row(row("c"), [PROMPTS[0], text, *PROMPTS[2:]])) if flag.quote == sign
    ]
    assert [(flag.code, flag.severity, flag.where) for flag in found] == [("hidden_characters", 2, "expression")]
    assert spans(text, found[0].quote) == [(23, 24)]


def test_an_edit_is_shown_word_by_word():
    assert word_changes("a big red hat", "a small red hat now") == [
        ("same", "a"),
        ("gone", "big"),
        ("new", "small"),
        ("same", "red hat"),
        ("new", "now"),
    ]
    assert changed("a b", "a  b").plain == ""


def test_receipts_and_ends_in_words():
    assert words.said(Receipt("accept", ("a",))) == "Accepted a."
    assert words.said(Receipt("reject", ("a", "b"), left_out=("c",)), "media").startswith(
        "Rejected 2 clips (media). 1 "
    )
    assert words.said(Receipt("undo", ("a", "b"), undone="edit")) == "Took back: edited 2 clips."
    assert "1 clip left: something else" in words.said(Receipt("accept", ("a", "b"), worse=("c",)))
    assert words.ending(ReviewProgress(0, 0, 0), "audit", {})[0] == "The queue audit is empty"
    assert words.ending(ReviewProgress(5, 0, 5), "flagged", {})[0] == "All 5 cards are decided"
    title, lines = words.ending(ReviewProgress(2, 3, 5, skipped=1), "flagged", {})
    assert title == "No card is left for you now"
    assert "You skipped 1 card" in lines[1] and "2 cards are open elsewhere" in lines[2]
