import pytest
import torch

from tbd.devices import device_list
from tbd.errors import MissingError, UsageError


def test_devices_are_named_by_number(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    assert device_list("auto") == ["cuda:0", "cuda:1", "cuda:2"]
    assert device_list("2,0") == ["cuda:2", "cuda:0"] and device_list("cuda:1") == ["cuda:1"]
    assert device_list("cpu,cpu") == ["cpu", "cpu"]
    with pytest.raises(MissingError, match="no GPU 3 here; torch sees 3"):
        device_list("0,3")
    for odd in ("first", "", "0,,1", "-1"):
        with pytest.raises(UsageError, match="a number"):
            device_list(odd)


def test_without_a_gpu_auto_is_the_cpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    assert device_list("auto") == ["cpu"]
