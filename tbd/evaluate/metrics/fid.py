"""FID: Fréchet Inception distance between all frames of a run and of its ground truth; lower is better.

    |mx - my|^2 + Tr Sx + Tr Sy - 2 Tr (Sx Sy)^(1/2)

m and S are mean and covariance (over n - 1) of the 2048 features that the Inception network of 2015-12-05
has of each frame. Published numbers follow three protocols, which differ in how a frame becomes 299 x 299:

    pytorch-fid      bilinear without antialiasing (mseitzer/pytorch-fid; what talking-head papers use)
    torch-fidelity   TensorFlow 1's bilinear, whose grid starts at the corner (the original program)
    clean            bicubic with antialiasing, not rounded (Parmar et al. 2022, clean-fid)

Sources: Heusel et al. 2017; the programs named.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tbd import weights
from tbd.evaluate.measures.feature_sets import Effort, Sets, by_features, compare
from tbd.evaluate.measures.frames import Pixels, check_frames
from tbd.evaluate.measures.frechet import frechet_distance
from tbd.evaluate.metrics.base import Aggregate, ClipInfo, ClipScore, Metric, Window

if TYPE_CHECKING:
    from torch import Tensor

    from tbd.evaluate.networks.inception import FIDInception

Features = npt.NDArray[np.float32]

WEIGHTS = "inception-fid"
EFFORT = Effort(groups=10, splits=2)
"""A distance in 2048 dimensions takes seconds, so few of them."""


class FrameFeatures:
    """An accumulator: the features of every frame of a clip.

    Args:
        look: ``(T, H, W, 3)`` uint8 frames -> features ``(T, d)``.
    """

    def __init__(self, look: Callable[[Pixels], Features]) -> None:
        self._look = look
        self._found: list[Features] = []

    def update(self, window: Window) -> None:
        """Look at the frames of the next window."""
        self._found.append(self._look(window.pred))

    def finish(self) -> ClipScore:
        """All features; not computable without frames."""
        if not self._found:
            return ClipScore(None, 0, "no frames")
        features = np.concatenate(self._found)
        return ClipScore(None, len(features), features=features)

    def state(self) -> dict[str, Any]:
        """The features so far."""
        return {"found": self._found}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from there."""
        self._found = list(state["found"])


def features(frames: Pixels, network: FIDInception, protocol: str = "pytorch-fid") -> Features:
    """What the Inception network sees in frames.

    Args:
        frames: ``(T, H, W, 3)`` uint8 RGB.
        protocol: ``pytorch-fid``, ``torch-fidelity`` or ``clean``.

    Returns:
        ``(T, 2048)`` float32.

    Raises:
        FrameError: not such frames.
    """
    import torch

    from tbd.evaluate.networks.inception import BATCH

    check_frames(frames)
    device, resize = next(network.parameters()).device, RESIZED[protocol]
    pictures = torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2)
    size = BATCH if device.type == "cpu" else len(pictures)
    parts = (pictures[i : i + size].to(device).float() for i in range(0, len(pictures), size))
    found: Features = torch.cat([network.look(resize(part)) for part in parts]).cpu().numpy()
    return found


def _pytorch_fid(pictures: Tensor) -> Tensor:
    from torch.nn.functional import interpolate

    return interpolate(pictures / 255, (299, 299), mode="bilinear", align_corners=False) * 2 - 1


def _tensorflow(pictures: Tensor) -> Tensor:
    return (_corner_bilinear(_corner_bilinear(pictures, 3), 2) - 128) / 128


def _corner_bilinear(pictures: Tensor, axis: int) -> Tensor:
    """One axis to 299 by TensorFlow 1's rule: pixel i of the result is at i H / 299, with nothing for the half pixel."""
    import torch

    size = pictures.shape[axis]
    place = torch.arange(299, dtype=torch.float32, device=pictures.device) * (size / 299)
    low = place.long()
    shape = [299 if i == axis else 1 for i in range(4)]
    left = pictures.index_select(axis, low)
    right = pictures.index_select(axis, (low + 1).clamp(max=size - 1))
    return torch.lerp(left, right, (place - low).reshape(shape))


def _clean(pictures: Tensor) -> Tensor:
    from torch.nn.functional import interpolate

    found = interpolate(pictures, (299, 299), mode="bicubic", align_corners=False, antialias=True)
    return (found.clamp(0, 255) - 128) / 128


RESIZED: dict[str, Callable[[Tensor], Tensor]] = {
    "pytorch-fid": _pytorch_fid,
    "torch-fidelity": _tensorflow,
    "clean": _clean,
}
"""How each protocol makes ``(B, 3, H, W)`` grey levels 0..255 into the network's ``(B, 3, 299, 299)``."""


class FID(Metric):
    """FID of a run against its ground truth: one pair of Gaussians from all frames of all clips."""

    key = "fid"
    title = "FID"
    direction = "lower"
    unit = "frames"
    source = "Heusel et al. 2017; mseitzer/pytorch-fid, toshas/torch-fidelity, GaParmar/clean-fid"
    compares = "sets"
    weights = (WEIGHTS,)

    def __init__(self, protocol: str) -> None:
        self._how = protocol
        self.protocol = f"fid@{protocol}"
        self.shares = f"inception@{protocol}"

    def open(self, clip: ClipInfo) -> FrameFeatures:
        """An accumulator of features.

        Raises:
            MissingError: the weights are not on this machine.
            InputError: their file holds something else.
        """
        from tbd.evaluate.networks.inception import inception

        network = inception(weights.resolve(WEIGHTS), clip.device)
        return FrameFeatures(lambda frames: features(frames, network, self._how))

    def aggregate(self, scores: Sequence[ClipScore], reference: Sequence[ClipScore] = ()) -> Aggregate:
        """The distance, its jackknife over clips, its floor, and the run at the floor's size."""
        sets = Sets.of(scores, reference)
        words = "Fréchet distance between all frames of all clips"
        return compare(sets, by_features(sets, frechet_distance), words, "frames", EFFORT, small="fid")


METRICS: tuple[Metric, ...] = tuple(FID(protocol) for protocol in RESIZED)
