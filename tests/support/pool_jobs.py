"""Jobs for the worker pool, in a module that a spawned worker finds by name."""

import os
import signal
import time

from tbd.errors import InputError

_given = None


def begin(given):
    global _given
    _given = given


class OddError(Exception):
    """Cannot be made again from what it is pickled as."""

    def __init__(self, one, two):
        super().__init__(f"{one} and {two}")


def work(job):
    kind, value = job
    if kind == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if kind == "bad":
        raise InputError(f"{value} is bad")
    if kind == "bug":
        raise ZeroDivisionError("oops")
    if kind == "odd":
        raise OddError(1, 2)
    if kind == "memory":
        raise MemoryError
    if kind == "given":
        return _given
    time.sleep(0.02)
    return value * value


def failed(job, failure):
    return job, failure.reason, failure.is_bug
