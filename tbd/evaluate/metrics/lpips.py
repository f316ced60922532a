"""LPIPS: learned perceptual distance between a frame and the true frame, 0 for equal frames; lower is better.

    sum over layers l of  mean over places of  sum over channels c of  w_lc (f_lc - g_lc)^2

f and g are what a classifier sees in the two frames at five layers, scaled to length 1 at each place; the
weights w were learned from people's judgements. Protocols name the classifier: ``alex`` (default) and
``vgg``, version 0.1 of both, on RGB at the frames' own resolution.

Source: Zhang et al. 2018; richzhang/PerceptualSimilarity (the pip package ``lpips``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from tbd import weights
from tbd.errors import UsageError
from tbd.evaluate.measures.frames import FrameError, Pixels, Scores, check_pair
from tbd.evaluate.measures.statistics import mean
from tbd.evaluate.metrics.base import Aggregate, ClipInfo, ClipScore, Metric, Window
from tbd.evaluate.metrics.frame_mean import FrameMean

if TYPE_CHECKING:
    from torch import Tensor

    from tbd.evaluate.networks.lpips import LPIPSNet

BACKBONES = {"alex": "alexnet", "vgg": "vgg16"}

KEPT = {"alex": 32 * 512 * 512, "vgg": 0}
"""Pixels of a window up to which what the network saw in the ground truth is kept for other runs (44 bytes a pixel
with alex; with vgg it would be 490)."""


def lpips(pred: Pixels, ref: Pixels, net: str = "alex") -> Scores:
    """Learned perceptual distance of each frame.

    Args:
        pred, ref: ``(T, H, W, 3)`` uint8 RGB, sides of 31 pixels or more (16 with ``vgg``).
        net: ``alex`` or ``vgg``.

    Returns:
        ``(T,)`` float64.

    Raises:
        FrameError: not such frames, or of different shapes.
        MissingError: the weights are not on this machine.
        UsageError: there is no such net.
    """
    check_pair(pred, ref)
    network = _network(net)
    _check_size(pred, net)
    return _scores(network.distances(_tensor(pred), _tensor(ref)))


class LPIPS(Metric):
    """LPIPS of a run: mean over the frames of a clip, then over clips."""

    key = "lpips"
    title = "LPIPS"
    direction = "lower"
    unit = "frames"
    source = "Zhang et al. 2018; richzhang/PerceptualSimilarity, version 0.1"
    compares = "frames"

    def __init__(self, net: str) -> None:
        self._net = net
        self.protocol = f"lpips@{net}"
        self.weights = ("lpips", BACKBONES[net])

    def open(self, clip: ClipInfo) -> FrameMean:
        """An accumulator of frames.

        Raises:
            MissingError: the weights are not on this machine.
            InputError: their files hold something else.
        """
        network = _network(self._net, clip.device)
        return FrameMean(lambda window: self._of_window(window, network))

    def aggregate(self, scores: Sequence[ClipScore], reference: Sequence[ClipScore] = ()) -> Aggregate:
        """The mean."""
        return mean(scores)

    def _of_window(self, window: Window, network: LPIPSNet) -> Scores:
        check_pair(window.pred, window.ref)
        assert window.ref is not None
        if window.same:
            return np.zeros(len(window.pred))
        _check_size(window.pred, self._net)
        if window.ref[..., 0].size > KEPT[self._net]:
            return _scores(network.distances(_tensor(window.pred), _tensor(window.ref)))
        kept = window.of_ref(self.protocol, lambda frames: network.embed(_tensor(frames)))
        return _scores(network.distances(_tensor(window.pred), kept))


def _network(net: str, device: str = "cpu") -> LPIPSNet:
    from tbd.evaluate.networks.lpips import lpips_network

    if net not in BACKBONES:
        raise UsageError(f"lpips has no net {net!r}; there are {', '.join(BACKBONES)}", next="tbd eval --explain lpips")
    heads = weights.resolve("lpips") / f"{net}.pth"
    return lpips_network(net, weights.resolve(BACKBONES[net]), heads, device)


def _check_size(frames: Pixels, net: str) -> None:
    from tbd.evaluate.networks.lpips import SMALLEST

    height, width = frames.shape[1:3]
    if min(height, width) < SMALLEST[net]:
        raise FrameError(
            f"frames of {width}x{height} are too small for lpips@{net}: {SMALLEST[net]} pixels are needed",
            next="tbd eval --explain lpips",
        )


def _tensor(frames: Pixels) -> Tensor:
    import torch

    return torch.from_numpy(np.ascontiguousarray(frames))


def _scores(found: Tensor) -> Scores:
    return found.double().cpu().numpy()


METRICS: tuple[Metric, ...] = (LPIPS("alex"), LPIPS("vgg"))
