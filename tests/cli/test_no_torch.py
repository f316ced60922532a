"""Everyday commands never import torch: on a laptop that is seconds a call."""

import subprocess
import sys

import pytest
from rows import row, sealed

HEAVY = ("torch", "torchvision", "transformers", "diffusers")
RUN = f"import sys; from tbd.cli import main; code = main(sys.argv[1:]); sys.exit(99 if set({HEAVY}) & sys.modules.keys() else code)"


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    folder = tmp_path_factory.mktemp("manifests") / "toy"
    sealed(folder, [row(f"c{i}", flags=["refused"] if i else [], severity=3 if i else 0) for i in range(3)])
    return folder


@pytest.mark.parametrize(
    "line",
    [
        "--help",
        "eval --help",
        "train --help",
        "manifest show {m}",
        "manifest show {m} --clip c0",
        "manifest report {m}",
        "manifest export {m} --format csv -o {out}/rows.csv",
        "manifest export {m} --format text -o {out}/text",
        "manifest list",
        "review {m} --dry-run",
        "train stage1 nowhere -o {out}/run",
        "weights list",
        "eval --list",
        "replicate --dry-run",
        "demo --dry-run",
    ],
)
def test_an_everyday_command_needs_no_torch(manifest, tmp_path, line):
    words = line.format(m=manifest, out=tmp_path).split()
    found = subprocess.run(
        [sys.executable, "-c", RUN, *words], check=False, capture_output=True, text=True, cwd=tmp_path
    )
    expected = 3 if "nowhere" in line else 0
    assert found.returncode == expected, found.stderr


@pytest.mark.parametrize("command", ["stage1", "autoencoder", "cache"])
def test_training_says_a_word_before_anything_that_takes_long(tmp_path, command):
    """Before a manifest is read, and so before torch is imported."""
    output = [] if command == "cache" else ["-o", "run"]
    line = [sys.executable, "-c", RUN, "train", command, "nowhere", "too", "--recipe", "tiny", *output]
    found = subprocess.run(line, check=False, capture_output=True, text=True, cwd=tmp_path)
    assert found.returncode == 3 and found.stderr.splitlines()[0] == "reads nowhere, too"


def test_a_command_that_imports_torch_is_noticed(tmp_path):
    (tmp_path / "torch.py").touch()
    found = subprocess.run([sys.executable, "-c", f"import torch; {RUN}", "--help"], check=False, cwd=tmp_path)
    assert found.returncode == 99


@pytest.mark.parametrize("face", ["tbd.review.terminal", "tbd.review.web", "tbd.evaluate.study.serve"])
def test_no_face_of_review_and_study_needs_torch(face):
    code = (
        f"import importlib, sys; importlib.import_module({face!r}); sys.exit(bool(set({HEAVY}) & sys.modules.keys()))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
