"""What graphics cards can do at best, by the names that their driver gives them."""

from __future__ import annotations

import re

PEAKS = {
    "B200": 2250e12,
    "H200 NVL": 835e12,
    "H200": 989e12,
    "H100 NVL": 835e12,
    "H100 PCIe": 756e12,
    "H100": 989e12,
    "A100": 312e12,
    "L40S": 362e12,
    "L40": 181e12,
    "L20": 119.5e12,
    "L4": 121e12,
    "A10": 125e12,
    "V100": 125e12,
    "RTX 6000 Ada": 364e12,
    "RTX A6000": 154.8e12,
    "RTX 5090": 209.5e12,
    "RTX 4090": 165.2e12,
    "RTX 3090": 71e12,
}
"""Dense operations a second in bfloat16 with sums in float32 (V100, which has none: in float16), H100 and H200 as SXM where
nothing else is said. From NVIDIA's data sheets, which give twice as much "with sparsity", and for the RTX cards from its
white papers on the Ampere, Ada and Blackwell architectures."""

_OTHER_CHIPS = re.compile(r"\b(MIG|Laptop|Max-Q|D|Ti|SUPER)\b")
"""Words behind a name that mean a part of the card, or another chip: ``RTX 4090 Laptop GPU``, ``RTX 4090 D``."""


def peak_operations(name: str) -> float | None:
    """Dense half-precision operations a second that a card can do at best; None where they are not known.

    Args:
        name: as ``torch.cuda.get_device_name`` has it, such as ``NVIDIA H100 PCIe``.
    """
    if _OTHER_CHIPS.search(name):
        return None
    longest_first = sorted(PEAKS, key=len, reverse=True)  # H100 PCIe is no H100
    return next((PEAKS[key] for key in longest_first if re.search(rf"\b{re.escape(key)}\b", name)), None)


def why_no_mfu(name: str, precision: str) -> str | None:
    """Why the share of a card's peak cannot be told; None where it can.

    Args:
        name: of the card, or ``CPU``.
        precision: ``hardware.precision`` of the recipe.
    """
    if precision == "float32":
        return "no MFU in float32: the peaks that are known are those of half precision"
    if peak_operations(name) is None:
        return f"no MFU: what {name} can do at best is not known here (PEAKS in tbd/train/card_peaks.py)"
    return None
