"""Chance, counted: everything random about a sample follows from the seed and the sample's number.

So a run that was killed goes on exactly where it was, and neither the number of loading processes nor the number of
GPUs changes what a sample is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from tbd.errors import UsageError
from tbd.train.clips import TrainingClip
from tbd.train.recipe import Drop, TrainRecipe

T = TypeVar("T")

POOL, ROUND, SAMPLE, AUTOENCODER, LIPS = 1, 2, 3, 4, 5
"""What a stream of random numbers is for: no two streams are the same."""
VALIDATION = 1 << 40
"""Number of the first validation sample, far from any training sample."""


@dataclass(frozen=True)
class SampleDraw:
    """What chance decides about one sample.

    Attributes:
        sample: its number in the run.
        clip: index of its clip.
        reference: canonical frame of the reference picture.
        portrait: place of the clip that it is from among the person's other clips; None: the sample's own clip.
        start: first canonical frame of the target.
        timestep: of the diffusion.
        noise_seed: of the noise, and of the draw from the VAE's posterior.
        keep_reference, keep_text, keep_audio, keep_motion: False: left out.
    """

    sample: int
    clip: int
    reference: int
    start: int
    timestep: int
    noise_seed: int
    keep_reference: bool
    keep_text: bool
    keep_audio: bool
    keep_motion: bool
    portrait: int | None = None


def evenly(items: Sequence[T], most: int) -> list[T]:
    """Up to ``most`` items, evenly spread from the first to the last."""
    places = np.linspace(0, len(items) - 1, min(len(items), most)).round().astype(int)
    return [items[place] for place in places]


def clip_order(clips: Sequence[TrainingClip], recipe: TrainRecipe, stage: int, samples: int) -> npt.NDArray[np.int64]:
    """Which clip each sample of a run shows. A longer run begins as a shorter one.

    Clips fall into pools (manifests by the shares of the mix, and within each the levels or emotions by equal ones); a
    sample picks a pool by chance, and every pool is gone through in shuffled rounds. Without mix and balance there is
    one pool, so that every clip is seen equally often.

    Args:
        clips: to train on.
        recipe: mix, balance, seed.
        samples: of the whole run, over all processes.

    Returns:
        ``(samples,)`` indices of ``clips``.

    Raises:
        UsageError: the mix names other manifests than there are, or its shares are not positive.
    """
    pools, shares = _pools(clips, recipe)
    picks = np.random.default_rng([recipe.seed, stage, POOL]).random(samples)
    pool_of = np.searchsorted(np.cumsum(shares), picks, side="right").clip(max=len(pools) - 1)
    found = np.empty(samples, np.int64)
    for number, pool in enumerate(pools):
        places = np.flatnonzero(pool_of == number)
        found[places] = _rounds(pool, len(places), [recipe.seed, stage, ROUND, number])
    return found


class Portraits:
    """Whose picture the reference of a clip may be.

    Args:
        clips: to train on.
        recipe: ``data.reference``.
    """

    def __init__(self, clips: Sequence[TrainingClip], recipe: TrainRecipe) -> None:
        self._of_person: dict[str, list[TrainingClip]] = {}
        for clip in clips if recipe.data.reference == "person" else ():
            self._of_person.setdefault(clip.person, []).append(clip)

    def others(self, clip: TrainingClip) -> list[TrainingClip]:
        """The person's other clips; the same footage in another manifest, with other texts, is none."""
        return [other for other in self._of_person.get(clip.person, ()) if other.footage != clip.footage]


def draw_sample(
    sample: int,
    clip_index: int,
    clip: TrainingClip,
    recipe: TrainRecipe,
    stage: int,
    others: Sequence[TrainingClip] = (),
) -> SampleDraw:
    """Everything that chance decides about a sample; a function of its arguments alone.

    Stage 1 shows one frame, and a reference at least ``data.apart`` frames away, as far as the clip allows. Stage 2
    shows consecutive frames, with room for the frames before them where the clip has it.

    Args:
        sample: its number in the run.
        clip_index, clip: what it shows.
        recipe: frames, chances, seed.
        stage: 1 or 2.
        others: the person's other clips, when ``data.reference`` is ``person``: the reference is a frame of one of them.
    """
    random = np.random.default_rng([recipe.seed, stage, SAMPLE, sample])
    frames = (recipe.stage1 if stage == 1 else recipe.stage2).frames
    earlier = recipe.network.motion_frames if stage == 2 else 0
    last = clip.frames - frames
    start = int(random.integers(min(earlier, last), last + 1))
    reference = _reference(random, start, clip.frames, recipe.data.apart if stage == 1 else 0)
    timestep = int(random.integers(recipe.model.noise.steps))
    kept = _kept(random, recipe.drop)
    noise_seed = int(random.integers(2**62))
    portrait = int(random.integers(len(others))) if others else None
    if portrait is not None:
        reference = int(random.integers(others[portrait].frames))
    return SampleDraw(sample, clip_index, reference, start, timestep, noise_seed, *kept, portrait)


def _reference(random: np.random.Generator, start: int, frames: int, apart: int) -> int:
    distance = np.abs(np.arange(frames) - start)
    return int(random.choice(np.flatnonzero(distance >= min(apart, distance.max()))))


def _kept(random: np.random.Generator, drop: Drop) -> tuple[bool, bool, bool, bool]:
    everything, *single = random.random(5)
    chances = (drop.reference, drop.text, drop.audio, drop.motion)
    reference, text, audio, motion = (value >= chance for value, chance in zip(single, chances, strict=True))
    some = everything >= drop.everything
    return bool(some and reference), bool(some and text), bool(some and audio), bool(motion)


def _rounds(pool: npt.NDArray[np.int64], count: int, seed: list[int]) -> npt.NDArray[np.int64]:
    """``count`` entries of a pool: shuffled, again shuffled, and so on."""
    random = np.random.default_rng(seed)
    rounds = [random.permutation(pool) for _ in range(-(-count // len(pool)))]
    return np.concatenate(rounds)[:count] if rounds else np.empty(0, np.int64)


def _pools(
    clips: Sequence[TrainingClip], recipe: TrainRecipe
) -> tuple[list[npt.NDArray[np.int64]], npt.NDArray[np.float64]]:
    """Groups of clips, and the share of the samples that each gets."""
    mix = _mix(clips, recipe)
    groups: dict[tuple[str, str], list[int]] = {}
    for index, clip in enumerate(clips):
        source = clip.manifest if recipe.data.mix else ""
        kind = {"none": "", "level": str(clip.level), "emotion": str(clip.emotion)}[recipe.data.balance]
        groups.setdefault((source, kind), []).append(index)
    parts = Counter(source for source, _ in groups)
    shares = np.array([mix[source] / parts[source] for source, _ in groups])
    return [np.array(pool) for pool in groups.values()], shares / shares.sum()


def _mix(clips: Sequence[TrainingClip], recipe: TrainRecipe) -> dict[str, float]:
    """Shares of the manifests; all clips are one source where nothing is said."""
    mix, there = recipe.data.mix, sorted({clip.manifest for clip in clips})
    odd = sorted(mix.keys() ^ set(there)) if mix else []
    if odd or (mix and min(mix.values()) <= 0):
        wrong = {True: "is no manifest with clips here", False: "has no share"}
        words = f"{odd[0]} {wrong[odd[0] in mix]}" if odd else "shares must be positive"
        raise UsageError(f"data.mix: {words}; there are {', '.join(there)}")
    return mix or {"": 1.0}
