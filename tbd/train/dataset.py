"""Samples: from a number to the tensors of a training example, from files or from the cache."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from tbd.errors import InputError
from tbd.model.noise import standard_noise
from tbd.model.speech import windows
from tbd.train.clips import TrainingClip
from tbd.train.face_region import region_weights
from tbd.train.latent_cache import LatentCache
from tbd.train.left_out import first_readable, most_left_out, reading
from tbd.train.recipe import TrainRecipe
from tbd.train.sampling import Portraits, SampleDraw, draw_sample
from tbd.train.sync_window import sync_window

Sample = dict[str, Any]


class TrainingDataset(Dataset[Sample]):
    """The samples of one stage by number; every number gives the same sample in every process.

    Args:
        clips: to draw from.
        order: ``(samples,)`` which clip each sample shows (``draws.order``).
        recipe: sizes, chances, seed.
        stage: 1 or 2.
        keep: the cache; None reads the media.
        factor: pixels a latent, along a side.
    """

    def __init__(
        self,
        clips: Sequence[TrainingClip],
        order: Sequence[int],
        recipe: TrainRecipe,
        stage: int,
        keep: LatentCache | None,
        factor: int,
    ) -> None:
        self.clips, self.order, self.recipe, self.stage, self.keep = clips, order, recipe, stage, keep
        self.factor = factor
        # read from media: they were rewritten after they had been cached, and that was said
        self._rewritten = {clip.name for clip in clips if keep is not None and keep.changed(clip)}
        self._portraits = Portraits(clips, recipe)

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, sample: int) -> Sample:
        """A training example before its network sees it, of the next clip in the list where one cannot be read.

        ``{"error": message, "next": …}`` where too many cannot, or a file was rewritten meanwhile.

        Keys: ``draw``; from the cache ``moments (1 + M + F, 8 or 4, h, w)``, ``windows (F, window, layers, channels)``,
        ``text (k, L, D)``; from media ``frames (1 + M + F, S, S, 3)``, ``sound (n,)``, ``prompts``; and ``noise
        (4, F, h, w)``, ``posterior (1 + M + F, 4, h, w)``. Pictures stand in the order reference, earlier, targets. ``region
        (h, w)`` is there where the recipe weighs the loss by place, ``lips (5,)`` and ``mfcc (13, 20)`` where SyncNet judges.
        ``left_out``: name -> reason of the clips that could not be read.
        """

        def make(index: int) -> Sample:
            return self.example(self.clips[index], self.draw(int(sample), index, self.clips[index]))

        most = most_left_out(len(self.clips), self.recipe)
        return first_readable(self.clips, int(self.order[sample]), make, most)

    def draw(self, sample: int, index: int, clip: TrainingClip) -> SampleDraw:
        """What chance decides about sample number ``sample`` of a clip."""
        return draw_sample(sample, index, clip, self.recipe, self.stage, self._portraits.others(clip))

    def example(self, clip: TrainingClip, drawn: SampleDraw) -> Sample:
        """The example of one draw; see ``__getitem__``. What is damaged in the cache counts as missing there.

        Raises:
            UnreadableClip: the clip, or the one that its reference is from, cannot be read.
            InputError: a file was rewritten while training, or SyncNet cannot judge such clips.
        """
        earlier = self.recipe.network.motion_frames if self.stage == 2 else 0
        count = (self.recipe.stage1 if self.stage == 1 else self.recipe.stage2).frames
        targets = np.arange(drawn.start, drawn.start + count)
        before = np.arange(drawn.start - earlier, drawn.start)
        own = clip if drawn.portrait is None else self._portraits.others(clip)[drawn.portrait]
        places = np.concatenate([[drawn.reference], before.clip(0), targets])
        found = self._read(clip, own, places, targets)
        whole = drawn.keep_motion and drawn.start >= earlier  # at a clip's very start there are no earlier frames
        chance = self._chance(drawn, len(places), count)
        return {
            "draw": drawn,
            "keep_motion": whole,
            **found,
            **chance,
            **self._region(clip),
            **self._heard(clip, drawn, found),
        }

    def _read(
        self, clip: TrainingClip, own: TrainingClip, places: np.ndarray[Any, Any], targets: np.ndarray[Any, Any]
    ) -> Sample:
        """From the cache where both clips are there, whole; else from the media."""
        if self._is_cached(clip) and self._is_cached(own):
            try:
                pictures = self._pictures(clip, own, places, self._cached_pictures)
                return {"moments": pictures, **self._cached(clip, targets)}
            except _NotInCacheError:
                pass
        return {"frames": self._pictures(clip, own, places, self._live_pictures), **self._live(clip, targets)}

    def _pictures(self, clip: TrainingClip, own: TrainingClip, places: np.ndarray[Any, Any], read: Any) -> torch.Tensor:
        """The first is of ``own``."""
        found: torch.Tensor = (
            read(clip, places) if own is clip else torch.cat([read(own, places[:1]), read(clip, places[1:])])
        )
        return found

    def _is_cached(self, clip: TrainingClip) -> bool:
        if self.keep is None or clip.name in self._rewritten or not self.keep.knows(clip):
            return False
        with reading(clip):
            rewritten = self.keep.rewritten(clip)
        if rewritten:
            raise InputError(
                "its file was rewritten while training",
                next="the same command goes on, and reads it from the media; tbd train cache makes it anew before",
            )
        return self.keep.path(clip).is_file()

    def _region(self, clip: TrainingClip) -> Sample:
        loss, side = self.recipe.loss, self.recipe.data.size // self.factor
        if not loss.by_region:
            return {}
        return {"region": torch.from_numpy(region_weights(clip.face, side, loss.face, loss.lips))}

    def _heard(self, clip: TrainingClip, drawn: SampleDraw, found: Sample) -> Sample:
        """For SyncNet, from the media with a cache too: it keeps what wav2vec makes of the sound, not the sound."""
        if self.stage == 1 or not self.recipe.loss.sync:
            return {}
        return sync_window(clip, drawn, self.recipe, found["sound"] if "sound" in found else clip_sound(clip))

    def _chance(self, drawn: SampleDraw, pictures: int, count: int) -> Sample:
        side = self.recipe.data.size // self.factor
        generator = torch.Generator().manual_seed(drawn.noise_seed)
        noise = standard_noise((4, count, side, side), self.recipe.model.noise, generator)
        return {"noise": noise, "posterior": torch.randn((pictures, 4, side, side), generator=generator)}

    def _cached_pictures(self, clip: TrainingClip, places: np.ndarray[Any, Any]) -> torch.Tensor:
        assert self.keep is not None
        with _opened(self.keep.path(clip)) as file:
            moments = file.get_slice("moments")
            last = moments.get_shape()[0] - 1
            return torch.cat([moments[i : i + 1] for i in places.clip(max=last).tolist()])

    def _cached(self, clip: TrainingClip, targets: np.ndarray[Any, Any]) -> Sample:
        assert self.keep is not None
        found: Sample = {}
        if self.stage == 2:
            context = self.recipe.network.audio_context
            with _opened(self.keep.path(clip)) as file:
                first = max(0, int(targets[0]) - context)
                part = file.get_slice("layers")[first : int(targets[-1]) + context + 1]
            found["windows"] = windows(part, torch.from_numpy(targets - first), context)
        texts = [self.keep.text_path(text, self.recipe.model.chunks) for text in clip.prompts]
        try:
            return found | {"text": torch.stack([_text(path) for path in texts])}
        except _NotInCacheError:
            return found | {"prompts": clip.prompts}

    def _live_pictures(self, clip: TrainingClip, places: np.ndarray[Any, Any]) -> torch.Tensor:
        canonical = clip.canonical
        with reading(clip):
            wanted, order = np.unique(places.clip(max=canonical.num_frames - 1), return_inverse=True)
            return torch.from_numpy(np.stack(list(canonical.some(wanted.tolist())))[order])

    def _live(self, clip: TrainingClip, targets: np.ndarray[Any, Any]) -> Sample:
        found: Sample = {"prompts": clip.prompts}
        if self.stage == 2:
            found |= {
                "sound": clip_sound(clip),
                "clip_frames": clip.canonical.num_frames,
                "targets": torch.from_numpy(targets),
            }
        return found


def clip_sound(clip: TrainingClip) -> np.ndarray[Any, np.dtype[np.float32]]:
    """``(n,)`` the whole clip's sound.

    Raises:
        UnreadableClip: there is none, or it has no length.
    """
    with reading(clip):
        samples = clip.canonical.audio()
        if not len(samples) or not np.abs(samples).max() > 0:
            raise InputError(
                "its sound is empty or all zeros", next="tbd annotate --update, or --where with clips that have sound"
            )
        return samples


def data_loader(samples: Dataset[Sample], numbers: Sequence[int], batch: int, workers: int) -> DataLoader[Sample]:
    """Batches of the samples ``numbers``, in this order.

    Args:
        samples: to read from.
        numbers: this process's share of the run.
        batch: samples at a time.
        workers: processes that read ahead; they change no number.
    """
    return DataLoader(
        samples,
        batch_size=batch,
        sampler=numbers,
        num_workers=workers,
        collate_fn=collate,
        pin_memory=torch.cuda.is_available(),
        persistent_workers=False,
        prefetch_factor=4 if workers else None,
        multiprocessing_context=_processes() if workers else None,
    )


def _processes() -> Any:
    """Clean processes, split off one that has imported everything: neither the GPU's state nor threads are inherited."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


