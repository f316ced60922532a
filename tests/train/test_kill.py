"""Training that is killed or told to end, and goes on."""

import os
import random
import signal
import subprocess
import sys
import time

import pytest
import trained
import training

from tbd.cli import main
from tbd.model import checkpoints

STEPS = 12
CHANGES = {"stage1.steps": STEPS, "watch.save_every": 1, "watch.log_every": 1, "watch.keep": 2}


def _killed_until_it_ends(output, toy, rounds, seed):
    """Kill a run ``rounds`` times, each at a random moment, then let it end; how often it was really killed."""
    chance, kills = random.Random(seed), 0
    for _ in range(rounds):
        process = trained.apart(output=str(output), manifest=str(toy), stage=1, changes=CHANGES)
        wanted = len(list(output.glob("train.jsonl"))) and (checkpoints.checkpoint_steps(output) or [0])[-1] + 1
        patience = time.monotonic() + 60
        while process.is_alive() and time.monotonic() < patience:  # until it works, then a moment more
            if (checkpoints.checkpoint_steps(output) or [0])[-1] >= wanted:
                break
            time.sleep(0.005)
        time.sleep(chance.uniform(0, 0.3))
        kills += process.is_alive()
        process.kill()
        process.join()
    process = trained.apart(output=str(output), manifest=str(toy), stage=1, changes=CHANGES)
    process.join(120)
    assert process.exitcode == 0
    return kills


def _compare(toy, tmp_path, rounds):
    whole = trained.apart(output=str(tmp_path / "whole"), manifest=str(toy), stage=1, changes=CHANGES)
    kills = sum(_killed_until_it_ends(tmp_path / f"run{i}", toy, 3, i) for i in range(rounds))
    whole.join(120)
    for i in range(rounds):
        last = checkpoints.latest_checkpoint(tmp_path / f"run{i}").path
        assert last.name == f"step-{STEPS}"
        assert trained.differing(last, tmp_path / "whole" / last.name) == []
        assert not list((tmp_path / f"run{i}").glob(".step-*"))
    return kills


def test_a_run_that_is_killed_again_and_again_ends_bit_equal(toy, tmp_path):
    assert _compare(toy, tmp_path, 1) >= 1


@pytest.mark.soak
def test_twenty_kills_at_random_moments_change_no_bit(toy, tmp_path):
    assert _compare(toy, tmp_path, 9) >= 20


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGUSR1, 143), (signal.SIGINT, 130)])
def test_a_run_that_is_told_to_end_saves_its_step_and_goes_on(toy, tmp_path, capfd, number, code):
    settings = ["model.network.size=tiny", "weights.start=random", f"data.size={training.SIZE}", "data.workers=0",
                "hardware.precision=float32", "watch.tracker=none", "data.validation=0.0", "watch.log_every=1"]  # fmt: skip
    command = [sys.executable, "-m", "tbd", "train", "stage1", str(toy), "-o", str(tmp_path / "run"), "--no-cache"]
    command += ["--device", "cpu", *(word for setting in settings for word in ("--set", setting))]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    log, patience = tmp_path / "run" / "train.jsonl", time.monotonic() + 120
    while not (log.is_file() and log.stat().st_size) and process.poll() is None and time.monotonic() < patience:
        time.sleep(0.05)
    process.send_signal(number)
    errors = process.communicate(timeout=120)[1]
    assert process.returncode == code, errors
    (step,) = checkpoints.checkpoint_steps(tmp_path / "run")
    assert step >= 1 and "Traceback" not in errors
    assert "everything that was finished is saved" in errors and "next:  the same command goes on" in errors
    assert main([*command[3:], "--set", f"stage1.steps={step + 1}"]) == 0
    assert f"goes on at step {step} of {step + 1}" in capfd.readouterr().err
    assert checkpoints.checkpoint_steps(tmp_path / "run")[-1] == step + 1
