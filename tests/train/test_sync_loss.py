from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import random_weights
import tiny_model
import torch
import trained
import training

from tbd.errors import InputError, MissingError, UsageError
from tbd.evaluate.measures.face_tracks import cut_out, resized
from tbd.media.canonical import ClipRule
from tbd.media.mfcc import mfcc
from tbd.media.syncnet import SyncNet
from tbd.model import checkpoints
from tbd.model.noise import noise_scheduler
from tbd.model.recipe import Noise
from tbd.train.approved_clips import read_training_clips
from tbd.train.dataset import TrainingDataset
from tbd.train.made_up import made_up_batch
from tbd.train.recipe import TrainRecipe
from tbd.train.request import TrainingRequest, check_request
from tbd.train.sampling import clip_order
from tbd.train.stages import freeze, predict
from tbd.train.start_state import start_state
from tbd.train.sync_loss import SyncLoss, estimated_latents, lip_pictures, make_sync_loss
from tbd.train.sync_window import heard_columns, lip_place, sync_window

CPU = torch.device("cpu")
ON = {"loss.sync": 1e-4, "stage2.frames": 7}
HEARD = {"drop.audio": 0.0, "drop.everything": 0.0}
FACES = [(0.2, 0.3, 0.7, 0.8), (0.5, 0.6, 1.1, 1.0), (-0.2, 0.1, 0.3, 0.5)]


class Planted:
    """Sees and hears what it was told, whatever it is shown."""

    def __init__(self, seen, heard):
        self.seen, self.heard = torch.tensor(seen), torch.tensor(heard)

    def look(self, frames):
        assert frames.shape[1:] == (3, 5, 224, 224)
        return self.seen[: len(frames), None] + 0 * frames.mean()

    def listen(self, windows):
        assert windows.shape[1:] == (1, 13, 20)
        return self.heard[: len(windows)]


def summed(tensor, how):
    """Of the only process."""
    assert how == "sum"
    return tensor


def batch(recipe, **changes):
    torch.manual_seed(0)
    lips = torch.tensor([[0, 0, 0, 32, 32], [2, 6, 8, 30, 40]])
    return replace(made_up_batch(recipe, 2, CPU), lips=lips, mfcc=10 * torch.randn(2, 13, 20), **changes)


def samples(recipe, stage=2, keep=None):
    clips = training.clips(4).train
    return TrainingDataset(clips, clip_order(clips, recipe, stage, 16), recipe, stage, keep, training.FACTOR)


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    """A manifest, and a stage 1 over it."""
    folder = tmp_path_factory.mktemp("sync")
    manifest = training.manifest(folder / "toy", training.usable())
    trained.run(folder / "stage1", manifest, trained.recipe({"stage1.steps": 1}))
    return SimpleNamespace(manifest=manifest, first=folder / "stage1")


def test_the_term_is_the_distance_of_what_belongs_together():
    recipe = training.recipe(ON)
    judge = Planted([[3.0, 4.0], [1.0, 1.0]], [[0.0, 0.0], [1.0, 1.0]])
    term = SyncLoss(judge, training.base().image, noise_scheduler(recipe.model.noise), 0.1)
    given = batch(recipe)
    answer = given.noise * 0.5
    assert term.distances(given, answer, given.noise).tolist() == pytest.approx([5, 0], abs=1e-5)
    assert term(given, answer, given.noise).item() == pytest.approx(0.1 * 5 / 2, abs=1e-6)
    assert term.figures(summed)["sync"] == pytest.approx(2.5, abs=1e-5)
    assert term.figures(summed) == {}, "nothing since it was asked"


def test_a_sample_whose_sound_was_left_out_does_not_count():
    recipe = training.recipe(ON)
    term = SyncLoss(
        Planted([[3.0, 4.0]], [[0.0, 0.0]]), training.base().image, noise_scheduler(recipe.model.noise), 1.0
    )
    one = batch(recipe, keep_audio=torch.tensor([False, True]))
    assert term(one, one.noise, one.noise).item() == pytest.approx(5 / 2)
    assert term.figures(summed) == {"sync": pytest.approx(5)}
    none = batch(recipe, keep_audio=torch.tensor([False, False]))
    assert term(none, none.noise, none.noise).item() == 0 and term.figures(summed) == {}


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction"])
def test_the_clean_latents_are_estimated_as_the_sampler_does(kind):
    torch.manual_seed(0)
    schedule = noise_scheduler(Noise(prediction=kind))
    schedule.set_timesteps(10)
    latents, noise, answer = (torch.randn(3, 4, 2, 4, 4, dtype=torch.float64) for _ in range(3))
    steps = torch.tensor([0, 400, 999])
    noisy = schedule.add_noise(latents, noise, steps)
    target = noise if kind == "epsilon" else schedule.get_velocity(latents, noise, steps)
    found = estimated_latents(schedule, latents, answer, target, steps)
    for i, step in enumerate(steps.tolist()):
        wanted = schedule.step(answer[i], step, noisy[i]).pred_original_sample
        torch.testing.assert_close(found[i], wanted, rtol=1e-3, atol=1e-3)
    assert torch.equal(estimated_latents(schedule, latents, target, target, steps), latents)


