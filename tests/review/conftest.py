"""What takes long to make and is shared: the manifest of the paper's Fig. 4."""

import shutil

import pytest
from figure_4 import drawn_as_in_figure_4


@pytest.fixture(scope="session")
def figure(tmp_path_factory):
    """36 clips that were drawn and annotated as in the figure; nothing may be written there."""
    return drawn_as_in_figure_4(tmp_path_factory.mktemp("figure"), 36)


@pytest.fixture
def figure_copy(figure, tmp_path):
    """The manifest alone, new for each test; the clips stay where they were drawn."""
    return shutil.copytree(figure, tmp_path / "m")
