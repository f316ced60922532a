"""One OpenAI-compatible server: where it is, which fields it does not take, and requests to it
with limits on time and size."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterable, Mapping
from typing import Any

import httpx

from tbd.annotate.backends.base import Reply
from tbd.annotate.backends.completion import read_completion
from tbd.annotate.backends.request_errors import (
    EndpointUnreachable,
    RequestRejected,
    TransientError,
    clean,
    error_of,
    message,
    parse,
)
from tbd.errors import UsageError

MAX_BYTES = 1 << 20
"""Of one response body. A reply of 1,000 tokens with its envelope is about 6 kB."""

REST = 60.0
"""Seconds for which new conversations avoid an endpoint that failed for good."""


class Endpoint:
    """One server. Safe to share between threads.

    Args:
        url: as ``normalised`` returns it.
        client: with its headers set.
        concurrency: requests in flight at the same time; more wait.
        timeout: seconds for one response. A body that comes in drops is cut off after it, at the
            latest after twice as long.
        secret: the key in the client's headers, to keep it out of every message.

    Attributes:
        answered: it has given a completion in this run.
        refused: request fields that it does not take.
    """

    def __init__(self, url: str, client: httpx.Client, concurrency: int, timeout: float, secret: str = "") -> None:
        self.url = url
        self.answered = False
        self.refused: set[str] = set()
        self._client, self._timeout, self._secret = client, timeout, secret
        self._slots = threading.BoundedSemaphore(concurrency)
        self._rested = 0.0

    def chat(self, body: Mapping[str, Any]) -> tuple[Reply, str]:
        """Ask for one completion.

        Returns:
            The reply, and the model that the server says it used.

        Raises:
            RequestError: there is none; the class says whether to try again.
        """
        with self._slots:
            document = self._fetch("/chat/completions", body, self._timeout)
        try:
            reply, model = read_completion(document)
        except ValueError as error:
            raise TransientError(str(error), clean(message(document), self._secret)) from None
        self.answered = True
        return reply, clean(model, self._secret)

    def models(self) -> list[dict[str, Any]]:
        """The entries of ``/models``; empty when the server lists none, or in another form.

        Raises:
            RequestError: it does not answer.
        """
        document = self._fetch("/models", None, min(self._timeout, 10.0))
        entries = document.get("data") if isinstance(document, dict) else None
        found = entries if isinstance(entries, list) else []
        return [entry for entry in found if isinstance(entry, dict) and isinstance(entry.get("id"), str)]

    def refuse(self, fields: Iterable[str], error: RequestRejected) -> list[str]:
        """Remember which of ``fields`` a rejection names; they are the return value."""
        named = error.names(fields)
        self.refused.update(named)
        return named

    def rest(self) -> None:
        """It failed for good: let new conversations go elsewhere for a while."""
        self._rested = time.monotonic() + REST

    @property
    def resting(self) -> bool:
        """It failed for good less than ``REST`` seconds ago."""
        return time.monotonic() < self._rested

    def _fetch(self, path: str, body: Mapping[str, Any] | None, timeout: float) -> Any:
        """The JSON document of a successful response."""
        deadline = time.monotonic() + timeout
        content = None if body is None else json.dumps(body).encode()
        limits = httpx.Timeout(timeout, connect=min(timeout, 10.0), pool=None)
        method = "GET" if body is None else "POST"
        try:
            with self._client.stream(method, self.url + path, content=content, timeout=limits) as response:
                raw = _read(response, deadline)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise EndpointUnreachable("it cannot be reached", clean(str(error), self._secret)) from None
        except (httpx.TimeoutException, TimeoutError):
            raise TransientError(f"no reply within {timeout:g} s") from None
        except httpx.HTTPError as error:
            raise TransientError("the connection was cut", clean(str(error), self._secret)) from None
        if not response.is_success:
            raise error_of(response, raw, self._secret)
        document = parse(raw)
        if document is None:
            raise TransientError("a response that is not JSON")
        return document


def normalised(url: str) -> str:
    """The base address of an endpoint: ``http://host:port/v1``, without a slash at the end.

    Args:
        url: with or without ``/v1``, a trailing slash or ``/chat/completions``.

    Raises:
        UsageError: not an http address, or one that carries a password or a query.
    """
    try:
        parsed = httpx.URL(url.strip())
        port = 80 if parsed.port is None else parsed.port
        plain = not (parsed.userinfo or parsed.query or parsed.fragment)
        host = parsed.host and not re.search(r"[%\s]", parsed.host)
        if parsed.scheme not in ("http", "https") or not (host and plain and 0 < port < 65536):
            raise httpx.InvalidURL("")
    except httpx.InvalidURL:
        shown = re.sub(r"[?#].*", "", re.sub(r"//.*@", "//***@", url))
        raise UsageError(
            f"--endpoint {shown!r}: not an address of the form http://HOST:PORT/v1 (a key goes into $TBD_API_KEY)",
            next="--endpoint http://localhost:8000/v1",
        ) from None
    path = parsed.path.rstrip("/").removesuffix("/chat/completions")
    if not re.search(r"/v\d\w*(/|$)", path):
        path += "/v1"
    return str(parsed.copy_with(path=path))


def _read(response: httpx.Response, deadline: float) -> bytes:
    """The body as it came, unless it is too long or too late."""
    body = bytearray()
    for part in response.iter_raw():
        body += part
        if len(body) > MAX_BYTES:
            raise TransientError(f"a response of more than {MAX_BYTES:,} bytes")
        if time.monotonic() > deadline:
            raise TimeoutError
    return bytes(body)
