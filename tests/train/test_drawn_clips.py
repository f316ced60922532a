"""``tbd train cache --stage``: it keeps what the run reads, no clip more and none less, whatever keeps rows out of the run."""

import json
from dataclasses import replace

import pytest
import torch
import training
from media import cut_off

from tbd.cli import main
from tbd.model.noise import noise_scheduler
from tbd.selection import Selection
from tbd.train import cache_builder
from tbd.train.approved_clips import read_training_clips
from tbd.train.batch import BatchEncoder
from tbd.train.cache_state import cached_clips, usable_clips
from tbd.train.clips import TrainingClips
from tbd.train.dataset import TrainingDataset
from tbd.train.drawn_clips import clips_of_shard, drawn_clips
from tbd.train.latent_cache import LatentCache
from tbd.train.sampling import clip_order
from tbd.train.validation import Validator

PER_STEP = 2


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    """Rows of three people, two of them without sound, one too short for stage 2, one that cannot be read."""
    folder = tmp_path_factory.mktemp("drawn")
    media = folder / "media"
    media.mkdir()
    for file in training.media().iterdir():
        (media / file.name).symlink_to(file)
    cut_off(media / "cut.mp4", 0.5, frames=25, size=(64, 64))
    rows = [training.a_row(f"c{i:03d}", i % 10, start=i / 1000, subject=f"M00{i % 3}") for i in range(24)]
    rows[3] |= {"file_name": "silent.mp4", "has_audio": False}
    rows[8] |= {"file_name": "silent.mp4", "has_audio": False}
    rows[12] |= {"file_name": "short.mp4", "num_frames": 3, "duration": 0.12}
    rows[17] |= {"file_name": "cut.mp4"}
    return training.manifest(folder / "toy", rows, root=media)


def _recipe(**changes):
    return training.recipe({"stage1.steps": 3, "stage2.steps": 3, "watch.clips": 2, "data.validation_clips": 4,
                            **{key.replace("__", "."): value for key, value in changes.items()}})  # fmt: skip


def _read_by_the_run(clips, recipe, stage, keep, monkeypatch):
    """Names of the clips whose pictures a run asks the cache for, from its samples and its validation; it reads no medium."""
    read, cached = set(), TrainingDataset._cached_pictures
    monkeypatch.setattr(
        TrainingDataset,
        "_cached_pictures",
        lambda self, clip, places: read.add(clip.name) or cached(self, clip, places),
    )
    order = clip_order(clips.train, recipe, stage, 3 * PER_STEP)
    samples = TrainingDataset(clips.train, order, recipe, stage, keep, training.FACTOR)
    assert all("moments" in samples[number] for number in range(len(order)))
    encoders = BatchEncoder(training.base(), recipe, torch.device("cpu"))
    given = (recipe, stage, samples, encoders, noise_scheduler(recipe.model.noise))
    looked = [Validator(clips.validation, *given)]
    looked += [Validator(clips.train, *given, count=count) for count in filter(None, [recipe.watch.train_clips])]
    for validator in looked:
        for number, clip in enumerate(validator.clips):
            assert "moments" in samples.example(clip, validator.drawn(number))
    return read


@pytest.mark.parametrize("stage", [1, 2])
@pytest.mark.parametrize("changes", [{}, {"data__reference": "person"}, {"watch__train_clips": 2}])
def test_the_cache_of_a_stage_has_what_its_run_reads_and_nothing_else(toy, tmp_path, monkeypatch, stage, changes):
    recipe = _recipe(**changes)
    keep = LatentCache(tmp_path, training.base().identities, recipe.data.moments)
    everything = read_training_clips([toy], recipe, stage)
    training.filled(tmp_path, TrainingClips((_clip(everything, "c017"),), ()), recipe)  # which fails, and is remembered
    keep = LatentCache(tmp_path, training.base().identities, recipe.data.moments)
    chosen = drawn_clips(usable_clips(everything, stage, keep), recipe, stage, PER_STEP)
    for shard in ("1/3", "2/3", "3/3"):
        part = clips_of_shard(chosen, shard)
        cache_builder.build_cache(cache_builder.plan_cache(part, recipe, keep), recipe, training.base())
    clips = cached_clips(everything, recipe, stage, keep)
    names = {clip.name for clip in (*chosen.train, *chosen.validation)}
    assert _read_by_the_run(clips, recipe, stage, keep, monkeypatch) == names
    assert {clip.name for clip in (*clips.train, *clips.validation) if keep.has(clip)} == names
    assert "toy/c017" not in names and len(names) < 20


def _clip(clips, name):
    return next(clip for clip in (*clips.train, *clips.validation) if clip.clip_id == name)


def test_shards_are_parts_of_one_list(toy):
    recipe = _recipe()
    whole = drawn_clips(read_training_clips([toy], recipe, 1), recipe, 1, PER_STEP)
    parts = [clips_of_shard(whole, f"{number}/3") for number in (1, 2, 3)]
    assert sorted(clip.name for part in parts for clip in part.train) == sorted(clip.name for clip in whole.train)
    assert sorted(clip.name for part in parts for clip in part.validation) == [
        clip.name for clip in sorted(whole.validation, key=lambda clip: clip.name)
    ]
    assert clips_of_shard(whole, None) == whole
    for number, part in enumerate(parts, 1):  # the same part that --shard is of every other command
        mine = read_training_clips([toy], recipe, 1, Selection(shard=f"{number}/3"))
        assert {clip.name for clip in part.train} <= {clip.name for clip in (*mine.train, *mine.validation)}


def test_a_run_long_enough_to_see_every_clip_has_all_of_them():
    clips = training.clips(6, 3)
    recipe = training.recipe({"data.reference": "person", "stage1.steps": 50})
    one = replace(clips, train=tuple(replace(clip, person="one") for clip in clips.train))
    assert drawn_clips(one, recipe, 1, 8).train == one.train


def test_the_command_takes_the_list_of_the_stage_before_it_takes_a_part(toy, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    settings = ["stage1.steps=3", "stage2.steps=3", "hardware.batch=2", "watch.clips=2", "data.validation_clips=4"]
    given = ["train", "cache", str(toy), "--recipe", "tiny", *(word for key in settings for word in ("--set", key))]
    given += ["--cache", str(tmp_path / "cache"), "--dry-run", "--json", "--stage", "2"]

    def planned(*more):
        assert main([*given, *more]) == 0
        found = capsys.readouterr()
        return json.loads(found.out)["clips"], found.err

    whole, said = planned()
    assert "without sound" in said and 0 < whole <= 3 * 2 + 2
    assert sum(planned("--shard", f"{number}/2")[0] for number in (1, 2)) == whole
    twice, _ = planned("--processes", "2")
    monkeypatch.setenv("WORLD_SIZE", "2")  # a launcher of as many as the run will have
    both = []
    for rank in ("0", "1"):
        monkeypatch.setenv("RANK", rank)
        both.append(planned()[0])
    assert sum(both) == twice > whole
