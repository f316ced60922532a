"""The only module besides ``cli`` that prints: results to stdout, words to stderr."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_hushed = False


def hush(hushed: bool = True) -> None:
    """Say nothing from now on: for all but the first of several processes that do one job together."""
    global _hushed
    _hushed = hushed


def out(text: str) -> None:
    """A result, on stdout."""
    if not _hushed:
        print(text, flush=True)


def document(value: Any) -> None:
    """The one JSON document of a ``--json`` command, on stdout."""
    out(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def say(text: str) -> None:
    """Words for a person, on stderr."""
    if not _hushed:
        print(text, file=sys.stderr, flush=True)


PACE = 120.0
"""Seconds back from now that decide about the pace, and so about the time that is left."""


class Progress:
    """What a long command tells while it runs; ``advance`` is safe to call often.

    Args:
        label: what is done.
        total: items in all.
        done: items that were done before; they tell nothing of the pace.
        warm_up: first items that do not tell it either, for what is loaded or compiled in them.
    """

    def __init__(self, label: str, total: int, done: int = 0, warm_up: int = 0) -> None:
        self.label, self.total, self.done = label, total, done
        self.paced_from = done + warm_up
        self.counts: dict[str, int] = {}
        self.words = ""
        self.told = time.monotonic()
        self.marks = deque([(self.told, done)])

    def advance(self, words: str = "", **counts: int) -> None:
        """One more item is done; ``counts`` are added to the numbers beside the bar, ``words`` replace those there."""
        self.done += 1
        self.words = words
        for name, more in counts.items():
            self.counts[name] = self.counts.get(name, 0) + more
        self._mark(time.monotonic())

    def rate(self) -> float:
        """Items a second over the last two minutes, or over the last item where that took longer."""
        began, before = self.marks[0]
        return (self.done - before) / max(time.monotonic() - began, 1e-9)

    def _mark(self, now: float) -> None:
        """Remember how many are done now: a mark a second, of which one is two minutes old."""
        if self.done <= self.paced_from:
            self.marks = deque([(now, self.done)])
        elif now - self.marks[-1][0] >= 1:
            self.marks.append((now, self.done))
        while len(self.marks) > 1 and self.marks[1][0] <= now - PACE:
            self.marks.popleft()

    def line(self) -> str:
        """``annotate 120/5000 · 3.1/s · about 26 min left · flagged 7``."""
        rate = self.rate()
        left = (
            f" · about {human_seconds((self.total - self.done) / rate)} left" if rate and self.done < self.total else ""
        )
        counts = "".join(f" · {name} {count}" for name, count in self.counts.items() if count)
        words = f" · {self.words}" if self.words else ""
        return f"{self.label} {self.done}/{self.total} · {rate:.1f}/s{words}{left}{counts}"


class _Lines(Progress):
    """For logs: a line every 30 seconds."""

    def advance(self, words: str = "", **counts: int) -> None:
        super().advance(words, **counts)
        if time.monotonic() - self.told >= 30:
            self.told = time.monotonic()
            say(self.line())


class _Bar(Progress):
    """For terminals: a bar that rich draws."""

    def __init__(self, label: str, total: int, done: int, warm_up: int, bar: Any) -> None:
        super().__init__(label, total, done, warm_up)
        self.bar, self.task = bar, bar.add_task(label, total=total, completed=done, words="")

    def advance(self, words: str = "", **counts: int) -> None:
        super().advance(words, **counts)
        self.bar.update(self.task, completed=self.done, words=self.line().partition(" · ")[2])


@contextmanager
def progress(label: str, total: int, *, done: int = 0, warm_up: int = 0, quiet: bool = False) -> Iterator[Progress]:
    """A bar on a terminal, a line every 30 s otherwise, and nothing when ``quiet``; the other arguments are ``Progress``'s."""
    if quiet or _hushed:
        yield Progress(label, total, done, warm_up)
    elif not sys.stderr.isatty():
        yield _Lines(label, total, done, warm_up)
    else:
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn
        from rich.progress import Progress as Rich

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed}/{task.total} {task.fields[words]}"),
        )
        with Rich(*columns, console=Console(stderr=True)) as bar:
            yield _Bar(label, total, done, warm_up, bar)


@contextmanager
def interruptible(
    under_way: str, signals: tuple[signal.Signals, ...] = (signal.SIGINT,), *, at_once: bool = True
) -> Iterator[threading.Event]:
    """The first Ctrl-C sets the event (drain and save); a second ends the process at once.

    That is safe where everything finished is on disk already. Of other signals only the first counts: queues and launchers
    send them twice, and what is being saved then must be.

    Args:
        under_way: what is still finished, for the message: ``calls under way``.
        signals: that mean so; the event's ``signal`` is the first that came.
        at_once: whether a second Ctrl-C ends the process; not under a launcher, which hands its own on to processes that
            the terminal has told already.
    """
    stopping = threading.Event()

    def handle(number: int, _: object) -> None:
        if stopping.is_set():
            if at_once and number == signal.SIGINT:
                os._exit(128 + number)
            return
        stopping.signal = signal.Signals(number)  # type: ignore[attr-defined]
        stopping.set()
        say(f"stopping: {under_way} are finished and saved{' (Ctrl-C again stops at once)' if at_once else ''}")

    main = threading.current_thread() is threading.main_thread()
    before = {number: signal.signal(number, handle) for number in signals} if main else {}
    try:
        yield stopping
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def human_seconds(seconds: float) -> str:
    """``45 s``, ``26 min``, ``3.2 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def human_bytes(count: float) -> str:
    """``28 kB``, ``334 MB``, ``3.4 GB`` (powers of 1000, as disks and hubs count)."""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return f"{count:.0f} B"
