"""SyncNet: one network that looks at lips, one that listens; features of the same moment lie close together.

Chung and Zisserman, *Out of time: automated lip sync in the wild*, ACCV workshop 2016, in the layout of
the published ``syncnet_v2.model`` (joonson/syncnet_python). Both make 1024 numbers of 0.2 s: five frames
at 25 a second, and twenty columns of MFCC.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from tbd.media.lip_window import COLUMNS
from tbd.state_dicts import load

Pixels = npt.NDArray[np.uint8]
Features = npt.NDArray[np.float32]

BATCH = 64
"""Windows of sound at a time."""


class Listener(Protocol):
    """What the sync scores need of a network; tests plant their own."""

    def lips(self, crops: Pixels) -> Features:
        """``(T, 224, 224, 3)`` uint8 RGB -> ``(T - 4, D)``, one feature for each five consecutive frames."""

    def speech(self, cepstrum: npt.NDArray[np.float64], count: int) -> Features:
        """``(frames, 13)`` MFCC -> ``(count, D)``; feature i hears the columns ``[4 i, 4 i + 20)``."""


class SyncNet(nn.Module):
    """The published network. Its modules bear the names of its file."""

    def __init__(self) -> None:
        super().__init__()
        self.netcnnaud = nn.Sequential(
            *_layer2d(1, 64, 3, 1),
            nn.MaxPool2d(1, 1),
            *_layer2d(64, 192, 3, 1),
            nn.MaxPool2d(3, (1, 2)),
            *_layer2d(192, 384, 3, 1),
            *_layer2d(384, 256, 3, 1),
            *_layer2d(256, 256, 3, 1),
            nn.MaxPool2d(3, 2),
            *_layer2d(256, 512, (5, 4), 0),
        )
        self.netfcaud = _head()
        self.netcnnlip = nn.Sequential(
            *_layer3d(3, 96, (5, 7, 7), 2, 0),
            nn.MaxPool3d((1, 3, 3), (1, 2, 2)),
            *_layer3d(96, 256, (1, 5, 5), 2, 1),
            nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1)),
            *_layer3d(256, 256, (1, 3, 3), 1, 1),
            *_layer3d(256, 256, (1, 3, 3), 1, 1),
            *_layer3d(256, 256, (1, 3, 3), 1, 1),
            nn.MaxPool3d((1, 3, 3), (1, 2, 2)),
            *_layer3d(256, 512, (1, 6, 6), 1, 0),
        )
        self.netfclip = _head()

    def look(self, frames: Tensor) -> Tensor:
        """``(B, 3, T, 224, 224)`` BGR, 0 to 255 -> ``(B, T - 4, 1024)``.

        Only the first layer reaches over time, so T frames at once give exactly what each five of them
        would give alone, without computing a frame five times.
        """
        found = self.netcnnlip(frames).flatten(2).transpose(1, 2)
        batch, times, _ = found.shape
        return self.netfclip(found.flatten(0, 1)).unflatten(0, (batch, times))  # type: ignore[no-any-return]

    def listen(self, windows: Tensor) -> Tensor:
        """``(B, 1, 13, 20)`` MFCC, coefficients before time -> ``(B, 1024)``. Its padding sees each window's edges."""
        return self.netfcaud(self.netcnnaud(windows).flatten(1))  # type: ignore[no-any-return]

    def lips(self, crops: Pixels) -> Features:
        """See ``Listener``."""
        with torch.inference_mode():
            frames = self._send(crops[..., ::-1].transpose(3, 0, 1, 2))[None]
            frames = frames.contiguous(memory_format=torch.channels_last_3d)  # a quarter faster on a CPU
            return self.look(frames)[0].cpu().numpy()

    def speech(self, cepstrum: npt.NDArray[np.float64], count: int) -> Features:
        """See ``Listener``."""
        windows = np.lib.stride_tricks.sliding_window_view(cepstrum, COLUMNS, axis=0)[::4][:count]
        with torch.inference_mode():
            parts = [self.listen(self._send(windows[i : i + BATCH])[:, None]) for i in range(0, count, BATCH)]
            return torch.cat(parts).cpu().numpy()

    def _send(self, values: npt.NDArray[np.generic]) -> Tensor:
        device = next(self.parameters()).device
        return torch.from_numpy(np.ascontiguousarray(values)).to(device).float()


@functools.cache
def syncnet(path: Path, device: str = "cpu") -> SyncNet:
    """This process's network with the weights of a file.

    Raises:
        InputError: the file holds something else.
    """
    return load(SyncNet(), path, device)


def _layer2d(inside: int, outside: int, size: int | tuple[int, int], padding: int) -> tuple[nn.Module, ...]:
    return nn.Conv2d(inside, outside, size, padding=padding), nn.BatchNorm2d(outside), nn.ReLU(inplace=True)


def _layer3d(inside: int, outside: int, size: tuple[int, int, int], stride: int, pad: int) -> tuple[nn.Module, ...]:
    conv = nn.Conv3d(inside, outside, size, (1, stride, stride), (0, pad, pad))
    return conv, nn.BatchNorm3d(outside), nn.ReLU(inplace=True)


def _head() -> nn.Sequential:
    return nn.Sequential(nn.Linear(512, 512), nn.BatchNorm1d(512), nn.ReLU(), nn.Linear(512, 1024))
