"""Scores of talking-head videos. The public functions load on first use, so importing this is cheap."""

from __future__ import annotations

import importlib
from typing import Any

_PUBLIC = {
    "evaluate": "tbd.evaluate.notebook",
    "psnr": "tbd.evaluate.metrics.psnr",
    "ssim": "tbd.evaluate.metrics.ssim",
    "cpbd": "tbd.evaluate.metrics.cpbd",
    "lpips": "tbd.evaluate.metrics.lpips",
    "mfcc": "tbd.media.mfcc",
    "sync_scores": "tbd.evaluate.measures.lip_sync",
    "frechet_distance": "tbd.evaluate.measures.frechet",
    "kernel_distance": "tbd.evaluate.measures.frechet",
}

# No submodule of this package may bear one of these names: importing it would hide the function.
__all__ = sorted(_PUBLIC)  # noqa: PLE0605 (resolved by __getattr__)


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_PUBLIC])
