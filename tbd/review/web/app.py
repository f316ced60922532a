"""The pages: each address, what it does in the reviewer's session, and what is shown then.

GET  /review?tab=…&flag=…&clip=…   a card; without ``clip`` the next one that is open
GET  /review/next, /previous       move without deciding
POST /decide /bulk /undo /redo     a decision, on disk before the answer; then the next card
POST /edit                         the same card with its fields open, for browsers without the script
POST /recheck /renew /bookmark     while a card is open: gates of an edited text, a longer lease
GET  /clips/ID/…                   pictures of a clip, found in the manifest by its id
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from tbd.errors import InputError, TbdError, UsageError
from tbd.review import validation, words
from tbd.review.card import Card, Receipt, Stale
from tbd.review.web import views
from tbd.review.web.media import Media
from tbd.review.web.tabs import BrowserTab, BrowserTabs
from tbd.review.web.views import PAGES
from tbd.web import forms
from tbd.web.forms import Form
from tbd.web.guard import Guard, OneToken, TokenEach

_KEPT = ("note", "without", "flags", "refuted", "prompt", "action", "reason")
"""Fields of a card's form that go with it from page to page."""


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
    pages, media = Pages(tabs), Media(tabs)

    @asynccontextmanager
    async def life(_: Starlette) -> AsyncIterator[None]:
        yield
        tabs.close()

    posts = ("decide", "bulk", "undo", "redo", "again", "edit", "recheck", "renew", "bookmark")
    routes = [
        Route("/", pages.start),
        Route("/name", pages.ask_name, methods=["GET"]),
        Route("/name", _posted(pages.take_name), methods=["POST"]),
        Route("/review", pages.review),
        Route("/review/{step:str}", pages.move),
        *(Route(f"/{name}", _posted(getattr(pages, name)), methods=["POST"]) for name in posts),
        Route("/ahead", pages.ahead),
        Route("/bulk/progress", pages.bulk_progress),
        Route("/clips/{clip_id:str}/strip.jpg", media.strip),
        Route("/clips/{clip_id:str}/video", media.video),
        Route("/static/{name:str}", PAGES.answer_static),
    ]
    handlers: Any = {TbdError: _refused, HTTPException: _refused}
    app = Starlette(routes=routes, exception_handlers=handlers, lifespan=life)
    hint = "Open the address that tbd review --web printed; the token in it lets your browser in."
    several = TokenEach({token: Browser(name, fixed=True) for token, name in tokens.items()})
    token, reviewer = next(iter(tokens.items()))
    return Guard(app, several if len(tokens) > 1 else OneToken(token, lambda: Browser(reviewer)), PAGES, hint, host)


