"""What several files of this folder train on."""

import pytest
import training


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    """A manifest whose rows can all be trained on."""
    return training.manifest(tmp_path_factory.mktemp("manifests") / "toy", training.usable())