def test_without_any_signal_left_the_velocity_still_says_what_is_meant():
    schedule = noise_scheduler(Noise(prediction="v_prediction", zero_snr=True))
    latents, answer = torch.ones(1, 4, 1, 2, 2), torch.zeros(1, 4, 1, 2, 2)
    steps = torch.tensor([999])
    target = schedule.get_velocity(latents, torch.zeros_like(latents), steps)
    assert estimated_latents(schedule, latents, answer, target, steps).abs().max() < 1e-3


@pytest.mark.parametrize("face", [None, *FACES])
def test_lips_are_cut_out_as_the_evaluation_does(face):
    frame = np.random.default_rng(0).integers(0, 256, (96, 96, 3), np.uint8)
    pictures = torch.from_numpy(frame).permute(2, 0, 1)[None].float()
    found = lip_pictures(pictures, lip_place(face, 96))
    if face is None:
        wanted = resized(frame)
    else:
        x0, y0, x1, y1 = (96 * edge for edge in face)
        wanted = cut_out(frame, max(x1 - x0, y1 - y0) / 2, (x0 + x1) / 2, (y0 + y1) / 2)
    assert found.shape == (1, 3, 224, 224)
    assert np.abs(found[0].flip(0).permute(1, 2, 0).numpy() - wanted).max() <= 0.501  # it rounds


@pytest.mark.parametrize("face", [None, (1.5, 0.2, 1.8, 0.5), (0.1, -3.0, 0.5, -2.5)])
def test_all_is_shown_where_no_face_is_known_in_the_picture(face):
    assert lip_place(face, 96) == (0, 0, 96, 96)


def test_colours_beyond_what_a_file_holds_are_brought_there():
    found = lip_pictures(torch.tensor([-40.0, 300.0, 100.0])[None, :, None, None].expand(1, 3, 8, 8), (0, 0, 8, 8))
    assert found.amax((2, 3))[0].tolist() == pytest.approx([100, 255, 0], abs=1e-3)
    assert found.amin((2, 3))[0].tolist() == pytest.approx([100, 255, 0], abs=1e-3)


@pytest.mark.parametrize("frame", [0, 1, 4])
def test_what_is_heard_is_what_the_evaluation_hears_there(frame):
    sound = np.random.default_rng(0).normal(0, 0.2, 640 * 10).astype(np.float32)
    whole = mfcc(np.round(sound * 32767).clip(-32767, 32767).astype(np.int16))
    found = heard_columns(sound, frame)
    assert found.shape == (20, 13)
    assert found == pytest.approx(whole[4 * frame : 4 * frame + 20], abs=1e-9)


def test_a_sample_brings_the_same_along_with_and_without_the_cache(tmp_path):
    recipe = training.recipe(ON)
    live = samples(recipe)
    kept = samples(recipe, keep=training.filled(tmp_path, training.clips(4), recipe))
    firsts = set()
    for number in range(8):
        one, other = live[number], kept[number]
        assert "frames" in one and "moments" in other
        for name, kind, shape in (("lips", torch.int64, (5,)), ("mfcc", torch.float32, (13, 20))):
            assert torch.equal(one[name], other[name]) and (one[name].dtype, one[name].shape) == (kind, shape)
        first, *place = one["lips"].tolist()
        firsts.add(first)
        assert place == [0, 0, training.SIZE, training.SIZE], "no face is known"
    assert firsts == {0, 1}, "7 frames have two windows whose sound ends within them"


def test_by_default_and_in_stage_1_nothing_is_read_or_loaded():
    for recipe, stage in ((training.recipe(), 2), (training.recipe(ON), 1)):
        found = samples(recipe, stage)[0]
        assert "lips" not in found and "mfcc" not in found
        assert make_sync_loss(recipe, stage, training.base().image, noise_scheduler(recipe.model.noise)) is None
    assert TrainRecipe().loss.sync == 0


