import errno
import json
import socket

import pytest
import torch
import trained
import training
from diffusers import DDIMScheduler

from tbd.errors import InputError, MissingError, TbdError, UsageError
from tbd.model import checkpoints
from tbd.model.initial_weights import random_network
from tbd.model.noise import noise_scheduler
from tbd.train import checkpoint_writer, run_log, trainer
from tbd.train.dataset import TrainingDataset
from tbd.train.request import TrainingRequest
from tbd.train.run_needs import checkpoint_bytes
from tbd.train.sampling import clip_order


def _weights(path):
    return {name: value for name, value in trained.content(path).items() if "safetensors" in name}


def _largest(one, other):
    left, right = _weights(one), _weights(other)
    assert left.keys() == right.keys()
    return max(float((left[name] - right[name]).abs().max()) for name in left)


def test_what_learns_moves_and_what_does_not_stays_bit_equal(toy, tmp_path):
    chosen = trained.recipe({"stage1.steps": 3, "stage1.text": False})
    _, ended = trained.run(tmp_path, toy, chosen)
    before = random_network(chosen.network, 1, chosen.seed).state_dict()
    after = _weights(ended.checkpoint)
    moved = {}
    for name, value in before.items():
        part, _, key = name.partition(".")
        moved[name] = not torch.equal(value, after[f"{part}/diffusion_pytorch_model.safetensors/{key}"])
    text = {name for name in before if name.startswith("unet.") and "blocks.0.attn2" in name and "transformer" in name}
    text |= {name for name in before if name.startswith("unet.") and "transformer_blocks.0.norm2" in name}
    assert {name for name, did in moved.items() if not did} == text


def test_accumulated_batches_are_one_batch(toy, tmp_path):
    for name, batch, accumulate in (("one", 2, 1), ("two", 1, 2)):
        changes = {"stage1.steps": 4, "hardware.batch": batch, "hardware.accumulate": accumulate, "optimizer.lr": 1e-4}
        trained.run(tmp_path / name, toy, trained.recipe(changes))
    # Adam divides by the gradient's own size, so rounding can show where a gradient is all but zero
    assert _largest(tmp_path / "one" / "step-4", tmp_path / "two" / "step-4") < 1e-5
    logs = [(tmp_path / name / "validation.jsonl").read_text().splitlines()[-1] for name in ("one", "two")]
    one, two = (json.loads(line)["loss"] for line in logs)
    assert one == pytest.approx(two, abs=1e-6)


def _in_two_processes(**given):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    world = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    ranks = ({"RANK": str(rank), "LOCAL_RANK": str(rank), "ACCELERATE_USE_CPU": "true"} for rank in range(2))
    return [trained.apart(world | rank, **given) for rank in ranks]


def _joined(*processes):
    for process in processes:
        process.join(240)
        assert process.exitcode == 0


