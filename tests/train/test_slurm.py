"""``train/launch/slurm.sh`` when the job's time ends: the run is told with USR1, has the time it needs, and is queued again.

accelerate, ``srun`` and ``scontrol`` are stand-ins, so that no network is trained: the first starts one process a machine and
knows nothing of USR1, the second hands signals on to its tasks alone, or to all that they started, as Slurm's plugins differ.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "train" / "launch" / "slurm.sh"
STAND_INS = {
    "worker": """import os, signal, sys, time
told = []
signal.signal(signal.SIGUSR1, lambda *_: told.append(1))
def log(word):
    with open(os.environ["LOG"], "a") as file:
        file.write(word + "\\n")
log("ready")
patience = time.monotonic() + 60  # a test that fails leaves nobody behind
while not told and time.monotonic() < patience:
    time.sleep(0.02)
time.sleep(0.5)
log("saved")
sys.exit(int(os.environ["CODE"]))""",
    "accelerate": """import os, subprocess, sys
sys.exit(subprocess.run([sys.executable, os.path.join(os.path.dirname(__file__), "worker")]).returncode)""",
    "srun": """import os, signal, subprocess, sys
environments = [os.environ | {"SLURM_NODEID": node} for node in "01"]
tasks = [subprocess.Popen(sys.argv[1:], env=one, start_new_session=True) for one in environments]
reach = {"tasks": os.kill, "all": os.killpg}[os.environ["REACH"]]
signal.signal(signal.SIGUSR1, lambda *_: [reach(task.pid, signal.SIGUSR1) for task in tasks])
sys.exit(max([task.wait() for task in tasks]))""",
    "scontrol": """import os, sys
with open(os.environ["LOG"], "a") as file:
    file.write(" ".join(sys.argv[1:]) + "\\n" if sys.argv[1] == "requeue" else "")
print("node1")""",
}


def _ended(folder, **given):
    """What was logged by a job that got USR1 once both of its machines were at work."""
    for name, body in STAND_INS.items():
        (folder / name).write_text(f"#!{sys.executable}\n{body}\n")
        (folder / name).chmod(0o755)
    log = folder / "log"
    log.touch()
    job = {"SLURM_JOB_NODELIST": "node[1-2]", "SLURM_NNODES": "2", "SLURM_GPUS_ON_NODE": "1", "SLURM_JOB_ID": "7"}
    environment = os.environ | job | {"PATH": f"{folder}:{os.environ['PATH']}", "LOG": str(log), **given}
    process = subprocess.Popen(["bash", str(SCRIPT), "stage1", "toy", "-o", "run"], env=environment)
    patience = time.monotonic() + 60
    while log.read_text().count("ready") < 2 and time.monotonic() < patience:
        time.sleep(0.02)
    process.send_signal(signal.SIGUSR1)
    process.wait(60)
    return log.read_text().split("\n")[2:-1]


@pytest.mark.parametrize("reach", ["tasks", "all"])
def test_a_job_whose_time_ends_saves_on_every_machine_and_is_queued_again(tmp_path, reach):
    assert _ended(tmp_path, REACH=reach, CODE="143") == ["saved", "saved", "requeue 7"]


def test_a_run_that_ended_with_its_last_step_meanwhile_is_not_queued_again(tmp_path):
    assert _ended(tmp_path, REACH="tasks", CODE="0") == ["saved", "saved"]
