"""What clips and chains of a run took: measured while it goes, kept in the journal, the ground of ``tbd.annotate.cost``."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, Self

META = "pace"
"""Its key in the journal: the run with the most rows so far."""


@dataclass(frozen=True)
class RunPace:
    """A measured run.

    Attributes:
        rows, chains, looks: done in it.
        seconds: of the wall clock, from its start to its last row; ``start`` of them until anything had come back.
        asking: seconds in which sessions of the backend were busy, summed over ``sessions``.
        looking: CPU seconds of looking at media; of one whose look was kept (``look_cache``), those of that look.
        driving: CPU seconds of the process that kept the journal.
        gpus: that answered, or endpoints of a server; 0: no model was asked.
        workers: processes that looked; 0: the driver did.
    """

    rows: int
    chains: int
    looks: int
    seconds: float
    start: float
    asking: float
    looking: float
    driving: float
    sessions: int
    gpus: int
    workers: int

    @classmethod
    def of_json(cls, document: dict[str, Any]) -> Self:
        """As ``as_json`` wrote it."""
        return cls(**document)

    def as_json(self) -> dict[str, Any]:
        """For the journal."""
        return asdict(self)


class PaceClock:
    """Takes the time of a run. Sessions report from threads of their own."""

    def __init__(self) -> None:
        self._lock, self._begun, self._driving = threading.Lock(), time.monotonic(), time.process_time()
        self._first: float | None = None
        self._asking = self._looking = self._spared = 0.0
        self._looks = self._chains = 0

    def looked(self, seconds: float, spared: float = 0.0) -> None:
        """A medium was looked at, in so many CPU seconds; ``spared`` of them were spent in an earlier run."""
        with self._lock:
            self._note_first()
            self._looks, self._looking = self._looks + 1, self._looking + seconds
            self._spared += spared

    @contextmanager
    def asking(self, chains: int) -> Iterator[None]:
        """A session is busy with so many chains."""
        begun = time.monotonic()
        try:
            yield
        finally:
            with self._lock:
                self._note_first()
                self._chains, self._asking = self._chains + chains, self._asking + time.monotonic() - begun

    def _note_first(self) -> None:
        self._first = self._first or time.monotonic() - self._begun

    def read(self, rows: int, sessions: int, gpus: int, workers: int) -> RunPace:
        """The run until now; arguments as in ``RunPace``."""
        now, driving = time.monotonic() - self._begun, time.process_time() - self._driving
        driving += 0.0 if workers else self._spared  # the driver looked, and ``looking`` is a part of ``driving``
        return RunPace(
            rows, self._chains, self._looks, now, self._first or now, self._asking, self._looking, driving,
            sessions, gpus, workers,
        )  # fmt: skip
