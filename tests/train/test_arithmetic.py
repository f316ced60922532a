"""What ``hardware.deterministic`` and ``hardware.tf32`` set on a card; no card is needed to see that."""

import os

import pytest
import torch

from tbd.train.arithmetic import set_arithmetic
from tbd.train.recipe import Hardware

WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"


def _set():
    return torch.are_deterministic_algorithms_enabled(), torch.get_float32_matmul_precision(), os.environ.get(WORKSPACE)


@pytest.fixture(autouse=True)
def _as_before(monkeypatch):
    monkeypatch.setenv(WORKSPACE, "")
    monkeypatch.delenv(WORKSPACE)
    yield
    torch.use_deterministic_algorithms(False)
    torch.set_float32_matmul_precision("highest")


def test_by_default_a_card_computes_as_torch_has_it():
    convolutions = torch.backends.cudnn.allow_tf32
    set_arithmetic(Hardware(), "cuda")
    assert _set() == (False, "highest", None)
    assert torch.backends.cudnn.allow_tf32 is convolutions is True


def test_each_key_sets_its_own_and_the_next_run_has_its_own_again():
    set_arithmetic(Hardware(deterministic=True), "cuda")
    assert _set() == (True, "highest", ":4096:8") and not torch.backends.cudnn.benchmark
    assert not torch.is_deterministic_algorithms_warn_only_enabled()
    set_arithmetic(Hardware(tf32=True), "cuda")
    assert _set()[:2] == (False, "high") and torch.backends.cuda.matmul.allow_tf32 and torch.backends.cudnn.allow_tf32


def test_a_workspace_that_somebody_chose_stays(monkeypatch):
    monkeypatch.setenv(WORKSPACE, ":16:8")
    set_arithmetic(Hardware(deterministic=True), "cuda")
    assert _set() == (True, "highest", ":16:8")


def test_on_a_cpu_nothing_is_set():
    set_arithmetic(Hardware(deterministic=True, tf32=True), "cpu")
    assert _set() == (False, "highest", None)
