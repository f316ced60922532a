import errno
import multiprocessing
import os
import random
import shutil
import time
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest
import torch
import training
from fill_cache import fill_slowly
from media import cut_off
from review_events import decide
from safetensors.torch import load_file, save_file

from tbd import workspace
from tbd.errors import InputError, MissingError
from tbd.train import cache_builder, cache_state, latent_cache
from tbd.train.approved_clips import read_training_clips
from tbd.train.clips import TrainingClips
from tbd.train.latent_cache import LatentCache, write_tensors

RECIPE = training.recipe()


def _keep(folder, moments="both", **identities):
    return LatentCache(folder, training.base().identities | identities, moments)


def _files(folder):
    """Name below the folder -> bytes, of everything but the index."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.safetensors")}


def _copies(folder, count=3):
    """Clips over files of their own, that a test may change."""
    folder.mkdir()
    made = []
    for i in range(count):
        file = Path(shutil.copy(training.media() / f"{i:03d}.mp4", folder / f"{i}.mp4"))
        made.append(training.clip(i, path=file))
    return TrainingClips(tuple(made), ())


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A cache of four clips, two of them kept back."""
    folder = tmp_path_factory.mktemp("whole")
    training.filled(folder, training.clips(2, 2), RECIPE)
    return folder


def test_a_plan_says_what_is_lacking_and_how_much_it_takes(tmp_path):
    clips = training.clips(2, 2)
    plan = cache_builder.plan_cache(clips, RECIPE, _keep(tmp_path))
    assert (len(plan.clips), plan.present, plan.stale, len(plan.texts)) == (4, 0, 0, 9)  # two texts each, and none
    made = cache_builder.build_cache(plan, RECIPE, training.base())
    assert (made.clips, made.texts, made.failed, made.stopped) == (4, 9, {}, False)
    sizes = [len(content) for content in _files(tmp_path).values()]
    assert plan.bytes < sum(sizes) < plan.bytes + 400 * len(sizes)  # headers
    again = cache_builder.plan_cache(clips, RECIPE, _keep(tmp_path))
    assert (again.clips, again.texts, again.present, again.bytes) == ((), (), 4, 0)


def test_a_clips_file_holds_its_frames_and_sound_in_half_precision(whole):
    clip, base = training.clip(0), training.base()
    keep = _keep(whole)
    found = load_file(keep.path(clip))
    frames = list(clip.canonical.frames())
    assert found["moments"].shape == (len(frames), 8, 8, 8) and found["layers"].shape == (len(frames), 12, 16)
    wanted = base.speech.layers(clip.canonical.audio(), len(frames))
    assert (found["layers"].float() - wanted).abs().max() < 1e-2 and str(found["layers"].dtype) == "torch.float16"


def test_the_mean_alone_takes_half_the_size(tmp_path):
    sizes = []
    for moments in ("both", "mean"):
        recipe, folder = training.recipe({"data.moments": moments}), tmp_path / moments
        keep = training.filled(folder, training.clips(1), recipe)
        found = load_file(keep.path(training.clip(0)))
        sizes.append((found["moments"].nbytes, cache_builder.plan_cache(training.clips(4), recipe, keep).bytes))
    assert sizes[1][0] * 2 == sizes[0][0] and sizes[1][1] < sizes[0][1]


def test_shards_together_make_the_same_files_as_one_run(tmp_path, whole):
    everything = training.clips(2, 2)
    for train, validation in ((everything.train[:1], ()), (everything.train[1:], everything.validation)):
        plan = cache_builder.plan_cache(TrainingClips(train, validation), RECIPE, _keep(tmp_path))
        cache_builder.build_cache(plan, RECIPE, training.base())
    assert _files(tmp_path) == _files(whole)


def test_new_approvals_are_added_and_the_rest_is_kept(tmp_path):
    rows = [training.a_row(f"c{i:03d}", i, **({"severity": 2} if i > 2 else {})) for i in range(5)]
    manifest = training.manifest(tmp_path / "toy", rows)
    keep = training.filled(tmp_path / "cache", read_training_clips([manifest], RECIPE, 1), RECIPE)
    before = _files(keep.folder)
    decide(manifest, "c004", "accept", rows[4]["prompts"])
    plan = cache_builder.plan_cache(read_training_clips([manifest], RECIPE, 1), RECIPE, keep)
    assert [clip.clip_id for clip in plan.clips] == ["c004"] and len(plan.texts) == 2 and plan.present == 3
    cache_builder.build_cache(plan, RECIPE, training.base())
    after = _files(keep.folder)
    assert len(after) == len(before) + 3 and all(after[name] == content for name, content in before.items())


