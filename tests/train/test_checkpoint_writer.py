import errno
import hashlib
import json
import shutil

import pytest
import torch
from safetensors import SafetensorError

from tbd.errors import InputError, MissingError
from tbd.model import checkpoints
from tbd.model.checkpoint_meta import CheckpointMeta
from tbd.train import checkpoint_writer
from tbd.train.checkpoint_writer import write_checkpoint


def _fill(folder):
    (folder / "unet").mkdir()
    (folder / "unet" / "weights").write_bytes(b"w" * 100)


def _write(folder, step, loss=None, fill=_fill):
    validation = None if loss is None else {"loss": loss}
    return write_checkpoint(folder, fill, CheckpointMeta(step=step, stage=1, validation=validation))


def _steps(folder):
    return sorted(path.name for path in folder.iterdir() if path.is_dir())


def test_a_checkpoint_is_there_once_it_is_whole(tmp_path):
    seen = []

    def watched(folder):
        _fill(folder)
        seen.append((checkpoints.latest_checkpoint(tmp_path), folder.parent))

    assert checkpoints.latest_checkpoint(tmp_path) is None
    made = _write(tmp_path, 7, fill=watched)
    assert seen == [(None, tmp_path)]
    assert checkpoints.latest_checkpoint(tmp_path).path == made == tmp_path / "step-7"
    assert checkpoints.read_checkpoint(made).step == 7


def test_steps_are_ordered_as_numbers_and_torn_folders_do_not_count(tmp_path):
    for step in (900, 1000, 20):
        _write(tmp_path, step)
    _fill_torn = tmp_path / "step-5000"
    _fill_torn.mkdir()
    assert checkpoints.checkpoint_steps(tmp_path) == [20, 900, 1000]
    assert checkpoints.latest_checkpoint(tmp_path).path == tmp_path / "step-1000"


def test_what_killed_runs_left_is_swept_away(tmp_path):
    _write(tmp_path, 5)
    (tmp_path / ".step-6.tmp" / "unet").mkdir(parents=True)
    (tmp_path / "step-7").mkdir()
    (tmp_path / "samples").mkdir()
    checkpoint_writer.sweep(tmp_path)
    assert _steps(tmp_path) == ["samples", "step-5"]


@pytest.mark.parametrize("name", ["step-3-best", "step-3.bak", "step-0003", "step-best"])
def test_a_copy_that_somebody_made_of_a_checkpoint_is_not_swept_away(tmp_path, name):
    shutil.copytree(_write(tmp_path, 3), tmp_path / name)
    checkpoint_writer.sweep(tmp_path)
    assert _steps(tmp_path) == sorted([name, "step-3"])


def test_rotation_keeps_the_newest_and_the_best(tmp_path):
    for step, loss in ((1, 0.9), (2, 0.3), (3, 0.5), (4, None), (5, 0.4)):
        _write(tmp_path, step, loss)
    assert checkpoints.best_checkpoint(tmp_path).step == 2
    checkpoint_writer.rotate(tmp_path, 2, checkpoints.best_checkpoint(tmp_path).step)
    assert _steps(tmp_path) == ["step-2", "step-4", "step-5"]


def test_rotation_that_is_killed_leaves_no_hollow_checkpoint(tmp_path, monkeypatch):
    for step in (1, 2):
        _write(tmp_path, step)

    def killed(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(shutil, "rmtree", killed)
    with pytest.raises(KeyboardInterrupt):
        checkpoint_writer.rotate(tmp_path, 1, None)
    assert checkpoints.checkpoint_steps(tmp_path) == [2]


def test_of_equal_losses_the_earlier_is_best_and_a_broken_one_is_no_loss(tmp_path):
    _write(tmp_path, 1, 0.5)
    _write(tmp_path, 2, 0.5)
    _write(tmp_path, 3, float("nan"))
    assert checkpoints.best_checkpoint(tmp_path).step == 1


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"),
        RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 64 vs 0"),
        RuntimeError("PytorchStreamWriter failed writing file data/1: file write failed"),
    ],
)
def test_a_full_disk_leaves_the_last_good_checkpoint_alone(tmp_path, error):
    _write(tmp_path, 1)

    def full(folder):
        _fill(folder)
        raise error

    with pytest.raises(MissingError, match="disk is full"):
        _write(tmp_path, 2, fill=full)
    assert _steps(tmp_path) == ["step-1"]


