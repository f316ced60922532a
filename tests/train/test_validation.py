import json
from dataclasses import replace

import av
import numpy as np
import pytest
import scipy.stats
import torch
import trained
import training
from PIL import Image

from tbd.model.initial_weights import add_stage2_layers, random_network
from tbd.model.noise import noise_scheduler
from tbd.train import sample_videos as sampler
from tbd.train.batch import BatchEncoder
from tbd.train.conditions import heard, other_clip
from tbd.train.dataset import TrainingDataset
from tbd.train.loss import sample_losses
from tbd.train.sample_videos import sample_videos
from tbd.train.stages import predict
from tbd.train.validation import Validator, middle_bins


def _validator(stage=1, clips=3, changes=None, **where):
    chosen = trained.recipe({"watch.bins": 5, "watch.sample_steps": 2, "model.noise.steps": 1000, **(changes or {})})
    held = [training.clip(i) for i in range(clips)]
    encoders = BatchEncoder(training.base(), chosen, torch.device("cpu"))
    samples = TrainingDataset(held, [], chosen, stage, None, training.FACTOR)
    return Validator(held, chosen, stage, samples, encoders, noise_scheduler(chosen.model.noise), **where)


def _network(stage=1):
    chosen = trained.recipe()
    first = random_network(chosen.network, 1, 0)
    return first if stage == 1 else add_stage2_layers(first, chosen.network, motion=None, warm_start=None, seed=0)[0]


def _measured(validator, network=None):
    return validator.measure(network or _network(), lambda sums: sums)


def test_every_clip_meets_every_range_of_timesteps_once():
    validator = _validator()
    steps = [(clip, which, int(validator.sample(clip, which).timesteps)) for clip in range(3) for which in range(5)]
    assert len(steps) == 15 and len({step for *_, step in steps}) == 15
    assert all(200 * which <= step < 200 * (which + 1) for _, which, step in steps)


def test_the_loss_is_the_mean_of_single_samples_and_the_ranges_are_their_own():
    validator, network = _validator(), _network()
    single = np.zeros((3, 5))
    for clip, which in np.ndindex(3, 5):
        with torch.no_grad():
            asked = predict(network, validator.sample(clip, which), validator.encoders.empty, validator.schedule,
                             validator.recipe)  # fmt: skip
        single[clip, which] = float(sample_losses(*asked))
    found = _measured(validator, network)
    assert found.bins == pytest.approx(tuple(single.mean(0)), rel=1e-5)
    assert found.loss == pytest.approx(single.mean(), rel=1e-5)
    assert found.samples == 15


@pytest.mark.parametrize("stage", [1, 2])
def test_it_is_the_same_number_whatever_chance_did_before(stage):
    network = _network(stage)
    one = _measured(_validator(stage), network)
    torch.manual_seed(99), torch.randn(1000), np.random.seed(5)
    other = _validator(stage)
    assert _measured(other, network) == _measured(other, network) == one


@pytest.mark.parametrize(("shared", "same"), [(0.0, False), (1.0, True)])
def test_frames_share_their_part_of_the_noise_in_training_and_in_validation(shared, same):
    validator = _validator(2, changes={"model.noise.shared": shared})
    learned = validator.samples.example(validator.clips[0], validator.drawn(0))["noise"]
    for noise in (learned, validator.sample(0, 1).noise[0]):
        assert noise.shape[1] > 1 and torch.equal(noise, noise[:, :1].expand_as(noise)) is same


def test_nothing_is_left_out():
    validator = _validator(changes=dict.fromkeys((f"drop.{k}" for k in ("reference", "text", "everything")), 1.0))
    batch = validator.sample(0, 0)
    assert batch.keep_reference.all() and batch.keep_text.all() and batch.keep_audio.all()


def test_processes_share_the_clips_and_add_up_to_the_whole():
    """Two processes in lockstep: what each reduces is its part, and the sum is what one alone finds."""
    network, parts = _network(), ([], [])
    for rank in range(2):
        _validator(rank=rank, world=2).measure(
            network, lambda sums, rank=rank: parts[rank].append(sums.clone()) or sums
        )
    alone = []
    whole = _validator().measure(network, lambda sums: alone.append(sums.clone()) or sums)
    assert len(alone) == 3  # its own conditions, another's text, another's picture
    for one, other, both in zip(*parts, alone, strict=True):
        torch.testing.assert_close(one + other, both)
        assert not torch.equal(one, both)
    assert whole.samples == 15


