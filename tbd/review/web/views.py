"""What the templates are given: a card cut into its parts, and addresses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from markupsafe import Markup

from tbd.review import words
from tbd.review.card import FILTERS, LEVELS, Card, budgets
from tbd.review.replies import fields
from tbd.review.rubric import rubric
from tbd.review.session import ReviewSession
from tbd.review.text_marks import SIGNS, WORDS, concerning, part, pieces, visible, word_changes
from tbd.schema import INFO
from tbd.web.templates import TemplateFolder


@cache
def flag_tick(code: str, meaning: str, ticked: bool) -> Markup:
    """A line of the list of missing flags; the list is long, and nearly the same on every card."""
    item = '<li><label class="check"><input type="checkbox" name="flags" value="{}"{}> <span><code>{}</code> {}</span>'
    return Markup(item + "</label></li>").format(code, " checked" if ticked else "", code, meaning)


@cache
def help_panel() -> Markup:
    """Keys and rubric, the same on every page."""
    return PAGES.fragment("help.html", rubric=rubric())


PAGES = TemplateFolder(
    Path(__file__).parent,
    {"SIGNS": SIGNS, "WORDS": WORDS, "KEYS": words.KEYS, "REASONS": words.REASONS, "STATES": words.STATES}
    | {"help": help_panel, "flag_tick": flag_tick},
    {"visible": visible, "count": words.count},
)


def address(path: str, filters: Mapping[str, str], tab: str, **more: str | None) -> str:
    """A path of this server with tab and filters, so that the address says what is on the page."""
    query = {"tab": tab, **filters} | more
    return f"{path}?{urlencode({key: value for key, value in query.items() if value})}".removesuffix("?")


def filters_of(query: Mapping[str, str]) -> dict[str, str]:
    """The filters that an address asks for; blank ones are none."""
    return {name: query[name] for name in FILTERS if query.get(name, "").strip()}


def frame(session: ReviewSession, tab: str) -> dict[str, Any]:
    """What every page of a reviewer shows around the card."""
    return {
        "reviewer": session.reviewer,
        "queue": session.queue,
        "progress": session.progress(),
        "filters": session.filters,
        "choices": session.choices(),
        "tab": tab,
        "to": partial(address, filters=session.filters, tab=tab),
    }


def card(card: Card) -> dict[str, Any]:
    """A card cut into what the template shows."""
    levels = card.levels or LEVELS
    texts = list(card.prompts) or [""] * len(LEVELS)
    models = [*card.original, *[""] * len(texts)]
    tokens = [*card.tokens, *[0] * len(texts)]
    rows = list(zip(levels, texts, models, tokens, strict=False))
    titles = ("Prompt",) if len(rows) == 1 else ("Coarse prompt", "Fine prompt")
    limits = card.budgets or (None, None)
    steps = (
        [(words.STEPS[at] if at < len(words.STEPS) else f"Step {at + 1}", f"step{at + 1}", reply, fields(reply))
         for at, reply in enumerate(card.step_outputs)]
    )  # fmt: skip
    return {
        "card": card,
        "label": words.label(card),
        "groups": list(zip(titles, limits, (rows[:1], rows[1:]), strict=False)),
        "steps": steps,
        "opinions": words.opinions(card),
        "mark": partial(marked, card=card),
        "where": lambda flag: part(flag.where, card.levels),
        "media": f"/clips/{quote(card.clip_id, safe='')}",
    }


def marked(text: str, place: str, card: Card) -> Markup:
    """A part of the card as HTML, escaped, with the words that gates quote marked by their severity."""
    numbers = {one.code: at for at, one in enumerate(card.folded, 1)}
    found = Markup("")
    for piece, flag in pieces(text, concerning(card.findings, place, card.levels)):
        if flag is None:
            found += piece
        else:
            mark = Markup('<mark class="{}" title="{}"{}>{}</mark>')
            about = Markup(' aria-describedby="finding-{}"').format(numbers[flag.code])
            found += mark.format(WORDS[flag.severity], flag.message, about if flag.severity > INFO else "", piece)
    return found


def checked(card: Card, prompts: Sequence[str], tokens: Sequence[int]) -> dict[str, Any]:
    """An edited text: tokens and changed words of each level, and the limits."""
    before = [*card.original, *[""] * len(prompts)]
    changes = [word_changes(old, new) if old else [] for old, new in zip(before, prompts, strict=False)]
    return {"tokens": list(tokens), "changes": changes, "budgets": budgets(prompts)}
