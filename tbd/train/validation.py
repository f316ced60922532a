"""The number to watch: the loss on clips that are kept back, with the same noise every time, by range of timesteps.

The training loss of a diffusion model hardly moves, because how hard a sample is depends on its timestep far more than
on the weights. Here every clip meets every range of timesteps once, with noise that never changes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from PIL import Image

from tbd.media import video
from tbd.model.ddim import sample_clip
from tbd.model.network import TBDNetwork
from tbd.model.noise import noise_scheduler, standard_noise
from tbd.train.batch import Batch, BatchEncoder, merge_batches
from tbd.train.clips import TrainingClip
from tbd.train.dataset import TrainingDataset, clip_sound, collate
from tbd.train.loss import sample_losses
from tbd.train.recipe import TrainRecipe
from tbd.train.sampling import SampleDraw, draw_sample
from tbd.train.stages import predict, reference_text

FIRST = 1 << 40
"""Number of the first validation sample, far from any training sample."""
MOST = 64
"""Clips that are looked at, evenly spread over those that are kept back: more would cost time and tell little."""


Precision = Callable[[], AbstractContextManager[Any]]


@dataclass(frozen=True)
class Validation:
    """Losses on the clips that are kept back: of eq. 1, without weights.

    Attributes:
        loss: mean over all samples.
        bins: mean of each range of timesteps, low noise first.
        samples: how many there were.
    """

    loss: float
    bins: tuple[float, ...]
    samples: int

    def as_json(self) -> dict[str, Any]:
        """As in ``meta.json`` and ``validation.jsonl``."""
        return {"loss": self.loss, "bins": list(self.bins), "samples": self.samples}


class Validator:
    """Measures a network on fixed samples.

    Args:
        clips: kept back.
        recipe: bins, batch.
        stage: 1 or 2.
        samples: made over ``clips``; only its way to read an example is used.
        encoders: the frozen networks.
        schedule: of the diffusion.
        rank, world: of this process; each takes its part, and ``reduce`` adds them up.
    """

    def __init__(
        self,
        clips: Sequence[TrainingClip],
        recipe: TrainRecipe,
        stage: int,
        samples: TrainingDataset,
        encoders: BatchEncoder,
        schedule: DDIMScheduler,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        chosen = np.linspace(0, len(clips) - 1, min(len(clips), MOST)).round().astype(int)
        self.clips = [clips[i] for i in chosen]
        self.recipe, self.stage, self.samples = recipe, stage, samples
        self.encoders, self.schedule = encoders, schedule
        self.mine = [(clip, which) for clip in range(len(chosen))[rank::world] for which in range(recipe.watch.bins)]
        self._encoded: dict[int, Batch] = {}

    @torch.no_grad()
    def measure(self, network: torch.nn.Module, reduce: Callable[[torch.Tensor], torch.Tensor]) -> Validation:
        """The losses of a network as it is.

        Args:
            network: ``TBDNetwork``, also wrapped.
            reduce: sums a tensor over all processes.
        """
        bins, batch = self.recipe.watch.bins, self.recipe.hardware.batch
        sums = torch.zeros(2, bins, dtype=torch.float64, device=self.encoders.device)
        for start in range(0, len(self.mine), batch):
            chosen = self.mine[start : start + batch]
            losses = self._losses(network, self._batch(chosen))
            for (_, which), value in zip(chosen, losses.double(), strict=True):
                sums[0, which] += value
                sums[1, which] += 1
        total, count = reduce(sums)
        means = (total / count.clamp(min=1)).tolist()
        return Validation(float(total.sum() / count.sum().clamp(min=1)), tuple(means), int(count.sum()))

    def _losses(self, network: torch.nn.Module, batch: Batch) -> torch.Tensor:
        prediction, target = predict(network, batch, self.encoders.empty, self.schedule, self.recipe)
        return sample_losses(prediction, target)

    def _batch(self, chosen: Sequence[tuple[int, int]]) -> Batch:
        return merge_batches([self.sample(clip, which) for clip, which in chosen], self.encoders.device)

    def sample(self, clip: int, which: int) -> Batch:
        """A clip with nothing left out, at a timestep in range ``which``, with that range's own noise; on the CPU."""
        bins, steps = self.recipe.watch.bins, self.recipe.model.noise.steps
        drawn = self.drawn(clip)
        if clip not in self._encoded:  # once a run
            example = collate([self.samples.example(self.clips[clip], drawn)])
            self._encoded[clip] = merge_batches([self.encoders.batch(example)], torch.device("cpu"))
        low, high = which * steps // bins, (which + 1) * steps // bins
        found = self._encoded[clip]
        generator = torch.Generator().manual_seed(drawn.noise_seed + which)
        noise = standard_noise(tuple(found.noise.shape[1:]), self.recipe.model.noise.offset, generator)
        timestep = torch.tensor([low + (drawn.timestep + 7919 * which) % (high - low)])
        return replace(found, noise=noise[None], timesteps=timestep)

    def drawn(self, clip: int) -> SampleDraw:
        """The fixed frames of a clip."""
        drawn = draw_sample(FIRST + clip, clip, self.clips[clip], self.recipe, self.stage)
        return replace(drawn, keep_reference=True, keep_text=True, keep_audio=True, keep_motion=True)


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
            written.append(_film(network, validator, number, folder / f"{clip.clip_id}.png", precision))
        except Exception as error:  # noqa: BLE001 (a sample is worth less than a run)
            note(f"no sample of {clip.clip_id}: {str(error).splitlines()[0] if str(error) else type(error).__name__}")
    return written


@torch.no_grad()
def _film(network: TBDNetwork, validator: Validator, number: int, path: Path, precision: Precision) -> Path:
    encoders, clip = validator.encoders, validator.clips[number]
    batch = validator._batch([(number, 0)])
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
