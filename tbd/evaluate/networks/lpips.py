"""The network of LPIPS: a torchvision backbone that is read at five layers, and the learned heads.

At each layer the C features of a place are scaled to length 1, and the head weighs the squared differences
of the channels; the mean over the h w places and the sum over the layers is the distance. So with the roots
of the weights taken into the features, LPIPS is a squared Euclidean distance, and one frame's share of it
can be kept and compared with many others.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from tbd.errors import InputError
from tbd.state_dicts import load

TAPS = {"alex": (1, 4, 7, 9, 11), "vgg": (3, 8, 15, 22, 29)}
"""Layers of the backbone that are read: the last ReLU before each pooling, and for alex the last three."""

CHANNELS = {"alex": (64, 192, 384, 256, 256), "vgg": (64, 128, 256, 512, 512)}
SMALLEST = {"alex": 31, "vgg": 16}
"""Least side of a picture, in pixels: below it a pooling has nothing left."""

SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
"""The pictures in [-1, 1] less the shift, over the scale (version 0.1)."""

EPS = 1e-10
BATCH = {"alex": 8, "vgg": 2}
"""Frames that go through it at once."""


class LPIPSNet(nn.Module):
    """Embeds frames so that LPIPS is the squared distance.

    Args:
        net: ``alex`` or ``vgg``.
        backbone: torchvision's ``features``.
        heads: five weights ``(C,)``, none negative.
    """

    gain: Tensor
    offset: Tensor

    def __init__(self, net: str, backbone: nn.Sequential, heads: list[Tensor]) -> None:
        super().__init__()
        self.net = net
        self.layers = backbone[: TAPS[net][-1] + 1]
        for i, head in enumerate(heads):
            self.register_buffer(f"root{i}", head.sqrt()[:, None, None])
        shift, scale = (torch.tensor(three)[:, None, None] for three in (SHIFT, SCALE))
        self.register_buffer("gain", 1 / (127.5 * scale))
        self.register_buffer("offset", (-1 - shift) / scale)

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """``(B, 3, H, W)`` grey levels 0..255 -> five ``(B, C, h, w)``."""
        x = torch.addcmul(self.offset, pictures, self.gain)
        found: list[Tensor] = []
        for i, layer in enumerate(self.layers):
            x = layer(x)
            if i in TAPS[self.net]:
                found.append(self._weighed(x, len(found)))
        return found

    def embed(self, frames: Tensor) -> list[list[Tensor]]:
        """``(T, H, W, 3)`` uint8 -> what ``forward`` gives, batch by batch."""
        return list(self._embedded(frames))

    def distances(self, frames: Tensor, others: Tensor | list[list[Tensor]]) -> Tensor:
        """LPIPS of each frame and its counterpart.

        Args:
            frames: ``(T, H, W, 3)`` uint8.
            others: the same, or what ``embed`` gave for it.

        Returns:
            ``(T,)``.
        """
        kept = others if isinstance(others, list) else self._embedded(others)
        return torch.cat([_apart(*pair) for pair in zip(self._embedded(frames), kept, strict=True)])

    def _embedded(self, frames: Tensor) -> Iterator[list[Tensor]]:
        device, size = next(self.parameters()).device, BATCH[self.net]
        for i in range(0, len(frames), size):
            with torch.inference_mode():  # left before the yield: a mode that two generators share is never restored
                found = self(frames[i : i + size].to(device).permute(0, 3, 1, 2).float())
            yield found

    def _weighed(self, x: Tensor, i: int) -> Tensor:
        length = torch.linalg.vector_norm(x, dim=1, keepdim=True) + EPS
        weighed: Tensor = x * getattr(self, f"root{i}")
        weighed /= length
        return weighed


def _apart(one: list[Tensor], other: list[Tensor]) -> Tensor:
    parts = [(a - b).square().sum((1, 2, 3)) / (a.shape[2] * a.shape[3]) for a, b in zip(one, other, strict=True)]
    return torch.stack(parts).sum(0)


@functools.cache
def lpips_network(net: str, backbone: Path, heads: Path, device: str = "cpu") -> LPIPSNet:
    """This process's network.

    Args:
        net: ``alex`` or ``vgg``.
        backbone: torchvision's state dict.
        heads: the state dict of the ``lpips`` package, version 0.1.

    Raises:
        InputError: a file holds something else.
    """
    from torchvision import models

    with torch.device("meta"):  # the classifier behind the layers is never built
        layers = (models.alexnet() if net == "alex" else models.vgg16()).features
    layers = load(layers.to_empty(device="cpu"), backbone, part="features.")
    found = LPIPSNet(net, layers, _heads(net, heads)).requires_grad_(False).eval()
    return found.to(device).to(memory_format=torch.channels_last)


def _heads(net: str, path: Path) -> list[Tensor]:
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        found = [state[f"lin{i}.model.1.weight"].reshape(width) for i, width in enumerate(CHANNELS[net])]
    except Exception as error:  # whatever a damaged pickle raises
        raise InputError(f"{path}: not the heads of LPIPS for {net}", next="tbd weights verify lpips") from error
    if any(bool((head < 0).any()) for head in found):
        raise InputError(f"{path}: heads of LPIPS are never negative", next="tbd weights verify lpips")
    return found
