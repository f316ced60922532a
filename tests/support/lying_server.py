"""An OpenAI-compatible server that does what a test tells it to: answer, stall, cut, lie.

    with LyingServer(status(429, retry_after="0.2"), then=says("yes")) as server:
        ServerBackend([server.url], None, settings)

Each request for a completion takes the next behaviour of the script, then ``then`` for ever.
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

Behaviour = Callable[["Handler", dict[str, Any]], None]


class LyingServer:
    """Listens on a free loopback port while it is entered.

    Attributes:
        bodies: of the requests for completions, in order of arrival.
        keys: their ``Authorization`` headers.
        most_at_once: requests for completions that were in work at the same time.
        over: set when the server closes; slow behaviours wait on it, so that no thread outlives a test.
    """

    def __init__(
        self, *script: Behaviour, then: Behaviour | None = None, models: Any = ("tiny",), port: int = 0
    ) -> None:
        self.script, self.then = list(script), then or says("ok")
        self.port = port
        self.listed: Behaviour = models if callable(models) else lists(models)
        self.bodies: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.now = self.most_at_once = 0
        self.lock = threading.Lock()
        self.over = threading.Event()
        self.connections: set[socket.socket] = set()

    def __enter__(self) -> Self:
        self._http = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._http.daemon_threads = True
        self._http.lying = self  # type: ignore[attr-defined]
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.die()

    def die(self) -> None:
        """Stop listening and cut every connection, as the end of a process does."""
        self.over.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()
        for connection in list(self.connections):
            _cut(connection)

    @contextlib.contextmanager
    def working(self, body: dict[str, Any], key: str | None) -> Iterator[Behaviour]:
        """One request; its behaviour is taken from the script."""
        with self.lock:
            self.bodies.append(body)
            self.keys.append(key)
            self.now += 1
            self.most_at_once = max(self.most_at_once, self.now)
            behaviour = self.script.pop(0) if self.script else self.then
        try:
            yield behaviour
        finally:
            with self.lock:
                self.now -= 1


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # header and body are two writes; the second would wait 40 ms

    def setup(self) -> None:
        super().setup()
        self.lying.connections.add(self.connection)

    def finish(self) -> None:
        self.lying.connections.discard(self.connection)
        with contextlib.suppress(OSError):
            super().finish()

    @property
    def lying(self) -> LyingServer:
        return self.server.lying  # type: ignore[attr-defined]

    def do_GET(self) -> None:
        self.lying.listed(self, {})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.lying.over.is_set():
            self.drop()
        elif self.path != "/v1/chat/completions":
            self.send(404, {"detail": "Not Found"})
        else:
            with self.lying.working(body, self.headers["Authorization"]) as behave, contextlib.suppress(OSError):
                behave(self, body)

    def send(self, code: int, document: Any, **headers: str) -> None:
        raw = document if isinstance(document, bytes) else json.dumps(document).encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(raw)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(raw)

    def drop(self) -> None:
        """Cut the connection."""
        self.close_connection = True
        _cut(self.connection)

    def log_message(self, *_: object) -> None:
        """Quiet."""


def _cut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def completion(content: Any, finish: str | None = "stop", *, model: str = "tiny", **message: Any) -> dict[str, Any]:
    """The document of a completion, as honest servers send it."""
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": model,
        "choices": [
            {"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": content} | message}
        ],
        "usage": {
            "prompt_tokens": 1000,
            "completion_tokens": 20,
            "total_tokens": 1020,
            "prompt_tokens_details": {"cached_tokens": 700},
        },
    }


def says(content: Any, finish: str | None = "stop", **more: Any) -> Behaviour:
    """A completion with this content; ``more`` goes into the message, ``model`` into the document."""
    return lambda handler, body: handler.send(200, completion(content, finish, **more))


def sends(document: Any) -> Behaviour:
    """Status 200 with any document, or any bytes."""
    return lambda handler, body: handler.send(200, document)


def lists(names: Sequence[str], **more: Any) -> Behaviour:
    """What ``/v1/models`` answers."""
    return sends({"object": "list", "data": [{"id": name, "object": "model"} | more for name in names]})


def status(code: int, words: Any = "something is wrong", **headers: str) -> Behaviour:
    """An error as OpenAI and vLLM write it."""
    return lambda handler, body: handler.send(code, {"error": {"message": words, "code": code}}, **headers)


def refuses(*fields: str, otherwise: Behaviour | None = None) -> Behaviour:
    """Status 422 that names those of ``fields`` which the request holds, as ``transformers serve`` writes it."""

    def behave(handler: Handler, body: dict[str, Any]) -> None:
        unexpected = sorted(set(fields) & body.keys())
        if unexpected:
            handler.send(422, {"detail": f"Unexpected fields in the request: {set(unexpected)}"})
        else:
            (otherwise or says("ok"))(handler, body)

    return behave


def cuts(handler: Handler, body: dict[str, Any]) -> None:
    """The connection ends in the middle of the body."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"choices": [')
    handler.drop()


def hangs_up(handler: Handler, body: dict[str, Any]) -> None:
    """The connection ends before a response begins."""
    handler.drop()


def silent(handler: Handler, body: dict[str, Any]) -> None:
    """No response at all, and the connection stays open."""
    handler.lying.over.wait(30)
    handler.drop()


def drips(handler: Handler, body: dict[str, Any]) -> None:
    """One space every 20 ms: no read times out, and the body never ends."""
    _begin_endless(handler)
    while not handler.lying.over.wait(0.02):
        handler.wfile.write(b" ")


def floods(handler: Handler, body: dict[str, Any]) -> None:
    """A body without an end, as fast as it goes."""
    _begin_endless(handler)
    while not handler.lying.over.is_set():
        handler.wfile.write(b'{"choices": [' + b" " * 65536)


def slow(seconds: float, after: Behaviour | None = None) -> Behaviour:
    """A good answer after a while."""

    def behave(handler: Handler, body: dict[str, Any]) -> None:
        handler.lying.over.wait(seconds)
        (after or says("ok"))(handler, body)

    return behave


def _begin_endless(handler: Handler) -> None:
    handler.close_connection = True
    handler.send_response(200)
    handler.send_header("Connection", "close")
    handler.end_headers()
