"""What the templates are given: a card cut into its parts, and addresses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache, lru_cache, partial
from itertools import zip_longest
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from markupsafe import Markup

from tbd.hidden_characters import visible
from tbd.manifest.prompt_levels import LEVELS
from tbd.manifest.text import reply_fields
from tbd.manifest.tokens import count_tokens
from tbd.review import card_text, words
from tbd.review.card import FILTERS, Card
from tbd.review.text_marks import SIGNS, WORDS, Change, concerning, pieces, word_changes
from tbd.schema import INFO
from tbd.web.templates import TemplateFolder


@lru_cache(64)
def missing_flags(meanings: tuple[tuple[str, str], ...], ticked: frozenset[str]) -> Markup:
    """The flags that a card does not have, to be ticked: a long list, and the same on nearly every card."""
    return PAGES.fragment("missing.html", meanings=meanings, ticked=ticked)


@cache
def help_panel() -> Markup:
    """Keys and rubric, the same on every page."""
    return PAGES.fragment("help.html", rubric=words.rubric())


PAGES = TemplateFolder(
    Path(__file__).parent,
    {"SIGNS": SIGNS, "WORDS": WORDS, "KEYS": words.KEYS, "REASONS": words.REASONS} | {"help": help_panel},
    {"visible": visible, "count": words.count},
)


def address(path: str, filters: Mapping[str, str], tab: str, **more: str | None) -> str:
    """A path of this server with tab and filters, so that the address says what is on the page."""
    query = {"tab": tab, **filters} | more
    return f"{path}?{urlencode({key: value for key, value in query.items() if value})}".removesuffix("?")


def filters_of(query: Mapping[str, str]) -> dict[str, str]:
    """The filters that an address asks for; blank ones are none."""
    return {name: query[name] for name in FILTERS if query.get(name, "").strip()}


def media_path(card: Card) -> str:
    """Where the pictures of a card are."""
    return f"/clips/{quote(card.clip_id, safe='')}"


def parts(card: Card, version: str) -> dict[str, Any]:
    """A card cut into what the template shows.

    Args:
        version: of its pictures; see ``media.picture_version``.
    """
    levels, texts = card.levels or LEVELS, card.prompts or ("",) * len(LEVELS)
    rows = [
        (at, level, text, model, count_tokens(text) if text else 0)
        for at, (level, text, model) in enumerate(
            zip_longest(levels, texts, card.original[: len(levels)], fillvalue="")
        )
    ]
    budgets: list[tuple[str, Any, str]] = [*card_text.budget_texts(card.prompts)]
    budgets = budgets or [("coarse", None, ""), ("fine", None, "")]
    return {
        "card": card,
        "label": card_text.label(card),
        "remarks": card_text.remarks(card),
        "groups": list(zip(budgets, (rows[:1], rows[1:]), strict=False)),
        "quote": partial(card_text.unmarked_quote, texts=card_text.part_texts(card, card.prompts)),
        "steps": [(*step, reply_fields(step[2])) for step in card_text.step_titles(card)],
        "origin": card_text.origin(card),
        "opinions": card_text.opinions(card),
        "mark": partial(marked, card=card),
        "media": media_path(card),
        "version": version,
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


def changes(card: Card, prompts: Sequence[str]) -> list[tuple[str, list[tuple[Change, str]]]]:
    """Of each level of a text that is being edited: what is too long about it, and the changed words."""
    before = zip_longest(prompts, card.original[: len(prompts)], fillvalue="")
    return [(words.too_long(new), word_changes(old, new) if old else []) for new, old in before]
