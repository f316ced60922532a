"""Runs a command for as long as its own standard input stays open; then ends it with everything it started.

    python process_guard.py COMMAND …

Whoever starts it keeps the other end of the line and never writes to it. However that process ends, by itself, by a signal
or by a crash, the line closes. Standard library only: it is run as a file by itself.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
from collections.abc import Sequence

GRACE = 20.0
"""Seconds from a polite end to a sure one."""

_LOOK = 0.1
"""Seconds between two looks at the command."""


def main(command: Sequence[str]) -> int:
    """Run a command in a process group of its own until it ends or the line is closed; returns its exit code."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    guarded = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        while guarded.poll() is None and not select.select([sys.stdin], [], [], _LOOK)[0]:
            pass
    finally:
        _end(guarded)
    return guarded.returncode


def _end(guarded: subprocess.Popen[bytes]) -> None:
    """End the whole group: what the command started, such as a model's workers, must not stay behind."""
    _signal(guarded, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        guarded.wait(GRACE)
    _signal(guarded, signal.SIGKILL)
    guarded.wait()


def _signal(guarded: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(guarded.pid, number)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
