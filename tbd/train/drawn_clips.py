"""Which clips a run of a stage will read: known before it begins, from its list of clips and its seed. Needs no torch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from tbd.selection import shard_of, shard_part
from tbd.train.clips import TrainingClip, TrainingClips
from tbd.train.recipe import TrainRecipe, stage_settings
from tbd.train.sampling import VALIDATION, Portraits, clip_order, draw_sample, evenly


def drawn_clips(clips: TrainingClips, recipe: TrainRecipe, stage: int, per_step: int) -> TrainingClips:
    """The clips that a run of a stage will read: that it learns from, whose pictures are references, that it is judged by.

    Args:
        clips: of the run; with a cache, of ``usable_clips``: every one that is left out changes who is drawn.
        recipe: of the run.
        stage: 1 or 2.
        per_step: samples of a step, over all processes.
    """
    if not clips.train:
        return clips
    order = clip_order(clips.train, recipe, stage, stage_settings(recipe, stage).steps * per_step).tolist()
    watched = evenly(clips.validation, recipe.watch.clips)
    again = evenly(clips.train, recipe.watch.train_clips)
    names = {clips.train[index].name for index in order} | {clip.name for clip in again}
    if recipe.data.reference == "person":
        draws = [*enumerate(watched, VALIDATION), *enumerate(again, VALIDATION)]
        names |= set(_references(draws, clips, recipe, stage))
        for name in _references(enumerate(clips.train[index] for index in order), clips, recipe, stage):
            names.add(name)
            if len(names) == len(clips.train):  # all of them: the samples that are left tell nothing more
                break
    train = tuple(clip for clip in clips.train if clip.name in names)
    return replace(clips, train=train, validation=tuple(watched))


def clips_of_shard(clips: TrainingClips, shard: str | None) -> TrainingClips:
    """The part of a list that is one process's; the list itself, and who is drawn from it, are the same for all.

    Args:
        clips: of the whole run.
        shard: ``i/n``, part i of n, counted from 1; None: all.

    Raises:
        UsageError: not of that form.
    """
    if shard is None:
        return clips
    mine, parts = shard_part(shard)
    train, validation = (
        tuple(clip for clip in side if shard_of(clip.clip_id, parts) == mine)
        for side in (clips.train, clips.validation)
    )
    return replace(clips, train=train, validation=validation)


def _references(
    samples: Iterable[tuple[int, TrainingClip]], clips: TrainingClips, recipe: TrainRecipe, stage: int
) -> Iterator[str]:
    """Names of the other clips that the reference pictures of samples are from."""
    portraits = Portraits(clips.train, recipe)
    for number, clip in samples:
        others = portraits.others(clip)
        portrait = draw_sample(number, 0, clip, recipe, stage, others).portrait
        if portrait is not None:
            yield others[portrait].name
