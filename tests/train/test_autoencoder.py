"""``tbd train autoencoder``: what it learns from, what it writes, and that a stopped run goes on as if it had not been."""

import json
import threading
from dataclasses import replace

import numpy as np
import pytest
import torch
import training
from safetensors.torch import load_file

from tbd.errors import InputError, TbdError
from tbd.model.autoencoder import ImageAutoencoder
from tbd.model.frozen_encoders import load_encoders
from tbd.model.recipe import PartWeights
from tbd.model.weight_files import WEIGHTS
from tbd.train.autoencoder import quality, trainer
from tbd.train.autoencoder.frames import FaceFrames, recoloured, split_people
from tbd.train.autoencoder.loss import reconstruction_loss
from tbd.train.autoencoder.quality import ReconstructionJudge
from tbd.train.autoencoder.regions import USUAL
from tbd.train.recipe import AutoencoderRecipe


class _Listener:
    def __init__(self, stop_at=None):
        self.losses, self.notes, self.stopping, self.stop_at = [], [], threading.Event(), stop_at

    def step(self, step, loss):
        self.losses.append(loss)
        if step == self.stop_at:
            self.stopping.set()

    def note(self, words):
        self.notes.append(words)


def _usual(clip):
    return USUAL


def _run(folder, clips, stop_at=None, **changes):
    given = {"steps": 6, "batch": 2, "lr": 2e-3, "trainable": "all", "held_out": 0.3, "jitter": 0.1, **changes}
    heard = _Listener(stop_at)
    found = trainer.train_autoencoder(
        clips, training.recipe(autoencoder=given), folder, device="cpu", callback=heard, stopping=heard.stopping
    )
    return heard, found


@pytest.fixture
def clips(monkeypatch):
    monkeypatch.setattr(trainer, "face_regions", _usual)
    return training.clips(4)


def test_it_ends_in_diffusers_folder_whitened_and_a_stopped_run_ends_with_the_same_bits(tmp_path, clips):
    heard, whole = _run(tmp_path / "whole", clips)
    _, part = _run(tmp_path / "run", clips, stop_at=3)
    assert (part.step, part.of) == (3, 6) and not (tmp_path / "run" / WEIGHTS).exists()
    _, ended = _run(tmp_path / "run", clips)
    one, other = (load_file(tmp_path / name / WEIGHTS) for name in ("whole", "run"))
    assert whole.step == ended.step == 6 and all(torch.equal(one[name], other[name]) for name in one)
    assert len(heard.losses) == 6 and (tmp_path / "whole" / "reconstructions.png").is_file()
    image = load_encoders(training.recipe().network, PartWeights(start="random", vae=str(tmp_path / "whole"))).image
    assert len(image.config.latents_mean) == 4 and image.config.scaling_factor == 1.0
    with pytest.raises(InputError, match=r"autoencoder\.lr: 0\.002 -> 0\.001"):
        _run(tmp_path / "run", clips, lr=1e-3)


def test_people_who_judge_are_not_learned_from_and_one_clip_is_too_few():
    found = split_people(training.clips(8).train, 0.25, 0)
    assert found.apart and len(found.held_out) == 2
    assert not {clip.person for clip in found.train} & {clip.person for clip in found.held_out}
    with pytest.raises(InputError, match="only one clip"):
        split_people(training.clips(1).train, 0.25, 0)


@pytest.mark.parametrize("people", [1, 8])
def test_nothing_is_learned_from_what_another_manifest_has_of_a_clip_that_judges(people):
    clips = [replace(clip, person=f"one/{number % people}") for number, clip in enumerate(training.clips(8).train)]
    twins = [
        replace(clip, manifest="other", person=f"two/{clip.person}" if people > 1 else clip.person) for clip in clips
    ]
    found = split_people([*clips, *twins], 0.25, 0)
    assert {clip.footage for clip in found.train}.isdisjoint(clip.footage for clip in found.held_out)
    assert found.train and found.held_out
    with pytest.raises(InputError, match="only one clip"):
        split_people([clips[0], twins[0]], 0.25, 0)


def test_the_loss_is_nothing_for_the_same_picture_and_weighs_what_is_looked_at():
    recipe, wanted = AutoencoderRecipe(kl=0.0), torch.rand(1, 3, 8, 8)
    weight, moments = torch.ones(1, 1, 8, 8), torch.zeros(1, 8, 2, 2)
    assert reconstruction_loss(wanted, wanted, weight, moments, recipe) == 0
    flat = AutoencoderRecipe(kl=0.0, gradient=0.0)
    assert reconstruction_loss(wanted + 0.5, wanted, weight, moments, flat) == pytest.approx(0.5)
    wrong = wanted.clone()
    wrong[..., :4, :] += 1
    weight[..., :4, :] = 3
    assert reconstruction_loss(wrong, wanted, weight, moments, flat) == pytest.approx(0.75)


