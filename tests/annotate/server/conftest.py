"""Servers that misbehave, a backend on them, and no thread left behind."""

from __future__ import annotations

import threading
import time

import pytest
from conversations import QUICK

from tbd.annotate.backends.server import ServerBackend
from tbd.annotate.recipe import ServerSettings


@pytest.fixture(autouse=True)
def no_keys(monkeypatch):
    for name in ("TBD_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def no_thread_is_left():
    before = set(threading.enumerate())
    yield
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline and (
        left := [t for t in threading.enumerate() if t not in before and not t.daemon]
    ):
        time.sleep(0.01)
    assert not left


@pytest.fixture
def serve():
    """Start servers, and a backend on them that is closed before they are."""
    opened = []

    def start(*servers, model=None, **settings):
        opened.extend(servers)
        urls = [server.__enter__().url for server in servers]
        opened.append(ServerBackend(urls, model, ServerSettings(**QUICK | settings)))
        return opened[-1]

    yield start
    for one in reversed(opened):
        one.close() if isinstance(one, ServerBackend) else one.die()