def test_other_rates_than_syncnets_are_refused():
    recipe, clip = training.recipe(ON), training.clip(0)
    drawn = samples(recipe).draw(0, 0, clip)
    faster = replace(clip, canonical=replace(clip.canonical, rule=ClipRule(size=training.SIZE, fps=30)))
    with pytest.raises(InputError, match="30 frames a second") as error:
        sync_window(faster, drawn, recipe, np.ones(16_000, np.float32))
    assert "loss.sync=0" in error.value.next


def test_its_gradient_reaches_the_audio_layers_and_lowers_it():
    recipe = training.recipe(ON)
    schedule, network = noise_scheduler(recipe.model.noise), tiny_model.network(2)
    names = set(freeze(network, recipe, 2))
    learning = {name: parameter for name, parameter in network.named_parameters() if name in names}
    term = SyncLoss(random_weights.lively(SyncNet()), training.base().image, schedule, 1.0)
    given = batch(recipe, timesteps=torch.tensor([200, 500]))
    optimizer, values = torch.optim.Adam(learning.values(), lr=3e-3), []
    for _ in range(6):
        value = term(given, *predict(network, given, given.text[:1, 0], schedule, recipe))
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        values.append(value.item())
    assert values[-1] < values[0]
    spoken = [parameter.grad for name, parameter in learning.items() if "audio" in name]
    assert spoken and all(grad is not None and grad.abs().sum() > 0 for grad in spoken)
    assert all(p.grad is None for module in (term.network, term.image.model) for p in module.parameters())


def test_a_run_logs_the_term_apart_and_is_the_same_up_to_its_first_step(toy, tmp_path, monkeypatch):
    random_weights.syncnet(tmp_path)
    monkeypatch.setenv("TBD_WEIGHTS", str(tmp_path))
    changes = {"stage2.steps": 2, "stage2.frames": 7, "watch.log_every": 1, "data.validation": 0.0, **HEARD}
    off, plain = trained.run(tmp_path / "off", toy.manifest, trained.recipe(changes), 2, first=toy.first)
    on, judged = trained.run(tmp_path / "on", toy.manifest, trained.recipe({**changes, **ON}), 2, first=toy.first)
    assert all("sync" not in values for values in off.steps.values())
    assert all(values["sync"] > 0 for values in on.steps.values())
    assert on.losses[0] == off.losses[0], "the loss is that of equation 1, without the term"
    assert '"sync"' in (tmp_path / "on/train.jsonl").read_text()
    assert trained.differing(plain.checkpoint, judged.checkpoint)
    histories = [checkpoints.read_checkpoint(one.checkpoint).meta.history for one in (plain, judged)]
    assert "syncnet" not in histories[0]["weights"]
    assert histories[1]["weights"]["syncnet"]["syncnet_v2.model"]["published"] is False


def test_stage_1_does_not_change_with_it(toy, tmp_path):
    ends = [
        trained.run(tmp_path / name, toy.manifest, trained.recipe({"stage1.steps": 2, **more}))[1].checkpoint
        for name, more in (("off", {}), ("on", {"loss.sync": 1.0}))
    ]
    assert trained.differing(*ends) == []


def test_missing_weights_are_said_before_a_network_is_loaded(toy, tmp_path, monkeypatch):
    monkeypatch.setattr("tbd.weights.find", lambda entry: None)
    recipe = trained.recipe(ON)
    request = TrainingRequest((toy.manifest,), recipe, 2, tmp_path / "run", toy.first, device="cpu")
    with pytest.raises(MissingError, match=r"syncnet_v2.model.* is not on this machine") as error:
        start_state(request, read_training_clips([toy.manifest], recipe, 2))
    assert error.value.next == "tbd weights pull syncnet"


def test_deterministic_algorithms_on_a_gpu_are_refused():
    recipe = training.recipe({**ON, "hardware.deterministic": True})
    on_a_gpu = SimpleNamespace(model=SimpleNamespace(device=torch.device("cuda")))
    with pytest.raises(UsageError, match="no deterministic gradient"):
        make_sync_loss(recipe, 2, on_a_gpu, noise_scheduler(recipe.model.noise))


def test_too_few_frames_are_refused():
    recipe = training.recipe({"loss.sync": 0.1, "stage2.frames": 5})
    with pytest.raises(UsageError, match=r"stage2\.frames is 5"):
        check_request(TrainingRequest((), recipe, 2, Path("run"), Path("stage1")))
