"""Workers that die before they have begun: for lack of memory, or because they cannot start."""

import os

import pytest
import ray

from tbd.cluster.executor import RayExecutor
from tbd.errors import MissingError

pytestmark = [pytest.mark.timeout(300), pytest.mark.xdist_group("ray")]


def test_a_worker_that_its_node_takes_for_lack_of_memory_is_replaced(ray_driver, monkeypatch):
    real, taken = ray.get, []

    def get(message):
        if not taken:
            taken.append(message)
            raise ray.exceptions.OutOfMemoryError("the node was low on memory")
        return real(message)

    monkeypatch.setattr(ray, "get", get)
    with RayExecutor(1, {"num_cpus": 0}, None, (), lambda words: None) as pool:
        assert pool.submit(abs, -3).result(120) == 3
    assert taken


def test_workers_that_cannot_start_are_given_up_with_the_reason(ray_driver):
    with (
        RayExecutor(1, {"num_cpus": 0}, os.kill, ("no process", 9), lambda words: None) as pool,
        pytest.raises(MissingError, match="no worker starts on the cluster"),
    ):
        pool.submit(abs, -3).result(120)
