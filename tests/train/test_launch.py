"""Training through the shipped launch files: two processes on the CPU, by accelerate, by torchrun and under Slurm's names."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import fsdp_on_gloo
import pytest
import trained
import training

from tbd.cli import main
from tbd.errors import MissingError, UsageError
from tbd.train.launch import ProcessShare, check_processes, launched_share

pytestmark = pytest.mark.timeout(900)
PATIENCE = 400
"""Seconds that a launch may take on a machine that is busy with other tests; alone it takes about twenty."""
LAUNCH = Path(__file__).parents[2] / "train" / "launch"
CHANGES = {"stage1.steps": 4, "watch.save_every": 2, "watch.log_every": 1, "hardware.batch": 1, "data.validation": 0.0,
           "optimizer.lr": 1e-4}  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a manifest ``toy``."""
    folder = tmp_path_factory.mktemp("launch")
    training.manifest(folder / "toy", training.usable())
    return folder


def _words(place, output, **changes):
    settings = trained.recipe(CHANGES | changes).model_dump(mode="json", exclude_unset=True)
    flat = [f"{section}.{key}={value}" for section, keys in settings.items() for key, value in _leaves(keys)]
    given = ["stage1", str(place / "toy"), "-o", str(place / output), "--no-cache", "--device", "cpu"]
    return [*given, *(word for one in flat for word in ("--set", one))]


def _leaves(keys, before=""):
    for key, value in keys.items():
        yield from _leaves(value, f"{before}{key}.") if isinstance(value, dict) else [(before + key, value)]


def _environment(**more):
    binaries = str(Path(sys.executable).parent)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SLURM_", "MASTER_"))}
    path = os.pathsep.join(filter(None, [str(LAUNCH.parents[1]), os.environ.get("PYTHONPATH")]))
    return kept | {"PATH": f"{binaries}:{os.environ['PATH']}", "PYTHONPATH": path, "OMP_NUM_THREADS": "1", **more}


