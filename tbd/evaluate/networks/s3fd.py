"""S3FD: the face detector of SyncNet's pipeline, with its settings, in the layout of ``sfd_face.pth``.

Zhang et al., *S3FD: Single shot scale-invariant face detector*, ICCV 2017, as joonson/syncnet_python uses
it: a quarter of the picture's size, confidence above 0.9, overlaps above 0.1 suppressed.
"""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, pad
from torchvision.ops import nms

from tbd.state_dicts import load

Pixels = npt.NDArray[np.uint8]
Boxes = npt.NDArray[np.float64]

SCALE, STRIDE = 0.25, 4
"""The pictures are searched at this size."""

SMALLEST = 128
"""Least side of a picture in pixels: below it the network's last layers see nothing."""

SURE, OVERLAP = 0.9, 0.1
CANDIDATE, FIRST_OVERLAP, CONSIDERED, KEPT = 0.05, 0.3, 5000, 750

STEPS = (4, 8, 16, 32, 64, 128)
"""Pixels between the cells of each layer; its boxes are four times as wide."""

MEAN = (123.0, 117.0, 104.0)
BATCH = 8

_VGG = (64, 64, "M", 128, 128, "M", 256, 256, 256, "C", 512, 512, 512, "M", 512, 512, 512, "M")


class S3FD(nn.Module):
    """The published network. Its modules bear the names of its file."""

    def __init__(self) -> None:
        super().__init__()
        self.vgg = nn.ModuleList([*_vgg(), nn.Conv2d(512, 1024, 3, padding=6, dilation=6), nn.ReLU(True)])
        self.vgg += [nn.Conv2d(1024, 1024, 1), nn.ReLU(True)]
        self.L2Norm3_3, self.L2Norm4_3, self.L2Norm5_3 = _L2Norm(256, 10), _L2Norm(512, 8), _L2Norm(512, 5)
        self.extras = nn.ModuleList(
            [
                nn.Conv2d(1024, 256, 1),
                nn.Conv2d(256, 512, 3, 2, 1),
                nn.Conv2d(512, 128, 1),
                nn.Conv2d(128, 256, 3, 2, 1),
            ]
        )
        channels = (256, 512, 512, 1024, 512, 256)
        self.loc = nn.ModuleList(nn.Conv2d(width, 4, 3, padding=1) for width in channels)
        self.conf = nn.ModuleList(nn.Conv2d(width, 2 if i else 4, 3, padding=1) for i, width in enumerate(channels))

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """``(B, 3, h, w)`` RGB less ``MEAN`` -> boxes ``(B, n, 4)`` as x0 y0 x1 y1 in shares of the sides, and
        the probability of a face ``(B, n)``.
        """
        layers = self._layers(pictures)
        moves = [head(layer).permute(0, 2, 3, 1).flatten(1, 2) for head, layer in zip(self.loc, layers, strict=True)]
        sure = [
            _two(head(layer)).permute(0, 2, 3, 1).flatten(1, 2) for head, layer in zip(self.conf, layers, strict=True)
        ]
        priors = _priors(tuple(pictures.shape[2:]), tuple(tuple(layer.shape[2:]) for layer in layers))
        boxes = _decoded(torch.cat(moves, 1), priors.to(pictures.device))
        return boxes, torch.cat(sure, 1).softmax(-1)[..., 1]

    def find(self, frames: Pixels) -> list[Boxes]:
        """The faces of each frame, the surest first: x0 y0 x1 y1 in pixels and the probability.

        Args:
            frames: ``(T, H, W, 3)`` uint8 RGB, sides of ``SMALLEST`` pixels or more.

        Returns:
            T arrays ``(faces, 5)``.
        """
        device = next(self.parameters()).device
        height, width = frames.shape[1:3]
        size = torch.tensor([width, height, width, height], device=device)
        found: list[Boxes] = []
        with torch.inference_mode():
            for i in range(0, len(frames), BATCH):
                boxes, sure = self(_reduced(torch.from_numpy(frames[i : i + BATCH]).to(device)))
                found += [_faces(*one, size) for one in zip(boxes, sure, strict=True)]
        return found

    def _layers(self, x: Tensor) -> list[Tensor]:
        """What the six pairs of heads look at: three layers of VGG, its end, and two smaller ones."""
        found = []
        norms = {15: self.L2Norm3_3, 22: self.L2Norm4_3, 29: self.L2Norm5_3}
        for i, layer in enumerate(self.vgg):
            x = layer(x)
            if i in norms:
                found.append(norms[i](x))
        found.append(x)
        for i, layer in enumerate(self.extras):
            x = layer(x).relu()
            if i % 2:
                found.append(x)
        return found