def test_psnr_is_that_of_the_squared_error_of_all_pixels_together(monkeypatch):
    judge = ReconstructionJudge(training.clips(1).train, _usual)
    monkeypatch.setattr(judge, "_made", lambda image, pictures: np.clip(np.stack(pictures).astype(int) + 5, 0, None))
    found = judge.measure(ImageAutoencoder(training.base().image.model, "x"))
    assert found.picture == found.face == found.mouth == pytest.approx(10 * np.log10(255**2 / 25))


def test_colours_are_mixed_about_grey_and_not_at_all_without_strength():
    picture = np.random.default_rng(0).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    assert (recoloured(picture, 0.0, np.random.default_rng(1)) == picture).all()
    assert (recoloured(picture, 0.3, np.random.default_rng(1)) != picture).any()


def test_of_many_clips_that_are_kept_back_some_from_all_over_judge(monkeypatch):
    monkeypatch.setattr(quality, "JUDGED", 3)
    asked = []
    judge = ReconstructionJudge(training.clips(9).train, lambda clip: asked.append(clip.clip_id) or USUAL)
    assert asked == ["c000", "c004", "c008"] and len(judge.pictures) == len(judge.regions) == 3 * quality.LOOKS


def test_faces_are_looked_for_where_pictures_are_drawn_and_nowhere_else(tmp_path, monkeypatch):
    asked, clips = [], training.clips(8)
    monkeypatch.setattr(trainer, "face_regions", lambda clip: asked.append(clip.name) or USUAL)
    heard, _ = _run(tmp_path / "run", clips, steps=1, batch=2, held_out=0.1)
    assert len(asked) == len(set(asked)) <= 1 + 2  # one judges, two are drawn, and again for the whitening
    assert any("no face was found" in note for note in heard.notes)
    asked.clear()
    _run(tmp_path / "plain", clips, steps=1, batch=2, held_out=0.1, region_weight=1.0)
    assert len(asked) == 1


def test_a_clip_that_cannot_be_read_gives_its_turn_to_the_next_and_is_recorded(tmp_path, clips):
    gone = split_people(clips.train, 0.3, 0).train[0]
    broken = training.clip(int(gone.clip_id[1:]), path=tmp_path / "gone.mp4")
    odd = training.TrainingClips(tuple(broken if clip is gone else clip for clip in clips.train), ())
    heard, found = _run(tmp_path / "run", odd, steps=6)
    assert list(found.left_out) == [gone.name] and "gone.mp4" in found.left_out[gone.name]
    assert json.loads((tmp_path / "run/meta.json").read_text())["left_out"] == found.left_out
    assert sum(gone.name in note for note in heard.notes) == 1
    people = split_people(odd.train, 0.3, 0)
    frames = FaceFrames(people.train, training.recipe(), _usual)
    assert people.train[0] is broken and all("picture" in frames[number] for number in range(20))


def test_of_clips_that_judge_the_readable_ones_do_and_one_at_least(tmp_path):
    gone = training.clip(1, path=tmp_path / "gone.mp4")
    judge = ReconstructionJudge([training.clip(0), gone], _usual)
    assert list(judge.left_out) == ["toy/c001"] and len(judge.pictures) == quality.LOOKS
    with pytest.raises(InputError, match=r"none of the clips that are kept back.*toy/c001: .*gone\.mp4"):
        ReconstructionJudge([gone], _usual)


def test_a_step_without_a_finite_loss_changes_nothing_and_many_end_the_run(tmp_path, clips, monkeypatch):
    real, calls = trainer.reconstruction_loss, []

    def poisoned(*given):
        calls.append(1)
        return real(*given) * (float("nan") if len(calls) in bad else 1.0)

    monkeypatch.setattr(trainer, "reconstruction_loss", poisoned)
    bad = {2}
    heard, found = _run(tmp_path / "one", clips, steps=3)
    assert (
        found.step == 3 and sum("step 2: the loss or its gradient is not finite" in note for note in heard.notes) == 1
    )
    assert all(torch.isfinite(value).all() for value in load_file(tmp_path / "one" / WEIGHTS).values())
    calls.clear()
    bad = set(range(2, 99))
    with pytest.raises(TbdError, match="10 steps in a row without a finite loss") as ended:
        _run(tmp_path / "many", clips, steps=30)
    assert "autoencoder.lr" in ended.value.next and len(calls) == 11
