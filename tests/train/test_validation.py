import json

import av
import numpy as np
import pytest
import torch
import trained
import training
from PIL import Image

from tbd.model.initial_weights import add_stage2_layers, random_network
from tbd.model.noise import noise_scheduler
from tbd.train import validation
from tbd.train.batch import BatchEncoder
from tbd.train.dataset import TrainingDataset
from tbd.train.loss import sample_losses
from tbd.train.stages import predict
from tbd.train.validation import Validator, sample_videos


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
    steps = [(clip, which, int(validator.sample(clip, which).timesteps)) for clip, which in validator.mine]
    assert len(steps) == 15 and len({step for *_, step in steps}) == 15
    assert all(200 * which <= step < 200 * (which + 1) for _, which, step in steps)


def test_the_loss_is_the_mean_of_single_samples_and_the_ranges_are_their_own():
    validator, network = _validator(), _network()
    single = np.zeros((3, 5))
    for clip, which in validator.mine:
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


def test_nothing_is_left_out():
    validator = _validator(changes=dict.fromkeys((f"drop.{k}" for k in ("reference", "text", "everything")), 1.0))
    batch = validator.sample(0, 0)
    assert batch.keep_reference.all() and batch.keep_text.all() and batch.keep_audio.all()


def test_processes_share_the_clips_and_add_up_to_the_whole():
    network, parts = _network(), []
    for rank in range(2):
        validator = _validator(rank=rank, world=2)
        validator.measure(network, lambda sums: parts.append(sums.clone()) or sums)
    total, count = parts[0] + parts[1]
    whole = _measured(_validator(), network)
    assert (total / count).tolist() == pytest.approx(list(whole.bins), rel=1e-5) and int(count.sum()) == whole.samples


def test_a_clip_is_read_once_a_run(monkeypatch):
    validator, network, read = _validator(), _network(), []
    example = TrainingDataset.example
    monkeypatch.setattr(
        TrainingDataset, "example", lambda self, clip, drawn: read.append(clip) or example(self, clip, drawn)
    )
    _measured(validator, network), _measured(validator, network)
    assert len(read) == 3


def test_of_very_many_clips_some_are_looked_at_from_all_over():
    validator = _validator(clips=10 * validation.MOST)
    assert len(validator.clips) == validation.MOST
    assert validator.clips[0].clip_id == "c000" and validator.clips[-1].clip_id == f"c{10 * validation.MOST - 1:03d}"


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


def test_a_sample_is_the_same_again(tmp_path):
    validator = _validator(2, 1, {"watch.sample_clips": 1})
    network = _network(2)
    one = sample_videos(network, validator, tmp_path / "one", pytest.fail)[0].read_bytes()
    assert sample_videos(network, validator, tmp_path / "two", pytest.fail)[0].read_bytes() == one


@pytest.mark.parametrize("error", [RuntimeError("CUDA out of memory"), OSError("disk"), KeyError("what")])
def test_a_sample_that_fails_is_noted_and_training_goes_on(tmp_path, monkeypatch, error):
    def broken(*_, **__):
        raise error

    monkeypatch.setattr(validation, "sample_clip", broken)
    toy = training.manifest(tmp_path / "toy", training.usable())
    seen, ended = trained.run(tmp_path / "run", toy, trained.recipe({"stage1.steps": 2, "watch.sample_every": 1}))
    assert ended.step == 2
    assert sum("no sample of" in note for note in seen.notes) == 4
