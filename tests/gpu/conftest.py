"""Figures of this machine's card, written as Markdown and JSON when the run ends. ``make gpu``"""

import json
import os
import sys
from pathlib import Path

import pytest
import torch

CUDA = torch.cuda.is_available()


@pytest.fixture(scope="session")
def device():
    """The card, or the CPU with tiny sizes."""
    return torch.device("cuda" if CUDA else "cpu")


@pytest.fixture(scope="session")
def size():
    """Family of networks that is measured here."""
    return "sd15" if CUDA else "tiny"


@pytest.fixture(scope="session")
def figures():
    """``figures[what] = number or words``; written to ``$GPU_FIGURES``, else ``gpu-figures/``."""
    found = {"device": torch.cuda.get_device_name() if CUDA else "CPU, tiny sizes", "torch": torch.__version__}
    yield found
    folder = Path(os.environ.get("GPU_FIGURES") or "gpu-figures")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "figures.json").write_text(json.dumps(found, indent=2) + "\n")
    lines = [
        f"| {what} | {value if isinstance(value, str) else format(value, '.4g')} |" for what, value in found.items()
    ]
    (folder / "figures.md").write_text("\n".join(["| what | figure |", "| --- | --- |", *lines, ""]))
    sys.stdout.write("\n" + (folder / "figures.md").read_text())
