"""What a browser posts: small, url-encoded, read whole or refused."""

from __future__ import annotations

from urllib.parse import parse_qs

from starlette.exceptions import HTTPException
from starlette.requests import Request

LIMIT = 64 * 1024
"""Bytes of a request's body; the longest prompts anybody writes take a tenth."""


class Form:
    """The fields of a form; a field may have several values."""

    def __init__(self, body: bytes) -> None:
        try:
            self._fields = parse_qs(body.decode("ascii"), keep_blank_values=True, max_num_fields=4_000, errors="strict")
        except ValueError:
            raise HTTPException(400, "This is not a form.") from None

    def one(self, name: str) -> str:
        """The first value of a field, "" when it has none."""
        return self._fields.get(name, [""])[0]

    def all(self, name: str) -> list[str]:
        """Every value of a field, in the order of the page."""
        return self._fields.get(name, [])


async def read(request: Request) -> Form:
    """The form of a request.

    Raises:
        HTTPException: 413 when the body is over ``LIMIT`` (it is not read further), 400 when it is no form,
            415 when it says that it is something else.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in ("", "application/x-www-form-urlencoded"):
        raise HTTPException(415, "Only url-encoded forms are read here.")
    size = request.headers.get("content-length", "0")
    body = bytearray()
    if not size.isascii() or not size.isdigit() or int(size) > LIMIT:
        raise HTTPException(413, f"More than {LIMIT // 1024} KiB are not read; nothing was saved.")
    async for chunk in request.stream():
        body += chunk
        if len(body) > LIMIT:
            raise HTTPException(413, f"More than {LIMIT // 1024} KiB are not read; nothing was saved.")
    return Form(bytes(body))