@pytest.mark.parametrize("hide", [False, True])
def test_a_rewritten_file_is_noticed_and_made_again(tmp_path, hide):
    clips = _copies(tmp_path / "media")
    keep = training.filled(tmp_path / "cache", clips, RECIPE)
    file = clips.train[1].canonical.path
    status, content = file.stat(), bytearray(file.read_bytes())
    content[-1] ^= 1 if hide else 0
    file.write_bytes(content if hide else (training.media() / "009.mp4").read_bytes())
    if hide:  # the same size and time of change
        os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
        assert (file.stat().st_size, file.stat().st_mtime_ns) == (status.st_size, status.st_mtime_ns)
    assert [keep.changed(clip) for clip in clips.train] == [False, True, False]
    (note,) = cache_state.cached_clips(clips, RECIPE, 2, keep).notes
    assert "1 clips whose file has changed, of 3 clips" in note and "next: tbd train cache" in note
    plan = cache_builder.plan_cache(clips, RECIPE, keep)
    assert (plan.clips, plan.stale, plan.present) == ((clips.train[1],), 1, 2)
    cache_builder.build_cache(plan, RECIPE, training.base())
    assert cache_state.cached_clips(clips, RECIPE, 2, _keep(tmp_path / "cache")).train == clips.train


def test_a_file_that_was_only_touched_or_moved_is_found_again(tmp_path):
    clips = _copies(tmp_path / "media")
    keep = training.filled(tmp_path / "cache", clips, RECIPE)
    clips.train[0].canonical.path.touch()
    assert keep.changed(clips.train[0])
    shutil.copytree(tmp_path / "media", tmp_path / "moved")
    moved = [
        replace(c, canonical=replace(c.canonical, path=tmp_path / "moved" / c.canonical.path.name)) for c in clips.train
    ]
    plan = cache_builder.plan_cache(TrainingClips((*clips.train, *moved), ()), RECIPE, keep)
    assert (plan.clips, plan.texts, plan.stale) == ((), (), 0)


def test_what_changes_the_numbers_changes_the_place(tmp_path):
    clip, keep = training.clip(0), _keep(tmp_path)
    keep.hash_media([clip])
    canonical = clip.canonical
    smaller = canonical.rule.model_copy(update={"size": 16})
    others = [replace(canonical, start=0.1), replace(canonical, end=0.5), replace(canonical, rule=smaller),
              replace(canonical, crop_box=(1.0, 0.0, 64.0, 64.0))]  # fmt: skip
    places = {keep.path(replace(clip, canonical=other)).stem for other in (canonical, *others)}
    places |= {_keep(tmp_path, "mean").path(clip).stem, _keep(tmp_path, image="x").path(clip).stem}
    places |= {_keep(tmp_path, speech="x").path(clip).stem}
    assert len(places) == 8
    texts = [
        keep.text_path("a", 1),
        keep.text_path("b", 1),
        keep.text_path("a", 2),
        _keep(tmp_path, text="x").text_path("a", 1),
    ]
    assert len(set(texts)) == 4 and keep.path(clip) == _keep(tmp_path, text="x").path(clip)


@pytest.mark.parametrize(("free", "enough"), [(1.09, False), (1.11, True)])
def test_it_stops_before_the_disk_is_full(tmp_path, monkeypatch, free, enough):
    clips = training.clips(2)
    needed = cache_builder.plan_cache(clips, RECIPE, _keep(tmp_path)).bytes
    usage = shutil.disk_usage(tmp_path)._replace(free=int(free * needed))
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    plan = cache_builder.plan_cache(clips, RECIPE, _keep(tmp_path))
    assert (plan.bytes, plan.free) == (needed, usage.free)
    if enough:
        assert cache_builder.build_cache(plan, RECIPE, training.base()).clips == 2
    else:
        with pytest.raises(MissingError, match="are needed and") as caught:
            cache_builder.build_cache(plan, RECIPE, training.base())
        assert "--cache DIR" in caught.value.next and not _files(tmp_path)


def test_a_disk_that_fills_up_all_the_same_leaves_every_finished_file(tmp_path, monkeypatch, whole):
    calls = iter(range(100))

    def full(tensors, path):
        save_file(tensors, path)
        if next(calls) == 11:  # nine texts and two clips are done
            path.write_bytes(path.read_bytes()[:50])
            raise OSError(errno.ENOSPC, "No space left on device")

    clips = training.clips(2, 2)
    monkeypatch.setattr("safetensors.torch.save_file", full)
    with pytest.raises(MissingError, match="disk is full"):
        cache_builder.build_cache(cache_builder.plan_cache(clips, RECIPE, _keep(tmp_path)), RECIPE, training.base())
    monkeypatch.undo()
    left = _files(tmp_path)
    assert len(left) == 11 and left.items() < _files(whole).items()
    assert not list(tmp_path.rglob("*.tmp"))
    plan = cache_builder.plan_cache(clips, RECIPE, _keep(tmp_path))
    assert len(plan.clips) == 2 and not plan.texts
    cache_builder.build_cache(plan, RECIPE, training.base())
    assert _files(tmp_path) == _files(whole)


