"""SSIM: structural similarity of a frame and the true frame, 1 for equal frames; higher is better.

In windows around each pixel, with means u, variances v and covariance c of the two frames,

    (2 u_x u_y + C1) (2 c + C2) / ((u_x^2 + u_y^2 + C1) (v_x + v_y + C2)),  C1 = (0.01 255)^2, C2 = (0.03 255)^2

averaged over the pixels whose window lies inside the frame, and over the colour channels. Published
numbers follow three protocols, which differ from the second decimal on:

    skimage    7 x 7 uniform window, sample covariance: scikit-image's default, what talking-head papers use
    wang2004   11 x 11 Gaussian window, sigma 1.5, population covariance (Wang et al. 2004)
    gray       grey levels first, then ``skimage`` (DisCo and the human-animation papers after it)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from tbd.errors import UsageError
from tbd.evaluate.measures.frames import FrameError, Pixels, Scores, check_pair
from tbd.evaluate.measures.statistics import mean
from tbd.evaluate.metrics.base import Aggregate, ClipInfo, ClipScore, Metric, Window
from tbd.evaluate.metrics.frame_mean import FrameMean

C1, C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
SIDE = 7

Picture = npt.NDArray[np.uint8]


def ssim(pred: Pixels, ref: Pixels, protocol: str = "skimage") -> Scores:
    """Structural similarity of each frame.

    Args:
        pred, ref: ``(T, H, W, 3)`` uint8 RGB; H and W at least 7, for ``wang2004`` 11.
        protocol: ``skimage``, ``wang2004`` or ``gray``.

    Returns:
        ``(T,)`` float64, at most 1, and 1 for equal frames.

    Raises:
        FrameError: not such frames, smaller than the window, or of different shapes.
        UsageError: an unknown protocol.
    """
    if protocol not in _PROTOCOLS:
        raise UsageError(f"ssim has no protocol {protocol!r}", next=f"choose of {', '.join(_PROTOCOLS)}")
    check_pair(pred, ref)
    side, of_picture = _PROTOCOLS[protocol]
    _check_size(pred.shape[2], pred.shape[1], side)
    return np.array([of_picture(*pair) for pair in zip(pred, ref, strict=True)])


def _check_size(width: int, height: int, side: int) -> None:
    if min(width, height) < side:
        words = f"frames of {width}x{height} are smaller than ssim's window of {side}x{side}"
        raise FrameError(words, next="tbd eval --explain ssim")


def _uniform(pred: Picture, ref: Picture) -> float:
    """``skimage`` on ``(H, W)`` or ``(H, W, 3)``, in exact integers up to the last division."""
    from tbd.evaluate.measures.kernels import ssim_sum

    height, width, channels = (*pred.shape, 1)[:3]
    x, y = (np.ascontiguousarray(one).reshape(height, -1) for one in (pred, ref))
    area: int = (height - SIDE + 1) * (width - SIDE + 1) * channels
    return float(ssim_sum(x, y, channels)) / area


def _gaussian(pred: Picture, ref: Picture) -> float:
    """``wang2004`` on ``(H, W, 3)``: scikit-image's with ``gaussian_weights=True, use_sample_covariance=False``."""
    from scipy.ndimage import gaussian_filter

    def smooth(a: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        inside: npt.NDArray[np.float64] = gaussian_filter(a, 1.5, truncate=3.5, axes=(0, 1))[5:-5, 5:-5]
        return inside

    x, y = pred.astype(np.float64), ref.astype(np.float64)
    mean_x, mean_y, product, squares = (smooth(a) for a in (x, y, x * y, x * x + y * y))
    means, power = 2 * mean_x * mean_y, mean_x**2 + mean_y**2
    found = (means + C1) * (2 * product - means + C2) / ((power + C1) * (squares - power + C2))
    return float(found.mean())


def _grey(pred: Picture, ref: Picture) -> float:
    return _uniform(_luma(pred), _luma(ref))


def _luma(rgb: Picture) -> Picture:
    """Grey levels as OpenCV rounds them (PIL's differ by one level here and there)."""
    return ((rgb @ np.array([9798, 19235, 3735], np.int32) + (1 << 14)) >> 15).astype(np.uint8)


_PROTOCOLS: dict[str, tuple[int, Callable[[Picture, Picture], float]]] = {
    "skimage": (SIDE, _uniform),
    "wang2004": (11, _gaussian),
    "gray": (SIDE, _grey),
}


class SSIM(Metric):
    """SSIM of a run: mean over the frames of a clip, then over clips or over all frames.

    Args:
        over: ``frames`` weighs a clip by its frames (EAT pools all frames of all videos).
    """

    key = "ssim"
    title = "SSIM"
    direction = "higher"
    unit = "frames"
    source = "Wang et al. 2004; scikit-image structural_similarity on each RGB frame"
    compares = "frames"

    def __init__(self, protocol: str, over: Literal["clips", "frames"] = "clips") -> None:
        self._variant = protocol
        self._over = over
        self.protocol = f"ssim@{protocol}" + ("-pooled" if over == "frames" else "")

    def open(self, clip: ClipInfo) -> FrameMean:
        """An accumulator of frames; refuses frames smaller than the window."""
        _check_size(*clip.size, _PROTOCOLS[self._variant][0])
        return FrameMean(self._of_window)

    def aggregate(self, scores: Sequence[ClipScore], reference: Sequence[ClipScore] = ()) -> Aggregate:
        """The mean."""
        return mean(scores, over=self._over)

    def _of_window(self, window: Window) -> Scores:
        assert window.ref is not None
        if window.same:
            return np.ones(len(window.pred))
        return ssim(window.pred, window.ref, self._variant)


METRICS: tuple[Metric, ...] = (SSIM("skimage"), SSIM("wang2004"), SSIM("gray"), SSIM("skimage", "frames"))
