"""What a sample of stage 2 brings along for SyncNet: five of its frames, where their lips lie, and what is heard meanwhile.

Chosen and cut as ``tbd eval`` does it, but for the face's box: it is the manifest's, one for the clip, and no detector runs.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from tbd.errors import InputError
from tbd.media.lip_window import COLUMNS, FPS, FRAMES, lip_square
from tbd.media.mfcc import LENGTH, RATE, STEP, mfcc
from tbd.train.clips import TrainingClip
from tbd.train.face_region import Region
from tbd.train.recipe import TrainRecipe
from tbd.train.sampling import LIPS, SampleDraw

Floats = npt.NDArray[np.float32]


def sync_window(clip: TrainingClip, drawn: SampleDraw, recipe: TrainRecipe, sound: Floats) -> dict[str, torch.Tensor]:
    """One of the windows of five frames of a sample, chosen by its seed; the last one would hear beyond the sample.

    Args:
        clip: that is shown.
        drawn: what chance decided about the sample.
        recipe: frames of a sample, side of its pictures.
        sound: ``(n,)`` of the whole clip.

    Returns:
        ``lips (5,)`` int64: first frame of the window within the sample, then ``lip_place``; ``mfcc (13, 20)`` float32.

    Raises:
        InputError: other rates than SyncNet knows.
    """
    rule = clip.canonical.rule
    if (rule.fps, rule.sample_rate) != (FPS, RATE):
        raise InputError(
            f"loss.sync: {rule.fps:g} frames a second and sound at {rule.sample_rate} Hz; SyncNet knows {FPS} and {RATE}",
            next=f"tbd annotate … --set clip.fps={FPS}, or --set loss.sync=0",
        )
    first = int(np.random.default_rng([drawn.noise_seed, LIPS]).integers(recipe.stage2.frames - FRAMES))
    return {
        "lips": torch.tensor([first, *lip_place(clip.face, recipe.data.size)]),
        "mfcc": torch.from_numpy(heard_columns(sound, drawn.start + first).T.astype(np.float32)),
    }


def lip_place(face: Region | None, side: int) -> tuple[int, int, int, int]:
    """Left, top, right and bottom in pixels of what SyncNet is shown of a picture; all of it where no face is known in it.

    Args:
        face: its box, as shares of the picture.
        side: of the picture in pixels.
    """
    whole = (0, 0, side, side)
    if face is None:
        return whole
    x0, y0, x1, y1 = (edge * side for edge in face)
    square = lip_square(max(x1 - x0, y1 - y0, 2.0) / 2, (x0 + x1) / 2, (y0 + y1) / 2)
    return square if max(square[:2]) < side and min(square[2:]) > 0 else whole


def heard_columns(sound: Floats, frame: int) -> npt.NDArray[np.float64]:
    """``(20, 13)`` MFCC of five frames: those of the whole sound at their place, without computing the others.

    Args:
        sound: ``(n,)`` in [-1, 1] at 16 kHz.
        frame: the first of the five, at 25 a second; 240 samples after the last are heard too.
    """
    begin = frame * RATE // FPS
    end = begin + (COLUMNS - 1) * STEP + LENGTH
    part: Any = sound[max(begin - STEP, 0) : end]  # a column more, because each looks at the sample before it
    return mfcc(np.round(np.clip(part, -1, 1) * 32767).astype(np.int16))[-COLUMNS:]
