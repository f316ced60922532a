from dataclasses import fields, replace

import numpy as np
import pytest
import torch
import training
from media import cut_off
from safetensors.torch import load_file, save_file

from tbd.errors import InputError
from tbd.media import audio, video
from tbd.train.batch import BatchEncoder
from tbd.train.dataset import TrainingDataset, clip_sound, collate, data_loader, process_share
from tbd.train.sampling import clip_order, draw_sample

STAGE1, STAGE2 = training.recipe(), training.recipe({"stage2.frames": 4})


@pytest.fixture(scope="module")
def clips():
    return training.clips(4).train


@pytest.fixture(scope="module")
def keep(tmp_path_factory):
    return training.filled(tmp_path_factory.mktemp("cache"), training.clips(4), STAGE2)


def _samples(clips, stage, keep=None, count=32, recipe=STAGE2):
    return TrainingDataset(clips, clip_order(clips, recipe, stage, count), recipe, stage, keep, training.FACTOR)


def _same(one, other):
    if isinstance(one, torch.Tensor | np.ndarray):
        return (one == other).all()
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    return one == other


def _equal(one, other):
    return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)


def test_pictures_are_the_reference_the_earlier_frames_and_the_targets(clips):
    frames = [np.stack(list(clip.canonical.frames())) for clip in clips]
    for stage, earlier, count in ((1, 0, 1), (2, 2, 4)):
        samples = _samples(clips, stage)
        for number in range(8):
            found, drawn = samples[number], samples[number]["draw"]
            places = [drawn.reference, *range(drawn.start - earlier, drawn.start + count)]
            wanted = frames[drawn.clip][np.clip(places, 0, None)]
            assert (found["frames"].numpy() == wanted).all()
            assert found["prompts"] == clips[drawn.clip].prompts
            assert found["noise"].shape == (4, count, 8, 8) and found["posterior"].shape == (
                1 + earlier + count,
                4,
                8,
                8,
            )


def test_the_sound_of_a_sample_is_that_of_the_whole_clip(clips):
    found = _samples(clips, 2)[3]
    clip = clips[found["draw"].clip]
    assert (found["sound"] == clip.canonical.audio()).all() and found["clip_frames"] == clip.canonical.num_frames
    assert found["targets"].tolist() == list(range(found["draw"].start, found["draw"].start + 4))
    assert "sound" not in _samples(clips, 1)[3]


def test_a_sample_from_the_cache_decodes_nothing(clips, keep, monkeypatch):
    monkeypatch.setattr(video, "decoded", None)
    monkeypatch.setattr(audio, "read", None)
    found = _samples(clips, 2, keep)[0]
    assert found["moments"].shape == (7, 8, 8, 8) and found["moments"].dtype == torch.float16
    assert found["windows"].shape == (4, 5, 12, 16) and found["text"].shape == (2, 77, 16)


def test_at_a_clips_very_start_there_are_no_earlier_frames():
    short = (training.clip(0, frames=4),)
    recipe = training.recipe(drop={"motion": 0.0})
    found = _samples(short, 2, count=4, recipe=recipe)
    assert not any(found[number]["keep_motion"] for number in range(4))
    long = _samples((training.clip(0),), 2, count=8, recipe=recipe)
    assert all(long[number]["keep_motion"] for number in range(8))


def test_a_manifest_that_counts_a_frame_too_many_is_no_trouble(tmp_path):
    true = training.clip(0).frames
    clips = training.TrainingClips((training.clip(0, frames=true + 1),), ())
    recipe = training.recipe({"stage2.frames": true + 1})
    kept = _samples(clips.train, 2, training.filled(tmp_path, clips, recipe), recipe=recipe)[0]
    live = _samples(clips.train, 2, recipe=recipe)[0]
    assert kept["moments"].shape[0] == live["frames"].shape[0] == true + 4
    assert (live["frames"][-1] == live["frames"][-2]).all() and (kept["moments"][-1] == kept["moments"][-2]).all()


def test_the_number_of_processes_changes_nothing(clips, keep):
    samples = _samples(clips, 2, keep, count=12)
    alone = list(data_loader(samples, range(12), 2, 0))
    assert len(alone) == 6
    for workers in (1, 2):
        found = list(data_loader(samples, range(12), 2, workers))
        assert len(found) == 6 and all(map(_equal, found, alone))


