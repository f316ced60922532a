"""``make gpu`` ends in time whatever its tests do, and its results have a line for everything that was not found."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import qwen_shape
import torch

SUPPORT = Path(__file__).parent / "support"
CONFTEST = "import card_run\nfrom card_run import *\n"
TESTS = """
import time
import pytest
from card_run import RUN

pytestmark = pytest.mark.gpu

def test_a_quick_one():
    RUN.figures["quick"] = 1.5

def test_a_wrong_one():
    raise ValueError("no such card")

def test_a_long_one():
    {slow}

def test_a_late_one():
    RUN.figures["late"] = 1
"""
SETTINGS = f'[tool.pytest.ini_options]\npythonpath = ["{SUPPORT}"]\nmarkers = ["gpu: card"]\n'


def run(folder, slow, seconds, grace=20):
    """Figures of a run of four tests that ends in ``seconds``, its process, and how long it took."""
    (folder / "conftest.py").write_text(f"{CONFTEST}card_run.GRACE = {grace}\n")
    (folder / "test_card.py").write_text(TESTS.format(slow=slow))
    (folder / "pyproject.toml").write_text(SETTINGS)
    began = time.time()
    place = os.environ | {"GPU_UNTIL": str(began + seconds), "GPU_FIGURES": str(folder / "out")}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-s", "-p", "no:cacheprovider"],
        cwd=folder, env=place, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (folder / "out/figures.md").read_text().startswith("| what | figure |\n| --- | --- |\n| quick | 1.5 |\n")
    return json.loads((folder / "out/figures.json").read_text()), done, time.time() - began


def test_what_takes_too_long_is_stopped_and_what_comes_later_is_not_run(tmp_path):
    figures, done, _ = run(tmp_path, "time.sleep(60)", 6)
    assert figures == {
        "quick": 1.5,
        "a wrong one": "failed: ValueError: no such card",
        "a long one": "stopped: out of time",
        "a late one": "not run: out of time",
    }
    assert done.returncode == 1 and "| a late one | not run: out of time |" in done.stdout


def test_a_call_that_no_signal_reaches_ends_with_the_process_and_the_results_are_there(tmp_path):
    """As a kernel that hangs: here the signal is held back."""
    hangs = "import signal; signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM]); time.sleep(60)"
    figures, done, took = run(tmp_path, hangs, 6, grace=1)
    assert figures["quick"] == 1.5
    assert figures["a long one"] == "stopped: out of time" and figures["a late one"] == "not run: out of time"
    assert done.returncode == 1 and took < 40


def test_the_chain_is_measured_on_the_shape_of_qwen2_vl_7b():
    """The number of weights in the index of Qwen/Qwen2-VL-7B-Instruct's files: 16,582,751,232 bytes in bfloat16."""
    network = qwen_shape.make_network("7B", torch.device("meta"))
    assert type(network).__name__ == "Qwen2VLForConditionalGeneration"
    assert sum(weight.numel() for weight in network.parameters()) == 8_291_375_616
    assert {weight.dtype for weight in network.parameters()} == {torch.bfloat16}