def test_an_error_that_is_a_bug_stays_one(tmp_path):
    def bug(folder):
        raise RuntimeError("shapes differ")

    with pytest.raises(RuntimeError, match="shapes differ"):
        _write(tmp_path, 2, fill=bug)
    assert _steps(tmp_path) == []


def test_torch_that_meets_a_full_disk_is_understood(tmp_path):
    _write(tmp_path, 1)

    def large(folder):
        (folder / "weights").symlink_to("/dev/full")  # the kernel's own "no space left on device"
        torch.save({"w": torch.zeros(100_000)}, folder / "weights")

    with pytest.raises(MissingError, match="disk is full"):
        _write(tmp_path, 2, fill=large)
    assert _steps(tmp_path) == ["step-1"]


def test_unchanged_parts_are_linked_and_copied_where_that_is_impossible(tmp_path, monkeypatch):
    source = _write(tmp_path, 1) / "unet"
    checkpoint_writer.link(source, tmp_path / "linked")
    assert (tmp_path / "linked" / "weights").stat().st_ino == (source / "weights").stat().st_ino

    def refused(*_):
        raise OSError(errno.EXDEV, "other file system")

    monkeypatch.setattr("os.link", refused)
    checkpoint_writer.link(source, tmp_path / "copied")
    assert (tmp_path / "copied" / "weights").read_bytes() == (source / "weights").read_bytes()


def test_a_run_or_a_step_names_a_checkpoint_and_nothing_else_does(tmp_path):
    made = _write(tmp_path, 3)
    assert checkpoints.find_checkpoint(tmp_path).path == checkpoints.find_checkpoint(made).path == made
    for other in (tmp_path / "nowhere", made / "unet"):
        with pytest.raises(InputError) as error:
            checkpoints.find_checkpoint(other)
        assert error.value.next


def _advice(path):
    with pytest.raises(InputError, match="no checkpoint of tbd") as error:
        checkpoints.read_checkpoint(path)
    return error.value.next


def test_a_damaged_record_says_what_to_remove_and_what_is_left(tmp_path):
    made = {step: _write(tmp_path, step) for step in (1, 2, 3, 4)}
    (made[4] / "meta.json").write_text(json.dumps([1]))
    (made[3] / "meta.json").write_text("")
    (made[2] / "unet" / "weights").write_bytes(b"w" * 99)
    assert _advice(made[4]) == f"rm -r {made[4]}, to go on from {made[1]}"
    shutil.rmtree(made[1])
    assert _advice(made[4]) == f"rm -r {made[4]}, and begin anew: no other one beside it is whole"
    shutil.rmtree(made[2])
    shutil.rmtree(made[3])
    assert _advice(made[4]) == f"rm -r {made[4]}, and begin anew: it was the only one"
    copy = made[4].rename(tmp_path / "kept")
    assert "rm" not in _advice(copy)  # not a folder of ours


def test_of_the_checkpoints_whose_record_can_be_read_the_best_is_found(tmp_path):
    for step, loss in ((1, 0.9), (2, 0.3), (3, 0.5)):
        _write(tmp_path, step, loss)
    (tmp_path / "step-2" / "meta.json").write_text("torn")
    assert checkpoints.best_checkpoint(tmp_path).step == 3


def test_two_flipped_bytes_a_cut_or_a_missing_file_are_seen_and_the_newest_whole_one_is_named(tmp_path):
    for step in (1, 2, 3, 4):
        _write(tmp_path, step)
    (tmp_path / "step-3" / "unet" / "weights").write_bytes(b"w" * 99)
    file = tmp_path / "step-4" / "unet" / "weights"
    for damage in (b"w" * 50 + b"xy" + b"w" * 48, b"w" * 99, None):
        file.unlink()
        if damage is not None:
            file.write_bytes(damage)
        one = checkpoints.read_checkpoint(tmp_path / "step-4")
        assert not one.is_whole
        with pytest.raises(InputError, match="step-4/unet/weights") as caught:
            one.check("unet/")
        assert caught.value.next == f"rm -r {tmp_path / 'step-4'}, to go on from {tmp_path / 'step-2'}"
        file.touch()
    assert checkpoints.read_checkpoint(tmp_path / "step-1").is_whole


def test_every_file_is_recorded_with_its_size_and_hash(tmp_path):
    made = checkpoints.read_checkpoint(_write(tmp_path, 1))
    assert made.meta.files == {"unet/weights": (100, hashlib.sha256(b"w" * 100).hexdigest())}
