"""From several channels to one that keeps the speech."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

WEIGHTS = {"FC": 1.0, "FL": 2**-0.5, "FR": 2**-0.5, "LFE": 0.0, "LFE2": 0.0}
"""Of the channels of surround sound (ITU-R BS.775-4, annex 4): speech lies in the centre; the bass effects are left out."""
OTHER = 0.5
USUAL = {
    3: ("FL", "FR", "FC"),
    4: ("FL", "FR", "FC", "BC"),
    5: ("FL", "FR", "FC", "BL", "BR"),
    6: ("FL", "FR", "FC", "LFE", "BL", "BR"),
    7: ("FL", "FR", "FC", "LFE", "BC", "SL", "SR"),
    8: ("FL", "FR", "FC", "LFE", "BL", "BR", "SL", "SR"),
}
"""What the channels of a file are that only says how many it has: the order in which wave files store them."""
OPPOSED = 0.1
"""Share of the channels' level below which their mean says that they cancel each other."""


def downmix(channels: npt.NDArray[np.float32], names: Sequence[str]) -> npt.NDArray[np.float32]:
    """Mono sound of several channels.

    Without a centre channel it is the mean; where the halves cancel each other (one was plugged in with opposite
    phase) it is half their difference. With a centre it is the weighted mean of ``WEIGHTS``. The mean is ours, for a
    mixer may clip or amplify.

    Args:
        channels: ``(n, c)``.
        names: of the c channels, as FFmpeg names them (``FL FR FC LFE BL BR``).

    Returns:
        ``(n,)`` float32.
    """
    if channels.shape[1] == 1:
        return channels[:, 0]
    if "FC" not in names and all(name in ("", "NONE") for name in names):
        names = USUAL.get(len(names), names)
    if "FC" in names:
        weights = np.array([WEIGHTS.get(name, OTHER) for name in names], np.float32)
        return np.asarray(channels @ (weights / weights.sum()), np.float32)
    mono: npt.NDArray[np.float32] = channels.mean(axis=1, dtype=np.float32)
    if channels.shape[1] == 2 and _level(mono) < OPPOSED * _level(channels):
        return np.asarray((channels[:, 0] - channels[:, 1]) / 2, np.float32)
    return mono


def _level(samples: npt.NDArray[np.float32]) -> float:
    return float(np.sqrt(np.square(samples, dtype=np.float64).mean())) if samples.size else 0.0