class Pages:
    """The pages of a card. Each takes the browser's tab for as long as it works in its session."""

    def __init__(self, tabs: BrowserTabs) -> None:
        self._tabs = tabs

    def ask_name(self, request: Request, problem: str = "") -> Response:
        """The form that asks who is reviewing."""
        browser = request.state.session
        if browser.fixed:
            raise HTTPException(403, f"This address is {browser.reviewer}'s; others have their own.")
        return PAGES.page("name.html", 400 if problem else 200, reviewer=browser.reviewer, problem=problem)

    def take_name(self, request: Request, form: Form) -> Response:
        """A browser says who sits at it; the session is opened."""
        self.ask_name(request)
        try:
            validation.refuse_name(name := form.one("name").strip())
        except UsageError as error:
            return self.ask_name(request, error.message)
        request.state.session.reviewer = self._tabs.of(name).session.reviewer
        return RedirectResponse("/", 303)

    def start(self, request: Request) -> Response:
        """To a new tab of the reviewer's queue, with the filters of the command line."""
        reviewer = request.state.session.reviewer
        filters = self._tabs.of(reviewer).session.filters if reviewer else {}
        return RedirectResponse(views.address("/review", filters, secrets.token_hex(4)), 303)

    def review(self, request: Request) -> Response:
        """The card that the address names, or the next open one, or the end of the queue."""
        query = request.query_params
        if not request.state.session.reviewer:
            return RedirectResponse("/name", 303)
        if not query.get("tab"):
            clip = query.get("clip")
            return RedirectResponse(
                views.address("/review", views.filters_of(query), secrets.token_hex(4), clip=clip), 303
            )
        tab = self._tab(request)
        with tab.lock:
            if clip_id := query.get("clip"):
                return _card(request, tab, tab.card(clip_id))
            return _onward(request, tab, "", end=True)

    def move(self, request: Request) -> Response:
        """``/review/next?after=ID`` and ``/review/previous``: to another card, without a decision."""
        tab, after = self._tab(request), request.query_params.get("after") or None
        with tab.lock:
            if request.path_params["step"] == "next":
                card, end = tab.next(after), "No other card is open."
            elif request.path_params["step"] == "previous":
                card, end = tab.session.previous(), "This is the first card you were shown."
            else:
                raise HTTPException(404)
            if card is None:
                tab.note = end
            return _to(request, tab, card.clip_id if card else after)

    def decide(self, request: Request, form: Form) -> Response:
        """A decision about one card, or about some of its clips; then the next card."""
        tab, reason = self._tab(request), form.one("reason") or None
        action = form.one("action") or ("reject" if reason else "")
        prompts = form.all("prompt") if action == "edit" else None
        with tab.lock:
            card = tab.shown(form.one("ticket"))
            if card is None:
                return _conflict(request, tab, _forgotten(tab, form, prompts), form)
            without = set(form.all("without"))
            try:
                receipt = tab.session.decide(
                    card, action, prompts=prompts, reason=reason, flags=form.all("flags"),
                    refuted=form.all("refuted"), note=form.one("note"),
                    clips=[clip for clip in card.clips if clip not in without] if without else None,
                )  # fmt: skip
            except Stale as stale:
                return _conflict(request, tab, stale, form)
            return _onward(request, tab, words.said(receipt, reason), card.clip_id)

    def bulk(self, request: Request, form: Form) -> Response:
        """One decision about every open card with a flag; where another weighs as much, it is asked first."""
        tab, flag, action = self._tab(request), form.one("flag"), form.one("action")
        reason = (form.one("reason") or None) if action == "reject" else None

        def tell(done: int, total: int) -> None:
            tab.bulk = (done, total)

        with tab.lock:
            receipt = tab.session.decide_all(flag, action, reason, worse=form.one("worse") == "yes", tell=tell)
            said = words.said(receipt, reason) + (" One undo takes all of it back." if receipt.clips else "")
            if receipt.worse:
                around = views.frame(tab.session, request.query_params.get("tab", ""))
                return PAGES.page("bulk.html", note=said, flag=flag, receipt=receipt, **around)
            return _onward(request, tab, said)

    def bulk_progress(self, request: Request) -> Response:
        """How far the tab's bulk decision is."""
        done, total = self._tab(request, filters=False).bulk
        return JSONResponse({"done": done, "total": total})

    def undo(self, request: Request, form: Form) -> Response:
        """Take the last decision back and show its card."""
        tab = self._tab(request)
        with tab.lock:
            return _again(request, tab, tab.session.undo(), "There is nothing to take back.", form)

    def redo(self, request: Request, form: Form) -> Response:
        """Make again what was taken back, and show its card."""
        tab = self._tab(request)
        with tab.lock:
            return _again(request, tab, tab.session.redo(), "There is nothing to make again.", form)

    def again(self, request: Request, form: Form) -> Response:
        """Let the skipped cards come again."""
        tab = self._tab(request)
        with tab.lock:
            tab.session.filter(dict(tab.session.filters))
            return _onward(request, tab, "")

    def edit(self, request: Request, form: Form) -> Response:
        """The card of a form with its prompts open, and with all that was ticked and typed."""
        tab = self._tab(request)
        with tab.lock:
            card = tab.shown(form.one("ticket"))
            if card is None:
                return _to(request, tab, form.one("clip"))
            return _card(request, tab, card, form, ticket=form.one("ticket"))

    def recheck(self, request: Request, form: Form) -> Response:
        """Gates, tokens and changed words of a text that is being edited; nothing is written."""
        tab = self._tab(request)
        card = tab.shown(form.one("ticket"))
        if card is None:
            raise HTTPException(410)
        prompts = form.all("prompt")[: len(card.prompts) or 4]
        flags, tokens = tab.session.recheck(card, prompts)
        found = views.checked(card, prompts, tokens)
        verdict = PAGES.fragment("verdict.html", flags=() if card.blind else flags, card=card, budgets=found["budgets"])
        return JSONResponse({"tokens": found["tokens"], "changes": found["changes"], "verdict": verdict})

    def renew(self, request: Request, form: Form) -> Response:
        """Hold an open card for longer."""
        tab = self._tab(request)
        card = tab.shown(form.one("ticket"))
        return JSONResponse({"held": card is not None and (card.state != "open" or tab.session.renew(card))})

    def bookmark(self, request: Request, form: Form) -> Response:
        """Put a bookmark on a card, or take it away."""
        tab = self._tab(request)
        card = tab.shown(form.one("ticket"))
        if card is None:
            raise HTTPException(410)
        return JSONResponse({"bookmarked": tab.session.bookmark(card)})

    def ahead(self, request: Request) -> Response:
        """Pictures of the cards that come next, for the browser to fetch while this one is open."""
        tab = self._tab(request)
        with tab.lock:
            cards = tab.session.peek(1, request.query_params.get("clip"))
        return JSONResponse({"strips": [f"{views.card(card)['media']}/strip.jpg" for card in cards if card.path]})

    def _tab(self, request: Request, *, filters: bool = True) -> BrowserTab:
        """The tab of the browser's reviewer, with the queue as the address says."""
        reviewer = request.state.session.reviewer
        if not reviewer:
            raise HTTPException(403, "Say your name first: open /name.")
        tab = self._tabs.of(reviewer, request.query_params.get("tab", ""))
        if filters:
            tab.use(views.filters_of(request.query_params))
        return tab


