import pytest

from tbd.train.card_peaks import PEAKS, peak_operations, why_no_mfu


@pytest.mark.parametrize(
    ("name", "teraflops"),
    [
        ("NVIDIA A100-SXM4-80GB", 312),
        ("NVIDIA A100-PCIE-40GB", 312),
        ("NVIDIA H100 80GB HBM3", 989),
        ("NVIDIA H100 PCIe", 756),
        ("NVIDIA H100 NVL", 835),
        ("NVIDIA H200", 989),
        ("NVIDIA H200 NVL", 835),
        ("NVIDIA B200", 2250),
        ("NVIDIA L40S", 362),
        ("NVIDIA L40", 181),
        ("NVIDIA L4", 121),
        ("NVIDIA L20", 119.5),
        ("NVIDIA A10", 125),
        ("NVIDIA RTX 6000 Ada Generation", 364),
        ("NVIDIA RTX A6000", 154.8),
        ("NVIDIA GeForce RTX 5090", 209.5),
        ("NVIDIA GeForce RTX 4090", 165.2),
        ("NVIDIA GeForce RTX 3090", 71),
        ("Tesla V100-SXM2-32GB", 125),
    ],
)
def test_a_card_is_known_by_the_name_that_its_driver_gives_it(name, teraflops):
    assert peak_operations(name) == teraflops * 1e12
    assert why_no_mfu(name, "bfloat16") is None


@pytest.mark.parametrize(
    "name",
    [
        "NVIDIA Unheard 9000",
        "NVIDIA A10G",
        "NVIDIA H20",
        "NVIDIA GH200 480GB",
        "NVIDIA GB200",
        "NVIDIA L400",
        "NVIDIA GeForce RTX 4090 D",
        "NVIDIA GeForce RTX 3090 Ti",
        "NVIDIA GeForce RTX 4090 Laptop GPU",
        "NVIDIA H100 80GB HBM3 MIG 1g.10gb",
        "Quadro RTX 6000",
        "CPU",
    ],
)
def test_another_card_gives_no_share_and_the_reason_names_it(name):
    assert peak_operations(name) is None
    assert name in why_no_mfu(name, "bfloat16")


def test_in_float32_no_share_is_told():
    assert "half precision" in why_no_mfu("NVIDIA H100 PCIe", "float32")


def test_every_key_finds_itself():
    assert {key: peak_operations(f"NVIDIA {key}") for key in PEAKS} == PEAKS
