"""The review page as an application.

``pages`` has those of a card; here is the way in: the name, the tab, and what is refused.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from tbd.errors import TbdError, UsageError
from tbd.review import validation
from tbd.review.web import pages, views
from tbd.review.web.media import Media
from tbd.review.web.tabs import BrowserTabs
from tbd.review.web.views import PAGES
from tbd.review.web.visit import Visit
from tbd.web import forms
from tbd.web.forms import Form
from tbd.web.guard import Guard, OneToken, TokenEach


@dataclass
class Browser:
    """One browser. ``reviewer`` is "" until the person has said a name; ``fixed``: the address says it."""

    reviewer: str = ""
    fixed: bool = False


def create_app(tabs: BrowserTabs, tokens: Mapping[str, str], *, host: str = "127.0.0.1") -> Guard:
    """The review page as an ASGI application.

    Args:
        tabs: the reviewers' sessions.
        tokens: secrets that a browser must bring once, as ``?token=``, and whose each is; "" asks for a name.
        host: the address that is listened on; a loopback one is answered under loopback names only.
    """
    media, entrance = Media(tabs), Entrance(tabs)

    @asynccontextmanager
    async def life(_: Starlette) -> AsyncIterator[None]:
        yield
        tabs.close()

    routes = [
        Route("/", entrance.start),
        Route("/name", entrance.ask_name, methods=["GET"]),
        Route("/name", entrance.take_name, methods=["POST"]),
        Route("/bulk/progress", entrance.bulk_progress),
        *(Route(path, entrance.visited(answer), methods=["GET"]) for path, answer in pages.GETS.items()),
        *(Route(path, entrance.visited(answer), methods=["POST"]) for path, answer in pages.POSTS.items()),
        Route("/clips/{clip_id:str}/strip.jpg", media.strip),
        Route("/clips/{clip_id:str}/video", media.video),
        Route("/static/{name:str}", PAGES.answer_static),
    ]
    handlers: Any = {TbdError: PAGES.refused, HTTPException: PAGES.refused}
    app = Starlette(routes=routes, exception_handlers=handlers, lifespan=life)
    hint = "Open the address that tbd review --web printed; the token in it lets your browser in."
    several = TokenEach({token: Browser(name, fixed=True) for token, name in tokens.items()})
    token, reviewer = next(iter(tokens.items()))
    return Guard(app, several if len(tokens) > 1 else OneToken(token, lambda: Browser(reviewer)), PAGES, hint, host)


class Entrance:
    """Who sits at a browser, and in which of the reviewer's tabs a request is worked on."""

    def __init__(self, tabs: BrowserTabs) -> None:
        self._tabs = tabs

    def visited(self, answer: Callable[[Visit], Response]) -> Callable[[Request], Awaitable[Response]]:
        """An endpoint that answers from the browser's tab, which is held meanwhile."""

        async def endpoint(request: Request) -> Response:
            form = await forms.read(request) if request.method == "POST" else Form(b"")
            return await run_in_threadpool(self._answer, answer, request, form)

        return endpoint

    def _answer(self, answer: Callable[[Visit], Response], request: Request, form: Form) -> Response:
        reviewer, query = request.state.session.reviewer, request.query_params
        if request.url.path == "/review" and not (reviewer and query.get("tab")):
            return self.start(request)
        tab = self._tabs.of(_named(reviewer), query.get("tab", ""))
        with tab.lock:
            if (filters := views.filters_of(query)) != tab.session.filters:
                tab.session.filter(filters)
            return answer(Visit(request, tab, form))

    def start(self, request: Request) -> Response:
        """To a new tab of the reviewer: the card that is asked for, else the filters of the address or the command."""
        reviewer, query = request.state.session.reviewer, request.query_params
        if not reviewer:
            return RedirectResponse("/name", 303)
        filters = views.filters_of(query) if request.url.path != "/" else self._tabs.of(reviewer).session.filters
        return RedirectResponse(views.address("/review", filters, secrets.token_hex(4), clip=query.get("clip")), 303)

    def ask_name(self, request: Request, problem: str = "") -> Response:
        """The form that asks who is reviewing."""
        browser = request.state.session
        if browser.fixed:
            raise HTTPException(403, f"This address is {browser.reviewer}'s; others have their own.")
        return PAGES.page("name.html", 400 if problem else 200, reviewer=browser.reviewer, problem=problem)

    async def take_name(self, request: Request) -> Response:
        """A browser says who sits at it; the session is opened."""
        self.ask_name(request)
        name = (await forms.read(request)).one("name").strip()
        try:
            validation.refuse_name(name)
        except UsageError as error:
            return self.ask_name(request, error.message)
        tab = await run_in_threadpool(self._tabs.of, name)
        request.state.session.reviewer = tab.session.reviewer
        return RedirectResponse("/", 303)

    def bulk_progress(self, request: Request) -> Response:
        """How far the tab's bulk decision is, which holds the tab."""
        tab = self._tabs.of(_named(request.state.session.reviewer), request.query_params.get("tab", ""))
        done, total = tab.bulk
        return JSONResponse({"done": done, "total": total})


def _named(reviewer: str) -> str:
    if not reviewer:
        raise HTTPException(403, "Say your name first: open /name.")
    return reviewer
