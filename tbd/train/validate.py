"""The number to watch: the loss on clips that are kept back, with the same noise every time, by range of timesteps.

The training loss of a diffusion model hardly moves, because how hard a sample is depends on its timestep far more than
on the weights. Here every clip meets every range of timesteps once, with noise that never changes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import DDIMScheduler
from PIL import Image

from tbd.errors import TbdError
from tbd.media import video
from tbd.model.network import TBDNetwork
from tbd.model.noise import scheduler
from tbd.model.sampling import sample
from tbd.train.data import Samples, sound, together
from tbd.train.draws import draw
from tbd.train.encoders import Batch, Encoders
from tbd.train.loss import per_sample
from tbd.train.recipe import TrainRecipe
from tbd.train.rows import Clip
from tbd.train.stages import question, settings

FIRST = 1 << 40
"""Number of the first validation sample, far from any training sample."""


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
        clips: Sequence[Clip],
        recipe: TrainRecipe,
        stage: int,
        samples: Samples,
        encoders: Encoders,
        schedule: DDIMScheduler,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        self.clips, self.recipe, self.stage, self.samples = clips, recipe, stage, samples
        self.encoders, self.schedule = encoders, schedule
        bins = recipe.watch.bins
        self.mine = [(i, i % bins) for i in range(len(clips) * bins)][rank::world]

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
        prediction, target = question(network, batch, self.encoders.empty, self.schedule, self.recipe)
        return per_sample(prediction, target)

    def _batch(self, chosen: Sequence[tuple[int, int]]) -> Batch:
        return self.encoders.batch(together([self._sample(number, which) for number, which in chosen]))

    def _sample(self, number: int, which: int) -> dict[str, Any]:
        """Validation sample ``number``: nothing left out, its timestep inside range ``which``."""
        bins, steps = self.recipe.watch.bins, self.recipe.model.noise.steps
        clip = self.clips[number // bins]
        drawn = draw(FIRST + number, number // bins, clip, self.recipe, self.stage)
        low, high = which * steps // bins, (which + 1) * steps // bins
        whole = {f"keep_{name}": True for name in ("reference", "text", "audio", "motion")}
        return self.samples.example(clip, replace(drawn, timestep=low + drawn.timestep % (high - low), **whole))


def films(network: TBDNetwork, validator: Validator, folder: Path, note: Callable[[str], None]) -> list[Path]:
    """Sample a few clips and write them: a picture in stage 1, in stage 2 a video with sound and its frames as a strip.

    A clip that cannot be shown is noted and never ends training.

    Args:
        network: as it is now.
        validator: its clips and encoders.
        folder: where the files go.
        note: told of what went wrong.
    """
    written = []
    for number in range(min(validator.recipe.watch.sample_clips, len(validator.clips))):
        clip = validator.clips[number]
        try:
            written.append(_film(network, validator, number, folder / f"{clip.clip_id}.png"))
        except (TbdError, ValueError, OSError, RuntimeError) as error:
            note(f"no sample of {clip.clip_id}: {str(error).splitlines()[0] if str(error) else type(error).__name__}")
    return written


@torch.no_grad()
def _film(network: TBDNetwork, validator: Validator, number: int, path: Path) -> Path:
    recipe, encoders, clip = validator.recipe, validator.encoders, validator.clips[number]
    batch = validator._batch([(number * recipe.watch.bins, 0)])
    frames = settings(recipe, validator.stage).frames
    heard = {"empty": encoders.empty, "coarse": batch.text[:, 0], "zeros": torch.zeros_like(encoders.empty)}
    conditions = network.conditions(batch.reference, heard[recipe.network.reference_text], batch.earlier, batch.audio)
    latents = sample(
        network,
        batch.noise,
        batch.text,
        encoders.empty,
        conditions,
        network.silence(1, frames),
        scheduler(recipe.model.noise),
        recipe.model.guidance,
        steps=recipe.watch.sample_steps,
        scale=recipe.watch.sample_scale,
    )
    shown = [encoders.base.image.decode(part.transpose(1, 2)[0]) for part in (latents.float(), batch.latents)]
    reference = encoders.base.image.decode(batch.reference)
    path.parent.mkdir(parents=True, exist_ok=True)
    _strip(reference, *shown).save(path)
    if validator.stage == 2:
        drawn = draw(FIRST + number * recipe.watch.bins, number, clip, recipe, validator.stage)
        rate, rule = clip.canonical.rule.sample_rate, clip.canonical.rule
        heard_samples = sound(clip)[
            round(drawn.start / rule.fps * rate) : round((drawn.start + frames) / rule.fps * rate)
        ]
        video.write(path.with_suffix(".mp4"), iter(shown[0]), rule.fps, heard_samples, sample_rate=rate)
    return path


def _strip(reference: np.ndarray[Any, Any], sampled: np.ndarray[Any, Any], true: np.ndarray[Any, Any]) -> Image.Image:
    """Reference, then every frame: sampled above, true below."""
    chosen = np.linspace(0, len(sampled) - 1, min(len(sampled), 7)).round().astype(int)
    rows = [np.concatenate([reference[0], *frames[chosen]], 1) for frames in (sampled, true)]
    return Image.fromarray(np.concatenate(rows, 0))
