"""When to try again, and when to stop trying at all."""

from __future__ import annotations

import threading
import time

from tbd.errors import MissingError
from tbd.recipe import digest

LONGEST = 60.0
"""Seconds between two tries at most, whatever a server asks for."""

GIVE_UP_AFTER = 8
"""Questions in a row, over all conversations, that no endpoint answered."""


def retry_delay(base: float, attempt: int, name: str, asked: float = 0.0) -> float:
    """Seconds before the next try: doubling, spread by a jitter that a re-run repeats.

    Args:
        base: seconds after the first failure.
        attempt: failures before this one.
        name: of what is tried; conversations that failed together come back apart.
        asked: seconds that the server wants to be left alone.

    Returns:
        Between half and all of ``base * 2**attempt``, at least ``asked``, at most ``LONGEST``.
    """
    share = int(digest([name, attempt])[:8], 16) / 0xFFFFFFFF
    return min(max(base * 2.0 ** min(attempt, 30) * (1 + share) / 2, asked), LONGEST)


class Pace:
    """Spreads requests evenly over time; safe to share between threads.

    Args:
        per_minute: requests at most; 0 is no limit.
    """

    def __init__(self, per_minute: int) -> None:
        self._gap = 60.0 / per_minute if per_minute else 0.0
        self._lock = threading.Lock()
        self._next = 0.0

    def turn(self) -> float:
        """Seconds until the caller may send; its place is taken by asking."""
        with self._lock:
            now = time.monotonic()
            at = max(now, self._next)
            self._next = at + self._gap
            return at - now


class CircuitBreaker:
    """Stops a run whose servers are gone, instead of failing every row after minutes of tries.

    A question that ran out of tries is a failed row, and so is one that was rejected by a server that
    has not answered any yet. After ``GIVE_UP_AFTER`` of them in a row every conversation ends with a
    ``MissingError`` at its next step, and waiting ones wake up. What was answered is journalled, so
    the same command goes on from there.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tripped = threading.Event()
        self.stopped = False
        self._vain = 0
        self._last = self._fix = ""

    def answered(self) -> None:
        """An endpoint answered: the row of failures is broken."""
        with self._lock:
            self._vain = 0

    def failed(self, words: str, fix: str = "see to the server") -> None:
        """A question ran out of tries.

        Args:
            words: why.
            fix: what a person has to do about it.

        Raises:
            MissingError: it was one too many.
        """
        with self._lock:
            self._vain, self._last, self._fix = self._vain + 1, words, fix
            if self._vain >= GIVE_UP_AFTER:
                self._tripped.set()
        self.check()

    def stop(self) -> None:
        """The run ends: whoever waits for another try goes on at once, and does not try."""
        self.stopped = True
        self._tripped.set()

    def wait(self, seconds: float) -> None:
        """Sleep, unless the run is over.

        Raises:
            MissingError: it is.
        """
        self._tripped.wait(seconds)
        self.check()

    def check(self) -> None:
        """Go on, unless the run is over.

        Raises:
            MissingError: it is.
        """
        if self._tripped.is_set() and not self.stopped:
            raise MissingError(
                f"no endpoint answered {GIVE_UP_AFTER} questions in a row; the last: {self._last}",
                next=f"{self._fix}   # then run the same command with --retry failed",
            )
