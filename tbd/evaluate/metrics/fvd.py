"""FVD: Fréchet video distance between 16-frame windows of a run and of its ground truth; lower is better.

    |mx - my|^2 + Tr Sx + Tr Sy - 2 Tr (Sx Sy)^(1/2)

m and S are mean and covariance of the 400 class scores (before the softmax) that I3D has of each window.
Published numbers follow protocols that cannot be compared; these are here:

    styleganv       one window a clip, stretched to 224 x 224 (bilinear), covariance over n (Skorokhodov et al. 2022)
    videogpt        one window a clip, shorter side to 224 (bilinear) and cut to its middle, covariance over n - 1,
                    normalisations with eps 1e-5 (Yan et al. 2021)
    disco           every window of a clip, stretched to 224 x 224 (bicubic), covariance over n - 1 (Wang et al. 2023;
                    Hallo2)
    common_metrics  the whole clip is one window, shorter side to 224 and cut to its middle, StyleGAN-V's network,
                    covariance over n - 1 (JunyaoHu/common_metrics_on_video_quality)

Where the programs draw a window at random, this takes the middle one, of both sides: it is the same each time.
Source: Unterthiner et al. 2018; the programs named.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

from tbd import weights
from tbd.errors import InputError
from tbd.evaluate.measures.feature_sets import Effort, Sets, by_features, compare
from tbd.evaluate.measures.frames import Pixels, check_frames
from tbd.evaluate.measures.frechet import frechet_distance
from tbd.evaluate.metrics.base import Aggregate, ClipInfo, ClipScore, Metric, Window

if TYPE_CHECKING:
    from torch import Tensor, nn

LENGTH = 16
"""Frames of a window."""

EFFORT = Effort(groups=20, splits=5, points=6)


Windows = Literal["middle", "every", "whole"]


@dataclass(frozen=True)
class FVDProtocol:
    """How windows are taken and compared.

    Attributes:
        name: after the ``@``.
        weights: catalogue key.
        windows: the one in the middle counts, every one, or the whole clip is one.
        ddof: of the covariance.
        prepare: ``(T, H, W, 3)`` uint8 frames -> ``(3, T, 224, 224)`` float32 in [-1, 1] on a device.
        eps: of the network's normalisations.
        least: frames that a clip must have.
    """

    name: str
    weights: str
    windows: Windows
    ddof: int
    prepare: Callable[[Pixels, str], Tensor]
    eps: float = 1e-3
    least: int = LENGTH


class WindowFeatures:
    """An accumulator: the features of a clip's windows. Holds 15 frames between windows, at 224 x 224.

    Args:
        network: ``I3D``.
        prepare: see ``FVDProtocol``.
        span: frames of the clip that count; each run of 16 of them is a window.
        length: frames of a window.
    """

    def __init__(
        self, network: nn.Module, prepare: Callable[[Pixels], Tensor], span: range, length: int = LENGTH
    ) -> None:
        self._network, self._prepare, self._span, self._length = network, prepare, span, length
        self._held: Tensor | None = None
        self._found: list[npt.NDArray[np.float32]] = []

    def update(self, window: Window) -> None:
        """Look at the windows that end in these frames."""
        from tbd.evaluate.networks.i3d import look

        check_frames(window.pred)
        first, last = (max(0, edge - window.first) for edge in (self._span.start, self._span.stop))
        if not len(frames := window.pred[first:last]):
            return
        held = self._with(self._prepare(frames))
        if held.shape[1] >= self._length:
            clips = held.unfold(1, self._length, 1).permute(1, 0, 4, 2, 3)
            self._found.append(look(self._network, clips).cpu().numpy())
            held = held[:, held.shape[1] + 1 - self._length :].clone()
        self._held = held

    def _with(self, frames: Tensor) -> Tensor:
        import torch

        return frames if self._held is None else torch.cat([self._held, frames], 1)

    def finish(self) -> ClipScore:
        """The features of all windows; not computable when the clip was shorter than one."""
        if not self._found:
            return ClipScore(None, 0, f"no window of {self._length} frames")
        features = np.concatenate(self._found)
        return ClipScore(None, len(features), features=features)

    def state(self) -> dict[str, Any]:
        """The features so far, and the frames between two windows."""
        return {"found": self._found, "held": None if self._held is None else self._held.cpu().numpy()}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from there."""
        import torch

        device = next((one.device for one in self._network.parameters()), torch.device("cpu"))
        self._found = list(state["found"])
        self._held = None if state["held"] is None else torch.from_numpy(state["held"]).to(device)


