"""Figures of this machine's card, written as Markdown and JSON after every test. ``make gpu``"""

import gc

import pytest
import torch
from card_run import (
    RUN,
    pytest_collection_finish,
    pytest_runtest_makereport,
    pytest_runtest_protocol,
    pytest_runtest_setup,
    pytest_terminal_summary,
)

__all__ = [
    "pytest_collection_finish",
    "pytest_runtest_makereport",
    "pytest_runtest_protocol",
    "pytest_runtest_setup",
    "pytest_terminal_summary",
]

CUDA = torch.cuda.is_available()
RUN.figures |= {"device": torch.cuda.get_device_name() if CUDA else "CPU, tiny sizes", "torch": torch.__version__}


@pytest.fixture(scope="session")
def device():
    """The card, or the CPU with tiny sizes."""
    return torch.device("cuda" if CUDA else "cpu")


@pytest.fixture(scope="session")
def size():
    """Family of networks that is measured here."""
    return "sd15" if CUDA else "tiny"


@pytest.fixture
def figures():
    """``figures[what] = number or words``: what the test has found."""
    return RUN.figures


@pytest.fixture(autouse=True, scope="module")
def _memory_of_its_own():
    """What a module kept on the card is given back before the next one counts its own."""
    yield
    gc.collect()
    torch.cuda.empty_cache()
