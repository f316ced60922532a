import errno
import fcntl
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from tbd.errors import InputError, MissingError
from tbd.locks import folder_lock, keeps_locks

HOLD = """
import sys, time
from pathlib import Path
from tbd.locks import folder_lock
with folder_lock(Path(sys.argv[1]), purpose="annotating"):
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))
"""


def _holder(folder, seconds):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder), str(seconds)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    return process


def test_another_process_is_refused_with_who_has_it_and_a_killed_one_holds_nothing(tmp_path):
    holder = _holder(tmp_path / "new", 60)
    with (
        pytest.raises(MissingError, match=rf"another run is writing here \(annotating, process {holder.pid}\)"),
        folder_lock(tmp_path / "new", purpose="sealing"),
    ):
        pass
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    with folder_lock(tmp_path / "new", purpose="sealing"):
        pass


def test_waiting_ends_when_the_holder_does(tmp_path):
    holder = _holder(tmp_path, 0.3)
    started = time.monotonic()
    with folder_lock(tmp_path, purpose="sealing", wait=30):
        assert time.monotonic() - started < 25
    holder.wait()


def test_a_thread_may_hold_a_folder_twice_and_another_thread_waits_for_both(tmp_path):
    order = []

    def other():
        with folder_lock(tmp_path, purpose="other", wait=30):
            order.append("other")

    with folder_lock(tmp_path, purpose="outer"):
        thread = threading.Thread(target=other)
        with folder_lock(tmp_path, purpose="inner"):
            thread.start()
            time.sleep(0.05)
        time.sleep(0.05)
        order.append("outer")
    thread.join()
    assert order == ["outer", "other"]


def test_two_locks_of_one_folder_do_not_touch_each_other(tmp_path):
    holder = _holder(tmp_path, 60)
    with folder_lock(tmp_path, purpose="sealing", file=".seal.lock"):
        pass
    holder.kill()
    holder.wait()


def test_a_lock_that_the_file_system_refuses_is_told_from_one_that_is_held(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(MissingError, match="keeps no locks"), folder_lock(tmp_path, purpose="sealing"):
        pass
    assert not keeps_locks(tmp_path)


def test_a_folder_that_cannot_be_made_is_the_users_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"), folder_lock(tmp_path / "file/below", purpose="sealing"):
        pass
