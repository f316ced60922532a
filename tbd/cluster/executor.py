"""Calls on the workers of a Ray cluster, as a ``concurrent.futures`` executor.

Each worker is an actor, a process of its own on some node. Short calls travel together, so that the
way to a worker does not cost more than the work. A worker that dies breaks its calls like a worker
of a process pool does, is said, and another takes its place.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from typing import Any

from tbd.cluster.connection import ray_library
from tbd.errors import MissingError
from tbd.pools import prepare_worker

MESSAGE_SECONDS = 0.1
"""So much work travels together."""
MOST = 64
"""Calls that travel together at most."""
SHORT = 1.0
"""Seconds of a call below which a worker has the next message at hand before it is done with one. Longer calls wait for
whoever is free first: at the end of a run nobody waits behind a neighbour, and a worker that dies takes one along."""
Call = tuple[Future[Any], Callable[..., Any], tuple[Any, ...]]
"""Where the result goes, what is called, and with what."""


class RayWorker:
    """The far end: a process on a node that does calls one after the other."""

    def __init__(self, begin: Callable[..., None] | None, given: tuple[Any, ...]) -> None:
        prepare_worker(begin, given)

    def work(self, calls: Sequence[tuple[Callable[..., Any], tuple[Any, ...]]]) -> tuple[list[Any], float]:
        """The results, and the seconds that they took."""
        started = time.perf_counter()
        return [call(*arguments) for call, arguments in calls], time.perf_counter() - started

    def place(self) -> str:
        """Which node and process this is."""
        import os
        import socket

        return f"{socket.gethostname()}:{os.getpid()}"


@dataclass(eq=False)
class _Seat:
    """One worker as the driver knows it."""

    actor: Any
    name: str = ""
    """Its node and process; empty until it has a place in the cluster and answers."""
    under_way: int = 0
    done: int = 0
    since: float = field(default_factory=time.monotonic)


class RayExecutor(Executor):
    """Calls are done by ``count`` actors.

    Args:
        options: of the actors, such as ``{"num_cpus": 1}``.
        begin, given: called in each worker before its first call.
        lost: hears in words of every worker that died.
    """

    def __init__(
        self,
        count: int,
        options: dict[str, Any],
        begin: Callable[..., None] | None,
        given: tuple[Any, ...],
        lost: Callable[[str], None],
    ) -> None:
        self._ray = ray_library()
        self._actor: Any = self._ray.remote(**options)(RayWorker)
        self._given = begin, given
        self._lost, self._stillborn = lost, 0
        self._waiting: deque[Call] = deque()
        self._suspects: deque[Call] = deque()
        self._under_way: dict[Any, tuple[_Seat, list[Call]]] = {}
        self._seats = [self._seat() for _ in range(count)]
        self._changed = threading.Condition()
        self._seconds_a_call: float | None = None  # nobody knows yet
        self._closed = False
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **_: Any) -> Future[Any]:
        """Do a call on some worker."""
        return self._queue(fn, args)

    def submit_alone(self, fn: Callable[..., Any], /, *args: Any) -> Future[Any]:
        """Do a call in a message of its own: one that may have killed a worker."""
        return self._queue(fn, args, alone=True)

    def _queue(self, fn: Callable[..., Any], args: tuple[Any, ...], *, alone: bool = False) -> Future[Any]:
        future: Future[Any] = Future()
        with self._changed:
            (self._suspects if alone else self._waiting).append((future, fn, args))
            self._changed.notify()
        return future

    @property
    def fitting(self) -> int:
        """Calls that one message should hold."""
        return max(1, min(MOST, int(MESSAGE_SECONDS / self._seconds_a_call))) if self._seconds_a_call else 1

    def throughput(self) -> list[str]:
        """What each worker has done, in words."""
        now = time.monotonic()
        return [
            f"{seat.name}: {seat.done} jobs, {seat.done / max(now - seat.since, 1e-9):.1f}/s" for seat in self._seats
        ]

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the workers."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()
        under_way = [call for _, calls in self._under_way.values() for call in calls]
        for future, *_ in [*self._suspects, *self._waiting, *under_way]:
            future.cancel()
        for seat in self._seats:
            self._ray.kill(seat.actor)

    def _seat(self) -> _Seat:
        seat = _Seat(self._actor.remote(*self._given))
        self._under_way[seat.actor.place.remote()] = seat, []
        return seat

    def _serve(self) -> None:
        while not self._closed:
            self._send()
            if not self._under_way:
                with self._changed:
                    if not (self._waiting or self._suspects or self._closed):
                        self._changed.wait(0.5)
                continue
            ready, _ = self._ray.wait(list(self._under_way), num_returns=1, timeout=0.01)
            for message in ready:
                self._receive(message)

    def _send(self) -> None:
        """Hand out what waits, evenly; each worker has one message in hand and, of short calls, one before it."""
        most = 2 if self._seconds_a_call and self._seconds_a_call < SHORT else 1
        for seat in sorted(self._seats, key=lambda one: one.under_way):
            if seat.name and seat.under_way < most and (calls := self._taken()):
                seat.under_way += 1
                sent = seat.actor.work.remote([call[1:] for call in calls])
                self._under_way[sent] = seat, calls

    def _taken(self) -> list[Call]:
        with self._changed:
            if self._suspects:
                return [self._suspects.popleft()]
            fair = -(-len(self._waiting) // len(self._seats))
            return [self._waiting.popleft() for _ in range(min(fair, self.fitting, len(self._waiting)))]

    def _receive(self, message: Any) -> None:
        seat, calls = self._under_way.pop(message)
        seat.under_way -= bool(calls)
        try:
            if not calls:
                seat.name, seat.since = self._ray.get(message), time.monotonic()
                return
            results, seconds = self._ray.get(message)
        except self._ray.exceptions.RayTaskError as error:  # the far end raised it
            self._fail(calls, error.cause if isinstance(error.cause, Exception) else error)
        except self._ray.exceptions.RayError as error:  # it died, its node did, or the node took it for lack of memory
            self._replace(seat, error)
            self._fail(calls, BrokenProcessPool())
        except Exception as error:  # noqa: BLE001 (whoever waits must learn of it)
            self._fail(calls, error)
        else:
            seat.done += len(calls)
            now = seconds / len(calls)
            self._seconds_a_call = max(0.5 * ((self._seconds_a_call or now) + now), 1e-6)
            for (future, *_), result in zip(calls, results, strict=True):
                future.set_result(result)

    @staticmethod
    def _fail(calls: Sequence[Call], error: Exception) -> None:
        for future, *_ in calls:
            future.set_exception(error)

    def _replace(self, seat: _Seat, error: Exception) -> None:
        """A worker is gone: its place is taken by another, wherever the cluster has room for it."""
        if seat not in self._seats or self._closed:
            return
        self._stillborn += not seat.name
        if self._stillborn > len(self._seats):
            self._give_up(str(error).strip().splitlines()[-1])
            return
        self._seats[self._seats.index(seat)] = self._seat()
        if seat.name:
            self._lost(f"worker {seat.name} was lost; what it had in hand is done again")

    def _give_up(self, why: str) -> None:
        for future, *_ in [*self._suspects, *self._waiting]:
            future.set_exception(MissingError(f"no worker starts on the cluster: {why}", next="ray status"))
        self._suspects.clear()
        self._waiting.clear()
