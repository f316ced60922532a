import json
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
import trained
import training
from safetensors.torch import load_file

from tbd.errors import InputError, MissingError, UsageError
from tbd.locks import folder_lock
from tbd.model import checkpoints
from tbd.model.network import TBDNetwork
from tbd.model.weight_files import WEIGHTS
from tbd.train.approved_clips import read_training_clips
from tbd.train.request import TrainingRequest
from tbd.train.start_state import start_state

STEPS = 6


@pytest.fixture(scope="module")
def first(toy, tmp_path_factory):
    """Stage 1, uninterrupted."""
    output = tmp_path_factory.mktemp("runs") / "first"
    trained.run(output, toy, trained.recipe({"stage1.steps": STEPS, "watch.save_every": 2}))
    return output


@pytest.fixture(scope="module")
def second(toy, first, tmp_path_factory):
    """Stage 2, uninterrupted."""
    output = tmp_path_factory.mktemp("runs") / "second"
    trained.run(output, toy, trained.recipe({"stage2.steps": STEPS, "watch.save_every": 2}), 2, first=first)
    return output


@pytest.mark.parametrize("stage", [1, 2])
def test_a_stopped_run_goes_on_bit_for_bit(toy, first, second, tmp_path, stage):
    chosen = trained.recipe({f"stage{stage}.steps": STEPS, "watch.save_every": 100})
    source = first if stage == 2 else None
    _, stopped = trained.run(tmp_path, toy, chosen, stage, stop_at=3, first=source)
    assert (stopped.step, checkpoints.checkpoint_steps(tmp_path)) == (3, [3])
    seen, ended = trained.run(tmp_path, toy, chosen, stage, first=source)
    assert list(seen.steps) == [4, 5, 6]
    whole = (first, second)[stage - 1]
    assert trained.differing(ended.checkpoint, checkpoints.latest_checkpoint(whole).path) == []
    assert json.loads((ended.checkpoint / "meta.json").read_text())["samples"] == STEPS * 2


def test_samples_on_the_way_change_no_bit_of_what_is_trained(toy, first, second, tmp_path):
    drawn = {"watch.sample_every": 2, "watch.sample_clips": 1, "watch.sample_steps": 2}
    chosen = trained.recipe({"stage2.steps": STEPS, "watch.save_every": 100, **drawn})
    trained.run(tmp_path, toy, chosen, 2, stop_at=3, first=first)
    _, ended = trained.run(tmp_path, toy, chosen, 2, first=first)
    assert trained.differing(ended.checkpoint, checkpoints.latest_checkpoint(second).path) == []
    assert sorted(folder.name for folder in (tmp_path / "samples").iterdir()) == ["step-2", "step-4", "step-6"]


def test_a_run_that_is_shorter_than_its_samples_are_apart_ends_with_one(toy, tmp_path):
    chosen = trained.recipe({"stage1.steps": 3, "watch.sample_every": 1000, "watch.sample_steps": 2})
    trained.run(tmp_path, toy, chosen)
    assert [folder.name for folder in (tmp_path / "samples").iterdir()] == ["step-3"]
    assert len(list((tmp_path / "samples/step-3").iterdir())) == chosen.watch.sample_clips == 2


def test_a_longer_run_begins_as_a_shorter_one(toy, first, tmp_path):
    trained.run(tmp_path, toy, trained.recipe({"stage1.steps": 4}))
    _, ended = trained.run(tmp_path, toy, trained.recipe({"stage1.steps": STEPS}))
    assert trained.differing(ended.checkpoint, checkpoints.latest_checkpoint(first).path) == []


def test_the_number_of_loading_processes_changes_nothing(toy, first, tmp_path):
    _, ended = trained.run(tmp_path, toy, trained.recipe({"stage1.steps": STEPS, "data.workers": 1}))
    assert trained.differing(ended.checkpoint, checkpoints.latest_checkpoint(first).path) == []


def test_a_finished_run_is_left_as_it_is(toy, tmp_path):
    chosen = trained.recipe({"stage1.steps": 2})
    trained.run(tmp_path, toy, chosen)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file() and path.name != ".lock"}
    seen, ended = trained.run(tmp_path, toy, chosen)
    after = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file() and path.name != ".lock"}
    assert (seen.steps, ended.step, after) == ({}, 2, before)


