"""Why a request to a server brought no reply, and whether another try may help."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

_PASSING = {408, 409, 425, 429}
_DENIED = {401, 402, 403, 404, 405}


class RequestError(Exception):
    """No reply came. ``str(error)`` is one line for a person.

    Attributes:
        brief: its first words, the same for all rows.
        status: of the response, 0 where there was none.
        wait: seconds that the server asked for.
    """

    def __init__(self, brief: str, detail: str = "", *, status: int = 0, wait: float = 0.0) -> None:
        super().__init__(f"{brief}: {detail}" if detail else brief)
        self.brief, self.status, self.wait = brief, status, wait


class TransientError(RequestError):
    """Another try may help: too many requests, a server error, a cut connection, a time-out, nonsense."""


class EndpointUnreachable(TransientError):
    """Nobody listens there."""


class AccessDenied(RequestError):
    """Key, address or model are wrong: trying again does not help."""


class RequestRejected(RequestError):
    """The server does not take this request; it may take others."""

    def names(self, fields: Iterable[str]) -> list[str]:
        """Those of some request fields that the server complains of."""
        return sorted(field for field in fields if re.search(_pattern(field), str(self), re.IGNORECASE))


def error_of(response: httpx.Response, raw: bytes, secret: str) -> RequestError:
    """The error that an unsuccessful response means. ``secret`` is kept out of its words."""
    code = response.status_code
    detail = clean(message(parse(raw)) or _plain(raw) or response.headers.get("location", ""), secret)
    kind: type[RequestError] = RequestRejected
    if code in _PASSING or code >= 500:
        kind = TransientError
    elif code in _DENIED or response.is_redirect:
        kind = AccessDenied
    return kind(f"HTTP {code}", detail, status=code, wait=_retry_after(response.headers.get("retry-after", "")))


def parse(raw: bytes) -> Any:
    """A JSON body; None when it is none."""
    with suppress(ValueError, RecursionError):
        return json.loads(raw)
    return None


def message(document: Any) -> str:
    """What a server says is wrong, in the forms of OpenAI, vLLM, llama.cpp and FastAPI."""
    words: list[str] = []
    waiting = [document]
    while waiting and len(words) < 4:
        match waiting.pop(0):
            case {"loc": [*place], "msg": str(text)}:
                words.append(f"{'.'.join(map(str, place))}: {text}")
            case {"error": inner} | {"detail": inner} | {"message": inner} if inner:
                waiting.append(inner)
            case [*parts]:
                waiting += parts[:4]
            case str(text):
                words.append(text)
    return "; ".join(words)


def clean(words: str, secret: str) -> str:
    """One printable line of at most 300 letters, without the secret."""
    line = " ".join((words.replace(secret, "***") if secret else words).split())
    return "".join(letter for letter in line[:300] if letter.isprintable())


def _pattern(field: str) -> str:
    """How servers name a request field. Few call the JSON schema by the name of its field."""
    if field == "response_format":
        return r"response_format|json.?schema|grammar|guided"
    return rf"\b{re.escape(field)}\b"


def _plain(raw: bytes) -> str:
    """A body that is text; the pages of proxies say nothing that the status does not."""
    text = raw[:1000].decode("utf-8", "replace").strip()
    return "" if text.startswith("<") else text


def _retry_after(value: str) -> float:
    """Seconds that a ``Retry-After`` header asks for (RFC 9110, section 10.2.3); 0 when it makes no sense."""
    seconds = 0.0
    with suppress(ValueError, TypeError):
        seconds = (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds()
    with suppress(ValueError):
        seconds = float(value)
    return 0.0 if math.isnan(seconds) else max(seconds, 0.0)
