"""SIGKILL at random moments, then one run to the end: the bytes of an uninterrupted run."""

import contextlib
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from scripted import mead_tree

import tbd

SUPPORT = Path(__file__).parents[1] / "support"
CLIPS = [(speaker, emotion, level, index) for speaker in ("M003", "W009", "W011", "M030")
         for emotion in ("happy", "angry", "fear", "sad", "contempt") for level in (1, 3) for index in range(1, 6)]  # fmt: skip


def start(dataset, output, *more):
    environment = {
        "PYTHONPATH": f"{Path(tbd.__file__).parents[1]}:{SUPPORT}",
        "PATH": "/usr/bin:/bin",
        "HOME": str(output.parent),
    }
    command = [sys.executable, str(SUPPORT / "killable.py"), str(dataset), str(output), *more]
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)


def finish(dataset, output, *more):
    process = start(dataset, output, *more)
    _, words = process.communicate(timeout=120)
    assert process.returncode == 0, words


def rows(output):
    """Rows that are on disk, also while a run is writing."""
    with contextlib.closing(sqlite3.connect(f"file:{output / 'journal.sqlite'}?mode=ro", uri=True)) as journal:
        return journal.execute("SELECT COUNT(*) FROM row").fetchone()[0]


def kill_after(process, output, count, chance):
    """SIGKILL within 20 ms of the moment at which ``count`` rows are on disk (or, for none, on the way there)."""
    while process.poll() is None and rows(output) < count:
        time.sleep(0.002)
    time.sleep(chance.uniform(0, 0.02))
    process.send_signal(signal.SIGKILL)


def kill_and_compare(tmp_path, kills, seed):
    dataset = mead_tree(tmp_path / "mead", CLIPS)
    finish(dataset, tmp_path / "whole")
    finish(dataset, tmp_path / "killed", "20")
    chance = random.Random(seed)
    for _ in range(kills):
        process = start(dataset, tmp_path / "killed")
        kill_after(process, tmp_path / "killed", rows(tmp_path / "killed") + chance.randrange(150 // kills), chance)
        assert process.wait() == -signal.SIGKILL, process.communicate()[1]
    assert 20 <= rows(tmp_path / "killed") < len(CLIPS)
    finish(dataset, tmp_path / "killed")
    whole, killed = ((tmp_path / name / "manifest.parquet").read_bytes() for name in ("whole", "killed"))
    assert killed == whole
    assert not list((tmp_path / "killed").glob("*.tmp"))


def test_ten_kills_and_a_pilot_leave_no_trace(tmp_path):
    kill_and_compare(tmp_path, 10, seed=1)


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_fifty_kills_and_a_pilot_leave_no_trace(tmp_path):
    kill_and_compare(tmp_path, 50, seed=2)
