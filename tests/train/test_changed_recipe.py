"""A run that goes on with ``--changed``: what the recipe says now is in force, and what cannot go on begins anew and says so."""

import json
import sys
import types

import pytest
import torch
import trained
from safetensors.torch import load_file
from torch.distributed import HashStore, destroy_process_group, init_process_group
from torch.distributed.fsdp import fully_shard

from tbd.hashes import sha256_file
from tbd.model import checkpoints
from tbd.model.weight_files import read_pickle
from tbd.train.ema import WeightAverage
from tbd.train.optimizer import make_optimizer
from tbd.train.recipe import Optimizer
from tbd.train.training_state import OPTIMIZER, TrainingState

STAGE1, STAGE2 = {"stage1.steps": 2}, {"stage2.steps": 2}
LONGER = {"stage1.steps": 3, "stage2.steps": 3}


@pytest.fixture(scope="module")
def first(toy, tmp_path_factory):
    output = tmp_path_factory.mktemp("runs") / "first"
    trained.run(output, toy, trained.recipe({"stage1.steps": 1}))
    return output


def _saved(folder):
    """Groups, ``name -> state`` and ``meta.json`` of a run's last checkpoint."""
    path = checkpoints.latest_checkpoint(folder).path
    found = read_pickle(path / OPTIMIZER)
    states = {found["names"][number]: state for number, state in found["optimizer"]["state"].items()}
    return found["optimizer"]["param_groups"], states, json.loads((path / "meta.json").read_text())


def _steps(states):
    return {int(state["step"]) for state in states.values()}


def _goes_on(folder, toy, changes, stage=1, **more):
    return trained.run(folder, toy, trained.recipe(LONGER | changes), stage, changed=True, **more)[0]


def test_rates_and_decays_are_those_of_the_recipe_and_the_moments_are_kept(toy, tmp_path):
    trained.run(tmp_path, toy, trained.recipe(STAGE1))
    changes = {"optimizer.betas": (0.5, 0.9), "optimizer.weight_decay": 0.3, "optimizer.eps": 1e-6}
    _goes_on(tmp_path, toy, changes)
    groups, states, meta = _saved(tmp_path)
    assert [(tuple(one["betas"]), one["weight_decay"], one["eps"]) for one in groups] == [((0.5, 0.9), 0.3, 1e-6)]
    assert _steps(states) == {3}
    assert "optimizer.weight_decay: 0.01 -> 0.3" in meta["history"]["changes"][0]["what"]


def test_other_groups_have_the_moments_of_their_own_weights(toy, first, tmp_path):
    trained.run(tmp_path, toy, trained.recipe({**STAGE2, "stage2.text": True}), 2, first=first)
    before = _saved(tmp_path)[1]
    changes = {"stage2.text": True, "optimizer.new_layers": 3.0, "optimizer.lr": 1e-3, "watch.keep": 9}
    seen = _goes_on(tmp_path, toy, changes, 2)
    groups, states, _ = _saved(tmp_path)
    assert [group["factor"] for group in groups] == [1.0, 3.0] and groups[1]["lr"] == pytest.approx(3e-3)
    assert _steps(states) == {3} and states.keys() == before.keys()
    assert {name: state["exp_avg"].shape for name, state in states.items()} == {
        name: state["exp_avg"].shape for name, state in before.items()
    }
    assert not any("anew" in note for note in seen.notes)


def test_weights_that_did_not_learn_before_begin_with_moments_and_averages_of_their_own(toy, tmp_path):
    trained.run(tmp_path, toy, trained.recipe({**STAGE1, "stage1.text": False}))
    before = _saved(tmp_path)[1]
    seen = _goes_on(tmp_path, toy, {"stage1.text": True})
    _, states, meta = _saved(tmp_path)
    new = states.keys() - before.keys()
    assert new and _steps({name: states[name] for name in before}) == {3} and _steps({n: states[n] for n in new}) == {1}
    averages = load_file(checkpoints.latest_checkpoint(tmp_path).path / checkpoints.AVERAGE)
    assert averages.keys() >= new
    told = [note for note in seen.notes if "anew" in note]
    assert len(told) == 2 and all(f" {len(new)} tensors" in note for note in told)
    assert told == meta["history"]["changes"][-1]["what"]


def test_an_optimizer_of_another_kind_begins_anew_and_says_so(toy, tmp_path, monkeypatch):
    kinds = dict.fromkeys(("AdamW8bit", "PagedAdamW8bit"), torch.optim.AdamW)
    monkeypatch.setitem(sys.modules, "bitsandbytes", types.SimpleNamespace(optim=types.SimpleNamespace(**kinds)))
    trained.run(tmp_path, toy, trained.recipe(STAGE1))
    seen = _goes_on(tmp_path, toy, {"optimizer.name": "adamw-8bit"})
    assert "optimizer.name: adamw -> adamw-8bit: the moments of all weights begin anew" in seen.notes
    assert _steps(_saved(tmp_path)[1]) == {1}
    seen = _goes_on(tmp_path, toy, {"optimizer.name": "adamw-8bit-paged", "stage1.steps": 4})
    assert not any("anew" in note for note in seen.notes) and _steps(_saved(tmp_path)[1]) == {2}