def test_lines_of_steps_that_are_done_again_are_not_there_twice(toy, tmp_path):
    chosen = trained.recipe({"stage1.steps": 4, "watch.log_every": 1, "watch.save_every": 2})
    trained.run(tmp_path, toy, chosen, stop_at=2)
    with (tmp_path / "train.jsonl").open("a") as file:
        file.write('{"step": 3, "loss": 1.0}\n{"step": 4, "lo')  # a run that was killed after its last checkpoint
    trained.run(tmp_path, toy, chosen)
    steps = [json.loads(line)["step"] for line in (tmp_path / "train.jsonl").read_text().splitlines()]
    assert steps == [1, 2, 3, 4]


@pytest.mark.parametrize(("change", "word"), [({"optimizer.lr": 2e-3}, "optimizer.lr: 0.001 -> 0.002"),
                                              ({"data.validation_clips": 3}, "validation_clips")])  # fmt: skip
def test_another_recipe_is_refused_with_the_keys_that_differ(toy, tmp_path, change, word):
    trained.run(tmp_path, toy, trained.recipe({"stage1.steps": 1}))
    with pytest.raises((InputError, UsageError), match=word) as error:
        trained.run(tmp_path, toy, trained.recipe({"stage1.steps": 2, **change}))
    assert "--changed" in error.value.next and "-o" in error.value.next
    assert checkpoints.checkpoint_steps(tmp_path) == [1]


def _without(folder, *keys):
    """A run's checkpoint as an older version wrote it, whose recipe did not have these keys yet."""
    path = checkpoints.latest_checkpoint(folder).path / "meta.json"
    meta = json.loads(path.read_text())
    for key in keys:
        *sections, last = key.split(".")
        found = meta["recipe"]
        for name in sections:
            found = found[name]
        del found[last]
    path.write_text(json.dumps(meta))


def test_a_run_from_before_a_key_existed_goes_on_with_its_default(toy, tmp_path):
    trained.run(tmp_path, toy, trained.recipe({"stage1.steps": 1}))
    _without(tmp_path, "hardware.deterministic", "hardware.tf32", "loss", "model.network.lowest_motion")
    _, ended = trained.run(tmp_path, toy, trained.recipe({"stage1.steps": 2}))
    assert ended.step == 2 and "changes" not in json.loads((ended.checkpoint / "meta.json").read_text())["history"]


@pytest.mark.parametrize(("key", "value", "word"), [("hardware.deterministic", True, "deterministic: False -> True"),
                                                    ("loss.face", 2.0, "loss.face: 1.0 -> 2.0")])  # fmt: skip
def test_another_value_of_a_key_that_a_run_did_not_know_is_a_change(toy, tmp_path, key, value, word):
    trained.run(tmp_path, toy, trained.recipe({"stage1.steps": 1}))
    _without(tmp_path, key)
    longer = trained.recipe({"stage1.steps": 2, key: value})
    with pytest.raises(InputError, match=word):
        trained.run(tmp_path, toy, longer)
    _, ended = trained.run(tmp_path, toy, longer, changed=True)
    assert ended.step == 2 and word in (ended.checkpoint / "meta.json").read_text()


def test_what_a_card_shall_compute_changes_no_bit_on_a_cpu(toy, first, tmp_path):
    exact = trained.recipe({"stage1.steps": STEPS, "hardware.deterministic": True, "hardware.tf32": True})
    _, ended = trained.run(tmp_path, toy, exact)
    assert trained.differing(ended.checkpoint, checkpoints.latest_checkpoint(first).path) == []
    assert not torch.are_deterministic_algorithms_enabled() and torch.get_float32_matmul_precision() == "highest"


def test_stage_2_grows_out_of_a_stage_1_from_before_a_key_existed(toy, tmp_path):
    trained.run(tmp_path / "a", toy, trained.recipe({"stage1.steps": 1}))
    _without(tmp_path / "a", "model.network.lowest_motion", "model.noise.offset")
    _, ended = trained.run(tmp_path / "b", toy, trained.recipe({"stage2.steps": 1}), 2, first=tmp_path / "a")
    assert ended.step == 1


def test_other_data_are_refused_unless_that_is_wanted_and_then_recorded(toy, tmp_path):
    chosen = trained.recipe({"stage1.steps": 1})
    trained.run(tmp_path / "run", toy, chosen)
    fewer = training.manifest(tmp_path / "toy", training.usable(8))
    longer = trained.recipe({"stage1.steps": 2})
    with pytest.raises((InputError, UsageError)):
        trained.run(tmp_path / "run", fewer, longer)
    _, ended = trained.run(tmp_path / "run", fewer, longer, changed=True)
    assert ended.step == 2
    assert '"changes"' in (ended.checkpoint / "meta.json").read_text()


