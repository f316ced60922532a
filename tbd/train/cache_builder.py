"""``tbd train cache``: what the frozen networks say about clips and texts, computed once and kept.

A run that was killed goes on where it was; several processes may fill one cache, each with its part of the clips; new
approvals are added by the same command.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import torch

from tbd.clip_failures import why_failed
from tbd.errors import InputError, MissingError
from tbd.model.encoder_files import latent_factor
from tbd.model.frozen_encoders import FrozenEncoders, load_encoders
from tbd.model.shapes import network_sizes
from tbd.train.batch import clip_layers, clip_moments
from tbd.train.clips import TrainingClip, TrainingClips
from tbd.train.latent_cache import LatentCache, write_tensors
from tbd.train.prefetch import prefetch
from tbd.train.recipe import TrainRecipe

MARGIN = 1.1
"""Free disk that must be there for every byte to be written."""
CHUNK = 16
"""Pictures that travel together; a clip of any length needs no more memory than its moments and a few of these."""
HALF = 2
"""Bytes of a number in half precision."""


@dataclass(frozen=True)
class CachePlan:
    """What a cache lacks.

    Attributes:
        keep: the cache; None: of a plan for an empty one.
        clips: to make.
        texts: to embed.
        present: clips that are there.
        stale: clips whose file was rewritten since it was last looked at; they are among those to make.
        left_out: rows that cannot be trained on, by reason.
        bytes: that will be written.
        free: bytes on the disk.
        unreadable: ``manifest/clip_id`` -> why a file of it cannot be read; none of them is among those to make.
    """

    keep: LatentCache | None
    clips: tuple[TrainingClip, ...]
    texts: tuple[str, ...]
    present: int
    stale: int
    left_out: dict[str, list[str]]
    bytes: int
    free: int
    unreadable: dict[str, str] = field(default_factory=dict)


@dataclass
class CacheResult:
    """What ``make`` did.

    Attributes:
        clips, texts: written.
        failed: ``manifest/clip_id`` -> why it could not be made, or not its sound. ``cached`` leaves these out.
        stopped: whether it was interrupted before the end.
    """

    clips: int = 0
    texts: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    stopped: bool = False


def plan_cache(clips: TrainingClips, recipe: TrainRecipe, keep: LatentCache) -> CachePlan:
    """What is missing or damaged; media that are new or have changed are read in full.

    Args:
        clips: to train on and to validate with.
        recipe: sizes and levels.
        keep: the cache.
    """
    # where two rows share a file of the cache, the one that has sound makes it
    mine = sorted((*clips.train, *clips.validation), key=lambda clip: (clip.has_audio, clip.manifest, clip.clip_id))
    rewritten, odd = keep.hash_media(mine)
    unreadable = {clip.name: odd[file] for clip in mine for file in clip.media if file in odd}
    mine = [clip for clip in mine if clip.name not in unreadable]
    stale = sum(not rewritten.isdisjoint(clip.media) for clip in mine)
    lacking = {keep.path(clip): clip for clip in mine if not keep.holds(clip)}
    chunks = recipe.model.chunks
    wanted = dict.fromkeys(["", *(text for clip in mine for text in clip.prompts)])
    texts = tuple(text for text in wanted if not keep.holds_text(text, chunks))
    size = sum(_clip_bytes(clip, recipe) for clip in lacking.values()) + len(texts) * _text_bytes(recipe)
    free = shutil.disk_usage(keep.folder).free
    present = len(mine) - len(lacking)
    return CachePlan(keep, tuple(lacking.values()), texts, present, stale, clips.left_out, size, free, unreadable)


def plan_unseen(clips: TrainingClips, recipe: TrainRecipe, folder: Path) -> CachePlan:
    """What an empty cache would get; no medium, no weights and no cache are opened, and nothing is made."""
    everything = (*clips.train, *clips.validation)
    texts = tuple(dict.fromkeys(["", *(text for clip in everything for text in clip.prompts)]))
    size = sum(_clip_bytes(clip, recipe) for clip in everything) + len(texts) * _text_bytes(recipe)
    disk = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.is_dir())
    return CachePlan(None, everything, texts, 0, 0, clips.left_out, size, shutil.disk_usage(disk).free)


def caching_encoders(recipe: TrainRecipe, device: str) -> FrozenEncoders:
    """The frozen networks, on a GPU with the autoencoder in bfloat16 and channels last: their results are kept in half
    precision anyway.

    Raises:
        MissingError, InputError: as ``load_encoders``.
    """
    found = load_encoders(recipe.network, recipe.weights, seed=recipe.seed, device=device)
    if device.startswith("cuda"):
        model: Any = found.image.model
        model.to(dtype=torch.bfloat16, memory_format=torch.channels_last)
    return found


def check_disk_space(found: CachePlan, folder: Path) -> None:
    """Stop before the disk is full.

    Raises:
        MissingError: less than 1.1 times what is needed is free.
    """
    if found.free < MARGIN * found.bytes:
        raise MissingError(
            f"{folder}: {found.bytes / 1e9:.1f} GB are needed and {found.free / 1e9:.1f} GB free "
            f"({MARGIN} times as much is asked for)",
            next="--cache DIR on a larger disk, or --set data.moments=mean (half the size)",
        )


def build_cache(
    found: CachePlan,
    recipe: TrainRecipe,
    base: FrozenEncoders,
    *,
    callback: Callable[[str], None] = lambda name: None,
    stopping: Event | None = None,
) -> CacheResult:
    """Fill a cache. Each file appears whole or not at all.

    Args:
        found: of ``plan``.
        recipe: as for ``plan``.
        base: the frozen networks.
        callback: called with the name of each clip as it ends.
        stopping: set it to end after the clips under way.

    Raises:
        MissingError: the disk is full; every finished file stays.
    """
    assert found.keep is not None
    check_disk_space(found, found.keep.folder)
    done = CacheResult(failed=dict(found.unreadable))
    for text in found.texts:
        embedded = base.text.encode([text], recipe.model.chunks, recipe.model.text.overflow)[0]
        write_tensors(found.keep.text_path(text, recipe.model.chunks), {"text": embedded})
        done.texts += 1
    sources = [partial(_pictures, clip) for clip in found.clips]
    with closing(prefetch(sources, max(1, recipe.data.workers))) as read:
        for clip, pictures in zip(found.clips, read, strict=True):
            if stopping is not None and stopping.is_set():
                done.stopped = True
                break
            try:
                written, wrong = _one(clip, pictures, found.keep, recipe, base)
            except Exception as error:  # noqa: BLE001 (the boundary of one clip)
                written, wrong = False, why_failed(error, clip.name, "encode", found.keep.folder)
            found.keep.record_failure(clip, wrong)
            done.clips += written
            done.failed |= {clip.name: wrong} if wrong else {}
            callback(clip.name)
    return done


def _one(
    clip: TrainingClip, pictures: Iterator[torch.Tensor], keep: LatentCache, recipe: TrainRecipe, base: FrozenEncoders
) -> tuple[bool, str]:
    """Make one clip: whether it was written, and what is wrong. One without its sound still does for stage 1."""
    wrong = ""
    try:
        parts = [clip_moments(base, part, recipe.data.moments).half().cpu() for part in pictures]
    except InputError as error:
        return False, error.message
    tensors = {"moments": torch.cat(parts)}
    if clip.has_audio:
        try:
            tensors["layers"] = clip_layers(base, clip)
        except InputError as error:
            wrong = error.message
    if keep.changed(clip):
        return False, "its file was rewritten while it was read"
    write_tensors(keep.path(clip), tensors)
    return True, wrong


def _pictures(clip: TrainingClip) -> Iterator[torch.Tensor]:
    """The frames of a clip as ``(up to CHUNK, S, S, 3)``."""
    frames = clip.canonical.frames()
    while part := list(islice(frames, CHUNK)):
        yield torch.from_numpy(np.stack(part))


def _clip_bytes(clip: TrainingClip, recipe: TrainRecipe) -> int:
    try:
        side = recipe.data.size // latent_factor(recipe.network, recipe.weights)
    except MissingError:  # a plan before the download: the size's own
        side = recipe.data.size // latent_factor(recipe.network)
    channels = 8 if recipe.data.moments == "both" else 4
    sizes: dict[str, Any] = network_sizes(recipe.network).audio
    sound = sizes["layers"] * sizes["channels"] if clip.has_audio else 0
    return clip.frames * (channels * side * side + sound) * HALF


def _text_bytes(recipe: TrainRecipe) -> int:
    return int(77 * recipe.model.chunks * network_sizes(recipe.network).text["hidden_size"] * HALF)
