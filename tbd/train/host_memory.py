"""The host's memory while a network trains on the CPU."""

from __future__ import annotations

import ctypes

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""``mallopt``'s names in glibc's ``malloc.h``."""
_LARGEST = (1 << 30, 32 << 20)
"""Bytes of the largest tensor that is kept; glibc before 2.35 takes no more than the second."""


def keep_freed_memory(device: str) -> bool:
    """On a CPU: have the C library keep what a step frees for the next step.

    By default glibc gives large tensors back to the system as they are freed, and the next step finds every page of its
    own anew: 8 % of a step on one CPU thread. The process stays as large as its largest step.

    Args:
        device: torch's type of device; on all but ``cpu`` nothing is done.

    Returns:
        Whether it is done; not where the C library is another one.
    """
    change = getattr(ctypes.CDLL(None), "mallopt", None) if device == "cpu" else None
    if change is None:
        return False
    kept = any(change(_MMAP_THRESHOLD, size) for size in _LARGEST)
    return bool(kept and change(_TRIM_THRESHOLD, (1 << 31) - 1))
