"""Who may ask: only browsers that were given the token, by the server's own name, from its own pages."""

from __future__ import annotations

import ipaddress
import secrets
import socket
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tbd.review.web.render import page

SAFE = ("GET", "HEAD")
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "media-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


@dataclass
class Session:
    """One browser. ``reviewer`` is "" until the person has said a name."""

    reviewer: str = ""


@dataclass
class Guard:
    """ASGI middleware that lets nothing through but what the reviewers' own pages ask.

    Refused, in this order: a Host header that is not this server's (400; a name that somebody else's DNS
    points here), a browser without the token (403), and a request that changes something but does not come
    from a page of this server (403). Every answer carries ``HEADERS``.

    Args:
        app: what is guarded.
        token: the secret of the printed address.
        host: the address that the server listens on.
        reviewer: name that new browsers start with; "" asks for one.
    """

    app: ASGIApp
    token: str
    host: str = "127.0.0.1"
    reviewer: str = ""
    sessions: dict[str, Session] = field(default_factory=dict)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or hand it on."""
        if scope["type"] == "lifespan":
            return await self.app(scope, receive, send)
        if scope["type"] != "http":
            return None

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        answer = self._answer(Request(scope)) or self.app
        return await answer(scope, receive, guarded)

    def _answer(self, request: Request) -> Response | None:
        """A refusal, or the welcome that hands out the cookie; None lets the request through."""
        if not named(request.headers.get("host", ""), self.host):
            return page("problem.html", 400, title="Wrong address", words="This server does not go by that name.")
        given, cookie = request.query_params.get("token"), f"tbd_review_{request.url.port or 80}"
        if given is not None and request.method in SAFE and self._right(given):
            return self._welcome(request, cookie)
        session = self.sessions.get(request.cookies.get(cookie, ""))
        if session is None:
            words = "Open the address that tbd review --web printed; the token in it lets your browser in."
            return page("problem.html", 403, title="This page needs its token", words=words)
        if request.method not in SAFE and not own_origin(request):
            return page("problem.html", 403, title="Refused", words="This did not come from a page of this server.")
        request.state.session = session
        return None

    def _right(self, given: str) -> bool:
        return secrets.compare_digest(given.encode("utf-8", "replace"), self.token.encode())

    def _welcome(self, request: Request, cookie: str) -> Response:
        """A page that goes on by itself: a redirect from a foreign link would not bring a Strict cookie along."""
        query = urlencode([(key, value) for key, value in request.query_params.multi_items() if key != "token"])
        answer = page("welcome.html", to=request.url.path + (f"?{query}" if query else ""))
        if request.cookies.get(cookie, "") not in self.sessions:
            name = secrets.token_urlsafe(32)
            self.sessions[name] = Session(self.reviewer)
            answer.set_cookie(cookie, name, httponly=True, samesite="strict", path="/")
        return answer


def named(header: str, host: str) -> bool:
    """Whether a Host header names this server.

    On the loopback only loopback names do. A server opened to the network also answers to numeric addresses
    and this machine's names, which no foreign page can make its own. The port is not compared: a tunnel may
    have another.
    """
    try:
        name = (urlsplit(f"//{header}").hostname or "").rstrip(".")
    except ValueError:
        return False
    if name == "localhost":
        return True
    address = _address(name)
    if loopback(host):
        return address is not None and address.is_loopback
    return address is not None or name in {host.lower(), socket.gethostname().lower(), socket.getfqdn().lower()}


def own_origin(request: Request) -> bool:
    """Whether a browser says that a request comes from a page of this server."""
    origin = request.headers.get("origin")
    if origin is None:
        return request.headers.get("sec-fetch-site") == "same-origin"
    return urlsplit(origin).netloc == request.headers.get("host")


def loopback(host: str) -> bool:
    """Whether an address can be reached from this machine only."""
    address = _address(host)
    return host == "localhost" or (address is not None and address.is_loopback)


def _address(name: str) -> Any:
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None