def test_what_changes_no_weight_may_change(toy, tmp_path):
    trained.run(tmp_path, toy, trained.recipe({"stage1.steps": 1}))
    _, ended = trained.run(tmp_path, toy, trained.recipe({"stage1.steps": 2, "watch.keep": 1, "watch.log_every": 3}))
    assert ended.step == 2


def test_a_folder_of_another_stage_is_refused(toy, first, second):
    with pytest.raises((InputError, UsageError), match="stage 2"):
        trained.run(second, toy, trained.recipe())


def test_two_runs_in_one_folder_do_not_mix(toy, tmp_path):
    lock = folder_lock(tmp_path, purpose="training")
    with ThreadPoolExecutor(1) as other:  # a thread that holds a folder may take it again
        other.submit(lock.__enter__).result()
        with pytest.raises(MissingError, match="another run"):
            trained.run(tmp_path, toy, trained.recipe({"stage1.steps": 1}))
        other.submit(lock.__exit__, None, None, None).result()
    assert checkpoints.checkpoint_steps(tmp_path) == []


def test_stage_2_grows_out_of_stage_1_and_says_so(toy, first, second):
    meta = json.loads((checkpoints.latest_checkpoint(second).path / "meta.json").read_text())
    assert str(checkpoints.latest_checkpoint(first).path) in json.dumps(meta["history"])
    with pytest.raises(UsageError, match="stage 1") as error:
        trained.run(second.parent / "alone", toy, trained.recipe(), 2)
    assert "--from" in error.value.next


def test_stage_2_of_another_model_is_refused_unless_that_is_wanted(toy, first, tmp_path):
    other = trained.recipe({"model.guidance.direction": "timestep", "stage2.steps": 1})
    with pytest.raises((InputError, UsageError), match=r"guidance\.direction: denoising -> timestep"):
        trained.run(tmp_path, toy, other, 2, first=first)
    _, ended = trained.run(tmp_path, toy, other, 2, first=first, changed=True)
    assert "denoising -> timestep" in (ended.checkpoint / "meta.json").read_text()


def test_stage_2_leaves_stage_1_bit_equal(first, second):
    """All that is frozen is what stage 2 was started from: the averages of stage 1."""
    before = load_file(checkpoints.latest_checkpoint(first).path / "ema" / "weights.safetensors")
    after = TBDNetwork.load(checkpoints.latest_checkpoint(second).path).state_dict()
    assert len(before) > 300 and before.keys() < after.keys()
    assert [name for name, value in before.items() if not torch.equal(after[name], value)] == []
    moved = [name for name in after.keys() - before.keys() if name.endswith("proj_out.weight")]
    assert moved and all(after[name].abs().max() > 0 for name in moved)


def test_stage_2_can_begin_with_what_another_stage_2_added_and_says_so(toy, first, second, tmp_path):
    chosen = trained.recipe({"stage2.steps": 1, "weights.warm_start": str(second)})
    clips = read_training_clips([toy], chosen, 2)
    began = start_state(TrainingRequest((toy,), chosen, 2, tmp_path / "run", first=first, device="cpu"), clips)
    trained_before = checkpoints.find_checkpoint(second)
    wanted = trained_before.network().state_dict()
    assert all(torch.equal(value, wanted[name]) for name, value in began.network.state_dict().items())
    assert str(trained_before.path) in began.history["weights"] and any(
        "stage 2 -> unet" in note for note in began.notes
    )


def test_a_stage_1_is_no_warm_start_of_stage_2(toy, first, tmp_path):
    chosen = trained.recipe({"stage2.steps": 1, "weights.warm_start": str(first)})
    with pytest.raises(InputError, match="stage 1 has no audio or motion layers"):
        trained.run(tmp_path / "run", toy, chosen, 2, first=first)


def test_a_part_that_does_not_learn_lies_on_the_disk_once(second):
    files = [second / f"step-{step}" / "reference_net" / WEIGHTS for step in checkpoints.checkpoint_steps(second)]
    assert len(files) == 2 and len({file.stat().st_ino for file in files}) == 1


class _Damaging(trained.Notes):
    """Overwrites a byte of what does not learn in the checkpoint of step 1, while step 2 is under way."""

    def __init__(self, output):
        super().__init__()
        self.file = output / "step-1" / "reference_net" / WEIGHTS

    def step(self, step, values):
        super().step(step, values)
        if step == 2:
            content = bytearray(self.file.read_bytes())
            content[-1] ^= 255
            self.file.unlink()
            self.file.write_bytes(content)