def test_it_can_be_stopped_after_any_clip(tmp_path, whole):
    stopping, told = Event(), []

    def listen(name):
        told.append(name)
        if len(told) == 2:
            stopping.set()

    clips = training.clips(2, 2)
    made = cache_builder.build_cache(
        cache_builder.plan_cache(clips, RECIPE, _keep(tmp_path)),
        RECIPE,
        training.base(),
        callback=listen,
        stopping=stopping,
    )
    assert (made.clips, made.stopped, told) == (2, True, ["toy/c000", "toy/c001"])
    assert (
        cache_builder.build_cache(
            cache_builder.plan_cache(clips, RECIPE, _keep(tmp_path)), RECIPE, training.base()
        ).clips
        == 2
    )
    assert _files(tmp_path) == _files(whole)


def test_a_clip_that_cannot_be_read_is_told_and_left_out_and_costs_no_other(tmp_path):
    broken = training.clip(7, path=cut_off(tmp_path / "cut.mp4", 0.5, frames=25, size=(64, 64)))
    mute = training.clip(8, path=training.media() / "silent.mp4")  # its row says that it has sound
    clips = TrainingClips((training.clip(0), broken, mute), (training.clip(1),))
    keep = _keep(tmp_path / "cache")
    made = cache_builder.build_cache(cache_builder.plan_cache(clips, RECIPE, keep), RECIPE, training.base())
    assert made.clips == 3 and made.failed.keys() == {"toy/c007", "toy/c008"}
    assert "cut.mp4" in made.failed["toy/c007"] and "no sound" in made.failed["toy/c008"]
    reason = "that could not be read when the cache was made"
    first, second = (cache_state.cached_clips(clips, RECIPE, stage, _keep(tmp_path / "cache")) for stage in (1, 2))
    assert [c.clip_id for c in first.train] == ["c000", "c008"] and first.left_out == {reason: ["toy/c007"]}
    assert [c.clip_id for c in second.train] == ["c000"] and second.left_out == {reason: ["toy/c007", "toy/c008"]}
    assert cache_builder.plan_cache(clips, RECIPE, keep).clips == (
        broken,
    )  # tried again, for the fault may have been the disk's


def test_a_file_that_is_rewritten_while_it_is_read_is_not_kept(tmp_path, monkeypatch):
    clips = _copies(tmp_path / "media", 1)
    real = cache_builder.clip_moments

    def meddled(*arguments):
        clips.train[0].canonical.path.touch()
        return real(*arguments)

    monkeypatch.setattr(cache_builder, "clip_moments", meddled)
    keep = _keep(tmp_path / "cache")
    made = cache_builder.build_cache(cache_builder.plan_cache(clips, RECIPE, keep), RECIPE, training.base())
    assert "rewritten while it was read" in made.failed["toy/c000"] and made.clips == 0


def test_a_file_that_nobody_can_open_is_passed_over_and_recorded(tmp_path, monkeypatch):
    clips, keep = _copies(tmp_path / "media"), _keep(tmp_path / "cache")
    odd, real = clips.train[1], latent_cache.sha256_file

    def refused(file):
        if file == odd.canonical.path:
            raise InputError(f"{file}: cannot be read (Permission denied)")
        return real(file)

    monkeypatch.setattr(latent_cache, "sha256_file", refused)
    plan = cache_builder.plan_cache(clips, RECIPE, keep)
    assert odd not in plan.clips and len(plan.clips) == 2 and list(plan.unreadable) == [odd.name]
    made = cache_builder.build_cache(plan, RECIPE, training.base())
    assert made.clips == 2 and "Permission denied" in made.failed[odd.name]
    (note,) = cache_state.cached_clips(clips, RECIPE, 2, keep).notes
    assert "not in the cache: 3 clips or texts" in note, "the clip and its two texts"


def test_training_is_told_what_is_not_in_the_cache(tmp_path):
    keep = training.filled(tmp_path, training.clips(2), RECIPE)
    assert cache_state.cached_clips(training.clips(2), RECIPE, 2, keep) == training.clips(2)
    (note,) = cache_state.cached_clips(training.clips(3), RECIPE, 2, keep).notes
    assert "3 clips or texts" in note and "of 3 clips" in note  # a clip and its two texts
    with pytest.raises(InputError, match=r"6 clips or texts are missing"):  # what is there is none of these
        cache_state.cached_clips(TrainingClips(training.clips(4).train[2:], ()), RECIPE, 2, keep)
    keep.text_path(training.clip(0).prompts[1], 1).unlink()
    assert cache_state.cache_state(training.clips(2), RECIPE, keep) == cache_state.CacheState(missing=1, changed=0)


