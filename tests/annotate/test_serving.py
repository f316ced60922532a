"""``--serve``: a server of our own, started, waited for, and gone whatever ends the run."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from scripted import mead_tree

import tbd
from tbd.annotate.backends import serving
from tbd.annotate.recipe import AnnotateRecipe
from tbd.cli import main
from tbd.errors import MissingError, RecipeError, UsageError
from tbd.manifest import read_manifest

SUPPORT = Path(__file__).parents[1] / "support"
STUB = shlex.join([sys.executable, str(SUPPORT / "stub_server.py")])
GOOD = f"{STUB} $model --port $port"


@pytest.fixture(autouse=True)
def own_environment(tmp_path, monkeypatch):
    """No GPU, whatever this machine has; the stub finds its modules and writes down its processes."""
    monkeypatch.setenv("PYTHONPATH", f"{Path(tbd.__file__).parents[1]}:{SUPPORT}")
    monkeypatch.setenv("STUB_PIDS", str(tmp_path / "pids"))
    for name in ("CUDA_VISIBLE_DEVICES", "TBD_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    nvidia_smi(tmp_path, monkeypatch, "")


def nvidia_smi(tmp_path, monkeypatch, table):
    program = tmp_path / "bin/nvidia-smi"
    program.parent.mkdir(exist_ok=True)
    program.write_text(f"#!/bin/sh\nprintf '{table}'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")


def recipe(command=GOOD, **server):
    return AnnotateRecipe(backend={"name": "server", "model": "tiny"}, server={"command": command, **server})


def started(tmp_path):
    """What each stub that ran wrote down."""
    return [json.loads(line) for line in (tmp_path / "pids").read_text().splitlines()]


def until_gone(tmp_path):
    """Wait for the end of every process of every stub; a test that hangs here has found one that stays."""
    for pid in (pid for stub in started(tmp_path) for pid in stub["pids"]):
        while Path(f"/proc/{pid}").exists() and "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text():
            time.sleep(0.02)


def test_a_run_starts_a_server_waits_for_it_and_ends_it(tmp_path, monkeypatch, no_pixels):
    dataset = mead_tree(tmp_path / "mead", [("M003", "angry", 2, index) for index in (1, 2)])
    command = ["annotate", str(dataset), "-o", str(tmp_path / "out"), "--serve", "--workers", "0", "-q"]
    command += ["--set", f"server.command={GOOD} slow"]
    monkeypatch.setattr("tbd.cli.sheets.draw", lambda folder: None)
    assert main(command) == 0
    rows = read_manifest(tmp_path / "out").to_pylist()
    assert [(row["status"], row["backend"], row["model"]) for row in rows] == [
        ("success", "server", "Qwen/Qwen2-VL-7B-Instruct")
    ] * 2
    assert (tmp_path / "out/server-0.log").is_file()
    until_gone(tmp_path)
    assert main(command) == 0 and len(started(tmp_path)) == 1, "a finished folder needs no server"


def test_a_dry_run_starts_nothing(tmp_path, capfd):
    dataset = mead_tree(tmp_path / "mead", [("M003", "angry", 2, 1)])
    command = ["annotate", str(dataset), "-o", str(tmp_path / "out"), "--serve", "--dry-run", "--set"]
    assert main([*command, f"server.command={GOOD}"]) == 0
    assert main([*command, "server.command=no-such-program --port $port"]) == 0
    assert "no such program" in capfd.readouterr().out
    assert not (tmp_path / "pids").exists() and not (tmp_path / "out").exists()


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, MissingError])
def test_whatever_ends_the_work_ends_the_server(tmp_path, error):
    with pytest.raises(error), serving.served(recipe(), "auto", tmp_path, print):
        raise error("in the middle")
    until_gone(tmp_path)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_run_that_is_ended_by_a_signal_leaves_no_server(tmp_path, number):
    program = f"""
import signal, sys, time
from pathlib import Path
from tbd.annotate.backends import serving
from tbd.annotate.recipe import AnnotateRecipe
signal.signal(signal.SIGINT, signal.default_int_handler)  # tests that run in the background inherit that it is ignored
with serving.served(AnnotateRecipe.model_validate_json(sys.argv[1]), "auto", Path({str(tmp_path)!r}), print):
    print("up", flush=True)
    time.sleep(600)
