"""How far a cache is for the clips of a run, and which of them training can use. Nothing is opened or made; needs no torch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from tbd import workspace
from tbd.errors import InputError
from tbd.train.clips import TrainingClip, TrainingClips
from tbd.train.latent_cache import LatentCache
from tbd.train.recipe import TrainRecipe


def default_cache_folder() -> Path:
    """Where the cache lies when nobody says otherwise: ``$TBD_CACHE/train``, else ``~/.cache/tbd/train``."""
    return workspace.cache() / "train"


@dataclass(frozen=True)
class CacheState:
    """How far a cache is for the clips of a run, by looking at sizes and times alone.

    Attributes:
        missing: clips or texts that are not.
        changed: clips whose file is not the one that was cached.
    """

    missing: int
    changed: int

    @property
    def whole(self) -> bool:
        """Whether training can read everything from the cache."""
        return not (self.missing or self.changed)


def cache_state(clips: TrainingClips, recipe: TrainRecipe, keep: LatentCache) -> CacheState:
    """Whether a cache has everything that training would read; no medium is opened."""
    everything = (*clips.train, *clips.validation)
    changed = [clip for clip in everything if keep.changed(clip)]
    stale = {id(clip) for clip in changed}
    missing = sum(1 for clip in everything if id(clip) not in stale and not keep.path(clip).is_file())
    texts = dict.fromkeys(text for clip in everything for text in clip.prompts)
    missing += sum(1 for text in texts if not keep.text_path(text, recipe.model.chunks).is_file())
    seen = [clip for clip in changed if keep.knows(clip)]
    return CacheState(missing + len(changed) - len(seen), len(seen))


def cached_clips(clips: TrainingClips, recipe: TrainRecipe, stage: int, keep: LatentCache) -> TrainingClips:
    """The clips that training can use with a cache: what it lacks is read from the media at every step, and said.

    Args:
        clips: of ``read_training_clips``.
        recipe: levels of text.
        stage: 2 needs the sound too.
        keep: the cache.

    Returns:
        Without those that could not be made when the cache was filled; with a note on what is missing.

    Raises:
        InputError: nothing that training would read is in the cache, or no clip is left.
    """
    everything = (*clips.train, *clips.validation)
    failed = {clip.name for clip in everything if _failed(clip, stage, keep)}
    sides = [tuple(clip for clip in side if clip.name not in failed) for side in (clips.train, clips.validation)]
    left_out = {"that could not be read when the cache was made": sorted(failed)} if failed else {}
    found = replace(clips, train=sides[0], validation=sides[1], left_out=clips.left_out | left_out)
    state, usable = cache_state(found, recipe, keep), len(sides[0]) + len(sides[1])
    if not found.train or not any(keep.has(clip) for side in sides for clip in side):
        raise InputError(
            f"{keep.folder}: {state.missing} clips or texts are missing, {state.changed} clips have changed, "
            f"{len(failed)} of {len(everything)} clips could not be read",
            next="tbd train cache, with the same manifests and options",
        )
    if state.whole:
        return found
    note = (
        f"not in the cache: {state.missing} clips or texts, and {state.changed} clips whose file has changed, of {usable} "
        "clips; they are read from the media at every step (next: tbd train cache, with the same options)"
    )
    return replace(found, notes=(*found.notes, note))


def _failed(clip: TrainingClip, stage: int, keep: LatentCache) -> bool:
    """Whether a clip, as it is now, is known to be of no use in a stage."""
    if keep.changed(clip) or not keep.failure(clip):
        return False
    return stage == 2 or not keep.path(clip).is_file()
