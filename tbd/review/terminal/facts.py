"""What a card says besides its text: who, what was asked for, which findings, what others decided."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from textual.content import Content

from tbd.console import human_seconds
from tbd.review.card import Budget, Card
from tbd.review.terminal.marks import COLOURS, SIGNS, WORDS, marked, one_line, places, plain, worst_sign
from tbd.review.terminal.replies import outline
from tbd.schema import Flag

CHAIN = ("I  face", "II  action units", "III  muscles", "IV  prompts")
TITLE = "bold $text-primary"
STATES = {"accepted": "✔ accepted", "edited": "✎ edited", "rejected": "✖ rejected"}


def heading(card: Card, chosen: Sequence[str], named: Sequence[str] = ()) -> Content:
    """What was asked for, how many clips a decision applies to, and the flags that it names as missing."""
    label = " · ".join(filter(None, (card.emotion or "no emotion label", card.intensity, one_line(card.subject))))
    parts: list[tuple[str, str]] = [(label, TITLE)]
    if card.state != "open":
        parts.append((f"   {STATES[card.state]}", "bold"))
    if card.blind:
        parts.append(("   blind audit: what the gates say is hidden", "italic"))
    if card.held_by:
        parts.append((f"   {one_line(card.held_by)} has this card open", "bold $text-warning"))
    parts.append((f"\n{one_line(card.clip_id)}", "dim"))
    if len(card.clips) > 1:
        count = f"{len(card.clips)} clips"
        if len(chosen) < len(card.clips):
            count = f"{len(chosen)} of {count}"
        parts.append((f" · applies to {count}, s splits", "bold"))
    if named:
        parts.append((f"\nmissing: {', '.join(map(one_line, named))}", "bold $text-warning"))
    if card.status != "success" or card.error:
        parts.append((f"\n{card.status}: {plain(card.error or 'no reason given')}", "bold $text-error"))
    return Content.assemble(*parts)


def details(card: Card) -> Content:
    """Where the clip comes from, for the side column."""
    row = card.row
    seconds = None if row["duration"] is None else f"{row['duration']:.1f} s"
    frame = None if card.reference_frame is None else f"frame {card.reference_frame}"
    model = " ".join(dict.fromkeys(filter(None, (row["backend"], row["model"]))))
    pairs = (
        ("dataset", " · ".join(filter(None, (card.dataset, row["view"], row["split"])))),
        ("file", PurePosixPath(card.file_name).name),
        ("clip", " · ".join(filter(None, (seconds, frame)))),
        ("asked", row["instruction"]),
        ("says", row["transcript"]),
        ("by", model),
    )
    lines = [[(f"{name} ", "dim"), (one_line(words), "")] for name, words in pairs if words]
    return Content("\n").join(Content.assemble(*line) for line in lines)


def findings(flags: Sequence[Flag], texts: Mapping[str, str], only: Mapping[str, tuple[str, ...]]) -> Content:
    """One flag a line: severity as sign and word, code, what is wrong, where, and the quote if it is marked nowhere.

    Args:
        texts: part of the card -> its text as shown.
        only: flag code -> the clips that have it, where not all of the card's have.
    """
    lines = []
    for flag in flags:
        parts = [(f"{SIGNS[flag.severity]} {WORDS[flag.severity]} {one_line(flag.code)}", COLOURS[flag.severity])]
        parts.append((f"  {one_line(flag.message)}", ""))
        if flag.quote.strip() and not places(texts.get(flag.where, ""), plain(flag.quote)):
            parts.append((f" “{one_line(flag.quote)}”", "italic"))
        if flag.where:
            parts.append((f"  {one_line(flag.where)}", "dim"))
        if some := only.get(flag.code):
            parts.append((f"  on {len(some)} of these clips", "dim"))
        lines.append(Content.assemble(*parts))
    return Content("\n").join(lines)


def budget(name: str, one: Budget) -> Content:
    """``coarse · 18 of 40 tokens``, and how many are too many."""
    over = f" · {one.tokens - one.limit} too many" if one.over else ""
    style = "bold $text-error" if one.over else "dim"
    return Content.assemble((name, TITLE), (f"  {one.tokens} of {one.limit} tokens{over}", style))


def steps(card: Card) -> Content:
    """The replies of the chain, each under its name and marked where a gate bit; then earlier decisions."""
    parts = []
    for at, reply in enumerate(card.step_outputs):
        name = CHAIN[at] if len(card.step_outputs) > 1 and at < len(CHAIN) else "the model's reply"
        flags = [flag for flag in card.findings if flag.where == f"step{at + 1}"]
        text = marked(_shown(reply, flags), flags) if reply.strip() else Content.styled("empty", "italic")
        parts.append(Content.assemble((name, TITLE), worst_sign(flags), "\n", text))
    if card.opinions:
        parts.append(Content.assemble(("decided before", TITLE), "\n", decisions(card)))
    return Content("\n\n").join(parts)


def _shown(reply: str, flags: Sequence[Flag]) -> str:
    """The outline of a reply; the raw text where only that holds what a gate quotes."""
    short = outline(reply)
    return short if all(flag.quote in short for flag in flags if flag.quote in reply) else reply


def decisions(card: Card) -> Content:
    """What reviewers decided about this text before, oldest first."""
    lines = []
    for opinion in card.opinions:
        event = opinion.event
        ago = human_seconds(max(0.0, time.time() - event.time))
        why = f" ({event.reason})" if event.reason else ""
        verb = {"accept": "accepted", "edit": "edited", "reject": "rejected"}.get(event.action, event.action)
        lines.append(Content.assemble((one_line(opinion.reviewer), "bold"), f" {verb}{why}", (f"  {ago} ago", "dim")))
    return Content("\n").join(lines)
