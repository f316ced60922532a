"""What annotations without pixels and without a model have in common."""

import pytest
from scripted import fake_examine

from tbd.annotate import backends, examine_pool


@pytest.fixture
def no_pixels(monkeypatch):
    """Files are looked at by their first bytes."""
    monkeypatch.setattr(examine_pool, "examine_clip", fake_examine)


@pytest.fixture
def use(monkeypatch):
    """Put a scripted backend where the recipe's would be."""

    def put(backend):
        monkeypatch.setattr(backends, "create", lambda *_, **__: backend)
        monkeypatch.setattr(backends, "open_all", lambda *_, **__: [backend] * backend.concurrency)
        return backend

    return put