@pytest.mark.parametrize("stage", [1, 2])
def test_two_processes_are_one_with_the_same_samples(toy, tmp_path, stage):
    changes = {f"stage{stage}.steps": 20, "optimizer.lr": 1e-4, "hardware.batch": 2}
    given = {"manifest": str(toy), "stage": stage}
    if stage == 2:
        trained.run(tmp_path / "first", toy, trained.recipe(changes | {"stage1.steps": 1}))
        given["first"] = str(tmp_path / "first")
    one = trained.apart(output=str(tmp_path / "one"), changes=changes, **given)
    both = _in_two_processes(output=str(tmp_path / "two"), changes=changes | {"hardware.batch": 1}, **given)
    _joined(one, *both)
    assert _largest(tmp_path / "one" / "step-20", tmp_path / "two" / "step-20") < 1e-5
    losses = [
        json.loads((tmp_path / name / "step-20" / "meta.json").read_text())["validation"] for name in ("one", "two")
    ]
    assert losses[0]["loss"] == pytest.approx(losses[1]["loss"], abs=1e-6)
    lines = (tmp_path / "two" / "train.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [10, 20]


def test_two_processes_then_one_then_two_leave_no_sample_out_and_draw_none_twice(toy, tmp_path):
    file, run = tmp_path / "samples", tmp_path / "run"
    changes = {"hardware.batch": 1, "data.validation": 0.0}
    given = {"output": str(run), "manifest": str(toy), "stage": 1, "samples": str(file)}
    _joined(*_in_two_processes(changes=changes | {"stage1.steps": 2}, **given))
    _joined(trained.apart(changes=changes | {"stage1.steps": 5}, **given))
    _joined(*_in_two_processes(changes=changes | {"stage1.steps": 6}, **given))
    drawn = [int(line) for line in file.read_text().splitlines()]
    assert sorted(drawn[:4]) == [0, 1, 2, 3] and drawn[4:7] == [4, 5, 6] and sorted(drawn[7:]) == [7, 8]
    meta = checkpoints.latest_checkpoint(run).meta
    assert (meta.step, meta.samples) == (6, 9)
    changed = [what for change in meta.history["changes"] for what in change["what"] if "processes" in what]
    assert [what.split(":")[0] for what in changed] == ["2 -> 1 processes", "1 -> 2 processes"]


def test_what_one_process_could_not_read_is_in_the_record_of_the_first(tmp_path):
    """Which of two meets the clip follows from its number: the second, for the first alone does not read it."""
    media = tmp_path / "media"
    media.mkdir()
    for file in training.media().iterdir():
        (media / file.name).symlink_to(file)
    rows = training.usable()
    chosen = trained.recipe({"data.validation": 0.0})
    order = clip_order(training.clips(10).train, chosen, 1, 4).tolist()
    rows[order[1]]["file_name"] = "gone.mp4"
    (media / "gone.mp4").write_bytes(b"no video")
    toy = training.manifest(tmp_path / "toy", rows, root=media)
    changes = {"hardware.batch": 1, "data.validation": 0.0, "stage1.steps": 2}
    _joined(*_in_two_processes(output=str(tmp_path / "run"), manifest=str(toy), stage=1, changes=changes))
    assert list(checkpoints.latest_checkpoint(tmp_path / "run").meta.left_out) == [f"toy/{rows[order[1]]['clip_id']}"]


def _poison(monkeypatch, poisoned):
    example = TrainingDataset.example

    def broken(self, clip, drawn):
        found = example(self, clip, drawn)
        if drawn.sample in poisoned:
            found["noise"] = found["noise"] * float("nan")
        return found

    monkeypatch.setattr(TrainingDataset, "example", broken)


def test_a_step_without_a_finite_loss_changes_nothing_and_is_counted(toy, tmp_path, monkeypatch):
    _poison(monkeypatch, {3})
    seen, ended = trained.run(
        tmp_path, toy, trained.recipe({"stage1.steps": 3, "watch.save_every": 1, "watch.keep": 9})
    )
    assert (ended.step, ended.bad) == (3, 1)
    assert any("step 2" in note and "not finite" in note for note in seen.notes)
    assert trained.differing(tmp_path / "step-1", tmp_path / "step-2") == []
    assert "unet/diffusion_pytorch_model.safetensors/conv_in.weight" in trained.differing(
        tmp_path / "step-2", tmp_path / "step-3"
    )
    assert all(torch.isfinite(value).all() for value in _weights(tmp_path / "step-3").values())


def test_too_many_bad_steps_end_the_run_and_name_the_last_good_checkpoint(toy, tmp_path, monkeypatch):
    _poison(monkeypatch, range(2, 1000))
    chosen = trained.recipe({"stage1.steps": 30, "watch.save_every": 1, "watch.max_bad_steps": 3, "watch.keep": 9})
    with pytest.raises(TbdError, match="3 steps in a row") as error:
        trained.run(tmp_path, toy, chosen)
    assert error.value.exit_code == 1 and "step-3" in str(error.value)
    good = _weights(checkpoints.latest_checkpoint(tmp_path).path)
    assert all(torch.isfinite(value).all() for value in good.values())


@pytest.mark.parametrize(("preset", "advice"), [(48, "--gpu-memory 24"), (None, "--gpu-memory 80"), (16, "data.size")])
def test_a_full_gpu_names_the_next_smaller_preset(toy, tmp_path, monkeypatch, preset, advice):
    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    monkeypatch.setattr(trainer, "predict", full)
    with pytest.raises(MissingError, match="memory is full") as error:
        trained.run(tmp_path, toy, trained.recipe({"data.validation": 0.0}), gpu_memory=preset)
    assert advice in error.value.next


def test_a_full_disk_ends_the_run_at_its_last_good_checkpoint_and_it_goes_on(toy, tmp_path, monkeypatch):
    chosen = trained.recipe({"stage1.steps": 4, "watch.save_every": 2})
    trained.run(tmp_path / "whole", toy, chosen)
    write = torch.save

    def full(document, path):
        if ".step-4" in str(path):
            raise OSError(errno.ENOSPC, "No space left on device")
        write(document, path)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint_writer.torch, "save", full)
        with pytest.raises(MissingError, match="disk is full"):
            trained.run(tmp_path / "run", toy, chosen)
    assert sorted(path.name for path in (tmp_path / "run").glob("*step-*")) == ["step-2"]
    _, ended = trained.run(tmp_path / "run", toy, chosen)
    assert trained.differing(ended.checkpoint, tmp_path / "whole" / "step-4") == []