def test_processes_agree_on_a_clip_that_only_one_of_them_met(tmp_path):
    """Two processes, the second of which would have to read the clip that is gone, with the sums of both."""
    alone, network = _validator(clips=4), _network()
    alone.clips[1] = training.clip(1, path=tmp_path / "gone.mp4")
    wanted = _measured(alone, network)
    assert wanted.samples == 15 and list(alone.left_out) == ["toy/c001"] and "gone.mp4" in alone.left_out["toy/c001"]
    assert {one.clips for one in wanted.conditions.values()} == {3}
    sums = []
    _validator_without(alone).measure(network, lambda mine: sums.append(mine.clone()) or mine)
    other = _validator(clips=4, rank=0, world=2)
    other.clips[1] = alone.clips[1]
    other._is_readable = lambda clip: True  # it never has to read it: the other process does
    other.sample = lambda *asked: alone.sample(*asked) if asked[0] != 1 else alone.sample(0, *asked[1:])
    found = other.measure(network, lambda mine: sums.pop(0))
    assert list(other.left_out) == ["toy/c001"] and found == wanted


def _validator_without(alone):
    """One of the same clips that has met nothing yet."""
    fresh = _validator(clips=4)
    fresh.clips = list(alone.clips)
    return fresh


def test_a_clip_is_read_once_a_run(monkeypatch):
    validator, network, read = _validator(), _network(), []
    example = TrainingDataset.example
    monkeypatch.setattr(
        TrainingDataset, "example", lambda self, clip, drawn: read.append(clip) or example(self, clip, drawn)
    )
    _measured(validator, network), _measured(validator, network)
    assert len(read) == 3


def test_of_some_ranges_only_those_are_computed_and_what_is_heard_is_the_same():
    """Clips that were learned from are asked in the middle alone: 3 clips, 2 of 5 ranges, then another's text and picture."""
    whole, middle, network = _validator(), _validator(bins=middle_bins(5)), _network()
    asked = []
    batch = middle.batch
    middle.batch = lambda questions: asked.extend(questions) or batch(questions)
    found, everything = _measured(middle, network), _measured(whole, network)
    assert middle_bins(5) == [2, 3] and middle_bins(1) == [0]
    assert len(asked) == 3 * (3 * 2) and {which for _, which, _ in asked} == {2, 3}
    assert found.samples == 6 and found.bins == pytest.approx(everything.bins[2:4], rel=1e-5)
    assert found.conditions.keys() == everything.conditions.keys()
    for name, one in found.conditions.items():
        assert one.change == pytest.approx(everything.conditions[name].change, abs=1e-4)


def test_of_very_many_clips_some_are_looked_at_from_all_over():
    validator = _validator(clips=30, changes={"watch.clips": 5})
    assert len(validator.clips) == 5
    assert validator.clips[0].clip_id == "c000" and validator.clips[-1].clip_id == "c029"