def test_averages_can_be_switched_on_and_off(toy, tmp_path):
    trained.run(tmp_path, toy, trained.recipe({**STAGE1, "ema.decay": 0.0}))
    before = trained.content(checkpoints.latest_checkpoint(tmp_path).path)
    seen = _goes_on(tmp_path, toy, {"ema.decay": 0.9, "optimizer.lr": 1e-30})
    last = checkpoints.latest_checkpoint(tmp_path)
    assert any("averages of" in note and "begin anew" in note for note in seen.notes)
    averages = last.averages()
    assert averages and last.meta.average_steps == 1
    name = "unet.conv_in.weight"  # hardly a step was taken, so the average is still where it began
    torch.testing.assert_close(averages[name], before[f"unet/diffusion_pytorch_model.safetensors/{name[5:]}"])
    _goes_on(tmp_path, toy, {"ema.decay": 0.0, "stage1.steps": 4})
    assert not checkpoints.latest_checkpoint(tmp_path).averaged


def _as_an_older_version_wrote_it(folder):
    """Without the names of what the moments belong to."""
    path = checkpoints.latest_checkpoint(folder).path
    found = {key: value for key, value in torch.load(path / OPTIMIZER).items() if key != "names"}
    torch.save(found, path / OPTIMIZER)
    meta = json.loads((path / "meta.json").read_text())
    meta["files"][OPTIMIZER] = [(path / OPTIMIZER).stat().st_size, sha256_file(path / OPTIMIZER)]
    (path / "meta.json").write_text(json.dumps(meta))


def test_an_older_checkpoint_goes_on_and_where_its_groups_changed_its_moments_begin_anew(toy, first, tmp_path):
    trained.run(tmp_path, toy, trained.recipe({**STAGE2, "stage2.text": True}), 2, first=first)
    _as_an_older_version_wrote_it(tmp_path)
    trained.run(tmp_path, toy, trained.recipe(LONGER | {"stage2.text": True}), 2)
    assert _steps(_saved(tmp_path)[1]) == {3}
    _as_an_older_version_wrote_it(tmp_path)
    changes = {"stage2.text": True, "stage2.steps": 4, "optimizer.new_layers": 3.0}
    seen = _goes_on(tmp_path, toy, changes, 2)
    assert any("groups" in note and "anew" in note for note in seen.notes) and _steps(_saved(tmp_path)[1]) == {1}


class _Two(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.audio_projection, self.unet = torch.nn.Linear(3, 3), torch.nn.Linear(3, 2)

    def forward(self, x):
        return self.unet(self.audio_projection(x))


def _state(sharded, frozen, **settings):
    """A state over two layers, of which the first belongs to stage 2; one step was taken."""
    torch.manual_seed(0)
    network = fully_shard(_Two()) if sharded else _Two()
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(name not in frozen)
    learning = {name: one for name, one in network.named_parameters() if one.requires_grad}
    state = TrainingState.__new__(TrainingState)
    state.network = state.plain = network
    state.sharded, state.kind = sharded, "adamw"
    state.wrapped = make_optimizer(learning, Optimizer(lr=1e-3, **settings))
    state.accelerator, state.average = types.SimpleNamespace(scaler=None), WeightAverage([], [], 0.0)
    return state


def _stepped(state):
    state.network(torch.ones(2, 3)).square().sum().backward()
    state.optimizer.step()
    state.optimizer.zero_grad()
    return state


@pytest.fixture
def alone():
    init_process_group("gloo", store=HashStore(), rank=0, world_size=1)
    yield
    destroy_process_group()


@pytest.mark.parametrize("sharded", [False, True])
def test_every_weight_gets_its_own_moments_spread_or_not(alone, sharded):
    saved = _stepped(_state(sharded, {"unet.bias"})).optimizer_state()
    moments = {name: saved["optimizer"]["state"][i]["exp_avg"] for i, name in enumerate(saved["names"])}
    other = _state(sharded, {"audio_projection.bias"}, new_layers=2.0, weight_decay=0.5)
    told = other._restore_moments(saved, "adamw")
    found = other.optimizer_state()
    assert {group["weight_decay"] for group in found["optimizer"]["param_groups"]} == {0.5}
    assert found["names"] == ["unet.weight", "unet.bias", "audio_projection.weight"] != saved["names"]
    states = {found["names"][i]: state for i, state in found["optimizer"]["state"].items()}
    for name in ("unet.weight", "audio_projection.weight"):
        torch.testing.assert_close(states[name]["exp_avg"], moments[name])
    assert len(told) == 1 and " 1 tensors" in told[0]
    _stepped(other)