class _L2Norm(nn.Module):
    """Each position's channels scaled to length 1, then by a learned weight."""

    def __init__(self, channels: int, scale: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((channels,), float(scale)))

    def forward(self, x: Tensor) -> Tensor:
        """``(B, C, h, w)`` -> the same shape."""
        length: Tensor = x.norm(dim=1, keepdim=True) + 1e-10
        return self.weight[:, None, None] * x / length


@functools.cache
def s3fd(path: Path, device: str = "cpu") -> S3FD:
    """This process's detector with the weights of a file.

    Raises:
        InputError: the file holds something else.
    """
    return load(S3FD(), path, device).to(memory_format=torch.channels_last)  # twice as fast on a CPU


def _vgg() -> list[nn.Module]:
    layers: list[nn.Module] = []
    inside = 3
    for width in _VGG:
        if isinstance(width, str):
            layers.append(nn.MaxPool2d(2, 2, ceil_mode=width == "C"))
        else:
            layers += [nn.Conv2d(inside, width, 3, padding=1), nn.ReLU(True)]
            inside = width
    return layers


def _two(scores: Tensor) -> Tensor:
    """Background and face. The first layer has three scores for background; the largest counts."""
    if scores.shape[1] == 2:
        return scores
    return torch.cat([scores[:, :3].amax(1, keepdim=True), scores[:, 3:]], 1)


def _reduced(frames: Tensor) -> Tensor:
    """A quarter of the size (bilinear between the nearest pixels, whole grey levels), less the mean colour."""
    pictures = frames.permute(0, 3, 1, 2).float().contiguous(memory_format=torch.channels_last)
    rest = [(0, round(side * SCALE) * STRIDE - side) for side in reversed(pictures.shape[2:])]
    edge = [max(0, missing) for pair in rest for missing in pair]  # OpenCV rounds the size, and repeats the edge
    small = interpolate(pad(pictures, edge, mode="replicate"), scale_factor=SCALE, mode="bilinear")
    return (small + 0.5).floor() - torch.tensor(MEAN, device=frames.device)[:, None, None]


@functools.lru_cache(8)
def _priors(size: tuple[int, ...], cells: tuple[tuple[int, ...], ...]) -> Tensor:
    """``(n, 4)``: where each cell expects a face: centre and sides, in shares of the picture's."""
    height, width = size
    found = []
    for step, (rows, columns) in zip(STEPS, cells, strict=True):
        y, x = torch.meshgrid((torch.arange(rows) + 0.5) * step, (torch.arange(columns) + 0.5) * step, indexing="ij")
        side = torch.full_like(x, 4 * step)
        found.append(torch.stack([x / width, y / height, side / width, side / height], -1).flatten(0, 1))
    return torch.cat(found)


def _decoded(moves: Tensor, priors: Tensor) -> Tensor:
    centre = priors[:, :2] + 0.1 * moves[..., :2] * priors[:, 2:]
    half = priors[:, 2:] * (0.2 * moves[..., 2:]).exp() / 2
    return torch.cat([centre - half, centre + half], -1)


def _faces(boxes: Tensor, sure: Tensor, size: Tensor) -> Boxes:
    """Two rounds of suppression, as the pipeline has them: among all candidates, then among the sure ones."""
    chosen = (sure > CANDIDATE).nonzero()[:, 0]
    chosen = chosen[sure[chosen].argsort(descending=True)[:CONSIDERED]]
    chosen = chosen[nms(boxes[chosen], sure[chosen], FIRST_OVERLAP)[:KEPT]]
    chosen = chosen[sure[chosen] > SURE]
    inside = boxes[chosen] * size
    kept = nms(inside, sure[chosen], OVERLAP)
    found = torch.cat([inside[kept], sure[chosen][kept, None]], 1)
    return found.double().cpu().numpy()
