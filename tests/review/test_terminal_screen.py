"""What the terminal review looks like: nothing cut off, nothing interpreted, pictures, and a real terminal."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time

import pytest
from media import numbered, video
from review import FAIL, WARN, flagged, manifest, small
from rows import PROMPTS
from terminal import done, played
from textual.widgets import Footer
from textual.widgets._footer import FooterKey

import tbd.review.terminal as terminal_package
from tbd.errors import UsageError
from tbd.review.session import ReviewSession
from tbd.review.terminal import run_terminal
from tbd.review.terminal.picture import Picture

ODD = "[bold red]A woman[/] \x1b[31m\x07 \u202e \ud83d <b>&amp;</b> Frau Müller 顔 {x} $y \\[z]"
LONG = "long " * 60


def rich(tmp_path):
    """Rows that strain the screen: odd and long words everywhere, many clips on a card, no text at all."""
    loud = {
        "code": "[bold]odd_code",
        "severity": 3,
        "message": ODD.replace("\ud83d", "") + LONG,
        "where": "scene",
        "quote": "[bold red]A woman",
    }
    steps = ['{"gender": "[red]woman[/]"}', LONG, "x" * 500, "{"]
    odd = flagged(
        "a_odd",
        loud,
        WARN,
        prompts=[ODD.replace("\ud83d", ""), LONG, *PROMPTS[2:]],
        step_outputs=steps,
        subject="[i]S[/i]",
    )
    odd |= {"file_name": "[b]name[/b]\x1b.mp4", "transcript": LONG}
    failed = flagged("b_failed", FAIL, prompts=[], step_outputs=[], status="error", error="[b]cut[/b] off " + LONG)
    shared = [flagged(f"c_{at:02}", WARN, chain_id="c", prompts=PROMPTS) for at in range(30)]
    return manifest(tmp_path / "m", [odd, failed, *shared])  # fmt: skip


def cut_off(app):
    """Widgets on the screen that reach over its edge to the left or right."""
    inside = app.screen.size
    return [
        (widget, widget.region)
        for widget in app.screen.walk_children()
        if widget.display
        and widget.region.width
        and not isinstance(widget, FooterKey)
        and (widget.region.x < 0 or widget.region.right > inside.width)
    ]


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (60, 20)])
def test_nothing_is_cut_off(tmp_path, size):
    keys = [[], ["question_mark"], ["x"], ["A"], ["f"], ["e"], ["escape", "j"], ["j"], ["s"], ["X"]]

    async def play(terminal, session):
        for presses in keys:
            await terminal.type(*presses)
            screen = terminal.app.screen
            assert cut_off(terminal.app) == []
            assert screen.max_scroll_x == 0
            assert terminal.app.view.max_scroll_x == 0
            for dialog in screen.query(".dialog"):
                assert dialog.region.bottom <= screen.size.height
                assert dialog.query_one(".answers").region.bottom < dialog.region.bottom
            if (len(screen.query(".dialog")) and presses != ["f"]) or presses == ["f"]:
                await terminal.type("escape")

    played(play, rich(tmp_path), size=size)


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
def test_every_key_of_the_footer_is_visible(tmp_path, size):
    async def play(terminal, session):
        assert terminal.app.query_one(Footer).max_scroll_x == 0
        await terminal.until(lambda: terminal.screen().splitlines()[-1].rstrip().endswith("q quit"))

    played(play, small(tmp_path / "m"), size=size)


def test_markup_and_commands_to_the_terminal_are_shown_as_text(tmp_path):
    async def play(terminal, session):
        screen = terminal.screen()
        assert "[bold red]A woman[/] ␛[31m" in screen
        assert "[bold]odd_code" in screen
        assert "[i]S[/i]" in screen
        assert "[b]name[/b]␛.mp4" in screen
        await terminal.type("e")
        screen += terminal.screen()
        await terminal.type("escape", "p", "j")
        assert "[b]cut[/b] off" in terminal.screen()
        assert not {"\x1b", "\x07", "\u202e"} & set(screen + terminal.screen())

    played(play, rich(tmp_path), size=(150, 60))


def test_an_odd_text_that_was_not_touched_is_kept_letter_for_letter(tmp_path):
    folder = rich(tmp_path)
    before = {}

    async def play(terminal, session):
        before["prompts"] = terminal.app.card.prompts
        await terminal.type("e", "tab", "tab", "tab")  # the scene has the finding; this is dynamics
        await terminal.write("Now ")
        await terminal.type("ctrl+s")

    played(play, folder)
    with ReviewSession(folder, "Bob") as session:
        prompts = session.card("a_odd").prompts
    assert prompts == (*before["prompts"][:3], f"Now {PROMPTS[3]}")
    assert "\x1b" in prompts[0]


def test_the_findings_are_marked_in_the_text_where_they_bite(tmp_path):
    step = {"code": "no_unit", "severity": 3, "message": "No such unit.", "where": "step2", "quote": "Lip Sneer"}
    words = WARN | {"quote": "moderate  happiness"}
    folder = manifest(
        tmp_path / "m", [flagged("clip_0", words, step, step_outputs=["I", "AU 99 Lip Sneer", "III", "IV"])]
    )

    def styled(terminal):
        strips = terminal.app.screen._compositor.render_strips()
        segments = [segment for strip in strips for segment in strip]
        return {
            segment.text.strip()
            for segment in segments
            if segment.style and (segment.style.underline or segment.style.reverse)
        }

    async def play(terminal, session):
        assert {"Moderate Happiness", "Lip Sneer"} <= styled(terminal)
        assert "II action units ✖" in terminal.words()
        assert "expression ▲" in terminal.words()

    played(play, folder, size=(120, 40))  # fmt: skip


def test_the_reference_frame_is_drawn_in_half_blocks(tmp_path):
    root = tmp_path / "clips"
    root.mkdir()
    video(root / "a.mp4", [numbered(at, (64, 64)) for at in range(8)], size=(64, 64))
    clip = flagged("clip_0", WARN, file_name="a.mp4", crop_box=[0.0, 0.0, 64.0, 64.0], reference_frame=3)
    folder = manifest(tmp_path / "m", [clip], run={"roots": {"mead": str(root)}})

    async def play(terminal, session):
        picture = terminal.app.query_one(Picture)
        await terminal.until(lambda: not isinstance(picture.image, str))
        await terminal.pilot.pause()
        lines = [list(picture.render_line(y)) for y in range(picture.content_size.height)]
        cells = [[segment for segment in line if segment.text == "▀"] for line in lines]
        assert (len(cells), len(cells[0])) == (8, 16)
        bits = [sum(cells[1][round((bit + 0.5) * len(cells[1]) / 8)].style.color.triplet) > 382 for bit in range(8)]
        assert bits == [True, True, False, False, False, False, False, False]  # 3, the frame's number
        red, blue = cells[6][2].style.color.triplet, cells[6][-3].style.color.triplet
        assert red.red > 180 > red.blue
        assert blue.blue > 180 > blue.red

    played(play, folder)


@pytest.mark.parametrize("damage", [None, b"", b"no video"])
def test_without_a_picture_the_card_works_and_says_why(tmp_path, damage):
    root = tmp_path / "clips"
    root.mkdir()
    if damage is not None:
        (root / "a.mp4").write_bytes(damage)
    folder = manifest(tmp_path / "m", [flagged("clip_0", WARN, file_name="a.mp4")], run={"roots": {"mead": str(root)}})

    async def play(terminal, session):
        picture = terminal.app.query_one(Picture)
        await terminal.until(lambda: isinstance(picture.image, str) and "a.mp4" in picture.image)
        await terminal.type("a")

    played(play, folder)
    assert done(folder) == [("clip_0", "accept", None)]


def test_the_header_counts_and_names_queue_reviewer_and_pace(tmp_path):
    async def play(terminal, session):
        assert re.fullmatch(r" m · flagged · Zoë \[b\] +0/6 done · 6 left · 0:\d\d ", terminal.screen().splitlines()[0])
        await terminal.type("a")
        assert re.search(r"1/6 done · 5 left · \d+/h · 0:\d\d $", terminal.screen().splitlines()[0])

    played(play, small(tmp_path / "m"), reviewer="Zoë [b]", size=(100, 30))


def test_a_long_name_gives_way_to_the_figures(tmp_path):
    async def play(terminal, session):
        assert re.search(r"nnn…  0/6 done · 6 left · 0:\d\d $", terminal.screen().splitlines()[0])

    played(play, small(tmp_path / "m"), reviewer="n" * 80)


@pytest.mark.parametrize("queue", ["audit", "disagreements", "decided"])
def test_an_empty_queue_opens_all_the_same_and_says_what_there_is_to_do(tmp_path, queue):
    async def play(terminal, session):
        assert terminal.app.card is None
        assert f"The queue {queue} is empty" in terminal.words() and "Next: tbd manifest show" in terminal.words()
        await terminal.type("a", "e", "x", "j", "k", "q")

    played(play, small(tmp_path / "m"), queue=queue)
    assert done(tmp_path / "m") == []


def test_without_a_terminal_the_web_page_is_named_and_the_card_is_given_back(tmp_path, monkeypatch):
    folder = small(tmp_path / "m", 1)
    monkeypatch.setattr(os, "isatty", lambda descriptor: False)
    with pytest.raises(UsageError) as caught:
        run_terminal(ReviewSession(folder, "Ann"))
    assert "--web" in caught.value.next
    with ReviewSession(folder, "Bob") as session:
        assert session.next().clip_id == "clip_000"


def test_a_mistake_of_the_program_is_no_quiet_end_and_what_was_decided_is_sealed(tmp_path, monkeypatch):
    folder = small(tmp_path / "m", 2)

    def broken(session):
        session.decide(session.next(), "accept")
        raise RuntimeError("bug")

    monkeypatch.setattr(terminal_package, "_refuse_pipes", lambda: None)
    monkeypatch.setattr(terminal_package, "_run", broken)
    with pytest.raises(RuntimeError):
        run_terminal(ReviewSession(folder, "Ann"))
    assert done(folder) == [("clip_001", "accept", None)]


PROGRAM = """
import sys
from tbd.review.session import ReviewSession
from tbd.review.terminal import run_terminal
sealed = run_terminal(ReviewSession(sys.argv[1], "Ann"))
print("approved", sealed.approved)
"""


def test_in_a_real_terminal_keys_become_decisions_and_quitting_seals(tmp_path):
    folder = small(tmp_path / "m", 3)
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    environment = os.environ | {"TERM": "xterm-256color", "PYTHONIOENCODING": "utf-8"}
    program = subprocess.Popen([sys.executable, "-c", PROGRAM, folder], stdin=theirs, stdout=theirs, stderr=theirs, env=environment)  # fmt: skip
    os.close(theirs)
    _read(ours, b"clip_001")
    os.write(ours, b"axm")  # in one burst, as over a slow line
    _read(ours, lambda: len(done(folder)) == 2)
    os.write(ours, b"q")
    seen = _read(ours, b"approved 1")
    assert program.wait(60) == 0
    os.close(ours)
    assert done(folder) == [("clip_001", "accept", None), ("clip_000", "reject", "media")]
    assert b"sealing the manifest again" in seen


def _read(descriptor, until):
    """What a program writes until some bytes have come, or until something is true."""
    seen, end = b"", time.monotonic() + 60
    while not (until() if callable(until) else until in seen):
        assert time.monotonic() < end, seen
        if select.select([descriptor], [], [], 0.05)[0]:
            seen += os.read(descriptor, 65536)
    return seen
