"""Which folders the Qwen backend takes, how it names them, and what it says of those that it cannot run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tiny_qwen
import torch

from tbd import weights
from tbd.annotate.backends import qwen, snapshot
from tbd.annotate.backends.base import ConversationStart
from tbd.annotate.backends.qwen import QwenBackend
from tbd.errors import InputError, MissingError, RecipeError
from tbd.schema import Annotation

FACE = ConversationStart("face", np.zeros((1, 56, 56, 3), np.uint8), "You look.", Annotation("cot", "anger"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_qwen.save("qwen2_vl", tmp_path_factory.mktemp("model") / "qwen2_vl")


def test_missing_weights_say_what_to_do():
    with pytest.raises(MissingError) as caught:
        QwenBackend("Qwen/Qwen2-VL-Nowhere")
    assert "Qwen/Qwen2-VL-Nowhere" in caught.value.message
    assert "--backend facs" in caught.value.message
    assert "--endpoint URL" in caught.value.message
    assert caught.value.next == "tbd weights pull Qwen/Qwen2-VL-Nowhere"


@pytest.mark.parametrize("lacking", ["config.json", "model.safetensors"])
def test_a_folder_without_a_model_is_missing(folder, tmp_path, lacking):
    for path in folder.iterdir():
        if path.name != lacking:
            (tmp_path / path.name).write_bytes(path.read_bytes())
    with pytest.raises(MissingError, match="missing"):
        QwenBackend(tmp_path)


def test_another_architecture_is_refused_with_the_names_of_those_that_run(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "llama"}))
    (tmp_path / "model.safetensors").touch()
    with pytest.raises(RecipeError, match=r"'llama'.*Qwen2-VL, Qwen2.5-VL, Qwen3-VL"):
        QwenBackend(tmp_path)


@pytest.mark.parametrize("text", ["{", "[]", "\udcff"])
def test_an_unreadable_configuration_is_named(tmp_path, text):
    (tmp_path / "config.json").write_text(text, errors="surrogateescape")
    (tmp_path / "model.safetensors").touch()
    with pytest.raises(InputError, match=r"config\.json: cannot be read"):
        QwenBackend(tmp_path)


def test_damaged_weights_are_named(folder, tmp_path):
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes()[: 1000 if path.suffix == ".safetensors" else None])
    with pytest.raises(InputError, match="cannot be loaded"), QwenBackend(tmp_path).open([FACE]):
        pass


@pytest.mark.parametrize(
    ("options", "words"),
    [({"quantize": "4bit"}, "bitsandbytes"), ({"attention": "flash_attention_2"}, "flash_attn")],
)
def test_a_missing_package_is_named(folder, monkeypatch, options, words):
    monkeypatch.setattr(qwen.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingError, match=words):
        QwenBackend(folder, **options)


@pytest.mark.parametrize("options", [{"device": "cuda:0"}, {"quantize": "8bit"}])
def test_a_missing_gpu_is_named(folder, monkeypatch, options):
    monkeypatch.setattr(qwen.importlib.util, "find_spec", lambda name: object())
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    backend = QwenBackend(folder, **options)
    with pytest.raises(MissingError, match="needs a GPU"), backend.open([FACE]):
        pass


def test_the_revision_is_the_commit_of_a_hub_snapshot(folder, tmp_path, monkeypatch):
    commit = "0123456789abcdef" * 2 + "01234567"
    place = tmp_path / "snapshots" / commit
    place.parent.mkdir()
    place.symlink_to(folder)
    monkeypatch.setattr(weights, "resolve", lambda name: place)
    assert QwenBackend("Qwen/Qwen2-VL-2B-Instruct").revision == commit


def test_the_revision_of_a_folder_follows_its_contents(folder, tmp_path):
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    assert QwenBackend(tmp_path).revision == QwenBackend(folder).revision
    data = bytearray((tmp_path / "model.safetensors").read_bytes())
    data[-1] ^= 1
    (tmp_path / "model.safetensors").write_bytes(data)
    assert QwenBackend(tmp_path).revision != QwenBackend(folder).revision


def test_blocks_of_a_large_file_reach_from_its_first_to_its_last_byte(tmp_path):
    path = tmp_path / "large"
    path.write_bytes(bytes(range(100)))
    assert b"".join(snapshot._blocks(path, size=50, count=2)) == path.read_bytes()
    assert list(snapshot._blocks(path, size=10, count=4)) == [bytes(range(at, at + 10)) for at in (0, 30, 60, 90)]


def test_finding_a_model_does_not_import_torch(folder):
    code = (
        "import sys; from tbd.annotate.backends.qwen import QwenBackend; "
        f"QwenBackend({str(folder)!r}); sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    )
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", code], check=True, cwd=root, env=os.environ | {"PYTHONPATH": str(root)})
