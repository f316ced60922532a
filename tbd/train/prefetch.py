"""Reading ahead: threads read the next sources, each a little in advance, while the present one is worked on."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from queue import Full, Queue
from threading import Event
from typing import Any, Generic, TypeVar

T = TypeVar("T")
END = object()
"""Follows the last item of a source."""


def prefetch(
    sources: Iterable[Callable[[], Iterator[T]]], threads: int, hold: int = 2
) -> Generator[Iterator[T], None, None]:
    """The items of many sources in order, source after source. Close it to end early.

    Args:
        sources: each gives its items when called.
        threads: sources that are read at a time.
        hold: items of one source that may wait; a thread that is so far ahead pauses.

    Yields:
        For every source its items; what the source raises is raised where they are read. Going on to the next source
        drops what is left of this one.
    """
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[_Pipe[T]] = deque()
        try:
            for source in sources:
                waiting.append(_Pipe(hold))
                pool.submit(waiting[-1].fill, source)
                if len(waiting) > threads:
                    yield from _taken(waiting)
            while waiting:
                yield from _taken(waiting)
        finally:
            for pipe in waiting:
                pipe.closed.set()


def _taken(waiting: deque[_Pipe[T]]) -> Iterator[Iterator[T]]:
    pipe = waiting.popleft()
    try:
        yield pipe.items()
    finally:
        pipe.closed.set()


class _Pipe(Generic[T]):
    """From one thread to its reader."""

    def __init__(self, hold: int) -> None:
        self.closed = Event()
        self._queue: Queue[Any] = Queue(hold)

    def fill(self, source: Callable[[], Iterator[T]]) -> None:
        try:
            for item in source():
                if not self._put(item):
                    return
            self._put(END)
        except Exception as error:  # noqa: BLE001 (raised again by the reader)
            self._put(error)

    def items(self) -> Iterator[T]:
        while (item := self._queue.get()) is not END:
            if isinstance(item, Exception):
                raise item
            yield item

    def _put(self, item: Any) -> bool:
        """Wait for room; False when nobody will read."""
        while not self.closed.is_set():
            try:
                self._queue.put(item, timeout=0.1)
            except Full:
                continue
            return True
        return False
