"""One talking video as a file: frames stream to the encoder, the speech beside them, the recipe in the metadata."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tbd import __version__
from tbd.manifest import token_ids
from tbd.media import video
from tbd.media.recorded import COMMENT

if TYPE_CHECKING:
    from tbd.generate.pipeline import Sampling, TalkingHeadPipeline

SAMPLE_RATE = 16_000


@dataclass(frozen=True)
class RenderedVideo:
    """What became of one video.

    Attributes:
        path: the file.
        frames: how many.
        drift: largest drift of a window from the first.
        corrected: windows whose motion frames the drift guard brought back, or dropped.
    """

    path: Path
    frames: int
    drift: float
    corrected: int


def render_video(
    pipe: TalkingHeadPipeline,
    path: Path,
    picture: npt.NDArray[np.uint8],
    samples: npt.NDArray[np.float32],
    prompts: Sequence[str],
    *,
    sampling: Sampling,
    seed: int,
    details: Mapping[str, Any] | None = None,
    told: Callable[[int], None] | None = None,
) -> RenderedVideo:
    """Write an mp4 whose sound and picture start together and are equally long; whole or not at all.

    Args:
        pipe: on its device.
        path: ends in ``.mp4``.
        picture: ``(size, size, 3)`` uint8 RGB, cropped.
        samples: ``(n,)`` mono float32 at 16 kHz.
        prompts: coarse to fine.
        sampling: how.
        seed: of the noise, drawn on the CPU.
        details: for the metadata.
        told: hears the number of each finished frame.

    Raises:
        InputError: the inputs cannot be used.
        MissingError: the disk is full.
    """
    import torch

    from tbd.generate.drift_guard import DriftGuard

    guard, generator = DriftGuard(sampling.drift_limit), torch.Generator().manual_seed(seed)
    frames = pipe.stream_frames(picture, samples, prompts, generator=generator, sampling=sampling, guard=guard)
    fps = pipe.clip_rule.fps
    sound = np.zeros(round(pipe.frame_count(len(samples)) / fps * SAMPLE_RATE), np.float32)
    sound[: len(samples)] = samples[: len(sound)]
    comment = json.dumps({"made_by": f"tbd {__version__}", "seed": seed, **(details or {})}, ensure_ascii=False)
    count = video.write(path, _counted(frames, told), fps, sound, sample_rate=SAMPLE_RATE, tags={COMMENT: comment})
    return RenderedVideo(path, count, max(guard.drift), guard.corrected + guard.restarted)


def fit_prompts(prompts: Sequence[str], chunks: int) -> tuple[list[str], list[str]]:
    """Prompts that CLIP can hear: each is cut after a whole word where it has more than 75 tokens a chunk.

    Returns:
        The prompts, and a line for each cut that quotes what was lost.
    """
    room, texts, notes = 75 * chunks, [], []
    for number, prompt in enumerate(prompts, 1):
        words = prompt.split()
        fits = len(words)
        while fits and len(token_ids(" ".join(words[:fits]))) > room:
            fits -= 1
        if fits < len(words):
            lost = " ".join(words[fits:])
            notes.append(f'prompt {number} has more than {room} CLIP tokens; cut: "… {lost}"')
        texts.append(" ".join(words[:fits]))
    return texts, notes


def _counted(
    frames: Iterator[npt.NDArray[np.uint8]], told: Callable[[int], None] | None
) -> Iterator[npt.NDArray[np.uint8]]:
    for number, frame in enumerate(frames, 1):
        yield frame
        if told is not None:
            told(number)