def test_a_damaged_part_is_not_taken_into_the_next_checkpoint_but_written_from_memory(toy, first, second, tmp_path):
    chosen = trained.recipe({"stage2.steps": 3, "watch.save_every": 1, "watch.keep": 9})
    seen, _ = trained.run(tmp_path, toy, chosen, 2, first=first, watcher=_Damaging(tmp_path))
    assert not checkpoints.read_checkpoint(tmp_path / "step-1").is_whole
    assert sum("step-1/reference_net" in note and "from memory" in note for note in seen.notes) == 1
    wanted = load_file(second / f"step-{STEPS}" / "reference_net" / WEIGHTS)
    for step in (2, 3):
        found = load_file(tmp_path / f"step-{step}" / "reference_net" / WEIGHTS)
        assert all(torch.equal(value, wanted[name]) for name, value in found.items())
        assert checkpoints.read_checkpoint(tmp_path / f"step-{step}").is_whole


def test_a_damaged_part_that_memory_holds_in_half_precision_is_refused(toy, first, tmp_path):
    changes = {"stage2.steps": 2, "watch.save_every": 1, "hardware.precision": "bfloat16"}
    with pytest.raises(InputError, match=r"step-1/reference_net.*bytes are not those"):
        trained.run(tmp_path, toy, trained.recipe(changes), 2, first=first, watcher=_Damaging(tmp_path))
    assert checkpoints.checkpoint_steps(tmp_path) == [1]


def test_stage_2_beside_other_frozen_networks_is_refused_unless_that_is_wanted(toy, first, tmp_path):
    other = trained.recipe({"stage2.steps": 1}).model_copy(update={"seed": 7})
    with pytest.raises(InputError, match=r"weights\.vae: random-tiny-0 -> random-tiny-7"):
        trained.run(tmp_path, toy, other, 2, first=first)
    _, ended = trained.run(tmp_path, toy, other, 2, first=first, changed=True)
    assert "random-tiny-7" in json.dumps(checkpoints.read_checkpoint(ended.checkpoint).meta.history["changes"])


def test_a_finished_run_that_began_elsewhere_is_not_said_to_be_done(toy, first, second, tmp_path):
    trained.run(tmp_path / "other", toy, trained.recipe({"stage1.steps": 1}))
    chosen = trained.recipe({"stage2.steps": STEPS, "watch.save_every": 2})
    assert trained.run(second, toy, chosen, 2, first=first)[1].step == STEPS
    with pytest.raises(InputError, match="this run began with"):
        trained.run(second, toy, chosen, 2, first=tmp_path / "other")


def test_frozen_weights_are_held_in_half_precision_and_saved_as_they_were(toy, first, tmp_path):
    chosen = trained.recipe({"stage2.steps": 2, "watch.save_every": 1, "hardware.precision": "bfloat16"})
    trained.run(tmp_path, toy, chosen, 2, stop_at=1, first=first)
    _, ended = trained.run(tmp_path, toy, chosen, 2, first=first)
    before = load_file(checkpoints.latest_checkpoint(first).path / "ema" / "weights.safetensors")
    after = TBDNetwork.load(ended.checkpoint).state_dict()
    assert [name for name, value in before.items() if not torch.equal(after[name], value)] == []


def test_stage_1_can_begin_with_another_stage_1_and_says_so(toy, first, tmp_path):
    chosen = trained.recipe({"stage1.steps": 2, "model.guidance.schedule": "none", "model.text.overflow": "cut"})
    clips = read_training_clips([toy], chosen, 1)
    asked = TrainingRequest((toy,), chosen, 1, tmp_path / "run", first=first, device="cpu")
    began = start_state(asked, clips)
    before = checkpoints.find_checkpoint(first)
    wanted = before.network().state_dict()
    assert all(torch.equal(value, wanted[name]) for name, value in began.network.state_dict().items())
    assert began.step == 0 and began.history["stage1"]["checkpoint"] == str(before.path)
    _, ended = trained.run(tmp_path / "run", toy, chosen, first=first)
    again = start_state(asked, clips)  # its own checkpoint comes before the one it began with
    assert (ended.step, again.step, again.history["stage1"]["clips"]) == (2, 2, before.meta.clips)


def test_stage_1_of_other_layers_cannot_be_begun_with(toy, first, tmp_path):
    other = trained.recipe({"model.network.audio_tokens": 4})
    with pytest.raises(InputError, match=r"another model\n  .*audio_tokens"):
        trained.run(tmp_path, toy, other, first=first)


def test_stage_1_does_not_begin_with_a_stage_2(toy, second, tmp_path):
    with pytest.raises(InputError, match="stage 2; stage 1 is needed"):
        trained.run(tmp_path, toy, trained.recipe(), first=second)
