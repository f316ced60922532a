"""Videos that every table shows beside the runs: made from the ground truth, they have no file of their own."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tbd.evaluate.inputs.align import at_size
from tbd.evaluate.inputs.jobs import VAE
from tbd.evaluate.inputs.streams import FrameStream

Pixels = npt.NDArray[np.uint8]

BATCH = 4
"""Frames that go through it at once."""


@dataclass(frozen=True, eq=False)
class StillStream(FrameStream):
    """One picture for as long as the ground truth lasts: what a model that does nothing would score."""

    still: Pixels = field(default_factory=lambda: np.zeros((1, 1, 3), np.uint8))

    def raw(self) -> Iterator[tuple[int, Pixels]]:
        """The same picture for every frame."""
        for i in range(self.num_frames):
            yield i, self.still

    def picture(self, frame: Pixels) -> Pixels:
        """The picture is shown as it is."""
        return frame

    def sources(self, count: int) -> list[Pixels]:
        """One frame tells as much as many."""
        return [self.still]


@dataclass(frozen=True, eq=False)
class AutoencodedStream(FrameStream):
    """The ground truth through the autoencoder: the best that a model which draws through it can score."""

    device: str = "cpu"
    vae: Path | None = None
    shorter: int | None = None

    def raw(self) -> Iterator[tuple[int, Pixels]]:
        """Every frame encoded (the mean of its distribution) and decoded."""
        frames = super().raw()
        while batch := list(islice(frames, BATCH)):
            pictures = [super(AutoencodedStream, self).picture(frame) for _, frame in batch]
            height, width = pictures[0].shape[:2]
            small = np.stack([at_size(one, _scaled(width, height, self.shorter)) for one in pictures])
            made = [at_size(one, (width, height)) for one in _through(small, self.device, self.vae)]
            yield from zip((i for i, _ in batch), made, strict=True)

    def picture(self, frame: Pixels) -> Pixels:
        """What comes out of the autoencoder is shown as it is."""
        return frame

    def sources(self, count: int) -> list[Pixels]:
        """Frames of the truth itself: faces lie where they lay before."""
        return FrameStream(**_same(self)).some(count)


def still(truth: FrameStream, picture: Pixels) -> StillStream:
    """A picture, ``(H, W, 3)`` uint8 RGB of the truth's size, in place of every frame of the truth."""
    return StillStream(**_same(truth), still=picture)


def autoencoded(
    truth: FrameStream, device: str = "cpu", vae: Path | None = None, shorter: int | None = None
) -> AutoencodedStream:
    """The truth through the autoencoder, whose weights must be on this machine.

    Args:
        vae: folder of another one than SD 1.5's, in the layout of diffusers.
        shorter: side in pixels of the pictures that it sees, as its models do; they come back at the truth's own size.
    """
    return AutoencodedStream(**_same(truth), device=device, vae=vae, shorter=shorter)


def portrait(truth: FrameStream, reference_frame: int | None = None) -> Pixels:
    """The picture a generator starts from: the row's reference frame, else the first frame, as the truth shows it.

    Args:
        reference_frame: counted from 0 at the start of the file.

    Raises:
        InputError: it cannot be decoded.
    """
    from tbd.media import video

    index = int(truth.indices[0]) if reference_frame is None else reference_frame
    return truth.picture(next(video.frames(truth.source, [index]))[1])


def _same(truth: FrameStream) -> dict[str, Any]:
    return {one.name: getattr(truth, one.name) for one in fields(FrameStream)}


def _scaled(width: int, height: int, shorter: int | None) -> tuple[int, int]:
    """Width and height of a picture whose shorter side has a given length."""
    scale = (shorter or min(width, height)) / min(width, height)
    return round(scale * width), round(scale * height)


def _through(pictures: Pixels, device: str, folder: Path | None = None) -> Pixels:
    """``(B, H, W, 3)`` uint8 through the autoencoder; sides that are no multiple of 8 are padded by their edge."""
    import torch

    _, height, width, _ = pictures.shape
    padded = np.pad(pictures, ((0, 0), (0, -height % 8), (0, -width % 8), (0, 0)), mode="edge")
    vae = _vae(device, folder)
    with torch.inference_mode():
        frames = torch.from_numpy(padded).to(device).permute(0, 3, 1, 2).float() / 127.5 - 1
        out = vae.decode(vae.encode(frames).latent_dist.mode()).sample
        levels = ((out + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1)
    return levels[:, :height, :width].cpu().numpy()  # type: ignore[no-any-return]


@functools.cache
def _vae(device: str, folder: Path | None) -> Any:
    from diffusers import AutoencoderKL

    from tbd import weights

    autoencoder: Any = AutoencoderKL
    return autoencoder.from_pretrained(folder or weights.resolve(VAE), local_files_only=True).to(device).eval()
