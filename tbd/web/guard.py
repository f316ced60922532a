"""Who may ask: only browsers that were given the token, by the server's own name, from its own pages."""

from __future__ import annotations

import ipaddress
import secrets
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlencode, urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tbd.web.templates import TemplateFolder

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


class Admissions(Protocol):
    """Who is let in, and what is known of them."""

    def admit(self, token: str, cookie: str) -> str | None:
        """What the browser's cookie shall be from now on; None for a wrong token.

        Args:
            token: of the address.
            cookie: that the browser brought; "" for none.
        """

    def session(self, cookie: str) -> Any:
        """What is known of a browser with this cookie; None for a stranger."""


class OneToken:
    """The same secret for everybody; who came in is remembered as long as the server runs.

    Args:
        token: the secret of the printed address.
        new_session: makes what is remembered of a browser.
    """

    def __init__(self, token: str, new_session: Callable[[], Any]) -> None:
        self._token, self._new_session = token, new_session
        self._sessions: dict[str, Any] = {}

    def admit(self, token: str, cookie: str) -> str | None:
        """A new cookie, unless the browser has one that is known."""
        if not right(token, self._token):
            return None
        if cookie not in self._sessions:
            cookie = secrets.token_urlsafe(32)
            self._sessions[cookie] = self._new_session()
        return cookie

    def session(self, cookie: str) -> Any:
        """What ``new_session`` made."""
        return self._sessions.get(cookie)


class TokenEach:
    """A secret for every person; whoever comes with it is that person.

    Args:
        sessions: secret -> what is remembered of its person's browsers.
    """

    def __init__(self, sessions: Mapping[str, Any]) -> None:
        self._tokens, self._sessions = dict(sessions), dict[str, Any]()

    def admit(self, token: str, cookie: str) -> str | None:
        """A new cookie, unless the browser has one of this person."""
        found = [
            self._tokens[known] for known in self._tokens if right(token, known)
        ]  # all, so that time tells nothing
        if not found:
            return None
        if self._sessions.get(cookie) is not found[0]:
            cookie = secrets.token_urlsafe(32)
            self._sessions[cookie] = found[0]
        return cookie

    def session(self, cookie: str) -> Any:
        """What is remembered of the person."""
        return self._sessions.get(cookie)


@dataclass
class Guard:
    """ASGI middleware that lets nothing through but what the server's own pages ask.

    Refused, in this order: a Host header that is not this server's (400; a name that somebody else's DNS
    points here), a browser without the token (403), and a request that changes something but does not come
    from a page of this server (403). Every answer carries ``HEADERS``. Styles and scripts of the pages hold no
    secret; who is refused sees them too.

    Args:
        app: what is guarded. Its requests carry ``request.state.session``.
        admissions: who is let in.
        templates: has ``problem.html`` (``title``, ``words``) and ``welcome.html`` (``to``).
        hint: what a person without the token is told to do.
        host: the address that the server listens on.
        keep: seconds for which a browser keeps its cookie; None until it is closed.
    """

    app: ASGIApp
    admissions: Admissions
    templates: TemplateFolder
    hint: str
    host: str = "127.0.0.1"
    keep: int | None = None

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
            return self._refused(400, "Wrong address", "This server does not go by that name.")
        if request.method in SAFE and request.url.path.startswith("/static/"):
            return None
        name = cookie_name(request)
        given, cookie = request.query_params.get("token"), request.cookies.get(name, "")
        if given is not None and request.method in SAFE and (admitted := self.admissions.admit(given, cookie)):
            return self._welcome(request, name, admitted)
        session = self.admissions.session(cookie)
        if session is None:
            return self._refused(403, "This page needs its token", self.hint)
        if request.method not in SAFE and not own_origin(request):
            return self._refused(403, "Refused", "This did not come from a page of this server.")
        request.state.session = session
        return None

    def _refused(self, status: int, title: str, words: str) -> Response:
        return self.templates.page("problem.html", status, title=title, words=words)

    def _welcome(self, request: Request, name: str, cookie: str) -> Response:
        """A page that goes on by itself: a redirect from a foreign link would not bring a Strict cookie along."""
        query = urlencode([(key, value) for key, value in request.query_params.multi_items() if key != "token"])
        path = "/" + request.url.path.lstrip("/\\")  # never another server's name
        answer = self.templates.page("welcome.html", to=path + (f"?{query}" if query else ""))
        if request.cookies.get(name, "") != cookie:
            set_cookie(answer, name, cookie, self.keep)
        return answer


def cookie_name(request: Request) -> str:
    """Cookies know no ports: servers of one machine must not take each other's."""
    return f"tbd_{request.url.port or 80}"


def set_cookie(answer: Response, name: str, value: str, keep: int | None) -> None:
    """A cookie that no script reads and no foreign page brings along."""
    answer.set_cookie(name, value, max_age=keep, httponly=True, samesite="strict", path="/")


def right(given: str, secret: str) -> bool:
    """Whether two secrets are the same, in the same time whether they are or not."""
    return secrets.compare_digest(given.encode("utf-8", "replace"), secret.encode())


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