def _card(request: Request, tab: BrowserTab, card: Card, form: Form | None = None, ticket: str = "") -> Response:
    around = views.frame(tab.session, request.query_params.get("tab", ""))
    kept = {name: form.all(name) if form else [] for name in _KEPT}
    about: dict[str, Any] = {
        "ticket": ticket or tab.ticket(card),
        "editing": form is not None,
        "kept": kept,
    }
    return PAGES.page(
        "card.html", note=tab.say(), missing=tab.session.missing(card), **about, **around, **views.card(card)
    )  # fmt: skip


def _conflict(request: Request, tab: BrowserTab, stale: Stale, form: Form) -> Response:
    """Somebody was faster: the difference, and a choice."""
    kept = [(name, form.all(name)) for name in _KEPT]
    about: dict[str, Any] = {"kept": kept, "ticket": tab.ticket(stale.current), "note": stale.message}
    around = views.frame(tab.session, request.query_params.get("tab", ""))
    return PAGES.page("stale.html", 409, stale=stale, **about, **around, **views.card(stale.current))


def _again(request: Request, tab: BrowserTab, receipt: Receipt | None, nothing: str, form: Form) -> Response:
    tab.note = words.said(receipt) if receipt else nothing
    return _to(request, tab, receipt.clip_id if receipt else form.one("clip") or None)


def _onward(request: Request, tab: BrowserTab, note: str, after: str | None = None, *, end: bool = False) -> Response:
    """To the next card, or to the page that says there is none."""
    tab.note = note or tab.note
    if (card := tab.next(after)) or not end:
        return _to(request, tab, card.clip_id if card else None)
    report = tab.session.report()
    title, lines = words.ending(report, tab.session.queue, tab.session.filters)
    command = words.next_command(report, str(tab.session.folder))
    about: dict[str, Any] = {"title": title, "lines": lines, "report": words.report(report), "command": command}
    return PAGES.page("done.html", note=tab.say(), **about, **views.frame(tab.session, request.query_params["tab"]))


def _to(request: Request, tab: BrowserTab, clip: str | None) -> Response:
    name = request.query_params.get("tab", "")
    return RedirectResponse(views.address("/review", tab.session.filters, name, clip=clip), 303)


def _posted(handler: Callable[[Request, Form], Response]) -> Any:
    async def endpoint(request: Request) -> Response:
        return await run_in_threadpool(handler, request, await forms.read(request))

    return endpoint


def _forgotten(tab: BrowserTab, form: Form, prompts: list[str] | None) -> Stale:
    """A form that is older than what is remembered: nothing is known of what its reviewer saw."""
    current = tab.session.card(form.one("clip"))
    mine = validation.as_typed(current, prompts) if prompts else None
    return validation.stale(current, current, mine, "this page was too old to be decided on")


def _refused(request: Request, error: Exception) -> Response:
    """What failed, and what to do, as a page."""
    if isinstance(error, HTTPException):
        status, said, more = error.status_code, error.detail, None
    else:
        assert isinstance(error, TbdError)
        status = 404 if isinstance(error, InputError) else 400 if isinstance(error, UsageError) else 503
        said, more = error.message, error.next
    return PAGES.page("problem.html", status, title="That did not work", words=said, next=more)
