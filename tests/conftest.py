"""What every test may rely on."""

import pytest
from hypothesis import settings

settings.register_profile("tbd", deadline=None, derandomize=True)  # a busy machine is no fault of the code
settings.load_profile("tbd")


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(config, items):
    """One worker for the tests that share what their module makes, so that it is made once and not once a worker."""
    if not config.pluginmanager.hasplugin("xdist"):
        return
    for item in items:
        made = (one for named in item._fixtureinfo.name2fixturedefs.values() for one in named)
        if not item.get_closest_marker("xdist_group") and any(one.scope == "module" for one in made):
            item.add_marker(pytest.mark.xdist_group(item.module.__name__))


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory):
    """No test reads or fills the cache of the user who runs it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TBD_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def drawn_reader_file(tmp_path_factory):
    """The reader of drawn faces, trained for seconds (``tiny_reader``), in a cache of its own; for tests of the group ``reader``."""
    import tiny_reader

    with pytest.MonkeyPatch.context() as patch:
        return tiny_reader.train(tmp_path_factory.mktemp("reader_cache"), patch)


@pytest.fixture(scope="session")
def ray_nodes():
    """The address of a Ray cluster of two nodes on this machine, shared by all tests that need one."""
    import ray_cluster

    cluster = ray_cluster.start()
    yield cluster.address
    ray_cluster.end(cluster)


@pytest.fixture(scope="session")
def ray_driver(ray_nodes):
    """The same address, with this process joined for good: each test does not pay for joining and for asking the nodes."""
    from tbd.cluster import connection

    connection._join(connection.ray_library(), ray_nodes)
    return ray_nodes
