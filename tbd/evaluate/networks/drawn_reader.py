"""The reader of drawn faces: which action units a small picture shows, how far the mouth is open, and who it is.

A few convolutions find the eyes on 64 x 64 pixels, turn and scale the face into one place, and read it there; trained on this machine on people that no data set has (``tbd.replicate.readers``). It
knows drawn faces only, and says nothing about real ones. This is the network and how to look through it::

    reader = drawn_reader(weights.resolve(WEIGHTS))
    read = reader.read_clip(video)       # (T, H, W, 3) uint8 RGB, a canonical clip
    read.units, read.opening, read.embedding
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from tbd.errors import InputError
from tbd.evaluate.measures.frames import Pixels, check_frames

VERSION = 1
"""Raised when the network, or what it is trained on, changes: other files are refused."""
WEIGHTS = "drawn-reader"
"""Catalogue key."""
SIDE = 64
UNITS = (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 16, 17, 20, 23, 24, 27)
"""Action units that are read. 25 and 26 are not: speech parts the lips and drops the jaw; nor are blinks."""
EYES = (0.31, -0.53)
"""Where the pupils lie in an aligned face, as x and -x, and y: from -1 to 1 over its side."""
FEATURES, EMBEDDING = 128, 64
"""Dimensions of what the distances between sets compare, and of a face's place among people."""
BATCH = 64

Values = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Readings:
    """What is read of ``n`` pictures.

    Attributes:
        units: ``(n, 17)`` strength of each of ``UNITS``, the mean of both sides; about 0 to 1, noise may leave it.
        opening: ``(n,)`` distance of the lips in distances between the pupils.
        embedding: ``(n, 64)`` of length 1: pictures of one person lie near each other.
        features: ``(n, 128)`` for distances between sets of pictures.
    """

    units: Values
    opening: Values
    embedding: Values
    features: Values


