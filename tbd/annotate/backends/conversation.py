"""One face's conversation with the endpoints: its messages, its tries, its moves.

present endpoint -> try, wait, try again -> next endpoint, with the whole history
"""

from __future__ import annotations

import base64
import io
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from PIL import Image

from tbd.annotate.backends.base import ConversationStart, Question, Reply, Turn
from tbd.annotate.backends.endpoint import Endpoint
from tbd.annotate.backends.request_errors import (
    AccessDenied,
    EndpointUnreachable,
    RequestError,
    RequestRejected,
    TransientError,
)
from tbd.annotate.backends.retry import CircuitBreaker, Pace, retry_delay
from tbd.annotate.recipe import ServerSettings
from tbd.errors import MissingError, UsageError
from tbd.recipe import digest

DROPPABLE = ("response_format", "seed", "temperature")
"""Standard fields that a request can do without where a server refuses them; each is noted."""
KEY = "export TBD_API_KEY=KEY"
KEY_LOST = (401, 402)
"""Of a key that was good until now: expired, revoked, spent. No row can be at fault; with 403 one can (moderation)."""


@dataclass(frozen=True)
class ConversationSettings:
    """What all conversations of a backend share."""

    model: str
    endpoints: Sequence[Endpoint]
    server: ServerSettings
    breaker: CircuitBreaker
    pace: Pace
    note: Callable[[str], None]


