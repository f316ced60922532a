import json

import pytest
import torch
import trained
import training
from safetensors.torch import load_file

from tbd.errors import InputError
from tbd.model import checkpoints
from tbd.model.noise import noise_scheduler


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved")
    toy = training.manifest(folder / "toy", training.usable())
    chosen = trained.recipe({"stage1.steps": 4, "watch.save_every": 2, "model.noise.prediction": "v_prediction"})
    trained.run(folder / "run", toy, chosen)
    return folder / "run", chosen


def test_a_checkpoint_is_found_by_run_or_by_step(run):
    folder, _ = run
    assert [one.step for one in checkpoints.list_checkpoints(folder)] == [2, 4]
    assert (
        checkpoints.find_checkpoint(folder)
        == checkpoints.latest_checkpoint(folder)
        == checkpoints.find_checkpoint(folder / "step-4")
    )
    losses = {one.step: one.loss for one in checkpoints.list_checkpoints(folder)}
    assert checkpoints.best_checkpoint(folder).step == min(losses, key=losses.get)
    with pytest.raises(InputError):
        checkpoints.find_checkpoint(folder / "nowhere")


def test_it_is_read_back_with_its_averages_or_without(run):
    folder, _ = run
    one = checkpoints.latest_checkpoint(folder)
    averages = load_file(one.path / "ema" / "weights.safetensors")
    averaged, plain = one.network().state_dict(), one.network(average=False).state_dict()
    assert all(torch.equal(averaged[name], value) for name, value in averages.items())
    assert any(not torch.equal(plain[name], value) for name, value in averages.items())


def test_the_sampler_reads_recipe_and_schedule_from_it(run):
    folder, chosen = run
    one = checkpoints.latest_checkpoint(folder)
    assert one.recipe == chosen.model
    assert torch.equal(one.scheduler().alphas_cumprod, noise_scheduler(chosen.model.noise).alphas_cumprod)
    assert one.scheduler().config.prediction_type == "v_prediction"


def test_its_hash_is_that_of_its_weights(run):
    first, last = checkpoints.list_checkpoints(run[0])
    assert first.hash == checkpoints.read_checkpoint(first.path).hash != last.hash and len(first.hash) == 64


@pytest.mark.parametrize("damage", ["", "[1]", json.dumps({"stage": 3, "step": 1})])
def test_a_damaged_record_is_said(tmp_path, damage):
    (tmp_path / "step-1").mkdir()
    (tmp_path / "step-1" / "meta.json").write_text(damage)
    with pytest.raises(InputError, match="no checkpoint"):
        checkpoints.read_checkpoint(tmp_path / "step-1")


def test_averages_of_another_network_are_refused(run, tmp_path):
    import shutil

    from safetensors.torch import save_file

    shutil.copytree(checkpoints.latest_checkpoint(run[0]).path, tmp_path / "step-4")
    save_file({"unet.nothing": torch.zeros(1)}, tmp_path / "step-4" / "ema" / "weights.safetensors")
    with pytest.raises(InputError, match="averages"):
        checkpoints.read_checkpoint(tmp_path / "step-4").network()