class DrawnReader(nn.Module):
    """The network.

    Args:
        people: that it learns to tell apart; none once it is trained.
    """

    def __init__(self, people: int = 0) -> None:
        super().__init__()
        self.places = nn.Sequential(
            _stage(3, 16, 7, 4),
            _stage(16, 32, 3),
            _stage(32, 48, 3),
            nn.Flatten(),
            nn.Linear(48 * (SIDE // 16) ** 2, 4),
        )
        widths = (3, 24, 40, 64, 96)
        self.trunk = nn.Sequential(*(_stage(*pair, 5 if pair[0] == 3 else 3) for pair in pairwise(widths)))
        places = widths[-1] * (SIDE // 16) ** 2
        self.hidden = nn.Sequential(nn.Linear(places, FEATURES), nn.SiLU())
        self.shown = nn.Linear(FEATURES, len(UNITS) + 1)
        self.person = nn.Linear(places, EMBEDDING)
        self.people = nn.Parameter(torch.randn(people, EMBEDDING)) if people else None
        self.to(memory_format=torch.channels_last)

    def eyes(self, pictures: Tensor) -> Tensor:
        """``(n, 2, 2)``: x and y of the pupils, left to right in the picture, from -1 to 1 over its side."""
        usual = pictures.new_tensor([[-0.3, -0.15], [0.3, -0.15]])
        moved: Tensor = self.places(_by_pixel(pictures))
        return usual + moved.reshape(-1, 2, 2)

    def forward(self, pictures: Tensor, eyes: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """``(n, 3, 64, 64)`` in [-1, 1] -> units and opening ``(n, 18)``, embedding ``(n, 64)``, features ``(n, 128)``.

        Args:
            eyes: where they are; found when not given.
        """
        faces = aligned(pictures, self.eyes(pictures) if eyes is None else eyes)
        seen = self.trunk(_by_pixel(faces)).flatten(1)
        features = self.hidden(seen)
        return self.shown(features), functional.normalize(self.person(seen)), features

    def read(self, frames: Pixels) -> Readings:
        """Look at frames ``(n, H, W, 3)`` uint8 RGB, canonical clips of any size.

        Raises:
            FrameError: they are not such frames.
        """
        check_frames(frames)
        device = next(self.parameters()).device
        with torch.inference_mode():
            parts = [self(small(frames[i : i + BATCH]).to(device)) for i in range(0, len(frames), BATCH)]
        shown, embedding, features = (torch.cat(part).cpu().numpy() for part in zip(*parts, strict=True))
        return Readings(shown[:, :-1], shown[:, -1], embedding, features)

    def read_clip(self, frames: Pixels) -> Readings:
        """Like ``read``, of one person: ``embedding`` is the mean, ``(64,)`` of length 1."""
        found = self.read(frames)
        mean = found.embedding.mean(0)
        return Readings(found.units, found.opening, mean / max(float(np.linalg.norm(mean)), 1e-9), found.features)


def small(frames: Pixels) -> Tensor:
    """Frames ``(n, H, W, 3)`` uint8 as the network sees them: ``(n, 3, 64, 64)`` in [-1, 1], reduced by the area."""
    pictures = torch.from_numpy(np.array(frames)).permute(0, 3, 1, 2).float()
    if pictures.shape[2:] != (SIDE, SIDE):
        pictures = functional.interpolate(pictures, (SIDE, SIDE), mode="bilinear", align_corners=False, antialias=True)
    return pictures / 127.5 - 1


def aligned(pictures: Tensor, eyes: Tensor) -> Tensor:
    """Turn, scale and shift each picture so that its ``eyes`` ``(n, 2, 2)`` come to lie at ``EYES``; same size."""
    x, y = EYES
    along, middle = (eyes[:, 1] - eyes[:, 0]) / (2 * x), eyes.mean(1)
    turn = torch.stack([along[:, 0], -along[:, 1], along[:, 1], along[:, 0]], 1).reshape(-1, 2, 2)
    shift = middle - turn[:, :, 1] * y
    grid = functional.affine_grid(torch.cat([turn, shift[:, :, None]], 2), list(pictures.shape), align_corners=False)
    return functional.grid_sample(pictures, grid, padding_mode="border", align_corners=False)


def _by_pixel(pictures: Tensor) -> Tensor:
    """The same pictures with the colours of a pixel side by side in memory: a sixth faster on a CPU."""
    return pictures.contiguous(memory_format=torch.channels_last)


def _stage(inside: int, outside: int, size: int, stride: int = 2) -> nn.Sequential:
    convolution = nn.Conv2d(inside, outside, size, stride=stride, padding=size // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outside), nn.SiLU())


@functools.cache
def drawn_reader(path: Path, device: str = "cpu") -> DrawnReader:
    """This process's reader.

    Raises:
        InputError: the file holds no reader, or one of another version.
    """
    from safetensors.torch import load_file

    reader = DrawnReader()
    try:
        facts(path)
        reader.load_state_dict(load_file(path, device="cpu"))
    except InputError:
        raise
    except Exception as error:  # whatever a damaged file raises
        raise _refused(path, " ".join(str(error).split())[:200]) from error
    return reader.requires_grad_(False).eval().to(device)


def facts(path: Path) -> Mapping[str, Any]:
    """What a file says about its reader: ``recipe``, and ``held_out``, its errors on people it never saw.

    Raises:
        InputError: it is no reader of this version.
    """
    from safetensors import safe_open

    try:
        with safe_open(path, framework="np") as file:
            found: Mapping[str, Any] = json.loads(file.metadata()["tbd"])
    except Exception as error:
        raise _refused(path, " ".join(str(error).split())[:200]) from error
    if found.get("version") != VERSION:
        raise _refused(path, f"version {found.get('version')}, not {VERSION}")
    return found


def _refused(path: Path, why: str) -> InputError:
    return InputError(
        f"{path}: not a reader of drawn faces ({why})", next=f"rm {path}   # it is trained again when needed"
    )