class Conversation:
    """One face's exchanges so far, and the endpoint that has seen them.

    Its endpoints are ordered by rendezvous hashing: each pair of endpoint and key has a fixed random
    weight, so conversations spread evenly and a missing endpoint moves only its own.
    """

    def __init__(self, setting: ConversationSettings, start: ConversationStart) -> None:
        self.setting, self.key = setting, start.key
        self.order = sorted(setting.endpoints, key=lambda endpoint: digest([endpoint.url, start.key]))
        self.order.sort(key=lambda endpoint: endpoint.resting)
        self.images = [] if start.images is None else [_data_url(image) for image in start.images]
        self.messages: list[dict[str, Any]] = [{"role": "system", "content": start.system}] if start.system else []
        for example in start.examples:
            self.messages += [
                {"role": "user", "content": example.question},
                {"role": "assistant", "content": example.reply},
            ]
        self.begun = False
        self.requests = 0
        for turn in start.history:
            self._add(turn)

    def ask(self, question: Question) -> Reply:
        """The reply to one more question; ``failed`` and the reason when there is none.

        Raises:
            MissingError: the servers are gone, or this one never let us in.
            UsageError: the server refuses a field that the recipe insists on.
        """
        self.requests, started = 0, time.monotonic()
        reply = self._over_endpoints(question)
        if reply.finish != "failed":
            self._add(Turn(question.text, reply.text))
        usage = replace(reply.usage, seconds=time.monotonic() - started, attempts=self.requests)
        return replace(reply, usage=usage)

    def _over_endpoints(self, question: Question) -> Reply:
        """Try the present endpoint, then the others in order; stay where the reply came from."""
        setting = self.setting
        for endpoint, following in pairwise([*self.order, None]):
            assert endpoint is not None
            try:
                reply = self._insist(endpoint, question, alone=following is None)
            except TransientError as error:
                endpoint.rest()
                if following is None:
                    return self._failed(endpoint, error)
                setting.note(f"{endpoint.url} failed ({error.brief}); conversations moved to {following.url}")
            except AccessDenied as error:
                if not endpoint.answered or error.status in KEY_LOST:
                    raise denied(endpoint, error) from None
                return self._failed(endpoint, error)
            except RequestRejected as error:  # this row's fault, unless nothing was ever answered
                return self._failed(endpoint, error, blame=not endpoint.answered)
            else:
                setting.breaker.answered()
                self.order.sort(key=lambda one: one is not endpoint)
                return reply
        raise AssertionError("a backend has at least one endpoint")

    def _failed(self, endpoint: Endpoint, error: RequestError, *, blame: bool = True) -> Reply:
        """A failed reply. With ``blame`` it counts towards the end of the run."""
        words = f"{endpoint.url}: {error}"
        if blame:
            key = KEY if error.status == 403 else "see to the server"
            self.setting.breaker.failed(words, fix=key)
        return Reply(words, "failed")

    def _insist(self, endpoint: Endpoint, question: Question, *, alone: bool) -> Reply:
        """Try again while it may help. Where nobody listens, another endpoint is tried first."""
        server, breaker = self.setting.server, self.setting.breaker
        attempt = 0
        while True:
            breaker.check()
            try:
                return self._once(endpoint, question)
            except TransientError as error:
                if (
                    breaker.stopped
                    or attempt >= server.retries
                    or (isinstance(error, EndpointUnreachable) and not alone)
                ):
                    raise
                breaker.wait(retry_delay(server.backoff, attempt, f"{self.key} {question.step}", error.wait))
            attempt += 1

    def _once(self, endpoint: Endpoint, question: Question) -> Reply:
        """One request; sent again at once without a standard field that the server refuses."""
        setting = self.setting
        while True:
            body = self._body(endpoint, question)
            if wait := setting.pace.turn():
                setting.breaker.wait(wait)
            self.requests += 1
            try:
                reply, model = endpoint.chat(body)
            except RequestRejected as error:
                if refused := endpoint.refuse(self._optional(body), error):
                    setting.note(f"{endpoint.url} refuses {', '.join(refused)}; it is left out there")
                    continue
                self._blame(endpoint, error)
                raise
            if reply.note:
                setting.note(f"{endpoint.url} {reply.note}")
            if model and not model.startswith(setting.model):
                setting.note(f"{endpoint.url} answers as {model!r}, not as {setting.model!r}")
            return reply

    def _body(self, endpoint: Endpoint, question: Question) -> dict[str, Any]:
        server = self.setting.server
        body: dict[str, Any] = {
            "model": self.setting.model,
            "messages": [*self.messages, self._user(question.text)],
            "temperature": question.temperature,
            "seed": question.seed,
            "max_tokens": question.max_tokens,
        }
        if question.schema and server.structured != "off":
            schema = {"name": f"tbd_{question.step}", "strict": True, "schema": dict(question.schema)}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        return {field: value for field, value in body.items() if field not in endpoint.refused} | server.extra

    @property
    def _insisted(self) -> set[str]:
        """Fields that the recipe asks for by name; they are never dropped."""
        server = self.setting.server
        return {*server.extra, *(["response_format"] if server.structured == "json_schema" else [])}

    def _optional(self, body: dict[str, Any]) -> list[str]:
        return [field for field in DROPPABLE if field in body and field not in self._insisted]

    def _blame(self, endpoint: Endpoint, error: RequestRejected) -> None:
        """Stop a run whose recipe insists on what the server refuses, before every row fails of it."""
        named = error.names(self._insisted)
        if named and not endpoint.answered:
            raise UsageError(
                f"{endpoint.url} refuses {', '.join(named)}, on which the recipe insists ({error})",
                next="change the section [server] of the recipe: its keys extra and structured",
            ) from None

    def _add(self, turn: Turn) -> None:
        self.messages += [self._user(turn.question), {"role": "assistant", "content": turn.reply}]
        self.begun = True

    def _user(self, text: str) -> dict[str, Any]:
        """A turn of ours; the first one carries the pictures."""
        if self.begun or not self.images:
            return {"role": "user", "content": text}
        pictures = [{"type": "image_url", "image_url": {"url": image}} for image in self.images]
        return {"role": "user", "content": [*pictures, {"type": "text", "text": text}]}


def denied(endpoint: Endpoint, error: AccessDenied) -> MissingError:
    """What to do about an endpoint that turns down every request."""
    words = f"{endpoint.url} turns us down: {error}"
    if error.status in (401, 402, 403):
        return MissingError(words, next=f"{KEY}   # then run the same command again")
    return MissingError(words, next=f"curl {endpoint.url}/models   # which models it has; name one with --model")


def _data_url(image: np.ndarray[Any, np.dtype[np.uint8]]) -> str:
    """``(H, W, 3)`` uint8 RGB as a JPEG data URL (quality 95, colours at full resolution)."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=95, subsampling=0)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode('ascii')}"
