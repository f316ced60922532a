"""Ctrl-C while a server takes its time: no request is begun after it, and none that was answered is asked again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from known_replies import honest
from lying_server import LyingServer
from scripted import mead_tree

import tbd

SUPPORT = Path(__file__).parents[1] / "support"
CLIPS = [("M007", "angry", 2, index) for index in range(1, 13)]
"""Their pictures all differ, so that no reply serves two of them."""
AT_ONCE = 3


def start(dataset, output, url):
    paths = f"{Path(tbd.__file__).parents[1]}:{SUPPORT}"
    environment = {name: value for name, value in os.environ.items() if "API_KEY" not in name} | {"PYTHONPATH": paths}
    command = [sys.executable, str(SUPPORT / "quick_tbd.py"), "annotate", str(dataset), "-o", str(output)]
    command += ["--endpoint", url, "--set", f"server.concurrency={AT_ONCE}", "--workers", "0", "-q"]
    return subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env=environment)


@pytest.mark.parametrize("answered", [0, 5])
def test_no_request_is_begun_after_ctrl_c(tmp_path, answered):
    dataset, output = mead_tree(tmp_path / "mead", CLIPS), tmp_path / "out"
    go_on = threading.Event()

    def slow(handler, body):
        go_on.wait()
        honest(handler, body)

    with LyingServer(*[honest] * answered, then=slow) as server:
        run = start(dataset, output, server.url)
        while server.now < AT_ONCE or len(server.bodies) < answered + AT_ONCE:
            assert run.poll() is None
            time.sleep(0.01)
        run.send_signal(signal.SIGINT)
        while not (line := run.stderr.readline()).startswith("stopping:"):
            assert line, "it ended without a word"
        go_on.set()
        words = run.communicate()[1]
        assert run.returncode == 130 and "next:  run the same command again" in words, words
        asked = len(server.bodies)
        assert asked == answered + AT_ONCE
    with LyingServer(then=honest) as server:
        run = start(dataset, output, server.url)
        run.communicate()
        assert run.returncode == 0 and len(server.bodies) == 4 * len(CLIPS) - asked