def test_two_gpus_see_together_what_one_would():
    one = list(process_share(8, 40, 0, 1, 4))
    assert one == list(range(8, 40))
    two = [list(process_share(8, 40, rank, 2, 2)) for rank in (0, 1)]
    steps = [sorted(two[0][i : i + 2] + two[1][i : i + 2]) for i in range(0, 16, 2)]
    assert steps == [one[i : i + 4] for i in range(0, 32, 4)]


@pytest.mark.parametrize(("rank", "world", "batch", "accumulate"), [(0, 1, 3, 2), (2, 3, 2, 4), (1, 2, 1, 1)])
def test_a_samples_number_follows_from_step_part_process_and_place(rank, world, batch, accumulate):
    steps = range(5, 9)
    per_step = world * batch * accumulate
    found = list(process_share(steps.start * per_step, steps.stop * per_step, rank, world, batch))
    wanted = [((step * accumulate + part) * world + rank) * batch + place
              for step in steps for part in range(accumulate) for place in range(batch)]  # fmt: skip
    assert found == wanted


def test_a_batch_stacks_tensors_and_lists_the_rest(clips):
    samples = _samples(clips, 1)
    found = collate([samples[0], samples[1]])
    assert found["frames"].shape == (2, 2, 32, 32, 3) and [one.sample for one in found["draw"]] == [0, 1]


def test_noise_is_one_draw_a_sample_whatever_the_stage_reads(clips, keep):
    live, kept = _samples(clips, 2)[5], _samples(clips, 2, keep)[5]
    assert (live["noise"] == kept["noise"]).all() and (live["posterior"] == kept["posterior"]).all()
    numbers = torch.cat([_samples(clips, 2, keep)[n]["noise"].flatten() for n in range(8)])
    assert abs(float(numbers.mean())) < 0.05 and abs(float(numbers.std()) - 1) < 0.05


def test_a_clip_that_cannot_be_read_ends_its_batch_with_its_name(tmp_path, clips, keep):
    broken = training.clip(7, path=cut_off(tmp_path / "cut.mp4", 0.5, frames=25, size=(64, 64)))
    found = _samples((broken,), 1)[0]
    assert found["error"].startswith("toy/c007: ") and "cut.mp4" in found["error"]
    assert collate([_samples(clips, 1)[0], found]) == found


@pytest.mark.parametrize("workers", [0, 2])
def test_a_clip_that_cannot_be_read_gives_its_turn_to_the_next_that_can(tmp_path, clips, workers):
    broken = training.clip(7, path=cut_off(tmp_path / "cut.mp4", 0.5, frames=25, size=(64, 64)))
    recipe = training.recipe({"stage2.frames": 4, "watch.max_unreadable": 0.5})
    odd = TrainingDataset((clips[0], broken, broken, clips[3]), [1, 0, 2, 3], recipe, 2, None, training.FACTOR)
    whole = TrainingDataset(clips, [3, 0, 3, 3], recipe, 2, None, training.FACTOR)
    for found, wanted in zip(data_loader(odd, range(4), 1, workers), data_loader(whole, range(4), 1, 0), strict=True):
        left_out, number = found.pop("left_out"), found["draw"][0].sample
        assert list(left_out[0]) == (["toy/c007"] if number in (0, 2) else []) and wanted.pop("left_out") == [{}]
        assert _equal(found, wanted)


def test_where_more_clips_than_may_be_cannot_be_read_the_sample_is_an_error(tmp_path, clips):
    gone = [training.clip(number, path=tmp_path / f"{number}.mp4") for number in range(3)]
    recipe = training.recipe({"watch.max_unreadable": 0.25})
    found = TrainingDataset((*gone, clips[3]), [0, 3], recipe, 1, None, training.FACTOR)
    assert found[0]["error"].startswith("toy/c000: ") and "nor can the 1 after it be read" in found[0]["error"]
    assert found[1]["left_out"] == {} and found[1]["draw"].clip == 3


def test_a_reference_that_cannot_be_read_is_what_is_named(tmp_path):
    gone = replace(training.clip(0, path=tmp_path / "gone.mp4"), person="one")
    clips = (replace(training.clip(1), person="one"), gone, replace(training.clip(2), person="two"))
    found = TrainingDataset(clips, [0], training.recipe({"data.reference": "person", "watch.max_unreadable": 0.5}), 1,
                            None, training.FACTOR)[0]  # fmt: skip
    assert list(found["left_out"]) == ["toy/c000"] and found["draw"].clip == 2


