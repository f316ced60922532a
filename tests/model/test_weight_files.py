import os
import pickle
import random
import stat

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from tbd.errors import InputError
from tbd.model.audio_projection import AudioProjection
from tbd.model.shapes import TINY
from tbd.model.weight_files import WEIGHTS, LoadReport, fill, load_part, read_weights


class Code:
    """Would run a command if a pickle of it were loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


STATE = {"a.weight": torch.arange(6.0).reshape(2, 3), "b.bias": torch.ones(2)}


def _equal(found, expected):
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[key], expected[key]) for key in found)


@pytest.mark.parametrize("wrapped", [False, True], ids=["plain", "state_dict"])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_weights_are_read_from_pickles_however_a_trainer_wrapped_them(wrapped, prefix, tmp_path):
    state = {prefix + key: value for key, value in STATE.items()}
    torch.save({"epoch": 3, "state_dict": state} if wrapped else state, tmp_path / "w.ckpt")
    _equal(read_weights(tmp_path / "w.ckpt"), STATE)


def test_weights_are_read_from_safetensors_and_from_torchs_old_format(tmp_path):
    save_file(STATE, tmp_path / "w.safetensors")
    torch.save(STATE, tmp_path / "w.pth", _use_new_zipfile_serialization=False)
    _equal(read_weights(tmp_path / "w.safetensors"), STATE)
    _equal(read_weights(tmp_path / "w.pth"), STATE)


def test_parameters_count_as_weights(tmp_path):
    torch.save({"a": nn.Parameter(torch.ones(2))}, tmp_path / "w.ckpt")
    assert read_weights(tmp_path / "w.ckpt")["a"].tolist() == [1, 1]


def _refused(path, words):
    with pytest.raises(InputError, match=words) as caught:
        read_weights(path)
    assert str(path) in str(caught.value) and caught.value.next.startswith("tbd weights ")


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("form", ["zip", "legacy", "plain", "protocol 2", "module"])
def test_a_pickle_with_code_in_it_is_refused_and_never_run(form, tmp_path):
    path, trace = tmp_path / "w.ckpt", tmp_path / "was-run"
    evil = {"a": torch.ones(2), "b": Code(trace)}
    if form in ("plain", "protocol 2"):
        path.write_bytes(pickle.dumps({"b": Code(trace)}, protocol=4 if form == "plain" else 2))
    else:
        torch.save(nn.Linear(2, 2) if form == "module" else evil, path, _use_new_zipfile_serialization=form != "legacy")
    _refused(path, "would run its code, so it is refused")
    assert not trace.exists()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", ["w.ckpt", "w.pth", "w.safetensors"])
def test_files_that_are_no_weights_are_called_damaged_whatever_is_in_them(name, tmp_path):
    path, chance = tmp_path / name, random.Random(0)
    bodies = [b"", b"\0" * 3000, b"<html>404</html>", b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\n"]
    bodies += [chance.randbytes(chance.randrange(1, 3000)) for _ in range(60)]
    bodies += [bytes([0x80, protocol]) + chance.randbytes(200) + b"\n" for protocol in (2, 4) for _ in range(20)]
    for body in bodies:
        path.write_bytes(body)
        _refused(path, "damaged, or not a file of weights")


@pytest.mark.parametrize("share", [0.01, 0.5, 0.99])
@pytest.mark.parametrize("form", ["safetensors", "zip", "legacy"])
def test_a_file_that_was_cut_off_is_damaged(form, share, tmp_path):
    path, state = tmp_path / ("w.safetensors" if form == "safetensors" else "w.ckpt"), {"a": torch.randn(2000)}
    if form == "safetensors":
        save_file(state, path)
    else:
        torch.save(state, path, _use_new_zipfile_serialization=form == "zip")
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    _refused(path, "damaged, or not a file of weights")


def test_what_is_not_there_or_holds_something_else_is_said(tmp_path):
    _refused(tmp_path / "none.safetensors", "no such file")
    _refused(tmp_path, "no such file")
    for content in ([1, 2], {"a": 1}, torch.ones(2)):
        torch.save(content, tmp_path / "w.ckpt")
        _refused(tmp_path / "w.ckpt", "holds no weights")


@pytest.mark.parametrize("name", ["w.ckpt", "w.safetensors"])
def test_a_file_that_may_not_be_read_is_said(name, tmp_path, monkeypatch):
    path = tmp_path / name
    path.write_bytes(b"x" * 100)
    path.chmod(stat.S_IWUSR)

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied", str(path))  # also where the tests run as root

    monkeypatch.setattr(torch, "load", refuse)
    monkeypatch.setattr("safetensors.torch.load_file", refuse)
    _refused(path, "cannot be read.*Permission denied")


def test_torchs_advice_to_load_a_file_as_code_is_not_passed_on(tmp_path, recwarn):
    trace = torch.jit.trace(nn.Linear(2, 2), torch.ones(1, 2))
    trace.save(str(tmp_path / "w.pt"))
    recwarn.clear()
    with pytest.raises(InputError, match="TorchScript") as caught:
        read_weights(tmp_path / "w.pt")
    assert "Re-running" not in str(caught.value) and "\n" not in str(caught.value)
    assert not recwarn.list


def _module():
    return nn.ModuleDict({"a": nn.Linear(3, 2), "b": nn.Linear(2, 2)})


def _whole():
    return {key: torch.full_like(value, 7) for key, value in _module().state_dict().items()}


def test_a_whole_file_fills_a_module_and_its_report_is_empty():
    module = _module()
    report = fill(module, _whole(), "file")
    _equal(module.state_dict(), _whole())
    assert report.empty and report.check() is report
    assert report.line() == "file: 4 weights loaded" and report.lines() == [report.line()]


def test_every_surprise_is_an_error_that_names_it_and_loads_nothing():
    cases = {
        "1 missing: b.bias": {key: value for key, value in _whole().items() if key != "b.bias"},
        "1 unexpected: c.weight": _whole() | {"c.weight": torch.ones(1)},
        r"1 of another shape: a.weight: \(3, 2\) instead of \(2, 3\)": _whole() | {"a.weight": torch.ones(3, 2)},
        "4 unexpected: x0, x1, x2 …": _whole() | {f"x{i}": torch.ones(1) for i in range(4)},
    }
    for words, state in cases.items():
        module = _module()
        before = {key: value.clone() for key, value in module.state_dict().items()}
        report = fill(module, state, "file")
        assert not report.empty
        with pytest.raises(InputError, match=words) as caught:
            report.check()
        assert str(caught.value).startswith("file: not the weights that belong here")
        _equal(module.state_dict(), before)


def test_all_kinds_of_surprise_are_counted_in_one_line():
    state = {"a.weight": torch.ones(1), "c": torch.ones(1)}
    report = fill(_module(), state, "file")
    assert report.line() == "file: 3 missing, 1 unexpected, 1 of another shape"
    assert len(report.lines()) == 4


def test_what_may_be_missing_or_left_out_is_named_by_pattern_and_reported():
    module = _module()
    before = module["b"].weight.clone()
    state = _whole() | {"c.weight": torch.ones(1)}
    del state["a.bias"]
    report = fill(module, state, "file", kept=r"^b\.weight|\.bias$", unused=r"^c\.|^b\.weight")
    assert report.empty
    assert report.loaded == ("a.weight", "b.bias")
    assert report.kept == ("a.bias", "b.weight") and report.unused == ("b.weight", "c.weight")
    assert torch.equal(module["b"].weight, before)
    assert report.line() == "file: 2 weights loaded, 2 kept as they were, 2 not taken"


def test_a_pattern_excuses_only_what_it_matches():
    report = fill(_module(), {}, "file", kept=r"^a\.")
    assert report.missing == ("b.bias", "b.weight") and report.kept == ("a.bias", "a.weight")


def test_weights_of_another_precision_take_the_modules():
    module = _module()
    fill(module, {key: value.half() for key, value in _whole().items()}, "file").check()
    assert module["a"].weight.dtype == torch.float32


def test_a_report_without_surprise_is_empty():
    assert LoadReport("file").empty and not LoadReport("file", missing=("a",)).empty


def _part(folder):
    AudioProjection(window=5, tokens=3, **TINY.audio).save_pretrained(folder)
    return folder


def test_a_part_of_a_checkpoint_comes_back(tmp_path):
    again = load_part(AudioProjection, _part(tmp_path))
    saved = AudioProjection.from_pretrained(tmp_path)
    _equal(again.state_dict(), saved.state_dict())


@pytest.mark.parametrize("damage", ["no config", "torn config", "list config", "no weights", "torn weights", "other"])
def test_a_damaged_part_of_a_checkpoint_is_an_error_that_names_the_file(damage, tmp_path):
    folder = _part(tmp_path)
    config, weights = folder / "config.json", folder / WEIGHTS
    if damage == "no config":
        config.unlink()
    elif damage == "torn config":
        config.write_text(config.read_text()[:30])
    elif damage == "list config":
        config.write_text("[1]")
    elif damage == "no weights":
        weights.unlink()
    elif damage == "torn weights":
        weights.write_bytes(weights.read_bytes()[:-9])
    else:
        save_file({"a": torch.ones(1)}, weights)
    with pytest.raises(InputError, match=str(folder)):
        load_part(AudioProjection, folder)
