"""PSNR: peak signal-to-noise ratio of a frame against the true frame, in dB; higher is better.

    10 log10(255^2 / MSE), the mean squared error over the H W 3 values of an RGB frame

Source: the field's scripts (EAT's ``test_psnr_ssim.py``), which call scikit-image's
``peak_signal_noise_ratio`` for each frame. The mean of frames' PSNR is not the PSNR of the mean
error. Equal frames have infinite PSNR: the function says so, a run counts them at 100 dB.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from tbd.evaluate.measures.frames import Pixels, Scores, check_pair
from tbd.evaluate.measures.statistics import mean
from tbd.evaluate.metrics.base import Aggregate, ClipInfo, ClipScore, Metric, Window
from tbd.evaluate.metrics.frame_mean import FrameMean

CAP = 100.0
"""dB at which a run counts frames that equal the ground truth, or all but equal it."""


def psnr(pred: Pixels, ref: Pixels) -> Scores:
    """Peak signal-to-noise ratio of each frame.

    Args:
        pred, ref: ``(T, H, W, 3)`` uint8 RGB.

    Returns:
        ``(T,)`` float64 in dB; ``inf`` where the frames are equal.

    Raises:
        FrameError: not such frames, or of different shapes.
    """
    from tbd.evaluate.measures.kernels import squared_error

    check_pair(pred, ref)
    pairs = zip(pred.reshape(len(pred), -1), ref.reshape(len(ref), -1), strict=True)
    mse = np.array([squared_error(*pair) for pair in pairs]) / pred[0].size
    with np.errstate(divide="ignore"):
        found: Scores = 10 * np.log10(255**2 / mse)
    return found


class _Capped(FrameMean):
    def finish(self) -> ClipScore:
        capped = sum(value >= CAP for value in self.values)
        self.values = [min(value, CAP) for value in self.values]
        score = super().finish()
        return ClipScore(score.value, score.n, score.reason, {"capped_frames": capped})


class PSNR(Metric):
    """PSNR of a run: frames capped at 100 dB, mean over the frames of a clip, then over clips or over all frames.

    Args:
        over: ``frames`` weighs a clip by its frames (EAT pools all frames of all videos).
    """

    key = "psnr"
    title = "PSNR"
    direction = "higher"
    unit = "frames"
    source = "scikit-image peak_signal_noise_ratio on each RGB frame"
    compares = "frames"

    def __init__(self, protocol: str, over: Literal["clips", "frames"]) -> None:
        self.protocol = f"psnr@{protocol}"
        self._over = over

    def open(self, clip: ClipInfo) -> FrameMean:
        """An accumulator of capped frames."""
        return _Capped(_of_window)

    def aggregate(self, scores: Sequence[ClipScore], reference: Sequence[ClipScore] = ()) -> Aggregate:
        """The mean, and in the details how many frames were at the cap."""
        found = mean(scores, over=self._over)
        found.details["capped_frames"] = sum(score.details.get("capped_frames", 0) for score in scores)
        return found


def _of_window(window: Window) -> Scores:
    assert window.ref is not None
    if window.same:
        return np.full(len(window.pred), np.inf)
    return psnr(window.pred, window.ref)


METRICS: tuple[Metric, ...] = (PSNR("rgb", "clips"), PSNR("rgb-pooled", "frames"))