def test_a_cached_clip_whose_medium_is_gone_is_left_out(tmp_path, clips):
    file = tmp_path / "clip.mp4"
    file.write_bytes((training.media() / "000.mp4").read_bytes())
    both = training.TrainingClips((training.clip(0, path=file), clips[1]), ())
    samples = _samples(both.train, 2, training.filled(tmp_path / "cache", both, STAGE2), count=4)
    file.unlink()
    found = [samples[number] for number in range(4)]
    assert {one["draw"].clip for one in found} == {1} and any(one["left_out"] for one in found)


@pytest.mark.parametrize("damage", ["cut", "empty", "without sound", "gone"])
def test_a_damaged_file_of_the_cache_counts_as_missing(tmp_path, damage):
    clips = training.clips(2)
    keep = training.filled(tmp_path, clips, STAGE2)
    whole, file = _samples(clips.train, 2, keep)[0], keep.path(clips.train[int(_samples(clips.train, 2).order[0])])
    if damage == "without sound":
        save_file({"moments": load_file(file)["moments"]}, file)
    elif damage == "gone":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:-100] if damage == "cut" else b"")
    text = keep.text_path(clips.train[int(_samples(clips.train, 2).order[1])].prompts[1], 1)
    text.write_bytes(text.read_bytes()[:-1])
    first, second = (_samples(clips.train, 2, keep)[number] for number in (0, 1))
    assert "moments" in whole and "frames" in first and "error" not in first and first["left_out"] == {}
    assert "moments" in second and "prompts" in second
    encoders = BatchEncoder(training.base(), STAGE2, torch.device("cpu"))
    one, other = (encoders.batch(collate([found])) for found in (whole, first))
    for field in fields(one):
        torch.testing.assert_close(getattr(one, field.name), getattr(other, field.name), rtol=2e-3, atol=2e-3)


def test_what_the_cache_lacks_is_read_from_the_media_and_the_rest_from_the_cache(tmp_path):
    clips = training.clips(3)
    keep = training.filled(tmp_path, clips, STAGE2)
    keep.path(clips.train[0]).unlink()
    keep.text_path(clips.train[1].prompts[0], 1).unlink()
    found = [_samples((clip,), 2, keep)[0] for clip in clips.train]
    assert [("moments" in one, "text" in one) for one in found] == [(False, False), (True, False), (True, True)]
    encoders = BatchEncoder(training.base(), STAGE2, torch.device("cpu"))
    mixed, live = (encoders.batch(collate(samples)) for samples in (found, [_samples((c,), 2)[0] for c in clips.train]))
    for field in fields(mixed):
        torch.testing.assert_close(getattr(mixed, field.name), getattr(live, field.name), rtol=2e-3, atol=2e-3)


def test_with_half_of_the_cache_gone_exactly_the_lost_clips_are_encoded(tmp_path, clips, keep, monkeypatch):
    """A run over four clips, two of whose files were removed: their frames and sounds are encoded, nobody else's."""
    half = training.filled(tmp_path, training.clips(4), STAGE2)
    for clip in clips[::2]:
        half.path(clip).unlink()
    encoders, seen = BatchEncoder(training.base(), STAGE2, torch.device("cpu")), {"frames": 0, "sounds": 0}
    moments, layers = type(encoders.base.image).moments, type(encoders.base.speech).layers

    def counted_moments(self, frames):
        seen["frames"] += len(frames)
        return moments(self, frames)

    def counted_layers(self, wave, frames):
        seen["sounds"] += 1
        return layers(self, wave, frames)

    monkeypatch.setattr(type(encoders.base.image), "moments", counted_moments)
    monkeypatch.setattr(type(encoders.base.speech), "layers", counted_layers)
    whole, bent = _samples(clips, 2, keep), _samples(clips, 2, half)
    lost = 0
    for first in range(0, 32, 2):
        lost += sum(whole[number]["draw"].clip % 2 == 0 for number in (first, first + 1))
        expected = encoders.batch(collate([whole[first], whole[first + 1]]))
        found = encoders.batch(collate([bent[first], bent[first + 1]]))
        torch.testing.assert_close(found.latents, expected.latents, rtol=2e-3, atol=2e-3)
        assert torch.equal(found.noise, expected.noise)
    assert 0 < lost < 32
    assert seen == {"frames": 7 * lost, "sounds": lost}  # reference, two frames before, four targets


