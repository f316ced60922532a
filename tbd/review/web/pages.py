"""What each address of the review does in the reviewer's session, and what is shown then."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from starlette.responses import JSONResponse, RedirectResponse, Response

from tbd.manifest.prompt_levels import LEVELS
from tbd.review import card_text, validation, words
from tbd.review.card import Card, Receipt, Stale
from tbd.review.web import views
from tbd.review.web.media import picture_version
from tbd.review.web.views import PAGES
from tbd.review.web.visit import Visit


def review(visit: Visit) -> Response:
    """The card that the address names, or the next open one, or the end of the queue."""
    if clip_id := visit.request.query_params.get("clip"):
        return visit.card(visit.tab.session.card(clip_id))
    card = visit.tab.session.next()
    return visit.go(card) if card else visit.end()


def next_card(visit: Visit) -> Response:
    """To the next card, without a decision."""
    after = visit.request.query_params.get("after")
    card = visit.tab.session.next(after)
    return visit.go(card or after, "" if card else "No other card is open.")


def previous_card(visit: Visit) -> Response:
    """To the card that was shown before."""
    card = visit.tab.session.previous()
    after = visit.request.query_params.get("after")
    return visit.go(card or after, "" if card else "This is the first card you were shown.")


def decide(visit: Visit) -> Response:
    """A decision about one card, or about some of its clips; then the next card."""
    form, session, card = visit.form, visit.tab.session, visit.shown
    reason = form.one("reason") or None
    action = form.one("action") or ("reject" if reason else "")
    prompts = form.all("prompt") if action == "edit" else None
    if card is None:
        return visit.changed(_forgotten(session.card(form.one("clip")), prompts))
    without = set(form.all("without"))
    try:
        receipt = session.decide(
            card, action, prompts=prompts, reason=reason, flags=form.all("flags"),
            refuted=form.all("refuted"), note=form.one("note"),
            clips=[clip for clip in card.clips if clip not in without] if without else None,
        )  # fmt: skip
    except Stale as stale:
        return visit.changed(stale)
    return visit.go(visit.tab.session.next(card.clip_id), words.said(receipt, reason))


def _forgotten(current: Card, prompts: list[str] | None) -> Stale:
    """A form that is older than what is remembered: nothing is known of what its reviewer saw."""
    mine = validation.as_typed(current, prompts) if prompts else None
    return validation.stale(current, current, mine, "this page was too old to be decided on")


def bulk(visit: Visit) -> Response:
    """One decision about every open card with a flag; where another weighs as much, it is asked first."""
    form, tab = visit.form, visit.tab
    flag, action = form.one("flag"), form.one("action")
    reason = (form.one("reason") or None) if action == "reject" else None
    receipt = tab.session.decide_all(flag, action, reason, worse=form.one("worse") == "yes", tell=tab.tell)
    said = words.said(receipt, reason) + (" One undo takes all of it back." if receipt.clips else "")
    if receipt.worse:
        return visit.page("bulk.html", note=said, flag=flag, receipt=receipt)
    return visit.go(tab.session.next(), said)


def undo(visit: Visit) -> Response:
    """Take the last decision back and show its card."""
    return _again(visit, visit.tab.session.undo(), "There is nothing to take back.")


def redo(visit: Visit) -> Response:
    """Make again what was taken back, and show its card."""
    return _again(visit, visit.tab.session.redo(), "There is nothing to make again.")


def _again(visit: Visit, receipt: Receipt | None, nothing: str) -> Response:
    if receipt is None:
        return visit.go(visit.form.one("clip") or None, nothing)
    return visit.go(visit.tab.session.card(receipt.clip_id), words.said(receipt))


def skipped(visit: Visit) -> Response:
    """Let the skipped cards come again."""
    visit.tab.session.filter(dict(visit.tab.session.filters))
    return visit.go(visit.tab.session.next())


def edit(visit: Visit) -> Response:
    """The card of a form with its prompts open, and with all that was ticked and typed."""
    card = visit.shown
    return visit.card(card, visit.form.one("ticket")) if card else visit.go(visit.form.one("clip"))


def recheck(visit: Visit) -> Response:
    """Gates, tokens and changed words of a text that is being edited; nothing is written."""
    card = visit.remembered
    prompts = validation.as_typed(card, visit.form.all("prompt")[: len(card.prompts) or len(LEVELS)])
    flags = () if card.blind else visit.tab.session.recheck(card, prompts)
    changes, budgets = views.changes(card, prompts), card_text.budget_texts(prompts)
    return PAGES.page("verdict.html", flags=flags, card=card, budgets=budgets, changes=changes)


def renew(visit: Visit) -> Response:
    """Hold an open card for longer."""
    card = visit.shown
    return JSONResponse({"held": card is not None and (card.state != "open" or visit.tab.session.renew(card))})


def bookmark(visit: Visit) -> Response:
    """Put a bookmark on a card, or take it away."""
    return JSONResponse({"bookmarked": visit.tab.session.bookmark(visit.remembered)})


def ahead(visit: Visit) -> Response:
    """The picture of the card that comes next, for the browser to fetch while this one is open."""
    query = visit.request.query_params
    for card in visit.tab.session.peek(1, query.get("clip")):
        if card.path:
            shown = f"?v={picture_version(visit.tab.session, card)}{'&rows=4' if query.get('rows') else ''}"
            return RedirectResponse(f"{views.media_path(card)}/strip.jpg{shown}", 303)
    return Response(status_code=204)


GETS: Mapping[str, Callable[[Visit], Response]] = {
    "/review": review,
    "/review/next": next_card,
    "/review/previous": previous_card,
    "/ahead": ahead,
}
POSTS: Mapping[str, Callable[[Visit], Response]] = {
    f"/{page.__name__}": page for page in (decide, bulk, undo, redo, skipped, edit, recheck, renew, bookmark)
}
