"""Progress within a long clip: what accumulators hold is put into the cache now and then, so that a kill costs seconds.

Nothing is pickled: a state is made of numbers, texts, lists, dictionaries and arrays, and is stored as JSON beside the
arrays.
"""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from tbd.evaluate.engine.cache import ClipCache
from tbd.evaluate.engine.requests import ScoreRequest
from tbd.evaluate.metrics.base import Resumable

EVERY = 30.0
"""Seconds from one time to the next: shorter clips are never stored half."""


class ClipProgress:
    """Stores and restores the requests of one clip.

    Args:
        cache: None keeps nothing.
    """

    def __init__(self, cache: ClipCache | None = None) -> None:
        self._cache, self._last = cache, time.monotonic()

    def restore(self, request: ScoreRequest) -> int:
        """Bring an accumulator that was just opened to where a killed run left it; the frame to go on with."""
        found = self._cache.progress(request.key) if self._cache else None
        if found is None or not isinstance(request.accumulator, Resumable):
            return 0
        request.accumulator.restore(unpacked(found[1]))
        return found[0]

    def store(self, requests: Iterable[tuple[ScoreRequest, int]]) -> None:
        """Store requests with the frame that they wait for, if it is time to."""
        if self._cache is None or time.monotonic() - self._last < EVERY:
            return
        found: dict[str, tuple[int, bytes]] = {}
        for request, frame in requests:
            accumulator = request.accumulator
            if request.answer is None and frame and isinstance(accumulator, Resumable):
                found[request.key] = (frame, packed(accumulator.state()))
        self._cache.put_progress(found)
        self._last = time.monotonic()


def packed(state: Any) -> bytes:
    """A state as bytes.

    Raises:
        TypeError: it holds something else than numbers, texts, lists, dictionaries and arrays.
    """
    arrays: dict[str, npt.NDArray[Any]] = {}

    def plain(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            arrays[f"a{len(arrays)}"] = value
            return {"array": f"a{len(arrays) - 1}"}
        if isinstance(value, dict):
            return {"items": [[plain(key), plain(one)] for key, one in value.items()]}
        if isinstance(value, list | tuple):
            return [plain(one) for one in value]
        return value.item() if isinstance(value, np.generic) else value

    text = json.dumps(plain(state))
    file = io.BytesIO()
    np.savez(file, json=np.frombuffer(text.encode(), np.uint8), **arrays)  # type: ignore[arg-type]
    return file.getvalue()


def unpacked(data: bytes) -> Any:
    """The state that ``packed`` packed; tuples come back as lists."""
    with np.load(io.BytesIO(data), allow_pickle=False) as stored:

        def whole(value: Any) -> Any:
            if isinstance(value, list):
                return [whole(one) for one in value]
            if not isinstance(value, dict):
                return value
            if "array" in value:
                return stored[value["array"]]
            return {whole(key): whole(one) for key, one in value["items"]}

        return whole(json.loads(stored["json"].tobytes()))
