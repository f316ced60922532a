"""The rater's page: each address, and what it does.

GET  /            the page: an invitation to begin, or the clip that is next
POST /begin       takes a place; from then on the browser is that rater
GET  /item        what is next, as JSON
POST /vote        a vote, on disk before the answer, which is what is next
GET  /media/NAME  a video or portrait of this study
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from tbd.errors import TbdError, UsageError
from tbd.evaluate.study.study_folder import CRITERIA, MEDIA, SCALE, Study
from tbd.evaluate.study.votes import Vote, VoteStore
from tbd.web import forms
from tbd.web.guard import Guard, cookie_name, right, set_cookie
from tbd.web.templates import TemplateFolder

HINT = "Open the address that you were given; it lets your browser in and brings you back to where you were."
KEEP = 90 * 24 * 3600
"""Seconds for which a browser remembers which rater it is."""

templates = TemplateFolder(Path(__file__).parent / "page", {"SCALE": SCALE, "CRITERIA": CRITERIA})


@dataclass(frozen=True)
class Visitor:
    """A browser. ``rater`` is None before it has taken a place."""

    rater: int | None


class RaterAdmissions:
    """Everybody with the invitation may take a place; a rater's own address leads to theirs, from any device.

    The cookie is the secret of the address, so that a server that starts again knows everybody.
    """

    def __init__(self, study: Study) -> None:
        self._study = study

    def admit(self, token: str, cookie: str) -> str | None:
        """The rater's secret; the invitation, unless the browser is a rater already."""
        if right(token, self._study.invitation):
            return cookie if self._rater(cookie) is not None else self._study.invitation
        rater = self._rater(token)
        return None if rater is None else self._study.raters[rater]

    def session(self, cookie: str) -> Visitor | None:
        """Who this is."""
        rater = self._rater(cookie)
        return Visitor(rater) if rater is not None or right(cookie, self._study.invitation) else None

    def _rater(self, secret: str) -> int | None:
        found = [rater for rater, own in enumerate(self._study.raters) if right(secret, own)]
        return found[0] if found else None


def create_app(folder: Path, study: Study, store: VoteStore, host: str = "127.0.0.1") -> Guard:
    """The page as an ASGI application.

    Args:
        folder: of the study.
        host: the address that is listened on.
    """
    page = RaterPage(folder, study, store)
    routes = [
        Route("/", page.start),
        Route("/begin", page.begin, methods=["POST"]),
        Route("/item", page.item),
        Route("/vote", page.vote, methods=["POST"]),
        Route(f"/{MEDIA}/{{name:str}}", page.media),
        Route("/static/{name:str}", templates.answer_static),
    ]
    handlers: Any = {TbdError: _refused, HTTPException: _refused}
    return Guard(
        Starlette(routes=routes, exception_handlers=handlers), RaterAdmissions(study), templates, HINT, host, KEEP
    )


class RaterPage:
    """What each address does."""

    def __init__(self, folder: Path, study: Study, store: VoteStore) -> None:
        self._folder, self._study, self._store = folder, study, store

    def start(self, request: Request) -> Response:
        """The invitation, or the page of a rater."""
        rater = request.state.session.rater
        if rater is None:
            return templates.page("begin.html", of=len(self._study.orders[0]))
        return templates.page("rate.html", own=f"/?token={self._study.raters[rater]}", data="")

    def begin(self, request: Request) -> Response:
        """Take a place; a browser that has one keeps it."""
        answer = RedirectResponse("/", 303)
        if request.state.session.rater is None:
            rater = self._store.claim()
            if rater is None:
                return templates.page(
                    "problem.html", 410, title="All places are taken", words="Thank you; this study has its raters."
                )
            set_cookie(answer, cookie_name(request), self._study.raters[rater], KEEP)
        return answer

    def item(self, request: Request) -> Response:
        """What is next for this rater."""
        return self._next(_rater(request))

    async def vote(self, request: Request) -> Response:
        """Store a vote. One for an item that has one already changes nothing."""
        form = await forms.read(request)
        rater, position = _rater(request), form.one("position")
        if not (position.isascii() and position.isdigit()):
            raise UsageError("position: a number is needed")
        given = {one.key: form.one(one.key) for one in CRITERIA}
        answers = {key: int(text) if text in "12345" and text else 0 for key, text in given.items()}
        vote = Vote(rater, int(position), answers, _seconds(form.one("seconds")))
        new = await run_in_threadpool(self._store.add, vote)
        return self._next(rater, 200 if new else 409)

    def media(self, request: Request) -> Response:
        """A file of this study; the name is looked up in the design, nothing else leads to a file."""
        _rater(request)
        name = request.path_params["name"]
        if name not in self._study.media:
            raise HTTPException(404)
        return FileResponse(self._folder / MEDIA / name, headers={"Cache-Control": "private, max-age=86400"})

    def _next(self, rater: int, status: int = 200) -> Response:
        position, order = self._store.position(rater), self._study.orders[rater]
        found = self._study.shown(rater, position) if position < len(order) else {"done": True, "of": len(order)}
        return JSONResponse(found, status)


def _rater(request: Request) -> int:
    rater: int | None = request.state.session.rater
    if rater is None:
        raise HTTPException(403, "Take a place first.")
    return rater


def _seconds(text: str) -> float | None:
    try:
        return min(max(float(text), 0.0), 86400.0)
    except ValueError:
        return None


def _refused(request: Request, error: Exception) -> Response:
    if isinstance(error, HTTPException):
        status, words = error.status_code, error.detail
    else:
        status, words = 400 if isinstance(error, UsageError) else 503, getattr(error, "message", str(error))
    if request.method != "GET" or request.url.path == "/item":
        return JSONResponse({"problem": words}, status)
    return templates.page("problem.html", status, title="That did not work", words=words)