"""
    run = subprocess.Popen(
        [sys.executable, "-c", program, recipe().model_dump_json()], stdout=subprocess.PIPE, text=True
    )
    assert run.stdout and run.stdout.readline() == "up\n"
    run.send_signal(number)
    run.wait()
    run.stdout.close()
    until_gone(tmp_path)


def test_a_server_that_ends_before_it_is_up_says_why(tmp_path):
    asked = serving.served(recipe(f"{GOOD} dies"), "auto", tmp_path, print)
    with pytest.raises(MissingError, match=r"exit code 1(?s:.*)the model does not fit") as raised, asked:
        pytest.fail("it never came up")
    assert raised.value.next.startswith(sys.executable) and str(tmp_path / "server-0.log") in raised.value.message
    until_gone(tmp_path)


def test_a_server_that_is_never_up_is_given_up(tmp_path):
    asked = serving.served(recipe(f"{GOOD} never", start_timeout=1), "auto", tmp_path, print)
    with pytest.raises(MissingError, match="not up after 1 s"), asked:
        pytest.fail("it never came up")
    assert (tmp_path / "server-0.log").is_file()


def test_a_server_that_dies_in_the_middle_is_told(tmp_path):
    notes = []
    with serving.served(recipe(), "auto", tmp_path, notes.append):
        os.kill(started(tmp_path)[0]["pids"][0], signal.SIGKILL)
        until_gone(tmp_path)
    assert len(notes) == 1 and "ended by itself" in notes[0] and "server-0.log" in notes[0]


@pytest.mark.parametrize(
    ("table", "devices", "command", "shares"),
    [
        ("", "auto", GOOD, [None]),
        ("0, 14\\n1, 60000\\n2, 3\\n", "auto", GOOD, ["0", "2"]),
        ("0, 14\\n1, 60000\\n2, 3\\n", "auto", f"{GOOD} good $gpus", ["0,2"]),
        ("0, 14\\n1, 60000\\n", "1", GOOD, ["1"]),
        ("0, 14\\n1, 14\\n", "cpu", GOOD, [None]),
    ],
)
def test_free_gpus_get_a_server_each_or_one_together(tmp_path, monkeypatch, table, devices, command, shares):
    nvidia_smi(tmp_path, monkeypatch, table)
    with serving.served(recipe(command), devices, tmp_path, print) as endpoints:
        assert len(set(endpoints)) == len(shares)
    assert sorted(str(stub["gpus"]) for stub in started(tmp_path)) == sorted(map(str, shares))


def test_gpus_that_are_hidden_or_busy_are_not_taken(tmp_path, monkeypatch):
    nvidia_smi(tmp_path, monkeypatch, "0, 14\\n1, 60000\\n2, 3\\n")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1,2")
    assert serving.free_gpus("auto") == ["2"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    with pytest.raises(MissingError, match="GPU 1 has 60,000 MiB in use"):
        serving.free_gpus("auto")
    with pytest.raises(UsageError, match="--devices all"):
        serving.free_gpus("all")


@pytest.mark.parametrize(
    ("command", "words"), [("x $modle $port", "modle"), ("x 'y $port", "quotation"), ("x $model", "port"), ("", "port")]
)
def test_a_command_that_cannot_be_filled_in_is_refused(command, words):
    with pytest.raises(RecipeError, match=words):
        serving.check_command(recipe(command))


def test_the_default_command_is_vllm_with_as_many_pictures_as_the_chain_shows(monkeypatch):
    words = serving._filled(AnnotateRecipe(chain={"frames": 8}, backend={"name": "server"}), 8000, 1)
    assert words[:3] == ["vllm", "serve", "Qwen/Qwen2-VL-7B-Instruct"] and json.loads(words[-1]) == {"image": 8}
    assert words[words.index("--port") + 1] == "8000"


@pytest.mark.parametrize("more", [("--endpoint", "http://localhost:1"), ("--backend", "facs")])
def test_serve_goes_with_no_other_source_of_replies(tmp_path, capfd, more):
    assert main(["annotate", str(tmp_path), "--serve", *more]) == 2
    assert "--serve" in capfd.readouterr().err