def bilinear(frames: Pixels, device: str) -> Tensor:
    """Stretched to 224 x 224 without antialiasing, as ``i3d_torchscript.pt`` does it itself."""
    import torch
    from torch.nn.functional import interpolate

    pictures = torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2)
    parts = (picture[None].to(device).float() for picture in pictures)
    small = torch.cat([interpolate(part, (224, 224), mode="bilinear", align_corners=False) for part in parts])
    return (small * (2 / 255) - 1).transpose(0, 1)


def bicubic(frames: Pixels, device: str) -> Tensor:
    """Stretched to 224 x 224 by PIL's bicubic, rounded to grey levels, as DisCo does it."""
    import torch

    size = Image.Resampling.BICUBIC
    small = np.stack([np.asarray(Image.fromarray(frame).resize((224, 224), size)) for frame in frames])
    return (torch.from_numpy(small).to(device).float() / 127.5 - 1).permute(3, 0, 1, 2)


def middle_square(frames: Pixels, device: str) -> Tensor:
    """Shorter side to 224 (bilinear, without antialiasing), the middle 224 x 224 of it, as VideoGPT does it."""
    import torch
    from torch.nn.functional import interpolate

    height, width = frames.shape[1:3]
    scale = 224 / min(height, width)
    size = (224, math.ceil(width * scale)) if height < width else (math.ceil(height * scale), 224)
    top, left = ((side - 224) // 2 for side in size)
    small = []
    for picture in torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2):
        part = interpolate(picture[None].to(device).float() / 255, size, mode="bilinear", align_corners=False)
        small.append(part[:, :, top : top + 224, left : left + 224])
    return ((torch.cat(small) - 0.5) * 2).transpose(0, 1)


MOST = 1500
"""Frames of a clip that may go through the network at once (a minute at 25 a second)."""

PROTOCOLS = (
    FVDProtocol("styleganv", "i3d-stylegan-v", "middle", 0, bilinear),
    FVDProtocol("disco", "i3d-videogpt", "every", 1, bicubic),
    FVDProtocol("videogpt", "i3d-videogpt", "middle", 1, middle_square, eps=1e-5),
    FVDProtocol("common_metrics", "i3d-stylegan-v", "whole", 1, middle_square, least=10),
)


class FVD(Metric):
    """FVD of a run against its ground truth: one pair of Gaussians from the windows of all clips."""

    key = "fvd"
    title = "FVD"
    direction = "lower"
    unit = "windows"
    source = "Unterthiner et al. 2018; stylegan-v, VideoGPT, DisCo, common_metrics_on_video_quality"
    compares = "sets"

    def __init__(self, protocol: FVDProtocol) -> None:
        self._how = protocol
        self.protocol = f"fvd@{protocol.name}"
        self.weights = (protocol.weights,)

    def open(self, clip: ClipInfo) -> WindowFeatures:
        """An accumulator of windows.

        Raises:
            InputError: fewer than 16 frames, or the file of weights holds something else.
            MissingError: the weights are not on this machine.
        """
        from tbd.evaluate.networks.i3d import i3d

        how, count = self._how, clip.num_frames
        if count < how.least:
            raise InputError(f"too short: {count} frames, and a window has {how.least}")
        if how.windows == "whole" and count > MOST:
            raise InputError(f"too long: {count} frames, and at most {MOST} go through the network at once")
        network = i3d(weights.resolve(how.weights), clip.device, how.eps)
        middle = (count - LENGTH) // 2
        span = range(middle, middle + LENGTH) if how.windows == "middle" else range(count)
        length = count if how.windows == "whole" else LENGTH
        return WindowFeatures(network, lambda frames: how.prepare(frames, clip.device), span, length)

    def aggregate(self, scores: Sequence[ClipScore], reference: Sequence[ClipScore] = ()) -> Aggregate:
        """The distance, its jackknife over clips, its floor, the run at the floor's size, and where N leads it."""
        sets = Sets.of(scores, reference)
        distances = by_features(sets, partial(frechet_distance, ddof=self._how.ddof))
        words = f"Fréchet distance between {_WORDS[self._how.windows]}"
        return compare(sets, distances, words, "windows", EFFORT, small="fvd")


_WORDS: dict[Windows, str] = {
    "middle": f"one window of {LENGTH} frames of each clip",
    "every": f"every window of {LENGTH} frames of each clip",
    "whole": "whole clips",
}

METRICS: tuple[Metric, ...] = tuple(FVD(protocol) for protocol in PROTOCOLS)
