"""The pages: each address, what it does at the reviewer's session, and what is shown then.

GET  /review?flag=…&clip=…   a card; without ``clip`` the next one that is open
GET  /review/next, /previous move without deciding
POST /decide /bulk /undo     a decision, on disk before the answer; then the next card
POST /recheck /renew         while a card is open: gates and tokens of an edited text, a longer lease
GET  /clips/ID/…             pictures of a clip, found in the manifest by its id
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from tbd.errors import InputError, TbdError, UsageError
from tbd.review import validation
from tbd.review.card import Card, Stale, Verb
from tbd.review.web import forms, views
from tbd.review.web.forms import Form
from tbd.review.web.guard import Guard
from tbd.review.web.media import Media
from tbd.review.web.render import STATIC, fragment, page, static
from tbd.review.web.tabs import OpenSession, Seat, Seats

Handler = Callable[[Request, Seat, Form], Response]


def create_app(seats: Seats | OpenSession, token: str, *, host: str = "127.0.0.1", reviewer: str = "") -> Guard:
    """The review page as an ASGI application.

    Args:
        seats: the reviewers' sessions, or a function that makes a session for a name.
        token: secret that a browser must bring once, as ``?token=``.
        host: the address that is listened on; a loopback one is answered under loopback names only.
        reviewer: name that a new browser starts with; "" asks for one.
    """
    seats = seats if isinstance(seats, Seats) else Seats(seats)
    pages, media = Pages(seats), Media(seats)

    @asynccontextmanager
    async def life(_: Starlette) -> AsyncIterator[None]:
        yield
        seats.close()

    routes = [
        Route("/", pages.start),
        Route("/name", pages.ask_name, methods=["GET"]),
        Route("/name", _posted(pages.take_name), methods=["POST"]),
        Route("/review", pages.review),
        Route("/review/{step:str}", pages.move),
        *(Route(f"/{name}", _posted(getattr(pages, name)), methods=["POST"])
          for name in ("decide", "bulk", "undo", "again", "recheck", "renew")),
        Route("/ahead", pages.ahead),
        Route("/clips/{clip_id:str}/strip.jpg", media.strip),
        Route("/clips/{clip_id:str}/video", media.video),
        Route("/static/{name:str}", _static),
    ]  # fmt: skip
    handlers: Any = {TbdError: _refused, HTTPException: _refused}
    return Guard(Starlette(routes=routes, exception_handlers=handlers, lifespan=life), token, host, reviewer)


class Pages:
    """The pages of a card. Each takes the reviewer's seat for as long as it works at the session."""

    def __init__(self, seats: Seats) -> None:
        self._seats = seats

    def ask_name(self, request: Request, problem: str = "") -> Response:
        """The form that asks who is reviewing."""
        return page("name.html", 400 if problem else 200, reviewer=request.state.session.reviewer, problem=problem)

    def take_name(self, request: Request, form: Form) -> Response:
        """A browser says who sits at it; the session is opened."""
        name = form.one("name").strip()
        try:
            validation.refuse_name(name)
        except UsageError as error:
            return self.ask_name(request, error.message)
        self._seats.of(name)
        request.state.session.reviewer = name
        return RedirectResponse("/", 303)

    def start(self, request: Request) -> Response:
        """To the reviewer's queue, with the filters that it has: those of the command line at first."""
        reviewer = request.state.session.reviewer
        filters = self._seats.of(reviewer).session.filters if reviewer else {}
        return RedirectResponse(views.address("/review", filters), 303)

    def review(self, request: Request) -> Response:
        """The card that the address names, or the next open one, or the end of the queue."""
        reviewer = request.state.session.reviewer
        if not reviewer:
            return RedirectResponse("/name", 303)
        seat = self._seats.of(reviewer)
        with seat.lock:
            seat.use(views.filters_of(request.query_params))
            clip_id = request.query_params.get("clip")
            if clip_id:
                return self._card(reviewer, seat, seat.card(clip_id), editing=request.query_params.get("edit") == "1")
            if card := seat.deal():
                return _to_card(seat, card)
            return page("done.html", note=seat.say(), **views.frame(seat.session, reviewer))

    def move(self, request: Request) -> Response:
        """``/review/next?after=ID`` and ``/review/previous``: to another card, without a decision."""
        seat = self._seat(request)
        with seat.lock:
            if request.path_params["step"] == "next":
                card, end = seat.deal(request.query_params.get("after")), "No other card is open."
            elif request.path_params["step"] == "previous":
                card, end = seat.session.previous(), "This is the first card you were shown."
            else:
                raise HTTPException(404)
            if card is None:
                seat.note, clip_id = end, request.query_params.get("after")
                return RedirectResponse(views.address("/review", seat.session.filters, clip=clip_id), 303)
            return _to_card(seat, card)

    def decide(self, request: Request, form: Form) -> Response:
        """A decision about one card, or about some of its clips; then the next card."""
        seat = self._seat(request)
        reason = form.one("reason") or None
        action = cast(Verb, form.one("action") or ("reject" if reason else ""))
        prompts = form.all("prompt") if action == "edit" else None
        with seat.lock:
            card = seat.shown(form.one("ticket"))
            if card is None:
                return self._conflict(request, seat, _forgotten(seat, form, prompts), form)
            without = set(form.all("without"))
            clips = [clip for clip in card.clips if clip not in without] if without else None
            try:
                receipt = seat.session.decide(
                    card, action, prompts=prompts, reason=reason, flags=form.all("flags"), clips=clips
                )
            except Stale as stale:
                return self._conflict(request, seat, stale, form)
            seat.note = views.said(receipt, reason)
            return _onward(seat, card.clip_id)

    def bulk(self, request: Request, form: Form) -> Response:
        """One decision about every open card with a flag."""
        seat = self._seat(request)
        reason = (form.one("reason") or None) if form.one("action") == "reject" else None
        with seat.lock:
            receipt = seat.session.decide_all(form.one("flag"), cast(Verb, form.one("action")), reason)
            seat.note = views.said(receipt, reason) + " One undo takes all of it back."
            return _onward(seat)

    def undo(self, request: Request, form: Form) -> Response:
        """Take the last decision back and show its card."""
        seat = self._seat(request)
        with seat.lock:
            receipt = seat.session.undo()
            clip_id = receipt.clip_id if receipt else form.one("clip") or None
            seat.note = views.said(receipt) if receipt else "There is nothing to take back."
            return RedirectResponse(views.address("/review", seat.session.filters, clip=clip_id), 303)

    def again(self, request: Request, form: Form) -> Response:
        """Let the skipped cards come again."""
        seat = self._seat(request)
        with seat.lock:
            seat.session.filter(dict(seat.session.filters))
            return _onward(seat)

    def recheck(self, request: Request, form: Form) -> Response:
        """Gates and token counts of a text that is being edited; nothing is written."""
        seat = self._seat(request)
        card = seat.shown(form.one("ticket"))
        if card is None:
            raise HTTPException(410)
        prompts = form.all("prompt")[: len(card.prompts) or 4]
        flags, tokens = seat.session.recheck(card, prompts)
        counted = views.counted(prompts, tokens)
        verdict = fragment("verdict.html", flags=() if card.blind else flags, card=card, budgets=counted["budgets"])
        return JSONResponse({"tokens": counted["tokens"], "verdict": verdict})

    def renew(self, request: Request, form: Form) -> Response:
        """Hold an open card for longer."""
        seat = self._seat(request)
        card = seat.shown(form.one("ticket"))
        held = card is not None and (card.state != "open" or seat.session.renew(card))
        return JSONResponse({"held": held})

    def ahead(self, request: Request) -> Response:
        """Pictures of the cards that come next, for the browser to fetch while this one is open."""
        seat = self._seat(request)
        with seat.lock:
            cards = seat.session.peek(1, request.query_params.get("clip"))
        return JSONResponse({"strips": [f"{views.card(card)['media']}/strip.jpg" for card in cards if card.path]})

    def _seat(self, request: Request) -> Seat:
        """The seat of the browser's reviewer, with the queue as the address says."""
        reviewer = request.state.session.reviewer
        if not reviewer:
            raise HTTPException(403, "Say your name first: open /name.")
        seat = self._seats.of(reviewer)
        seat.use(views.filters_of(request.query_params))
        return seat

    def _card(self, reviewer: str, seat: Seat, card: Card, *, editing: bool = False) -> Response:
        ticket, note = seat.ticket(card), seat.say()
        around = views.frame(seat.session, reviewer)
        return page(
            "card.html",
            ticket=ticket,
            note=note,
            editing=editing,
            missing=seat.session.missing(card),
            **around,
            **views.card(card),
        )

    def _conflict(self, request: Request, seat: Seat, stale: Stale, form: Form) -> Response:
        """Somebody was faster: the difference, and a choice."""
        current, kept = stale.current, [(name, form.all(name)) for name in ("action", "reason", "prompt", "flags")]
        around = views.frame(seat.session, request.state.session.reviewer)
        ticket = seat.ticket(current)
        return page(
            "stale.html",
            409,
            stale=stale,
            kept=kept,
            ticket=ticket,
            note=stale.message,
            **around,
            **views.card(current),
        )


