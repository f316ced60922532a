"""A language model behind OpenAI-compatible endpoints: vLLM, SGLang, llama.cpp, ``transformers serve``.

A conversation stays on one endpoint, whose prefix cache then holds its picture; see
``conversation.py`` for its tries. Requests have standard fields only; what a recipe adds under
``[server] extra`` is laid on top. That a reply obeys its JSON schema is hoped for, never assumed.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx

from tbd.annotate.backends.base import ConversationStart, Question, Reply
from tbd.annotate.backends.conversation import Conversation, ConversationSettings, denied
from tbd.annotate.backends.endpoint import Endpoint, normalised
from tbd.annotate.backends.request_errors import AccessDenied, EndpointUnreachable, RequestError
from tbd.annotate.backends.retry import CircuitBreaker, Pace
from tbd.annotate.recipe import ServerSettings
from tbd.errors import MissingError, UsageError

RESERVED = ("messages", "model", "stream")
"""Fields that ``extra`` cannot set: the backend would misread the reply."""

LOOPBACK = ("all://localhost", "all://127.0.0.1", "all://[::1]")
"""Hosts that the environment's proxy cannot serve."""

MOST_NOTES = 50

_Listed = list[dict[str, Any]] | RequestError
"""What an endpoint said when it was asked for its models."""


class ServerBackend:
    """Conversations with the model of one or several endpoints.

    Args:
        endpoints: addresses, with or without ``/v1``. ``$TBD_API_KEY``, or else ``$OPENAI_API_KEY``,
            is sent to each and appears nowhere else.
        model: its name at the servers; None takes the only one that they list.
        settings: the recipe's section ``server``.

    Attributes:
        revision: of the model, where the server tells; else empty.
        notes: what a reader of the results should know, each once: fields that a server refused,
            conversations that moved, a reply by another model.

    Raises:
        UsageError: a bad address; several models to choose from; ``extra`` sets a reserved field.
        MissingError: no endpoint answers, or one denies access.
    """

    name = "server"
    batch_size = 1
    needs_image = True

    def __init__(self, endpoints: Sequence[str], model: str | None, settings: ServerSettings) -> None:
        urls = list(dict.fromkeys(map(normalised, endpoints)))
        if not urls:
            raise UsageError("the server backend needs an endpoint", next="--endpoint http://localhost:8000/v1")
        if taken := sorted(settings.extra.keys() & set(RESERVED)):
            raise UsageError(f"server.extra cannot set {', '.join(taken)}", next="--set 'server.extra={}'")
        self.concurrency = settings.concurrency * len(urls)
        self.notes: list[str] = []
        self._lock = threading.Lock()
        key = _api_key()
        self._client = _client(key, self.concurrency)
        self.endpoints = [Endpoint(url, self._client, settings.concurrency, settings.timeout, key) for url in urls]
        try:
            self.model, self.revision = self._choose(model)
        except BaseException:
            self.close()
            raise
        self._setting = ConversationSettings(
            self.model, self.endpoints, settings, CircuitBreaker(), Pace(settings.requests_per_minute), self._note
        )

    @contextmanager
    def open(self, starts: Sequence[ConversationStart]) -> Iterator[ServerSession]:
        """Start conversations; nothing is sent before the first question."""
        yield ServerSession([Conversation(self._setting, start) for start in starts])

    def stop(self) -> None:
        """Try nothing again; requests under way may finish."""
        self._setting.breaker.stop()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _note(self, words: str) -> None:
        """Keep a note, once; a server that misbehaves in ever new ways gets ``MOST_NOTES`` of them."""
        with self._lock:
            if words not in self.notes and len(self.notes) < MOST_NOTES:
                self.notes.append(words)

    def _choose(self, model: str | None) -> tuple[str, str]:
        """Ask every endpoint for its models; name and revision of the one to use."""
        with ThreadPoolExecutor(min(len(self.endpoints), 16)) as threads:
            listed = dict(zip(self.endpoints, threads.map(_models, self.endpoints), strict=True))
        self._check(listed, named=model is not None)
        entries = [entry for found in listed.values() if isinstance(found, list) for entry in found]
        model = model or _only({entry["id"] for entry in entries}, listed)
        revisions = {str(entry.get("revision") or "") for entry in entries if entry["id"] == model}
        return model, ", ".join(sorted(revisions - {""}))

    def _check(self, listed: dict[Endpoint, _Listed], *, named: bool) -> None:
        """A server need not list models when one is named, but it must be there and let us in."""
        for endpoint, found in listed.items():
            if isinstance(found, AccessDenied) and not (named and found.status in (404, 405)):
                raise denied(endpoint, found)
            if isinstance(found, EndpointUnreachable):
                endpoint.rest()
                self._note(f"{endpoint.url} could not be reached at the start")
        fatal = EndpointUnreachable if named else RequestError
        if all(isinstance(found, fatal) for found in listed.values()):
            raise MissingError(
                f"no endpoint answers:\n{_said(listed)}",
                next=f"curl {self.endpoints[0].url}/models   # lists its models once the server is up",
            )


class ServerSession:
    """Conversations that advance together, one question each a call."""

    def __init__(self, conversations: Sequence[Conversation]) -> None:
        self._conversations = conversations

    def ask(self, questions: Sequence[Question]) -> list[Reply]:
        """One reply for each question, in order; what could not be answered is a ``failed`` reply.

        Raises:
            MissingError: the servers are gone (``retry.CircuitBreaker``), or one denies access from the
                first question on; the run ends, and the same command resumes it.
            UsageError: a server refuses what the recipe insists on, from the first question on.
        """
        pairs = zip(self._conversations, questions, strict=True)
        return [conversation.ask(question) for conversation, question in pairs]


def _models(endpoint: Endpoint) -> _Listed:
    try:
        return endpoint.models()
    except RequestError as error:
        return error


def _only(names: set[str], listed: dict[Endpoint, _Listed]) -> str:
    if len(names) == 1:
        return names.pop()
    if names:
        raise UsageError(f"the endpoints have several models: {', '.join(sorted(names))}", next=f"--model {min(names)}")
    raise UsageError(
        f"no endpoint says which model it has:\n{_said(listed)}", next="--model NAME   # as the server calls it"
    )


def _said(listed: dict[Endpoint, _Listed]) -> str:
    return "\n".join(f"  {endpoint.url}: {found or 'it lists no models'}" for endpoint, found in listed.items())


def _api_key() -> str:
    key = (os.environ.get("TBD_API_KEY") or os.environ.get("OPENAI_API_KEY") or "").strip()
    if not (key.isascii() and key.isprintable()):
        raise UsageError(
            "the API key in the environment holds characters that no key has", next="export TBD_API_KEY=KEY"
        )
    return key


def _client(key: str, connections: int) -> httpx.Client:
    headers = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
    return httpx.Client(
        headers=headers | ({"Authorization": f"Bearer {key}"} if key else {}),
        limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
        mounts=dict.fromkeys(LOOPBACK),
    )
