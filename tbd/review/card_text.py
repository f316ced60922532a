"""The parts of a card besides its prompts, in words, for both faces; each face only says how they are drawn."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from tbd.console import human_seconds
from tbd.hidden_characters import one_line, visible
from tbd.manifest.prompt_levels import TokenBudget, token_budgets
from tbd.review.card import Card, FoldedFinding
from tbd.review.text_marks import spans
from tbd.review.words import DONE, STATES, count

STEPS = ("I  face", "II  action units", "III  muscles", "IV  prompts")


def label(card: Card) -> str:
    """What was asked for: ``anger · intense · M003``."""
    words = (card.row["emotion"] or "no emotion label", card.row["intensity"], one_line(card.row["subject"]))
    return " · ".join(filter(None, words))


def remarks(card: Card) -> dict[str, str]:
    """What is special about a card, by kind: ``state held blind trouble``."""
    row = card.row
    failed = f"{row['status']}: {visible(row['error'] or 'no reason given')}"
    found = {
        "state": STATES.get(card.state, ""),
        "held": f"{one_line(card.held_by)} has this card open" if card.held_by else "",
        "blind": "blind audit: what the gates say is hidden" if card.blind else "",
        "trouble": failed if row["status"] != "success" or row["error"] else "",
    }
    return {kind: words for kind, words in found.items() if words}


def origin(card: Card) -> dict[str, str]:
    """Where the clip comes from and what was asked about it, by name."""
    row = card.row
    found = {
        "dataset": " · ".join(filter(None, (row["dataset"], row["view"], row["split"]))),
        "file": (row["file_name"] or "").rpartition("/")[2],
        "clip": "" if row["duration"] is None else f"{row['duration']:.1f} s, frame {row['reference_frame']}",
        "asked": row["instruction"],
        "says": row["transcript"],
        "by": " ".join(dict.fromkeys(filter(None, (row["backend"], row["model"])))),
    }
    return {name: one_line(said) for name, said in found.items() if said}


def budget_texts(prompts: Sequence[str]) -> list[tuple[str, TokenBudget, str]]:
    """The limits that hold for prompts: ``coarse``, ``fine`` or ``prompt``, the budget, how much of it is taken."""
    found = token_budgets(prompts)
    names = ("coarse", "fine") if len(found) > 1 else ("prompt",)
    return [
        (name, one, f"{one.tokens} of {one.limit} tokens{f', {one.over} too many' if one.over else ''}")
        for name, one in zip(names, found, strict=False)
    ]


def unmarked_quote(one: FoldedFinding, texts: Mapping[str, str]) -> str:
    """What the first of the findings quotes; "" where it is marked in the text that is shown (``part_texts``)."""
    quote = one.flags[0].quote
    return "" if not quote.strip() or spans(texts.get(one.where, ""), quote) else one_line(quote)


def part_texts(card: Card, prompts: Sequence[str]) -> dict[str, str]:
    """Part of the card -> its text: the levels, then the steps."""
    steps = {f"step{at}": reply for at, reply in enumerate(card.row["step_outputs"], 1)}
    return dict(zip(card.levels, prompts, strict=False)) | steps


def step_titles(card: Card) -> list[tuple[str, str, str]]:
    """The replies of the chain: title, the part of the card that flags call it, text."""
    replies = card.row["step_outputs"]
    titles = (
        ["the model's reply"] if len(replies) == 1 else [*STEPS, *(f"step {at + 1}" for at in range(4, len(replies)))]
    )
    return [(title, f"step{at}", reply) for at, (title, reply) in enumerate(zip(titles, replies, strict=False), 1)]


def opinions(card: Card) -> list[tuple[str, str]]:
    """What reviewers decided about the card before, oldest first: who, and what, when and why."""
    lines = []
    for opinion in card.opinions:
        event = opinion.event
        why = f" ({event.reason})" if event.reason else ""
        note = f": {one_line(event.note)}" if event.note else ""
        ago = human_seconds(max(0.0, time.time() - event.time))
        lines.append((one_line(opinion.reviewer), f"{DONE.get(event.action, event.action)}{why} {ago} ago{note}"))
    return lines


def applies_to(card: Card, chosen: Sequence[str]) -> str:
    """How many clips a decision is about; "" for a card of one."""
    some = f"{len(chosen)} of " if len(chosen) < len(card.clips) else ""
    return f"applies to {some}{count(len(card.clips), 'clip')}" if len(card.clips) > 1 else ""
