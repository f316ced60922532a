"""The film of the README: what was printed is all in it, in order, and what is typed and waited for takes its time."""

import importlib.util
import re
import sys
import xml.etree.ElementTree as xml
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"
SVG = "{http://www.w3.org/2000/svg}"
RECORDING = [
    ("tbd --version", [(0.5, "tbd 0.2.0 <&>")]),
    ("tbd eval " + "--metrics psnr " * 8, [(70.0, "word " * 30), (70.1, "end")]),
]


@pytest.fixture(scope="module")
def terminal():
    spec = importlib.util.spec_from_file_location("terminal_film", DOCS / "terminal_film.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def _texts(svg: str) -> list[str]:
    return [text.text or "" for text in xml.fromstring(svg).iter(f"{SVG}text")]


def test_everything_that_was_printed_is_shown_in_order(terminal):
    words = " ".join(_texts(terminal.film(terminal.cut(RECORDING)))).replace(" \\", "").split()
    told = ["…", "1", "min", "10", "s"]
    assert words == [
        *"$ tbd --version tbd 0.2.0 <&> $ tbd eval".split(),
        *["--metrics", "psnr"] * 8,
        *told,
        *["word"] * 30,
        "end",
    ]


def test_no_line_is_wider_than_the_terminal(terminal):
    assert max(len(line.text) for line in terminal.cut(RECORDING)) <= terminal.COLUMNS


def test_typing_takes_time_and_a_long_wait_a_second(terminal):
    lines = terminal.cut(RECORDING)
    assert [line.at for line in lines] == sorted(line.at for line in lines)
    assert lines[0].typed == pytest.approx(terminal.KEY * len("$ tbd --version"))
    wait = next(index for index, line in enumerate(lines) if line.kind == "wait")
    assert lines[wait + 1].at - lines[wait].at == pytest.approx(terminal.LONGEST)


def test_every_line_appears_once_and_stays(terminal):
    svg = terminal.film(terminal.cut(RECORDING))
    for name, frames in re.findall(r"@keyframes (l\d+)\{(.*?\})\}", svg):
        assert f'id="{name}"' in svg
        shares = [float(share) for share in re.findall(r"([\d.]+)%[,{]", frames)]
        assert shares == sorted(shares) and shares[-1] == 100
    assert len(re.findall(r"@keyframes l\d", svg)) == len(_texts(svg))


def test_without_motion_the_last_screen_is_shown(terminal):
    lines = [terminal.FilmLine(float(at), 0, "output", str(at)) for at in range(terminal.ROWS + 5)]
    still = terminal.film(lines).partition("@media")[0]
    assert f"translateY(-{5 * terminal.LINE}px)" in still


def test_a_run_is_recorded_once(terminal, tmp_path):
    (found,) = terminal.record(("tbd --version",), tmp_path)
    assert found[0] == "tbd --version" and found[1][0][1].startswith("tbd ")
    kept = (tmp_path / "recording.json").read_bytes()
    terminal.record(("tbd --version",), tmp_path)
    assert (tmp_path / "recording.json").read_bytes() == kept
    (found,) = terminal.record(("tbd init --help",), tmp_path)  # another film: nothing of the old one is shown
    assert found[0] == "tbd init --help"


def test_a_command_that_fails_is_not_filmed(terminal, tmp_path):
    with pytest.raises(SystemExit, match="exit code 2"):
        terminal.record(("tbd nonsense",), tmp_path)
