"""A request in a reviewer's tab: where it stands, and the pages and addresses that it can be answered with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from tbd.review import words
from tbd.review.card import Card, Stale
from tbd.review.web import views
from tbd.review.web.media import picture_version
from tbd.review.web.tabs import BrowserTab
from tbd.review.web.views import PAGES
from tbd.web.forms import Form

_KEPT = ("note", "without", "flags", "refuted", "prompt", "action", "reason")
"""Fields of a card's form that go with it from page to page."""


@dataclass(frozen=True)
class Visit:
    """One request.

    Attributes:
        tab: the browser tab, with the queue as the address says; held for as long as the request is worked on.
        form: what was posted; empty for a GET.
    """

    request: Request
    tab: BrowserTab
    form: Form

    @property
    def shown(self) -> Card | None:
        """The card that the form is about; None when it is no longer remembered."""
        return self.tab.shown(self.form.one("ticket"))

    @property
    def remembered(self) -> Card:
        """The card that the form is about; 410 is answered when it is no longer remembered."""
        if (card := self.shown) is None:
            raise HTTPException(410)
        return card

    def to(self, path: str, **more: str | None) -> str:
        """A path of this server, in this tab with its filters."""
        name = self.request.query_params.get("tab", "")
        return views.address(path, self.tab.session.filters, name, **more)

    def page(self, template: str, status: int = 200, *, note: str | None = None, **context: Any) -> Response:
        """A page with what stands around every card; without a ``note`` it says what the decision before left to say."""
        session = self.tab.session
        around = {
            "reviewer": session.reviewer,
            "queue": session.queue,
            "progress": session.progress(),
            "filters": session.filters,
            "choices": session.choices(),
            "tab": self.request.query_params.get("tab", ""),
            "to": self.to,
        }
        return PAGES.page(template, status, note=self.tab.say() if note is None else note, **around, **context)

    def card(self, card: Card, ticket: str = "") -> Response:
        """The page of a card; with a ``ticket``, open for editing with what its form brought."""
        kept = {name: self.form.all(name) if ticket else [] for name in _KEPT}
        about: dict[str, Any] = {"ticket": ticket or self.tab.ticket(card), "editing": bool(ticket), "kept": kept}
        missing = self.tab.session.missing(card)
        ticks = views.missing_flags(tuple(missing.items()), frozenset(kept["flags"]))
        return self.page("card.html", missing=missing, missing_list=ticks, **about, **self._parts(card))

    def _parts(self, card: Card) -> dict[str, Any]:
        return views.parts(card, picture_version(self.tab.session, card))

    def go(self, card: Card | str | None, note: str = "") -> Response:
        """To the page of a card, or of the next one; a script that prefers it (RFC 7240) gets the page itself at once."""
        self.tab.note = note or self.tab.note
        where = self.to("/review", clip=card.clip_id if isinstance(card, Card) else card)
        if isinstance(card, Card) and "return=representation" in self.request.headers.get("prefer", ""):
            answer = self.card(card)
            answer.headers["Content-Location"] = where
            return answer
        return RedirectResponse(where, 303)

    def changed(self, stale: Stale) -> Response:
        """Somebody was faster: the difference, and a choice."""
        kept = [(name, self.form.all(name)) for name in _KEPT]
        about: dict[str, Any] = {"kept": kept, "ticket": self.tab.ticket(stale.current), "note": stale.message}
        return self.page("stale.html", 409, stale=stale, **about, **self._parts(stale.current))

    def end(self) -> Response:
        """No card is left: how it went, and what comes next."""
        session = self.tab.session
        title, lines, command = words.last_page(session.report(), session.queue, session.filters, session.folder)
        return self.page("done.html", title=title, lines=lines, command=command)
