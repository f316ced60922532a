"""How a card computes: the same bits again, or faster products of float32 matrices (``hardware.deterministic``, ``.tf32``)."""

from __future__ import annotations

import os

import torch

from tbd.train.recipe import Hardware

_WORKSPACE = ":4096:8"
"""cuBLAS computes the same bits again only with workspaces of fixed size (NVIDIA's cuBLAS manual, Reproducibility)."""


def set_arithmetic(hardware: Hardware, device: str) -> None:
    """Have torch compute as a recipe says, from now on and in the whole process; call it before CUDA starts.

    On a CPU nothing is set: it computes the same bits anyway, and torch's own names for these settings would reach its
    products of matrices too.

    Args:
        hardware: of the recipe; what it leaves off is switched off.
        device: torch's type of device.
    """
    if device != "cuda":
        return
    if hardware.deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", _WORKSPACE)
        torch.backends.cudnn.benchmark = False  # it would choose an algorithm by the clock
    torch.use_deterministic_algorithms(hardware.deterministic)
    torch.set_float32_matmul_precision("high" if hardware.tf32 else "highest")
    if hardware.tf32:
        torch.backends.cudnn.allow_tf32 = True  # torch's default
