"""``tbd train cache``: what the frozen networks say about clips and texts, computed once and kept.

A run that was killed goes on where it was; several processes may fill one cache, each with its part of the clips; new
approvals are added by the same command.
"""

from __future__ import annotations

import shutil
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import torch

from tbd import workspace
from tbd.errors import InputError, MissingError
from tbd.model.base import Base
from tbd.model.shapes import shape
from tbd.train.encoders import clip_layers, clip_moments
from tbd.train.keep import Keep, write
from tbd.train.recipe import TrainRecipe
from tbd.train.rows import Clip, Clips

MARGIN = 1.1
"""Free disk that must be there for every byte to be written."""
HALF = 2
"""Bytes of a number in half precision."""


@dataclass(frozen=True)
class Plan:
    """What a cache lacks.

    Attributes:
        keep: the cache.
        clips: to make.
        texts: to embed.
        present: clips that are there.
        left_out: rows that cannot be trained on, by reason.
        bytes: that will be written.
        free: bytes on the disk.
    """

    keep: Keep
    clips: tuple[Clip, ...]
    texts: tuple[str, ...]
    present: int
    left_out: dict[str, list[str]]
    bytes: int
    free: int


@dataclass
class Made:
    """What ``make`` did.

    Attributes:
        clips, texts: written.
        failed: ``manifest/clip_id`` -> why it could not be made.
        stopped: whether it was interrupted before the end.
    """

    clips: int = 0
    texts: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    stopped: bool = False


def default_folder() -> Path:
    """Where the cache lies when nobody says otherwise: ``$TBD_CACHE/train``, else ``~/.cache/tbd/train``."""
    return workspace.cache() / "train"


def plan(clips: Clips, recipe: TrainRecipe, keep: Keep, part: tuple[int, int] = (1, 1)) -> Plan:
    """What is missing; files that are new or have changed are read in full.

    Args:
        clips: to train on and to validate with.
        recipe: sizes and levels.
        keep: the cache.
        part: (i, n): only every n-th clip, beginning with the i-th.

    Raises:
        InputError: a file cannot be read.
    """
    mine = sorted((*clips.train, *clips.validation), key=lambda clip: (clip.manifest, clip.clip_id))
    mine = mine[part[0] - 1 :: part[1]]
    keep.look(mine)
    lacking = {keep.path(clip): clip for clip in mine if not keep.path(clip).is_file()}
    chunks = recipe.model.chunks
    wanted = dict.fromkeys(["", *(text for clip in mine for text in clip.prompts)])
    texts = tuple(text for text in wanted if not keep.text_path(text, chunks).is_file())
    size = sum(_clip_bytes(clip, recipe) for clip in lacking.values()) + len(texts) * _text_bytes(recipe)
    free = shutil.disk_usage(keep.folder).free
    return Plan(keep, tuple(lacking.values()), texts, len(mine) - len(lacking), clips.left_out, size, free)


def check_room(found: Plan) -> None:
    """Stop before the disk is full.

    Raises:
        MissingError: less than 1.1 times what is needed is free.
    """
    if found.free < MARGIN * found.bytes:
        raise MissingError(
            f"{found.keep.folder}: {found.bytes / 1e9:.1f} GB are needed and {found.free / 1e9:.1f} GB free "
            f"({MARGIN} times as much is asked for)",
            next="--cache DIR on a larger disk, or --set data.moments=mean (half the size)",
        )


def make(
    found: Plan,
    recipe: TrainRecipe,
    base: Base,
    *,
    told: Callable[[str], None] = lambda name: None,
    stopping: Event | None = None,
) -> Made:
    """Fill a cache. Each file appears whole or not at all.

    Args:
        found: of ``plan``.
        recipe: as for ``plan``.
        base: the frozen networks.
        told: called with the name of each clip as it ends.
        stopping: set it to end after the clips under way.

    Raises:
        MissingError: the disk is full; every finished file stays.
    """
    check_room(found)
    done = Made()
    for text in found.texts:
        embedded = base.text.encode([text], recipe.model.chunks, recipe.model.text.overflow)[0]
        write(found.keep.text_path(text, recipe.model.chunks), {"text": embedded})
        done.texts += 1
    for clip, frames in _decoded(found.clips, max(1, recipe.data.workers)):
        if stopping is not None and stopping.is_set():
            done.stopped = True
            break
        name = f"{clip.manifest}/{clip.clip_id}"
        try:
            write(found.keep.path(clip), _tensors(clip, frames.result(), recipe, base))
            done.clips += 1
        except InputError as error:
            done.failed[name] = error.message
        told(name)
    return done


def _tensors(clip: Clip, frames: torch.Tensor, recipe: TrainRecipe, base: Base) -> dict[str, torch.Tensor]:
    tensors = {"moments": clip_moments(base, frames, recipe.data.moments)}
    return tensors | {"layers": clip_layers(base, clip)} if clip.has_audio else tensors


def _decoded(clips: Sequence[Clip], ahead: int) -> Iterator[tuple[Clip, Future[torch.Tensor]]]:
    """Clips with their frames ``(T, S, S, 3)``, decoded by threads while the networks are at earlier ones."""
    with ThreadPoolExecutor(ahead) as pool:
        waiting: deque[tuple[Clip, Future[torch.Tensor]]] = deque()
        for clip in clips:
            waiting.append((clip, pool.submit(_frames, clip)))
            if len(waiting) > ahead:
                yield waiting.popleft()
        yield from waiting


def _frames(clip: Clip) -> torch.Tensor:
    return torch.from_numpy(np.stack(list(clip.canonical.frames())))


def _clip_bytes(clip: Clip, recipe: TrainRecipe) -> int:
    side, channels = recipe.data.size // 8, 8 if recipe.data.moments == "both" else 4
    sizes: dict[str, Any] = shape(recipe.network).audio
    sound = sizes["layers"] * sizes["channels"] if clip.has_audio else 0
    return clip.frames * (channels * side * side + sound) * HALF


def _text_bytes(recipe: TrainRecipe) -> int:
    return int(77 * recipe.model.chunks * shape(recipe.network).text["hidden_size"] * HALF)
