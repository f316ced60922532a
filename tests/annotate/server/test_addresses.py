"""Keys, addresses and proxies of servers."""

from __future__ import annotations

import json

import pytest
from conversations import ask, dead_url, question
from lying_server import (
    LyingServer,
    completion,
    says,
    status,
)

from tbd.annotate.backends.endpoint import normalised
from tbd.annotate.backends.server import ServerBackend
from tbd.annotate.recipe import ServerSettings
from tbd.errors import MissingError, UsageError

# Keys and addresses


def test_the_key_is_sent_and_appears_nowhere_else(serve, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-other")
    monkeypatch.setenv("TBD_API_KEY", "sk-secret\n")
    server = LyingServer(
        status(400, "no good, sk-secret"), says("ok", model="sk-secret"), status(401, "Bearer sk-secret")
    )
    backend = serve(server)
    replies = ask(backend, *[question()] * 2)
    with pytest.raises(MissingError) as turned_down:
        ask(backend, question())
    assert server.keys == ["Bearer sk-secret"] * 3
    assert "***" in replies[0].text and "***" in turned_down.value.message
    assert "sk-secret" not in repr((replies[0], str(turned_down.value), backend.notes, backend.revision))


def test_openai_api_key_is_the_second_choice_and_none_sends_none(serve, monkeypatch):
    server, other = LyingServer(), LyingServer()
    ask(serve(server))
    monkeypatch.setenv("OPENAI_API_KEY", "sk-other")
    ask(serve(other))
    assert (server.keys, other.keys) == ([None], ["Bearer sk-other"])


def test_a_key_that_cannot_be_one_is_refused(monkeypatch):
    monkeypatch.setenv("TBD_API_KEY", "sk-ключ")
    with pytest.raises(UsageError) as caught:
        ServerBackend(["http://localhost:1"], "mine", ServerSettings())
    assert "ключ" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "base"),
    [
        ("http://localhost:8000", "http://localhost:8000/v1"),
        ("http://localhost:8000/", "http://localhost:8000/v1"),
        ("http://localhost:8000/v1", "http://localhost:8000/v1"),
        (" http://localhost:8000/v1/ ", "http://localhost:8000/v1"),
        ("http://localhost:8000/v1/chat/completions", "http://localhost:8000/v1"),
        ("https://host/api", "https://host/api/v1"),
        ("https://host/v1beta/openai/", "https://host/v1beta/openai"),
        ("http://[::1]:8000", "http://[::1]:8000/v1"),
    ],
)
def test_addresses_are_brought_to_one_form(given, base):
    assert normalised(given) == base == normalised(base)


@pytest.mark.parametrize(
    "url",
    ["", "localhost:8000", "host", "ftp://host/v1", "http://", "http://a b", "http://h:abc", "http://h:0", "http://h:99999",
     "http://h\n", "http://user:hunter2@host/v1", "http://host/v1?key=hunter2", "http://host/v1#hunter2"],
)  # fmt: skip
def test_bad_addresses_are_refused_without_repeating_passwords(url):
    if url == "http://h\n":
        assert normalised(url) == "http://h/v1"
        return
    with pytest.raises(UsageError) as caught:
        normalised(url)
    assert "hunter2" not in str(caught.value)


def test_a_proxy_of_the_environment_does_not_stand_before_this_machine(serve, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", dead_url())
    monkeypatch.setenv("ALL_PROXY", dead_url())
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    assert ask(serve(LyingServer()))[0].text == "ok"


def test_the_notes_stay_short_whatever_a_server_does(serve):
    names = iter(range(10_000))
    backend = serve(LyingServer(then=lambda handler, body: handler.send(200, completion("a", model=f"m{next(names)}"))))
    for _ in range(70):
        ask(backend)
    assert len(backend.notes) == 50


def test_replies_survive_json(serve):
    (reply,) = ask(serve(LyingServer(says("a\u2028b\x00c"))))
    assert json.loads(json.dumps(reply.text)) == "a\u2028b\x00c"
