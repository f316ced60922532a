"""What ``--devices`` names."""

from __future__ import annotations

from tbd.errors import MissingError, UsageError


def device_list(wanted: str) -> list[str]:
    """Devices by torch's names, such as ``["cuda:0", "cuda:2"]``; never empty.

    Args:
        wanted: ``auto`` takes every GPU, or the CPU where there is none; ``0,2`` these GPUs; ``cpu`` none. ``cpu,cpu``
            works twice at a time on the CPU.

    Raises:
        UsageError: not of that form.
        MissingError: a GPU that this machine does not have.
    """
    import torch

    count = torch.cuda.device_count()
    if wanted == "auto":
        return [f"cuda:{index}" for index in range(count)] or ["cpu"]
    names = [part.strip().removeprefix("cuda:") for part in wanted.split(",")]
    if odd := [name for name in names if name != "cpu" and not name.isdigit()]:
        raise UsageError(f"--devices {wanted}: {odd[0]!r} is neither auto, cpu nor a number", next="--devices 0,1")
    if missing := [name for name in names if name != "cpu" and int(name) >= count]:
        raise MissingError(f"--devices {wanted}: no GPU {missing[0]} here; torch sees {count}", next="tbd doctor")
    return [name if name == "cpu" else f"cuda:{name}" for name in names]
