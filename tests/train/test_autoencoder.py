"""``tbd train autoencoder``: what it learns from, what it writes, and that a stopped run goes on as if it had not been."""

import threading

import numpy as np
import pytest
import torch
import training
from safetensors.torch import load_file

from tbd.errors import InputError
from tbd.model.autoencoder import ImageAutoencoder
from tbd.model.frozen_encoders import load_encoders
from tbd.model.recipe import PartWeights
from tbd.model.weight_files import WEIGHTS
from tbd.train.autoencoder import trainer
from tbd.train.autoencoder.frames import recoloured, split_people
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


def _run(folder, clips, stop_at=None, **changes):
    given = {"steps": 6, "batch": 2, "lr": 2e-3, "trainable": "all", "held_out": 0.3, "jitter": 0.1, **changes}
    heard = _Listener(stop_at)
    found = trainer.train_autoencoder(
        clips, training.recipe(autoencoder=given), folder, device="cpu", callback=heard, stopping=heard.stopping
    )
    return heard, found


@pytest.fixture
def clips(monkeypatch):
    monkeypatch.setattr(trainer, "face_regions", lambda clip: USUAL)
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
    judge = ReconstructionJudge(training.clips(1).train, [USUAL])
    monkeypatch.setattr(judge, "_made", lambda image, pictures: np.clip(np.stack(pictures).astype(int) + 5, 0, None))
    found = judge.measure(ImageAutoencoder(training.base().image.model, "x"))
    assert found.picture == found.face == found.mouth == pytest.approx(10 * np.log10(255**2 / 25))


def test_colours_are_mixed_about_grey_and_not_at_all_without_strength():
    picture = np.random.default_rng(0).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    assert (recoloured(picture, 0.0, np.random.default_rng(1)) == picture).all()
    assert (recoloured(picture, 0.3, np.random.default_rng(1)) != picture).any()
