"""Samples to look at while a stage trains: a picture in stage 1, in stage 2 a video with sound."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from tbd.media import video
from tbd.model.ddim import sample_clip
from tbd.model.network import TBDNetwork
from tbd.model.noise import noise_scheduler
from tbd.train.batch import Batch
from tbd.train.dataset import clip_sound
from tbd.train.stages import reference_text
from tbd.train.validation import Validator

Precision = Callable[[], AbstractContextManager[Any]]


def sample_videos(
    network: TBDNetwork,
    validator: Validator,
    folder: Path,
    note: Callable[[str], None],
    precision: Precision = nullcontext,
) -> list[Path]:
    """Sample a few clips and write them: a picture in stage 1, in stage 2 a video with sound and its frames as a strip.

    A clip that cannot be shown is noted and never ends training.

    Args:
        network: as it is now.
        validator: its clips and encoders.
        folder: where the files go.
        note: told of what went wrong.
        precision: a context in which the network computes; the frozen networks stay outside.
    """
    written = []
    for number in range(min(validator.recipe.watch.sample_clips, len(validator.clips))):
        clip = validator.clips[number]
        try:
            written.append(_sample_video(network, validator, number, folder / f"{clip.clip_id}.png", precision))
        except Exception as error:  # noqa: BLE001 (a sample is worth less than a run)
            note(f"no sample of {clip.clip_id}: {str(error).splitlines()[0] if str(error) else type(error).__name__}")
    return written


@torch.no_grad()
def _sample_video(network: TBDNetwork, validator: Validator, number: int, path: Path, precision: Precision) -> Path:
    encoders, clip = validator.encoders, validator.clips[number]
    batch = validator.batch([(number, 0, "")])
    with precision():
        latents = _sampled(network, validator, batch)
    shown, true = (encoders.base.image.decode(part.float().transpose(1, 2)[0]) for part in (latents, batch.latents))
    path.parent.mkdir(parents=True, exist_ok=True)
    _strip(encoders.base.image.decode(batch.reference), shown, true).save(path)
    if validator.stage == 2:
        rule, start = clip.canonical.rule, validator.drawn(number).start
        first, last = (round(frame / rule.fps * rule.sample_rate) for frame in (start, start + len(shown)))
        speech = clip_sound(clip)[first:last]
        video.write(path.with_suffix(".mp4"), iter(shown), rule.fps, speech, sample_rate=rule.sample_rate)
    return path


def _sampled(network: TBDNetwork, validator: Validator, batch: Batch) -> torch.Tensor:
    recipe, encoders = validator.recipe, validator.encoders
    heard = reference_text(recipe, batch.text, encoders.empty)
    return sample_clip(
        network,
        batch.noise,
        batch.text,
        encoders.empty,
        network.conditions(batch.reference, heard, batch.earlier, batch.audio),
        network.silence(1, batch.noise.shape[2]),
        noise_scheduler(recipe.model.noise),
        recipe.model.guidance,
        steps=recipe.watch.sample_steps,
        scale=recipe.watch.sample_scale,
    )


def _strip(reference: np.ndarray[Any, Any], sampled: np.ndarray[Any, Any], true: np.ndarray[Any, Any]) -> Image.Image:
    """Reference, then every frame: sampled above, true below."""
    chosen = np.linspace(0, len(sampled) - 1, min(len(sampled), 7)).round().astype(int)
    rows = [np.concatenate([reference[0], *frames[chosen]], 1) for frames in (sampled, true)]
    return Image.fromarray(np.concatenate(rows, 0))