def test_a_clip_that_is_rewritten_during_a_run_is_noticed_and_one_that_was_before_is_read_anew(tmp_path):
    file = tmp_path / "clip.mp4"
    file.write_bytes((training.media() / "000.mp4").read_bytes())
    clips = training.TrainingClips((training.clip(0, path=file),), ())
    keep = training.filled(tmp_path / "cache", clips, STAGE2)
    samples = _samples(clips.train, 2, keep)
    assert "moments" in samples[0]
    file.chmod(0o600)
    (tmp_path / "linked.mp4").hardlink_to(file)
    file.touch()
    assert keep.changed(clips.train[0]) and "moments" in samples[0], "other times, the same bytes"
    file.write_bytes((training.media() / "001.mp4").read_bytes())
    assert "rewritten while training" in samples[0]["error"]
    assert samples[0]["next"].startswith("the same command goes on") and "--changed" not in samples[0]["next"]
    assert "frames" in _samples(clips.train, 2, keep)[0]


def test_sound_without_a_sound_is_refused(tmp_path):
    silent = training.clip(0, path=training.media() / "silent.mp4")
    with pytest.raises(InputError, match="no sound"):
        clip_sound(silent)
    video.write(tmp_path / "zeros.mp4", iter(np.zeros((25, 64, 64, 3), np.uint8)), 25, np.zeros(16_000, np.float32))
    with pytest.raises(InputError, match="empty or all zeros"):
        clip_sound(training.clip(0, path=tmp_path / "zeros.mp4"))
    assert "all zeros" in _samples((training.clip(0, path=tmp_path / "zeros.mp4"),), 2)[0]["error"]


def test_every_number_of_a_run_can_be_asked_for_in_any_order(clips, keep):
    samples = _samples(clips, 2, keep)
    assert _equal(samples[9], (samples[0], samples[31], samples[9])[2])
    assert samples[9]["draw"] == draw_sample(9, int(samples.order[9]), clips[int(samples.order[9])], STAGE2, 2)


def _of_two_people(recipe, keep=None):
    clips = [replace(clip, person=("one", "two")[number % 2]) for number, clip in enumerate(training.clips(4).train)]
    order = clip_order(clips, recipe, 1, 24)
    return clips, TrainingDataset(clips, order, recipe, 1, keep, training.FACTOR)


PERSON = training.recipe({"data.reference": "person"})


def test_a_reference_of_the_person_is_a_frame_of_another_clip_of_theirs():
    clips, samples = _of_two_people(PERSON)
    frames = [np.stack(list(clip.canonical.frames())) for clip in clips]
    seen = set()
    for number in range(24):
        found, drawn = samples[number], samples[number]["draw"]
        others = [i for i, clip in enumerate(clips) if clip.person == clips[drawn.clip].person and i != drawn.clip]
        other = others[drawn.portrait]
        assert (found["frames"][0].numpy() == frames[other][drawn.reference]).all()
        assert (found["frames"][1].numpy() == frames[drawn.clip][drawn.start]).all()
        seen.add((drawn.clip, other))
    assert len(seen) == sum(sum(a.person == b.person for b in clips) - 1 for a in clips)


def test_the_target_of_a_sample_does_not_depend_on_where_its_reference_is_from():
    one, other = _of_two_people(PERSON)[1], _of_two_people(training.recipe())[1]
    for number in range(8):
        a, b = one[number]["draw"], other[number]["draw"]
        assert replace(a, reference=0, portrait=None) == replace(b, reference=0)


def test_a_person_with_one_clip_keeps_its_own_reference():
    clips = [replace(clip, person=str(number)) for number, clip in enumerate(training.clips(4).train)]
    samples = TrainingDataset(clips, clip_order(clips, PERSON, 1, 8), PERSON, 1, None, training.FACTOR)
    assert all(samples[number]["draw"].portrait is None for number in range(8))


def test_references_of_another_clip_are_the_same_from_the_cache(keep):
    base = BatchEncoder(training.base(), PERSON, torch.device("cpu"))
    live, cached = (_of_two_people(PERSON, place)[1] for place in (None, keep))
    for number in range(6):
        assert "moments" in cached[number] and "frames" in live[number]
        one, other = (base.batch(collate([samples[number]])) for samples in (live, cached))
        assert torch.allclose(one.reference, other.reference, atol=1e-3)


def test_the_same_clip_in_another_manifest_is_no_other_clip():
    one = [replace(clip, person="one") for clip in training.clips(2).train]
    both = [*one, *(replace(clip, manifest="other", prompts=("other words", "for it")) for clip in one)]
    samples = TrainingDataset(both, [0, 1, 2, 3], PERSON, 1, None, training.FACTOR)
    for number in range(4):
        shown = samples._portraits.others(both[number])[samples[number]["draw"].portrait]
        assert shown.clip_id != both[number].clip_id
