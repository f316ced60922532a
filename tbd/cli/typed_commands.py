"""Command lines that another command types: inside a folder, with the program's own parser."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import shlex
import sys
from pathlib import Path
from typing import Any

from tbd.console import say
from tbd.errors import TbdError


def typed_in(folder: Path, command: str) -> str:
    """A command of a folder as it is typed from outside."""
    return f"cd {shlex.quote(str(folder))} && {command}"


def processor_seconds() -> float:
    """Of this process and of its children. The workers of a closed pool are waited for: their time is not the next command's."""
    for child in multiprocessing.active_children():
        child.join(10)
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def run_typed(command: Any, folder: Path, line: str, json: bool) -> int:
    """Run ``tbd LINE`` inside a folder, as a person would type it there.

    Args:
        command: the root command of the program.
        folder: where it is typed.
        line: without ``tbd``.
        json: the caller prints one JSON document, so the results of the line go to stderr.

    Returns:
        Its exit code; where it is not 0, the line was said as the next thing to type.

    Raises:
        TbdError: what the line raises, its advice to be typed from outside.
    """
    say(f"\n$ tbd {line}")
    code = 0
    try:
        with contextlib.chdir(folder), contextlib.redirect_stdout(sys.stderr) if json else contextlib.nullcontext():
            code = int(command.main(shlex.split(line), prog_name="tbd", standalone_mode=False) or 0)
    except TbdError as error:
        advice = error.next if error.next and error.next.startswith("tbd ") else f"tbd {line}"
        error.next = typed_in(folder, advice)
        raise
    if code:
        say(f"next:  {typed_in(folder, f'tbd {line}')}")
    return code
