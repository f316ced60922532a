"""The numbers to watch: the loss on clips that are kept back, with the same noise every time, and what it hears.

The training loss of a diffusion model hardly moves, because how hard a sample is depends on its timestep far more than
on the weights. Here every clip meets every range of timesteps once, with noise that never changes. And a falling loss
does not say that text, sound and picture matter: so it is taken once more with those of another clip.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from diffusers.schedulers.scheduling_ddim import DDIMScheduler

from tbd.errors import InputError
from tbd.model.noise import standard_noise
from tbd.train.batch import Batch, BatchEncoder, merge_batches
from tbd.train.clips import TrainingClip
from tbd.train.conditions import CONDITIONS, Heard, heard, other_clip, words_of
from tbd.train.dataset import TrainingDataset, collate
from tbd.train.left_out import UnreadableClip
from tbd.train.loss import sample_losses
from tbd.train.recipe import TrainRecipe
from tbd.train.sampling import VALIDATION, SampleDraw, evenly
from tbd.train.stages import predict

Question = tuple[int, int, str]
"""A clip, a range of timesteps, and which condition is another clip's; an empty one: none."""


def middle_bins(bins: int) -> list[int]:
    """The ranges of timesteps in which it is asked what is heard: around the middle, where conditions matter most.

    Args:
        bins: how many ranges there are (``watch.bins``).
    """
    return sorted({bins * tenths // 10 for tenths in (4, 6)})


@dataclass(frozen=True)
class Validation:
    """Losses on the clips that are kept back: of eq. 1, without weights.

    Attributes:
        loss: mean over all samples.
        bins: mean of each range of timesteps that was looked at, low noise first.
        samples: how many there were.
        conditions: what the text, the sound and the picture of another clip do to the loss in the middle of the noise.
    """

    loss: float
    bins: tuple[float, ...]
    samples: int
    conditions: dict[str, Heard] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """As in ``meta.json`` and ``validation.jsonl``."""
        conditions = {name: found.as_json() for name, found in self.conditions.items()}
        return {"loss": self.loss, "bins": list(self.bins), "samples": self.samples, "conditions": conditions}

    def words(self) -> str:
        """One line for people."""
        others = f"; of another clip: {words_of(self.conditions)}" if self.conditions else ""
        return f"validation loss {self.loss:.4f}{others}"


class Validator:
    """Measures a network on fixed samples. A clip that cannot be read is left out, and ``left_out`` says why.

    Args:
        clips: kept back; up to ``count`` of them are looked at, evenly spread.
        recipe: bins, batch.
        stage: 1 or 2.
        samples: made over ``clips``; only its way to read an example is used.
        encoders: the frozen networks.
        schedule: of the diffusion.
        rank, world: of this process; each takes its part, and ``reduce`` adds them up.
        count: None takes ``watch.clips``.
        bins: ranges of timesteps to look at, those of ``middle_bins`` among them; None: all.
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
        count: int | None = None,
        bins: Sequence[int] | None = None,
    ) -> None:
        self.clips = evenly(clips, count or recipe.watch.clips)
        self.left_out: dict[str, str] = {}
        self.recipe, self.stage, self.samples = recipe, stage, samples
        self.encoders, self.schedule = encoders, schedule
        self.rank, self.world = rank, world
        self.bins = list(range(recipe.watch.bins) if bins is None else bins)
        self._encoded: dict[int, Batch] = {}

    @torch.no_grad()
    def measure(self, network: torch.nn.Module, reduce: Callable[[torch.Tensor], torch.Tensor]) -> Validation:
        """The losses of a network as it is.

        Args:
            network: ``TBDNetwork``, also wrapped.
            reduce: sums a tensor over all processes.

        Raises:
            InputError: none of the clips can be read.
        """
        plain = [(clip, which, "") for clip in self._able() for which in self.bins]
        own = self._losses(network, plain, reduce)
        if not self._able():
            name, reason = next(iter(self.left_out.items()))
            raise InputError(
                f"none of the {len(self.clips)} clips that validate can be read (e.g. {name}: {reason})",
                next="tbd train cache, with the same manifests, names all such clips",
            )
        asked = own[np.ix_(self._able(), self.bins)]
        loss, means = float(asked.mean()), asked.mean(0).tolist()
        return Validation(loss, tuple(means), asked.size, self._heard(network, own, reduce))

    def _heard(self, network: torch.nn.Module, own: Any, reduce: Any) -> dict[str, Heard]:
        middle, found = middle_bins(self.recipe.watch.bins), {}
        for condition in CONDITIONS if self.stage == 2 else ("text", "picture"):
            able = [clip for clip in self._able() if self._other(clip, condition) is not None]
            asked = [(clip, which, condition) for clip in able for which in middle]
            others = self._losses(network, asked, reduce)
            if (one := heard(own[:, middle], others[:, middle])) is not None:
                found[condition] = one
        return found

    def _losses(self, network: torch.nn.Module, asked: Sequence[Question], reduce: Any) -> Any:
        """``(clips, bins)`` float64, NaN where nothing was asked or could be read; each process computes its part."""
        shape, batch = (len(self.clips), self.recipe.watch.bins), self.recipe.hardware.batch
        sums = torch.zeros((2, *shape), dtype=torch.float64, device=self.encoders.device)
        mine = []
        for one in asked[self.rank :: self.world]:
            if self._is_readable(one[0]):
                mine.append(one)
            else:
                sums[1, one[0], one[1]] = 1
        for start in range(0, len(mine), batch):
            chosen = mine[start : start + batch]
            given = self.batch(chosen)
            losses = sample_losses(*predict(network, given, self.encoders.empty, self.schedule, self.recipe))
            for (clip, which, _), value in zip(chosen, losses.double(), strict=True):
                sums[0, clip, which] = value
        found, unread = reduce(sums).cpu().numpy()
        for place in np.flatnonzero(unread.any(1)):  # on every process, whoever met it
            self.left_out.setdefault(self.clips[int(place)].name, "it cannot be read")
        there = np.zeros(shape, bool)
        for clip, which, _ in asked:
            there[clip, which] = not unread[clip, which]
        return np.where(there, found, np.nan)

    def _able(self) -> list[int]:
        return [number for number, clip in enumerate(self.clips) if clip.name not in self.left_out]

    def _other(self, clip: int, condition: str) -> int | None:
        able = self._able()
        found = other_clip([self.clips[number] for number in able], able.index(clip), condition)
        return None if found is None else able[found]

    def _is_readable(self, clip: int) -> bool:
        if self.clips[clip].name in self.left_out:
            return False
        try:
            self._clip(clip)
        except UnreadableClip as error:
            name = self.clips[clip].name
            self.left_out[name] = (
                error.message if error.clip == name else f"its picture of {error.clip}: {error.message}"
            )
            return False
        return True

    def batch(self, asked: Sequence[Question]) -> Batch:
        """Samples side by side on the device."""
        return merge_batches([self.sample(*one) for one in asked], self.encoders.device)

    def sample(self, clip: int, which: int, condition: str = "") -> Batch:
        """A clip with nothing left out, at a timestep in range ``which``, with that range's own noise; on the CPU.

        Args:
            condition: the one that is another clip's; empty: none.
        """
        bins, steps = self.recipe.watch.bins, self.recipe.model.noise.steps
        drawn, found = self.drawn(clip), self._clip(clip)
        low, high = which * steps // bins, (which + 1) * steps // bins
        generator = torch.Generator().manual_seed(drawn.noise_seed + which)
        noise = standard_noise(tuple(found.noise.shape[1:]), self.recipe.model.noise, generator)
        timestep = torch.tensor([low + (drawn.timestep + 7919 * which) % (high - low)])
        other = self._other(clip, condition) if condition else None
        changed = {} if other is None else {CONDITIONS[condition]: getattr(self._clip(other), CONDITIONS[condition])}
        return replace(found, noise=noise[None], timesteps=timestep, **changed)

    def drawn(self, clip: int) -> SampleDraw:
        """The fixed frames of a clip."""
        drawn = self.samples.draw(VALIDATION + clip, clip, self.clips[clip])
        return replace(drawn, keep_reference=True, keep_text=True, keep_audio=True, keep_motion=True)

    def _clip(self, clip: int) -> Batch:
        """A clip's fixed example, encoded once a run."""
        if clip not in self._encoded:
            example = collate([self.samples.example(self.clips[clip], self.drawn(clip))])
            self._encoded[clip] = merge_batches([self.encoders.batch(example)], torch.device("cpu"))
        return self._encoded[clip]