def test_what_is_damaged_in_the_cache_counts_as_missing_and_is_made_again(tmp_path):
    clips = training.clips(4)
    keep = training.filled(tmp_path, clips, RECIPE)
    cut, mute = (keep.path(clip) for clip in clips.train[:2])
    text = keep.text_path(clips.train[3].prompts[0], 1)
    whole = _files(tmp_path)
    for file in (cut, text):
        file.write_bytes(file.read_bytes()[:-20])
    save_file({"moments": load_file(mute)["moments"]}, mute)
    assert [keep.has(clip) for clip in clips.train] == [False, False, True, True]
    (note,) = cache_state.cached_clips(clips, RECIPE, 2, keep).notes
    assert "3 clips or texts" in note
    plan = cache_builder.plan_cache(clips, RECIPE, keep)
    assert (plan.clips, plan.texts, plan.present) == (clips.train[:2], (clips.train[3].prompts[0],), 2)
    cache_builder.build_cache(plan, RECIPE, training.base())
    assert _files(tmp_path) == whole


def test_of_two_rows_over_one_file_the_one_with_sound_is_made(tmp_path):
    loud, quiet = training.clip(0), replace(training.clip(0, has_audio=False), manifest="a_second")
    keep = training.filled(tmp_path, TrainingClips((quiet,), ()), RECIPE)
    plan = cache_builder.plan_cache(TrainingClips((loud, quiet), ()), RECIPE, keep)
    assert plan.clips == (loud,)
    keep.path(loud).unlink()
    assert cache_builder.plan_cache(TrainingClips((loud, quiet), ()), RECIPE, keep).clips == (loud,)


def test_a_file_that_is_no_index_is_named(tmp_path):
    (tmp_path / "index.sqlite").write_text("not a database, and long enough to be seen as none" * 20)
    with pytest.raises(InputError, match="not the index of a cache of tbd"):
        _keep(tmp_path)


def test_a_media_file_is_read_once_however_many_clips_are_in_it(tmp_path, monkeypatch):
    read = []
    clips = [replace(training.clip(0), clip_id=str(i)) for i in range(3)]
    monkeypatch.setattr("tbd.train.latent_cache.sha256_file", lambda file: read.append(file) or "0" * 64)
    _keep(tmp_path).hash_media(clips)
    _keep(tmp_path).hash_media(clips)
    assert len(read) == 1


def test_numbers_are_written_in_half_precision_in_any_layout(tmp_path):
    write_tensors(tmp_path / "a" / "x.safetensors", {"text": torch.arange(6.0).reshape(2, 3).T})
    assert load_file(tmp_path / "a" / "x.safetensors")["text"].tolist() == [[0, 3], [1, 4], [2, 5]]


def test_the_cache_lies_where_the_environment_says(monkeypatch, tmp_path):
    monkeypatch.setenv("TBD_CACHE", str(tmp_path))
    assert cache_state.default_cache_folder() == tmp_path / "train" == workspace.cache() / "train"


@pytest.fixture
def one_thread():
    """As the killed processes have: the last bit of a sum hangs on the number of threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def _kill_and_compare(tmp_path, kills, seed):
    manifest = training.manifest(tmp_path / "toy", training.usable(10))
    clips = read_training_clips([manifest], RECIPE, 2)
    training.filled(tmp_path / "whole", clips, RECIPE)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["fill_cache"])
    chance, finished = random.Random(seed), 0
    for _ in range(kills):
        ready = context.Event()
        process = context.Process(target=fill_slowly, args=(manifest, tmp_path / "killed", 0.05, ready))
        process.start()
        assert ready.wait(120)
        time.sleep(chance.uniform(0, 0.6))
        process.kill()
        process.join()
        left = _files(tmp_path / "killed")
        assert len(left) >= finished and left.items() <= _files(tmp_path / "whole").items()
        finished = len(left)
        if finished == len(_files(tmp_path / "whole")):  # too late to kill: begin again
            shutil.rmtree(tmp_path / "killed")
            finished = 0
    training.filled(tmp_path / "killed", clips, RECIPE)
    assert _files(tmp_path / "killed") == _files(tmp_path / "whole")


def test_a_killed_run_leaves_whole_files_and_goes_on(tmp_path, one_thread):
    _kill_and_compare(tmp_path, 1, seed=0)


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_twenty_killed_runs_leave_whole_files_and_go_on(tmp_path, one_thread):
    _kill_and_compare(tmp_path, 20, seed=1)