def process_share(first: int, last: int, rank: int, world: int, batch: int) -> Iterator[int]:
    """The samples of one process: batch after batch, each followed by those of the other processes.

    Args:
        first, last: samples of the run, ``last`` excluded; a multiple of ``world * batch`` apart.
        rank, world: of this process.
        batch: samples a process takes at a time.
    """
    for start in range(first + rank * batch, last, world * batch):
        yield from range(start, start + batch)


def collate(samples: Sequence[Sample]) -> Sample:
    """A batch: tensors stacked, everything else as a list; the first error of the batch alone.

    Where some samples are from the cache and some from media, ``{"parts": [a batch of one, …]}``.
    """
    for sample in samples:
        if "error" in sample:
            return sample
    if any(sample.keys() != samples[0].keys() for sample in samples):
        return {"parts": [collate([sample]) for sample in samples]}
    found: Sample = {}
    for key, value in samples[0].items():
        values = [sample[key] for sample in samples]
        found[key] = torch.stack(values) if isinstance(value, torch.Tensor) else values
    return found


class _NotInCacheError(Exception):
    """A file of the cache is gone, damaged, or lacks what is asked for."""


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except (OSError, SafetensorError):
        raise _NotInCacheError from None


def _text(path: Path) -> torch.Tensor:
    with _opened(path) as file:
        return file.get_tensor("text")  # type: ignore[no-any-return]
