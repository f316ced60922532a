"""Command lines that wait for nothing of each other: each in a worker on one core, its words in a file of its own."""

from __future__ import annotations

import contextlib
import os
import re
import runpy
import shlex
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tbd.cli.typed_commands import processor_seconds, typed_in
from tbd.console import say
from tbd.errors import MissingError
from tbd.pools import JobFailure, WorkerCrashedError, WorkerPool

LOGS = "logs"
"""Folder below the one where the lines are typed; what each said is there."""
LAST = 20
"""Lines of a failed one's log that are shown."""


@dataclass(frozen=True)
class TypedLine:
    """A line to type.

    Attributes:
        name: unique; names its log.
        folder: where it is typed.
        line: without ``tbd``.
    """

    name: str
    folder: Path
    line: str

    @property
    def typed(self) -> str:
        """As it is typed from anywhere."""
        return typed_in(self.folder, f"tbd {self.line}")

    @property
    def log(self) -> Path:
        """What it says."""
        return self.folder / LOGS / f"{re.sub('[^a-z0-9]+', '-', self.name)}.log"


@dataclass(frozen=True)
class EndedLine:
    """How a line ended: its exit code, its wall clock and its processor time in seconds."""

    code: int
    seconds: float
    processor_seconds: float


def run_side_by_side(lines: Sequence[TypedLine], workers: int, ended: Callable[[TypedLine, EndedLine], None]) -> int:
    """Type lines, as many at a time as there are workers; each keeps to one core.

    Args:
        lines: none reads what another makes.
        workers: processes.
        ended: is told of each line that ended well.

    Returns:
        0, or the exit code of the first line that failed: what it said was said, and no further line is begun.
    """
    with WorkerPool(_type_line, workers, failed=_crashed) as pool:
        try:
            for line, end in pool.run(_announced(lines)):
                if end.code:
                    pool.abandon()
                    say(f"{_last_words(line)}\nerror: {line.name} failed: {line.log}")
                    say(f"next:  {line.typed}")
                    return end.code
                say(f"{line.name}: {end.seconds:.0f} s")
                ended(line, end)
        except BaseException:
            pool.abandon()
            raise
    return 0


def _announced(lines: Sequence[TypedLine]) -> Sequence[TypedLine]:
    for line in lines:
        say(f"$ tbd {line.line}")
    if lines:
        say(f"what they say: {lines[0].log.parent}/")
    return lines


def _last_words(line: TypedLine) -> str:
    return "\n".join(line.log.read_text(encoding="utf-8", errors="replace").splitlines()[-LAST:])


def _type_line(line: TypedLine) -> EndedLine:
    line.log.parent.mkdir(parents=True, exist_ok=True)
    began, used = time.monotonic(), processor_seconds()
    with line.log.open("w", encoding="utf-8") as log, contextlib.chdir(line.folder):
        os.dup2(log.fileno(), sys.stdout.fileno())
        os.dup2(log.fileno(), sys.stderr.fileno())
        code = _program(shlex.split(line.line))
        sys.stdout.flush()
        sys.stderr.flush()
    return EndedLine(code, time.monotonic() - began, processor_seconds() - used)


def _program(words: Sequence[str]) -> int:
    """``python -m tbd WORDS`` in this process."""
    before, sys.argv = sys.argv, ["tbd", *words]
    try:
        runpy.run_module("tbd", run_name="__main__")
    except SystemExit as end:
        return int(end.code or 0)
    finally:
        sys.argv = before
    return 0


def _crashed(line: TypedLine, failure: JobFailure) -> EndedLine:
    gone = isinstance(failure.error, WorkerCrashedError)  # killed from outside, or by the system for want of memory
    reason = "its process was killed, perhaps for want of memory" if gone else failure.reason
    raise MissingError(f"{line.name}: {reason}; what it said: {line.log}", next=line.typed)