def test_the_curve_begins_at_step_0_looks_through_the_average_and_falls(tmp_path):
    toy = training.manifest(tmp_path / "toy", training.usable())
    chosen = trained.recipe({"stage1.steps": 12, "watch.validate_every": 6, "watch.bins": 2})
    _, ended = trained.run(tmp_path / "run", toy, chosen)
    lines = [json.loads(line) for line in (tmp_path / "run" / "validation.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [0, 6, 12]
    assert lines[2]["loss"] < lines[0]["loss"]
    assert ended.validation["loss"] == lines[2]["loss"] and len(lines[0]["bins"]) == 2


def test_a_sample_of_stage_1_is_a_picture_beside_the_truth(tmp_path):
    (made,) = sample_videos(_network(), _validator(clips=1, changes={"watch.sample_clips": 1}), tmp_path, pytest.fail)
    with Image.open(made) as picture:
        assert picture.size == (2 * training.SIZE, 2 * training.SIZE)


def test_a_sample_of_stage_2_is_a_video_with_its_sound(tmp_path):
    validator = _validator(2, 1, {"watch.sample_clips": 1})
    (made,) = sample_videos(_network(2), validator, tmp_path, pytest.fail)
    with av.open(str(made.with_suffix(".mp4"))) as video:
        assert sum(1 for _ in video.decode(video=0)) == 4
    with av.open(str(made.with_suffix(".mp4"))) as video:
        assert sum(frame.samples for frame in video.decode(audio=0)) >= 4 * 640
    with Image.open(made) as strip:
        assert strip.size == (5 * training.SIZE, 2 * training.SIZE)


def test_a_sample_is_the_same_again_and_asks_nothing_of_chance(tmp_path):
    validator = _validator(2, 1, {"watch.sample_clips": 1})
    network = _network(2)
    torch.manual_seed(1), np.random.seed(1)
    before = torch.get_rng_state(), np.random.get_state()[1].copy()
    one = sample_videos(network, validator, tmp_path / "one", pytest.fail)[0].read_bytes()
    assert torch.equal(torch.get_rng_state(), before[0]) and np.array_equal(np.random.get_state()[1], before[1])
    torch.manual_seed(2)
    assert sample_videos(network, validator, tmp_path / "two", pytest.fail)[0].read_bytes() == one


@pytest.mark.parametrize("error", [RuntimeError("CUDA out of memory"), OSError("disk"), KeyError("what")])
def test_a_sample_that_fails_is_noted_and_training_goes_on(tmp_path, monkeypatch, error):
    def broken(*_, **__):
        raise error

    monkeypatch.setattr(sampler, "sample_clip", broken)
    toy = training.manifest(tmp_path / "toy", training.usable())
    seen, ended = trained.run(tmp_path / "run", toy, trained.recipe({"stage1.steps": 2, "watch.sample_every": 1}))
    assert ended.step == 2
    assert sum("no sample of" in note for note in seen.notes) == 4


def test_a_network_that_hears_a_condition_loses_by_anothers_and_one_that_does_not_loses_nothing(monkeypatch):
    """A stand-in whose prediction is the target, but for what differs between a condition and the clip's own."""
    validator = _validator(2, clips=4)
    own = {name: [getattr(validator.sample(clip, 0), name) for clip in range(4)] for name in ("text", "audio")}

    def stand_in(network, batch, empty, schedule, recipe):
        wrong = torch.zeros(len(batch.text))
        for row in range(len(batch.text)):
            texts = [float((batch.text[row] - one[0]).abs().max()) for one in own["text"]]
            audios = [float((batch.audio[row] - one[0]).abs().max()) for one in own["audio"]]
            wrong[row] = 1.0 + (texts.index(min(texts)) != audios.index(min(audios)))
        return batch.noise + wrong[:, None, None, None, None].sqrt(), batch.noise

    monkeypatch.setattr("tbd.train.validation.predict", stand_in)
    found = _measured(validator, _network(2)).conditions
    assert found["text"].change == pytest.approx(1) and found["sound"].change == pytest.approx(1)
    assert found["picture"].change == pytest.approx(0) and found["text"].clips == 4


def test_a_condition_that_no_other_clip_has_is_not_measured():
    validator = _validator(clips=1)
    assert _measured(validator).conditions == {}
    same = [replace(training.clip(i), prompts=("one", "two"), person="a/b") for i in range(3)]
    assert {other_clip(same, 0, name) for name in ("text", "picture")} == {None} and other_clip(same, 2, "sound") == 0


def test_anothers_sound_and_picture_are_not_ones_own_of_another_manifest():
    own = training.clip(0)
    wider = replace(own.canonical, crop_box=(0.0, 0.0, 40.0, 40.0))
    twin = replace(own, manifest="second", clip_id="t", person="mead-2/M001", prompts=("a", "b"), canonical=wider)
    clips = [own, twin, training.clip(1)]
    found = {name: other_clip(clips, 0, name) for name in ("text", "sound", "picture")}
    assert found == {"text": 1, "sound": 2, "picture": 2}
    assert other_clip([own, twin], 0, "sound") is None


def test_the_t_value_is_that_of_scipy():
    own, others = np.random.default_rng(0).random((2, 9, 2))
    found = heard(own, others + 0.2)
    wanted = scipy.stats.ttest_rel((others + 0.2).mean(1), own.mean(1))
    assert found.t == pytest.approx(wanted.statistic) and found.clips == 9
    assert found.change == pytest.approx((others + 0.2).mean() / own.mean() - 1)


def test_after_the_last_step_training_clips_are_asked_too(tmp_path):
    toy = training.manifest(tmp_path / "toy", training.usable())
    chosen = trained.recipe({"stage1.steps": 2, "watch.train_clips": 3, "watch.validate_every": 1})
    seen, ended = trained.run(tmp_path / "run", toy, chosen)
    lines = [json.loads(line) for line in (tmp_path / "run" / "validation.jsonl").read_text().splitlines()]
    assert [(line["step"], line.get("of")) for line in lines] == [(0, None), (1, None), (2, None), (2, "train")]
    assert lines[-1]["conditions"]["text"]["clips"] == 3 and lines[-1]["samples"] == 3 * 2 == 3 * len(lines[-1]["bins"])
    assert ended.validation == {key: value for key, value in lines[-2].items() if key != "step"}
    assert sum(note.startswith("on clips that it learned from") and "(t " in note for note in seen.notes) == 1
