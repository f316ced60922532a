"""How ``make gpu`` ends in time, with a line for everything: hooks for tests marked ``gpu``, which ``tests/gpu/conftest.py`` takes over.

Results are written after every test. What begins too late is not run, what takes too long is stopped, and both, like every
failure, are told among the results.
"""

from __future__ import annotations

import faulthandler
import json
import os
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

UNTIL = "GPU_UNTIL"
"""Until when tests may run, in seconds since 1970: ``make gpu`` counts from its own first second."""
SECONDS = 500
"""From the import of this module, where nobody has said ``GPU_UNTIL``."""
GRACE = 20
"""Seconds beyond it, after which the process ends, even inside a kernel that no signal reaches: under 9 minutes in all."""
LATE = "not run: out of time"
STOPPED = "stopped: out of time"


@dataclass
class CardRun:
    """One run of ``make gpu``.

    Attributes:
        figures: what -> number or words.
        waiting: tests that have not ended yet, and what is to be said of them if the process ends now.
        until: when the last test is stopped, in seconds since 1970.
        began: whether a test of the card was met at all.
    """

    figures: dict[str, float | str] = field(default_factory=dict)
    waiting: dict[str, str] = field(default_factory=dict)
    until: float = field(default_factory=lambda: float(os.environ.get(UNTIL) or time.time() + SECONDS))
    began: bool = False

    def left(self) -> float:
        """Seconds until the end."""
        return self.until - time.time()

    def found(self) -> dict[str, float | str]:
        """The figures, and a line for each test that is waiting."""
        return self.figures | self.waiting

    def table(self) -> str:
        """The same as Markdown."""
        rows = [
            f"| {what} | {one if isinstance(one, str) else format(one, '.4g')} |" for what, one in self.found().items()
        ]
        return "\n".join(["| what | figure |", "| --- | --- |", *rows, ""])

    def write(self) -> None:
        """``figures.json`` and ``figures.md`` in ``$GPU_FIGURES``, else ``gpu-figures/``."""
        folder = Path(os.environ.get("GPU_FIGURES") or "gpu-figures")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "figures.json").write_text(json.dumps(self.found(), indent=2) + "\n")
        (folder / "figures.md").write_text(self.table())


RUN = CardRun()


def _is_of_the_card(item):
    return item.get_closest_marker("gpu") is not None


def _words(item):
    return item.name.removeprefix("test_").replace("_", " ")


def pytest_collection_finish(session):
    """Nothing has been run yet."""
    RUN.waiting = {_words(item): LATE for item in session.items if _is_of_the_card(item)}


@pytest.hookimpl(wrapper=True, tryfirst=True)  # before pytest-timeout reads the marker
def pytest_runtest_protocol(item, nextitem):
    """No test has longer than the whole run has."""
    if not _is_of_the_card(item):
        return (yield)
    RUN.began, RUN.waiting[_words(item)] = True, STOPPED
    RUN.write()
    item.add_marker(pytest.mark.timeout(max(RUN.left(), 1), method="signal"), append=False)
    faulthandler.dump_traceback_later(max(RUN.left(), 1) + GRACE, exit=True, file=sys.__stderr__)
    try:
        return (yield)
    finally:
        faulthandler.cancel_dump_traceback_later()
        RUN.waiting.pop(_words(item))
        RUN.write()


@pytest.hookimpl(tryfirst=True)  # before any fixture is made
def pytest_runtest_setup(item):
    """What would begin too late is not run."""
    if _is_of_the_card(item) and RUN.left() < 1:
        RUN.figures[_words(item)] = LATE
        pytest.skip(LATE)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Failures are results too."""
    report = yield
    if report.failed and _is_of_the_card(item):
        words = str(call.excinfo.value).strip().partition("\n")[0]
        RUN.figures[_words(item)] = (
            STOPPED if words.startswith("Timeout (>") else f"failed: {call.excinfo.typename}: {words}"
        )
    return report


def pytest_terminal_summary(terminalreporter):
    """The table, at the end of the output."""
    if RUN.began:
        terminalreporter.write("\n" + RUN.table())
