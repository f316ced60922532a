"""CPBD: cumulative probability of blur detection, the share of edges that look sharp; 0 to 1, higher is better.

An edge of width w is seen as blurred with probability 1 - exp(-(w / w_JNB)^3.6), where w_JNB is the just
noticeable width: 5 pixels in a block of low contrast, else 3 (Narvekar and Karam 2011). CPBD is the share
of edges for which that probability is at most 63 %, which for whole widths is just w <= w_JNB.

Papers compute it with the program python-cpbd 1.0.7, whose choices this file follows to the pixel:

1. Edges: horizontal Sobel gradient, squared, above twice the root of its mean; thinned to strict maxima
   along the row or the column.
2. Widths: only where the gradient is horizontal to within 22.5 degrees; from the edge outwards to where the
   grey levels stop rising (or falling). A picture with no gradient but to the right has no widths at all.
3. Blocks of 64 x 64, rest discarded; a block counts when more than 0.2 % of it are Canny edges (sigma 1,
   thresholds 0.1 and 0.2 grey levels).

Widths are in pixels, so numbers at different resolutions do not compare.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tbd.evaluate.measures.edge_blocks import BLOCK, Image, edge_blocks
from tbd.evaluate.measures.frames import FrameError, Scores, grey
from tbd.evaluate.measures.statistics import mean
from tbd.evaluate.metrics.base import Aggregate, ClipInfo, ClipScore, Metric, Window
from tbd.evaluate.metrics.frame_mean import FrameMean

LOW_CONTRAST = 50
JNB_LOW, JNB = 5, 3

_EXPLAIN = "tbd eval --explain cpbd"


def cpbd(gray: npt.NDArray[Any]) -> float:
    """Share of the edges of one picture that look sharp.

    Args:
        gray: ``(H, W)`` grey levels from 0 to 255, at least 64 x 64 for a result other than 0.

    Returns:
        0 to 1; 0 for a picture without edges.

    Raises:
        FrameError: not two-dimensional, not grey levels from 0 to 255.
    """
    from tbd.evaluate.measures.edge_kernels import edge_counts, edge_strengths, tilted

    image = _checked(gray)
    down, across = image.shape[0] // BLOCK, image.shape[1] // BLOCK
    if not down or not across:
        return 0.0
    strength = np.empty(image.shape, np.result_type(image, np.int32))
    threshold = 64 * 2 * np.sqrt(edge_strengths(image, strength) / 64 / image.size)  # 64: Sobel's 1/8, squared
    if strength.dtype.kind == "i":
        threshold = np.int32(threshold)  # whole numbers above it are above what is left of it
    noticeable = _noticeable(image[: down * BLOCK, : across * BLOCK])
    edges, sharp = edge_counts(image, strength, threshold, noticeable, tilted(image))
    counted = edge_blocks(image, edges > 0)
    found = int(edges[counted].sum())
    return int(sharp[counted].sum()) / found if found else 0.0


def _checked(gray: Any) -> Image:
    """Grey levels as int16, or float64 where they are not whole."""
    if not isinstance(gray, np.ndarray) or gray.ndim != 2 or gray.dtype.kind not in "uif" or not gray.size:
        found = f"{gray.dtype} {gray.shape}" if isinstance(gray, np.ndarray) else type(gray).__name__
        raise FrameError(f"cpbd takes one picture of grey levels (height, width), not {found}", next=_EXPLAIN)
    if gray.dtype == np.uint8:
        return gray.astype(np.int16)
    if not (gray.min() >= 0 and gray.max() <= 255):  # also catches NaN
        raise FrameError("cpbd takes grey levels from 0 to 255; some lie outside", next="clip and round them to uint8")
    whole = gray.astype(np.int16)
    if (whole == gray).all():
        return whole
    if gray.max() <= 1:
        raise FrameError("cpbd takes grey levels from 0 to 255; these lie in 0 to 1", next="multiply them by 255")
    return gray.astype(np.float64)


def _noticeable(image: Image) -> npt.NDArray[np.int64]:
    """``(down, across)`` just noticeable widths of the blocks, in pixels."""
    blocks = image.reshape(image.shape[0] // BLOCK, BLOCK, -1)
    highest, lowest = (bound(axis=1).reshape(len(blocks), -1, BLOCK) for bound in (blocks.max, blocks.min))
    contrast = highest.max(axis=2) - lowest.min(axis=2)
    return np.where(contrast.astype(np.int16) <= LOW_CONTRAST, JNB_LOW, JNB)


class CPBD(Metric):
    """CPBD of a run: grey levels as PIL's mode L, mean over the frames of a clip, then over clips."""

    key = "cpbd"
    protocol = "cpbd@python-cpbd"
    title = "CPBD"
    direction = "higher"
    unit = "frames"
    source = "Narvekar and Karam 2011, as python-cpbd 1.0.7 computes it"
    compares = "nothing"

    def open(self, clip: ClipInfo) -> FrameMean:
        """An accumulator of frames; refuses frames that hold no block."""
        if min(clip.size) < BLOCK:
            raise FrameError(f"frames of {clip.size[0]}x{clip.size[1]} hold no block of {BLOCK}x{BLOCK}", next=_EXPLAIN)
        return FrameMean(_of_window)

    def aggregate(self, scores: Sequence[ClipScore], reference: Sequence[ClipScore] = ()) -> Aggregate:
        """The mean over clips."""
        return mean(scores)


def _of_window(window: Window) -> Scores:
    return np.array([cpbd(picture) for picture in window.of_pred("grey", grey)])


METRICS: tuple[Metric, ...] = (CPBD(),)
