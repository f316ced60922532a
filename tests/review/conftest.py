"""What the tests of the review share: small manifests, and that of the paper's Fig. 4, which takes long to make."""

import shutil

import pytest
from figure_4 import drawn_as_in_figure_4
from review import small

from tbd.review.session import ReviewSession


@pytest.fixture(scope="session")
def figure(tmp_path_factory):
    """36 clips that were drawn and annotated as in the figure; nothing may be written there."""
    return drawn_as_in_figure_4(tmp_path_factory.mktemp("figure"), 36)


@pytest.fixture
def figure_copy(figure, tmp_path):
    """The manifest alone, new for each test; the clips stay where they were drawn."""
    return shutil.copytree(figure, tmp_path / "m")


@pytest.fixture
def folder(tmp_path):
    """A manifest of six flagged rows."""
    return small(tmp_path / "m", 6)


@pytest.fixture
def ann(folder):
    """A session of that manifest."""
    with ReviewSession(folder, "Ann") as session:
        yield session
