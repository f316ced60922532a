"""What every test may rely on."""

import pytest


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory):
    """No test reads or fills the cache of the user who runs it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TBD_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield
