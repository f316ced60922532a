"""What tests of a card share: waiting for it, and the most memory that it held."""

import time
from collections.abc import Callable

import torch


def wait(device: torch.device) -> None:
    """Until the card has done what it was asked."""
    if device.type == "cuda":
        torch.cuda.synchronize()


def seconds(device: torch.device, work: Callable[[], object], times: int = 1) -> float:
    """Mean seconds of a work, which is done once before, unmeasured: kernels are chosen and loaded at the first use."""
    work()
    wait(device)
    began = time.perf_counter()
    for _ in range(times):
        work()
    wait(device)
    return (time.perf_counter() - began) / times


def forget_peak(device: torch.device) -> None:
    """From here on the peak is counted anew."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def peak_gb(device: torch.device) -> float | None:
    """Most memory in use since ``forget_peak``; None on a CPU."""
    return torch.cuda.max_memory_allocated() / 1e9 if device.type == "cuda" else None
