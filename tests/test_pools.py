import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from pool_jobs import begin, failed, work

from tbd.pools import WorkerCrashedError, WorkerPool


@pytest.mark.parametrize("workers", [0, 2])
def test_every_job_has_its_result_and_no_error_takes_others_with_it(workers):
    jobs = [("ok", 2), ("bad", "a.mp4"), ("ok", 3), ("bug", 0), ("odd", 0), ("memory", 0), ("ok", 4)]
    with WorkerPool(work, workers, failed=failed) as pool:
        found = dict(pool.run(jobs))
    assert [found["ok", value] for value in (2, 3, 4)] == [4, 9, 16]
    assert found["bad", "a.mp4"][1:] == ("a.mp4 is bad", False)
    assert found["bug", 0][1:] == ("a bug in tbd (ZeroDivisionError: oops)", True)
    assert "1 and 2" in found["odd", 0][1]
    assert found["memory", 0][1:] == ("not enough memory", False)


def test_a_job_that_kills_its_worker_is_tried_alone_and_only_it_fails():
    jobs = [("ok", 1), ("kill", 1), *(("ok", value) for value in range(2, 12)), ("kill", 2)]
    with WorkerPool(work, 2, failed=failed) as pool:
        found = dict(pool.run(jobs))
    assert {job: result for job, result in found.items() if job[0] == "kill"} == {
        ("kill", number): (("kill", number), "the decoder crashed on this file", False) for number in (1, 2)
    }
    assert [found["ok", value] for value in range(1, 12)] == [value * value for value in range(1, 12)]


def test_the_crash_has_a_type_of_its_own():
    with WorkerPool(work, 1, failed=lambda job, failure: failure) as pool:
        assert isinstance(pool.submit(("kill", 0)).result().error, WorkerCrashedError)
        failure = pool.submit(("bug", 0)).result()
        assert "ZeroDivisionError" in failure.trace
        assert "in work" in failure.trace


def test_workers_are_told_what_to_begin_with():
    with WorkerPool(work, 1, failed=failed, begin=begin, given=("told",)) as pool:
        assert pool.submit(("given", 0)).result() == "told"


def test_stopping_begins_no_further_job_and_finishes_those_under_way():
    stopping = threading.Event()
    taken = []

    def jobs():
        for value in range(1000):
            taken.append(value)
            yield "ok", value

    with WorkerPool(work, 1, failed=failed) as pool:
        found = []
        for job, _ in pool.run(jobs(), stopping):
            found.append(job[1])
            if len(found) == 3:
                stopping.set()
    assert len(found) == len(taken) < 10


def test_workers_die_with_their_parent(tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(
        """
import os, signal, sys, time
from tbd.pools import WorkerPool
def nap(seconds):
    print(os.getpid(), flush=True)
    time.sleep(seconds)
if __name__ == "__main__":
    WorkerPool(nap, 1, failed=print).submit(60)
    time.sleep(60)
"""
    )
    parent = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True)
    worker = int(parent.stdout.readline())
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    until = time.monotonic() + 20
    while _alive(worker) and time.monotonic() < until:
        time.sleep(0.05)
    assert not _alive(worker)


def _alive(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{process}/stat") as file:  # noqa: PTH123
        return file.read().split()[2] != "Z"


def test_an_abandoned_pool_ends_at_once_and_its_jobs_are_cancelled():
    started = time.monotonic()
    with WorkerPool(time.sleep, 1, failed=lambda job, failure: None) as pool:
        futures = [pool.submit(60.0) for _ in range(3)]
        while not pool._pool._processes:
            time.sleep(0.05)
        pool.abandon()
        while not all(future.done() for future in futures) and time.monotonic() - started < 30:
            time.sleep(0.01)  # futures.wait would wait to the end: it does not count what is cancelled before it began
        assert all(future.cancelled() for future in futures)
    assert time.monotonic() - started < 30