def _posted(handler: Callable[[Request, Form], Response]) -> Any:
    async def endpoint(request: Request) -> Response:
        return await run_in_threadpool(handler, request, await forms.read(request))

    return endpoint


def _to_card(seat: Seat, card: Card) -> Response:
    return RedirectResponse(views.address("/review", seat.session.filters, clip=card.clip_id), 303)


def _onward(seat: Seat, after: str | None = None) -> Response:
    """To the next card, or to the page that says there is none."""
    card = seat.deal(after)
    return _to_card(seat, card) if card else RedirectResponse(views.address("/review", seat.session.filters), 303)


def _forgotten(seat: Seat, form: Form, prompts: list[str] | None) -> Stale:
    """A form that is older than what is remembered: nothing is known of what its reviewer saw."""
    current = seat.session.card(form.one("clip"))
    mine = validation.plain(prompts) if prompts else None
    difference = validation.stale(current, current, mine).difference
    return Stale(f"{current.clip_id}: this page was too old to be decided on; nothing was saved", current, difference)


def _static(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in STATIC:
        raise HTTPException(404)
    keep = {"Cache-Control": "private, max-age=31536000, immutable"}
    return Response(static(name), media_type=STATIC[name], headers=keep)


def _refused(request: Request, error: Exception) -> Response:
    """What failed, and what to do, as a page."""
    if isinstance(error, HTTPException):
        status, words, more = error.status_code, error.detail, None
    else:
        assert isinstance(error, TbdError)
        status = 404 if isinstance(error, InputError) else 400 if isinstance(error, UsageError) else 503
        words, more = error.message, error.next
    return page("problem.html", status, title="That did not work", words=words, next=more)