def _started(*command, **more):
    return subprocess.Popen(
        command, env=_environment(**more), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def _ended(*processes):
    try:
        words = [process.communicate(timeout=PATIENCE)[0] for process in processes]
    finally:
        for process in processes:
            if process.poll() is None:
                process.terminate()  # a launcher ends its processes with itself
    assert [process.returncode for process in processes] == [0] * len(processes), "\n".join(words)
    return "\n".join(words)


def _port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return str(free.getsockname()[1])


def _one_process(place, output, **given):
    """A run that sees as many samples a step as two processes."""
    return trained.run(place / output, place / "toy", trained.recipe(CHANGES | {"hardware.batch": 2}), **given)


def _begun(place, output, source):
    """A new run that stands where ``source`` stood after two steps."""
    shutil.copytree(place / source / "step-2", place / output / "step-2")


def _largest(one, other):
    left, right = trained.content(one), trained.content(other)
    assert left.keys() == right.keys()
    weights = [name for name in left if "safetensors" in name]
    return max(float((left[name] - right[name]).abs().max()) for name in weights)


@pytest.fixture(scope="module")
def two(place):
    """Two processes by ``accelerate launch``, from the first step to the last."""
    words = _ended(_started("bash", str(LAUNCH / "one_machine.sh"), *_words(place, "two"), GPUS="2"))
    assert "2 samples a step, over 2 processes" in words and words.count("step 4 of 4") == 1
    return place / "two"


@pytest.fixture(scope="module")
def one(place):
    """One process that sees as many samples a step."""
    _one_process(place, "one")
    return place / "one"


def test_two_processes_are_one_with_the_same_samples_and_one_of_them_writes(one, two):
    assert _largest(one / "step-4", two / "step-4") < 1e-5
    assert [json.loads(line)["step"] for line in (two / "train.jsonl").read_text().splitlines()] == [1, 2, 3, 4]
    meta = json.loads((two / "step-4/meta.json").read_text())
    assert (meta["processes"], meta["samples"], meta["samples_per_step"]) == (2, 8, 2)


def test_torchrun_on_two_machines_goes_on_bit_for_bit_where_accelerate_stopped(place, two):
    _begun(place, "machines", "two")
    more = {"MACHINES": "2", "FIRST": "127.0.0.1", "PORT": _port(), "GPUS": "1"}
    script = str(LAUNCH / "several_machines.sh")
    words = _ended(
        *(_started("bash", script, *_words(place, "machines"), **more, MACHINE=str(number)) for number in (0, 1))
    )
    assert "goes on at step 2 of 4" in words
    assert trained.differing(place / "machines/step-4", two / "step-4") == []


def test_one_process_goes_on_where_two_stopped(place, one, two):
    _begun(place, "alone", "two")
    _one_process(place, "alone", changed=True)
    meta = json.loads((place / "alone/step-4/meta.json").read_text())
    assert (meta["processes"], meta["samples"], meta["samples_per_step"]) == (1, 8, 2)
    assert _largest(place / "alone/step-4", one / "step-4") < 1e-5


def test_two_nodes_of_a_slurm_job_go_on_where_one_process_stopped(place, one, tmp_path):
    """``scontrol`` and ``srun`` are stand-ins that do what their manuals say; accelerate and the script are the real ones."""
    for name, does in {
        "scontrol": 'printf "127.0.0.1\\n127.0.0.1\\n"',
        "srun": 'SLURM_NODEID=0 "$@" & first=$!; SLURM_NODEID=1 "$@"; second=$?; wait "$first" && exit "$second"',
    }.items():
        (tmp_path / name).write_text(f"#!/usr/bin/env bash\n{does}\n")
        (tmp_path / name).chmod(0o755)
    _begun(place, "nodes", "one")
    job = {"SLURM_JOB_NODELIST": "node[1-2]", "SLURM_NNODES": "2", "SLURM_GPUS_ON_NODE": "1", "PORT": _port()}
    path = f"{tmp_path}:{_environment()['PATH']}"
    words = _ended(_started("bash", str(LAUNCH / "slurm.sh"), *_words(place, "nodes"), "--changed", **job, PATH=path))
    assert "goes on at step 2 of 4" in words and "2 samples a step, over 2 processes" in words
    assert _largest(place / "nodes/step-4", one / "step-4") < 1e-5


def test_fsdp_is_the_same_run_and_goes_on_bit_for_bit_and_one_process_goes_on_from_it(place, one, two):
    launch = ["accelerate", "launch", "--config_file", str(LAUNCH / "fsdp.yaml"), "--num_processes", "2"]
    launch += ["--main_process_port", "0", str(Path(fsdp_on_gloo.__file__)), "train"]
    words = _ended(_started(*launch, *_words(place, "spread")))
    assert "FSDPTBDNetwork" in words, "torch itself tells that the network is spread"
    assert int(re.search(r"weights spread in (\d+) units", words)[1]) > 10
    assert _largest(place / "spread/step-4", two / "step-4") < 1e-5
    _begun(place, "again", "spread")
    assert "goes on at step 2 of 4" in _ended(_started(*launch, *_words(place, "again")))
    assert trained.differing(place / "again/step-4", place / "spread/step-4") == []
    _begun(place, "gathered", "spread")
    _one_process(place, "gathered", changed=True)
    assert _largest(place / "gathered/step-4", one / "step-4") < 1e-5


def test_fsdp_that_accelerate_does_not_do_on_a_cpu_is_an_error(place, monkeypatch):
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    with pytest.raises(MissingError, match="FSDP was asked for") as refused:
        _one_process(place, "unspread")
    assert "one_machine.sh" in refused.value.next


def test_accelerate_that_starts_one_process_instead_of_two_is_found_out(place):
    command = ["accelerate", "launch", "--num_processes", "2", "--num_machines", "1", "--mixed_precision", "no"]
    process = _started(*command, "--dynamo_backend", "no", "-m", "tbd", "train", *_words(place, "fewer"))
    words = process.communicate(timeout=PATIENCE)[0]
    assert process.returncode != 0 and not (place / "fewer").exists()
    assert "asked for several processes and started one" in words and "accelerate launch --multi_gpu" in words


def test_no_gpu_is_said_by_the_launch_files(tmp_path):
    for script in ("one_machine.sh", "several_machines.sh"):
        more = {"MACHINES": "1", "MACHINE": "0", "FIRST": "127.0.0.1", "PATH": "/usr/bin:/bin"}
        process = _started("bash", str(LAUNCH / script), "stage1", "toy", "-o", str(tmp_path / "run"), **more)
        words = process.communicate(timeout=60)[0]
        assert process.returncode == 4 and "no GPU" in words and "next: GPUS=2" in words


def test_what_a_launcher_says_is_read():
    assert launched_share({}) == ProcessShare(0, 1, 1)
    assert launched_share({"WORLD_SIZE": "16", "RANK": "9", "LOCAL_WORLD_SIZE": "8"}) == ProcessShare(9, 16, 8)
    assert launched_share({"SLURM_STEP_NUM_TASKS": "1", "MASTER_PORT": "29500"}) == ProcessShare()
    with pytest.raises(UsageError, match="srun started 8 tasks"):
        launched_share({"SLURM_STEP_NUM_TASKS": "8"})


def test_fewer_processes_or_gpus_than_were_asked_for_are_an_error():
    check_processes(ProcessShare(0, 2, 2), 2, 0)
    check_processes(ProcessShare(0, 16, 8), 16, 8)
    with pytest.raises(MissingError, match="2 processes were asked for, 1 found each other"):
        check_processes(ProcessShare(0, 2, 2), 1, 0)
    with pytest.raises(MissingError, match="which has 2 GPUs") as fewer:
        check_processes(ProcessShare(0, 4, 4), 4, 2)
    assert fewer.value.next.startswith("GPUS=2 ")


def test_each_process_of_a_launcher_fills_its_part_of_the_cache(place, tmp_path, monkeypatch, capsys):
    given = ["cache", str(place / "toy"), "--device", "cpu", "--cache", str(tmp_path / "cache"), "--json"]
    settings = [word for word in _words(place, "x") if "=" in word]
    command = ["train", *given, *(word for one in settings for word in ("--set", one))]
    monkeypatch.setenv("WORLD_SIZE", "2")
    made = []
    for rank in (0, 1):
        monkeypatch.setenv("RANK", str(rank))
        assert main(command) == 0
        made.append(json.loads(capsys.readouterr().out)["clips"])
    assert min(made) > 0 and sum(made) == len(training.usable())
    assert main([*command, "--shard", "1/2"]) == 2
    assert "leave --shard out" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["autoencoder", "bench"])
def test_what_runs_in_one_process_refuses_several(place, tmp_path, monkeypatch, capsys, command):
    monkeypatch.setenv("WORLD_SIZE", "2")
    given = [str(place / "toy"), "-o", str(tmp_path / "run")] if command == "autoencoder" else []
    assert main(["train", command, *given]) == 2
    assert "runs in one process; a launcher started 2" in capsys.readouterr().err
