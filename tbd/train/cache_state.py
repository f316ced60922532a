"""How far a cache is for the clips of a run, and which of them training can use. No medium is opened, nothing is made; needs
no torch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from tbd import workspace
from tbd.errors import InputError
from tbd.train.clips import TrainingClip, TrainingClips
from tbd.train.latent_cache import LatentCache
from tbd.train.recipe import TrainRecipe

UNREADABLE = "that could not be read when the cache was made"
"""Why clips are left out that a cache knows."""


def default_cache_folder() -> Path:
    """Where the cache lies when nobody says otherwise: ``$TBD_CACHE/train``, else ``~/.cache/tbd/train``."""
    return workspace.cache() / "train"


@dataclass(frozen=True)
class CacheState:
    """How far a cache is for the clips of a run, by sizes and times of media and the heads of its own files.

    Attributes:
        missing: clips or texts that are not there, or damaged.
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
    missing = sum(1 for clip in everything if id(clip) not in stale and not keep.holds(clip))
    texts = dict.fromkeys(text for clip in everything for text in clip.prompts)
    missing += sum(1 for text in texts if not keep.holds_text(text, recipe.model.chunks))
    seen = [clip for clip in changed if keep.knows(clip)]
    return CacheState(missing + len(changed) - len(seen), len(seen))


def usable_clips(clips: TrainingClips, stage: int, keep: LatentCache) -> TrainingClips:
    """The clips of a run with a cache: without those that are known to be unreadable. The same list for filling and for reading it.

    Args:
        clips: of ``read_training_clips`` for this stage.
        stage: 2 needs the sound too.
        keep: the cache.
    """
    failed = sorted(clip.name for clip in (*clips.train, *clips.validation) if _failed(clip, stage, keep))
    if not failed:
        return clips
    gone = set(failed)
    train, validation = (
        tuple(clip for clip in side if clip.name not in gone) for side in (clips.train, clips.validation)
    )
    return replace(clips, train=train, validation=validation, left_out=clips.left_out | {UNREADABLE: failed})


def cached_clips(clips: TrainingClips, recipe: TrainRecipe, stage: int, keep: LatentCache) -> TrainingClips:
    """The clips that training can use with a cache: what it lacks is read from the media at every step, and said.

    Args:
        clips: of ``read_training_clips``.
        recipe: levels of text.
        stage: 2 needs the sound too.
        keep: the cache.

    Returns:
        ``usable_clips``, with a note on what is missing.

    Raises:
        InputError: nothing that training would read is in the cache, or no clip is left.
    """
    found = usable_clips(clips, stage, keep)
    state, usable = cache_state(found, recipe, keep), (*found.train, *found.validation)
    if not found.train or not any(keep.has(clip) for clip in usable):
        everything = len(clips.train) + len(clips.validation)
        raise InputError(
            f"{keep.folder}: {state.missing} clips or texts are missing, {state.changed} clips have changed, "
            f"{everything - len(usable)} of {everything} clips could not be read",
            next="tbd train cache, with the same manifests and options",
        )
    if state.whole:
        return found
    note = (
        f"not in the cache: {state.missing} clips or texts, and {state.changed} clips whose file has changed, of {len(usable)} "
        "clips; they are read from the media at every step (next: tbd train cache, with the same options)"
    )
    return replace(found, notes=(*found.notes, note))


def _failed(clip: TrainingClip, stage: int, keep: LatentCache) -> bool:
    """Whether a clip, as it is now, is known to be of no use in a stage."""
    if keep.changed(clip) or not keep.failure(clip):
        return False
    return stage == 2 or not keep.path(clip).is_file()