def test_a_clip_that_cannot_be_read_is_named(tmp_path):
    broken = tmp_path / "media"
    broken.mkdir()
    rows = training.usable(4)
    for row in rows:
        (broken / row["file_name"]).write_bytes(b"no video")
    toy = training.manifest(tmp_path / "toy", rows, root=broken)
    with pytest.raises(InputError, match=r"toy/c00\d"):
        trained.run(tmp_path / "run", toy, trained.recipe({"data.validation": 0.0}))


@pytest.mark.parametrize("noise", [{}, {"prediction": "v_prediction", "zero_snr": True, "offset": 0.05}])
def test_the_schedule_in_the_checkpoint_is_the_one_it_was_trained_with(toy, tmp_path, noise):
    changes = {f"model.noise.{key}": value for key, value in noise.items()}
    chosen = trained.recipe({"stage1.steps": 1, **changes})
    _, ended = trained.run(tmp_path, toy, chosen)
    read = DDIMScheduler.from_pretrained(ended.checkpoint / "scheduler")
    wanted = noise_scheduler(chosen.model.noise)
    assert torch.equal(read.alphas_cumprod, wanted.alphas_cumprod)
    for sampler in (read, wanted):
        sampler.set_timesteps(40)
    assert torch.equal(read.timesteps, wanted.timesteps)
    assert read.config.prediction_type == chosen.model.noise.prediction


def test_a_checkpoint_says_what_made_it(toy, tmp_path):
    _, ended = trained.run(tmp_path, toy, trained.recipe({"stage1.steps": 2}))
    meta = json.loads((ended.checkpoint / "meta.json").read_text())
    assert (meta["stage"], meta["step"], meta["samples"]) == (1, 2, 4)
    assert meta["guidance"]["levels"] == 2 and meta["scheduler"]["prediction_type"] == "epsilon"
    assert meta["encoders"]["image"].startswith("random-")
    assert list(meta["manifests"]) == ["toy"] and len(meta["manifests"]["toy"]) == 64
    assert {"tbd", "torch", "diffusers", "accelerate"} <= meta["versions"].keys()
    assert meta["validation"]["loss"] == ended.validation["loss"]


