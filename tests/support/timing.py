"""How benches measure: processor seconds, the works taken in turns, the least of several, so that a busy machine says the same."""

import time
from collections.abc import Callable


def least_seconds(*works: Callable[[], object], times: int = 4) -> list[float]:
    """Processor seconds of the fastest run of each work, in their order."""
    taken: list[list[float]] = [[] for _ in works]
    for _ in range(times):
        for work, found in zip(works, taken, strict=True):
            begin = time.process_time()
            work()
            found.append(time.process_time() - begin)
    return [min(found) for found in taken]


def wall_seconds(work: Callable[[], object]) -> float:
    """What a person waits: for works that sleep, or that other processes do."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin
