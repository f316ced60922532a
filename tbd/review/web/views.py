"""What the templates are given: a card cut into its parts, addresses, and sentences about decisions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any
from urllib.parse import quote, urlencode

from markupsafe import Markup

from tbd.review import quotes
from tbd.review.card import FILTERS, LEVELS, Budget, Card, Receipt, budgets
from tbd.review.session import ReviewSession
from tbd.review.web.marks import marked
from tbd.review.web.replies import fields
from tbd.schema import Flag

STEPS = ("Step I: the face", "Step II: action units", "Step III: muscles", "Step IV: prompts")
_DONE = {"accept": "Accepted", "edit": "Saved your text", "reject": "Rejected", "skip": "Skipped"}
_REASONS = {"text": "its text goes back to annotation", "media": "bad media", "label": "wrong label"}
_UNDONE = {"accept": "acceptance", "edit": "edit", "reject": "rejection", "skip": "skip"}


def address(path: str, filters: Mapping[str, str], **more: str | None) -> str:
    """A path of this server with the filters, so that the address says what is on the page."""
    query = dict(filters) | {key: value for key, value in more.items() if value is not None}
    return path + (f"?{urlencode(query)}" if query else "")


def filters_of(query: Mapping[str, str]) -> dict[str, str]:
    """The filters that an address asks for; blank ones are none."""
    return {name: query[name] for name in FILTERS if query.get(name, "").strip()}


def frame(session: ReviewSession, reviewer: str) -> dict[str, Any]:
    """What every page of a reviewer shows around the card."""
    return {
        "reviewer": reviewer,
        "queue": session.queue,
        "progress": session.progress(),
        "filters": session.filters,
        "choices": {
            name: values for name, values in session.choices().items() if name != "flag" or session.queue != "audit"
        },
        "to": partial(address, filters=session.filters),
    }


def card(card: Card, prompts: Sequence[str] | None = None) -> dict[str, Any]:
    """A card cut into what the template shows.

    Args:
        prompts: the text to put into the fields of an edit; None takes the card's.
    """
    mark = marker(card.findings, card.levels)
    parts = {name: f"prompt {name}" for name in card.levels} | {
        f"step{at + 1}": title for at, title in enumerate(STEPS)
    }
    return {
        "card": card,
        "mark": mark,
        "groups": groups(card),
        "steps": [
            (STEPS[at] if at < len(STEPS) else f"Step {at + 1}", f"step{at + 1}", reply, fields(reply))
            for at, reply in enumerate(card.step_outputs)
        ],
        "findings": [
            (at, flag, parts.get(quotes.part(flag.where, card.levels), flag.where))
            for at, flag in enumerate(card.findings, 1)
        ],
        "media": f"/clips/{quote(card.clip_id, safe='')}",
        "fields": list(zip(card.levels or LEVELS, prompts or card.prompts or [""] * len(LEVELS), strict=False)),
    }


def marker(findings: Sequence[Flag], levels: Sequence[str]) -> Callable[[str, str], Markup]:
    """A function of (text, part) that marks the words which the findings quote there."""
    numbered = [(at, flag, quotes.part(flag.where, levels)) for at, flag in enumerate(findings, 1)]

    def mark(text: str, part: str) -> Markup:
        return marked(text, [(at, flag) for at, flag, where in numbered if where == part])

    return mark


def groups(card: Card) -> list[tuple[str, Budget, list[tuple[str, str, str, int]]]]:
    """The prompts under the limits they share: title, budget, and (level, text, the model's text, tokens) of each."""
    originals = [*card.original, *[""] * len(card.prompts)]
    rows = list(zip(card.levels, card.prompts, originals, card.tokens, strict=False))
    titles = ("Prompt",) if len(rows) == 1 else ("Coarse prompt", "Fine prompt")
    return list(zip(titles, card.budgets, (rows[:1], rows[1:]), strict=False))


def counted(prompts: Sequence[str], tokens: Sequence[int]) -> dict[str, Any]:
    """Token counts of an edited text, by level and by limit."""
    return {"tokens": list(tokens), "budgets": budgets(prompts)}


def said(receipt: Receipt, reason: str | None = None) -> str:
    """A decision that is on disk, in a sentence."""
    count = len(receipt.clips)
    what = receipt.clip_id if count == 1 else f"{count} clips"
    if receipt.action == "undo":
        return f"Took back the {_UNDONE[receipt.undone or 'skip']} of {what}."
    words = f"{_DONE[receipt.action]}: {what}"
    words += f" ({_REASONS[reason]})" if reason in _REASONS else ""
    left = len(receipt.left_out)
    return words + (f"; {left} left out, because somebody has them open or skipped them." if left else ".")
