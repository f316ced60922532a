"""A film of a terminal as one animated SVG: commands are typed, their output comes as it came, long waits are shortened.

The film is CSS alone, so it plays inside an ``<img>``. Whatever does not play it, or is asked for less motion, shows its last screen.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import textwrap
import time
from dataclasses import dataclass
from html import escape
from pathlib import Path

COLUMNS, ROWS = 100, 30
"""Of the terminal."""
CELL, LINE, MARGIN = 8.4, 19, 16
"""Width of a sign, height of a line and the border, px at a font size of 14 px."""
KEY, LONGEST, END = 0.04, 1.0, 8.0
"""Seconds: a key, the longest wait that is shown, and the last screen."""
LONG = 10.0
"""A wait of so many seconds gets a line that says how long it was."""
DONE = (0, 1)
"""Exit codes of a run that is shown: done, also where the answer is no."""
INK = {"command": "#a6e22e", "output": "#d8dee4", "wait": "#7d8790"}
PAGE = "#1d2328"

Recording = list[tuple[str, list[tuple[float, str]]]]
"""Commands, each with the lines that it printed and the seconds from its start."""


@dataclass(frozen=True)
class FilmLine:
    """A line of the film: when it comes (seconds), how long it takes to be typed (0: at once), what it is and what it says."""

    at: float
    typed: float
    kind: str
    text: str


def record(commands: tuple[str, ...], folder: Path) -> Recording:
    """What ``tbd …`` commands print on both streams in ``folder``, line by line; kept there as ``recording.json`` and used again."""
    kept = folder / "recording.json"
    earlier = json.loads(kept.read_text(encoding="utf-8")) if kept.is_file() else []
    same = itertools.takewhile(lambda pair: pair[0][0] == pair[1], zip(earlier, commands, strict=False))
    found: Recording = [run for run, _ in same]
    environment = os.environ | {"COLUMNS": str(COLUMNS), "PYTHONUNBUFFERED": "1"}
    for line in commands[len(found) :]:
        started, printed = time.monotonic(), []
        words = [sys.executable, "-m", *line.split()]
        with subprocess.Popen(
            words, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
        ) as process:
            for text in process.stdout or ():
                printed.append((time.monotonic() - started, text.rstrip()))
        if process.returncode not in DONE:
            raise SystemExit(f"{line}: exit code {process.returncode}\n" + "\n".join(text for _, text in printed))
        found.append((line, printed))
        kept.write_text(json.dumps(found), encoding="utf-8")
    return found


def _wait(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"    … {minutes} min {rest} s" if minutes else f"    … {rest} s"


def _typed(command: str) -> list[str]:
    parts = textwrap.wrap(f"$ {command}", COLUMNS - 2, subsequent_indent="    ", break_on_hyphens=False)
    return [f"{part} \\" for part in parts[:-1]] + parts[-1:]


def cut(recording: Recording) -> list[FilmLine]:
    """The lines of the film, wrapped, with every wait shortened to a second; a long one is told."""
    lines: list[FilmLine] = []
    now = 0.5
    for command, printed in recording:
        if lines:
            lines.append(FilmLine(now, 0, "output", ""))
        for part in _typed(command):
            lines.append(FilmLine(now, KEY * len(part), "command", part))
            now += KEY * len(part)
        now, before = now + 0.4, 0.0
        for seconds, text in printed:
            waited, before = seconds - before, seconds
            if waited > LONG:
                lines.append(FilmLine(now, 0, "wait", _wait(waited)))
            now += min(max(waited, 0.08), LONGEST)
            lines += [FilmLine(now, 0, "output", part) for part in textwrap.wrap(text, COLUMNS) or [""]]
        now += 2.5
    return lines


def film(lines: list[FilmLine]) -> str:
    """The animated SVG; the last screen is what it shows where nothing moves."""
    total = lines[-1].at + END
    style, drawn, moves = [], [], ["0%{transform:none}"]
    for index, line in enumerate(lines):
        start, end = 100 * line.at / total, 100 * (line.at + line.typed) / total
        if line.typed:
            steps = f"animation-timing-function:steps({len(line.text)})"
            frames = f"0%,{start:.3f}%{{clip-path:inset(0 100% 0 0);{steps}}}{end:.3f}%,100%{{clip-path:inset(0)}}"
        else:
            frames = f"0%{{visibility:hidden}}{start:.3f}%,100%{{visibility:visible}}"
        style.append(f"@keyframes l{index}{{{frames}}}#l{index}{{animation-name:l{index}}}")
        up = max(0, index + 1 - ROWS) * LINE
        moves.append(f"{start:.3f}%,100%{{transform:translateY(-{up}px)}}" if up else "")
        width = f'textLength="{CELL * len(line.text):.1f}"' if line.text else ""
        place = f'id="l{index}" class="{line.kind}" x="{MARGIN}" y="{MARGIN + LINE * (index + 0.75):.1f}"'
        drawn.append(f"<text {place} {width}>{escape(line.text)}</text>")
    width, height = CELL * COLUMNS + 2 * MARGIN, LINE * ROWS + 2 * MARGIN
    up = max(0, len(lines) - ROWS) * LINE
    inks = "".join(f".{kind}{{fill:{ink}}}" for kind, ink in INK.items())
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}" '
        f'role="img"><title>tbd in a terminal, {total:.0f} seconds</title><style>'
        "text{font:14px ui-monospace,SFMono-Regular,Menlo,Consolas,DejaVu Sans Mono,monospace;white-space:pre}"
        f"{inks}#all{{transform:translateY(-{up}px)}}@media (prefers-reduced-motion:no-preference){{"
        f"text,#all{{animation:{total:.1f}s step-end infinite}}#all{{animation-name:up}}@keyframes up{{{''.join(moves)}}}"
        f'{"".join(style)}}}</style><rect width="100%" height="100%" rx="8" fill="{PAGE}"/>'
        f'<svg x="0" y="{MARGIN}" width="{width:g}" height="{LINE * ROWS:g}"><g id="all" transform="translate(0)">'
        f'<g transform="translate(0,-{MARGIN})">{"".join(drawn)}</g></g></svg></svg>\n'
    )