def test_a_checkpoint_takes_what_a_dry_run_says_and_a_run_says_its_samples_a_step(toy, tmp_path):
    chosen = trained.recipe({"stage1.steps": 1, "hardware.accumulate": 2})
    seen, ended = trained.run(tmp_path, toy, chosen)
    taken = sum(path.stat().st_size for path in ended.checkpoint.rglob("*") if path.is_file())
    weights = sum(value.numel() for value in random_network(chosen.network, 1, 0).parameters())
    said = checkpoint_bytes(weights, checkpoints.read_checkpoint(ended.checkpoint).meta.trained["parameters"], chosen)
    assert taken == pytest.approx(said, rel=0.3)  # toy tensors are small beside their names
    assert "4 samples a step, 2 batches of 2" in seen.notes


def test_scalars_go_to_the_tracker_and_an_unknown_one_is_said(toy, tmp_path):
    chosen = trained.recipe({"stage1.steps": 2, "watch.tracker": "tensorboard", "watch.log_every": 1})
    trained.run(tmp_path / "run", toy, chosen)
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    (file,) = (path for path in (tmp_path / "run" / "tracker").rglob("events*") if path.parent.name == "stage1")
    events = EventAccumulator(str(file)).Reload()
    assert {"loss", "lr", "grad_norm", "frames_per_second", "memory_gb", "validation/loss"} <= set(
        events.Tags()["scalars"]
    )
    assert [event.step for event in events.Scalars("loss")] == [1, 2]
    with pytest.raises(MissingError, match="abacus"):
        trained.run(tmp_path / "other", toy, trained.recipe({"watch.tracker": "abacus"}))


def test_a_tracker_whose_package_is_lacking_is_not_left_out_in_silence(toy, tmp_path, monkeypatch):
    monkeypatch.setattr(run_log, "filter_trackers", lambda *_: [])
    with pytest.raises(MissingError, match=r"watch\.tracker = wandb: its package is not installed"):
        trained.run(tmp_path, toy, trained.recipe({"watch.tracker": "wandb"}))


def test_what_accelerate_cannot_do_here_is_not_laid_on_the_tracker(toy, tmp_path, monkeypatch):
    def odd(**_):
        raise ValueError("FSDP requires PyTorch >= 9")

    monkeypatch.setattr(run_log, "Accelerator", odd)
    with pytest.raises(MissingError, match="accelerate cannot start on this machine: FSDP requires") as error:
        trained.run(tmp_path, toy, trained.recipe({"watch.tracker": "tensorboard"}))
    assert "tracker" not in str(error.value) + error.value.next


def test_float16_on_the_cpu_is_refused_by_its_key_whether_the_cpu_was_asked_for_or_all_there_is(
    toy, tmp_path, monkeypatch
):
    chosen = trained.recipe({"hardware.precision": "float16"})
    with pytest.raises(UsageError, match=r"hardware\.precision = float16.*CPU"):
        trained.run(tmp_path, toy, chosen)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    request = TrainingRequest((toy,), chosen, 1, tmp_path)
    with pytest.raises(UsageError, match=r"hardware\.precision = float16.*CPU"):
        run_log.RunLog(request, chosen)


def test_every_precision_and_layout_trains_on_a_cpu(toy, tmp_path):
    changes = {"hardware.precision": "bfloat16", "hardware.channels_last": True, "hardware.checkpointing": "selective"}
    changes |= {"stage1.steps": 2, "stage2.steps": 2}
    _, first = trained.run(tmp_path / "first", toy, trained.recipe(changes))
    _, second = trained.run(tmp_path / "second", toy, trained.recipe(changes), 2, first=tmp_path / "first")
    for ended in (first, second):
        kinds = {value.dtype for value in _weights(ended.checkpoint).values()}
        assert kinds == {torch.float32}  # frozen weights are held in half precision, and saved as they were


def test_a_second_run_in_a_process_may_have_other_settings(toy, tmp_path):
    for precision in ("float32", "bfloat16", "float32"):
        chosen = trained.recipe({"stage1.steps": 1, "hardware.precision": precision})
        assert trained.run(tmp_path / f"{precision}{len(list(tmp_path.iterdir()))}", toy, chosen)[1].step == 1
