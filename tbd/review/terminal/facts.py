"""What a card says besides its prompts, drawn for the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from textual.content import Content

from tbd.hidden_characters import one_line, visible
from tbd.manifest.text import reply_outline
from tbd.review import card_text
from tbd.review.card import Card, FoldedFinding, Stale
from tbd.review.text_marks import SIGNS, WORDS, Change, concerning, pieces, word_changes
from tbd.review.words import VERDICTS
from tbd.schema import ERROR, INFO, WARNING, Flag

COLOURS = {ERROR: "bold $text-error", WARNING: "bold $text-warning", INFO: "$text-secondary"}
MARKS = {ERROR: "bold reverse $text-error", WARNING: "bold underline $text-warning", INFO: "italic $text-secondary"}
"""How the words that bit are drawn; without colour they are inverted, underlined or slanted."""
CHANGES: Mapping[Change, str] = {"same": "dim", "gone": "strike $text-error", "new": "bold underline $text-success"}
REMARKS = {"state": "bold", "held": "bold $text-warning", "blind": "italic", "trouble": "bold $text-error"}
TITLE = "bold $text-primary"


def marked(text: str, flags: Iterable[Flag]) -> Content:
    """A part of the card with the quote of each flag drawn by its severity; the severest wins where two meet."""
    return Content.assemble(*((piece, MARKS[flag.severity] if flag else "") for piece, flag in pieces(text, flags)))


def changed(before: str, after: str) -> Content:
    """An edit word by word against the model's text; nothing when it is the same."""
    return Content(" ").join([Content.styled(run, CHANGES[change]) for change, run in word_changes(before, after)])


def worst_sign(flags: Iterable[Flag]) -> tuple[str, str]:
    """The sign of the severest flag, for the end of a title, and its colour; nothing when there is no flag."""
    worst = max((flag.severity for flag in flags), default=0)
    return (f" {SIGNS[worst]}", COLOURS[worst]) if worst else ("", "")


def heading(card: Card, chosen: Sequence[str], named: Sequence[str], note: str, prompts: Sequence[str]) -> Content:
    """What was asked for, token budgets, how many clips a decision is about, and what goes with it."""
    parts: list[tuple[str, str]] = [(card_text.label(card), TITLE)]
    for name, budget, taken in card_text.budget_texts(prompts):
        parts.append((f" · {name} {taken}", "bold $text-error" if budget.over else "dim"))
    parts.append((f"\n{one_line(card.clip_id)}{' ★' if card.bookmarked else ''}", "dim"))
    if scope := card_text.applies_to(card, chosen):
        parts.append((f" · {scope}, s splits", "bold"))
    parts += [(f" {words}", REMARKS[kind]) for kind, words in card_text.remarks(card).items()]
    parts += [(f"\nmissing: {', '.join(map(one_line, named))}", "bold $text-warning")] if named else []
    parts += [(f"\nnote: {one_line(note)}", "italic")] if note else []
    return Content.assemble(*parts)


def details(card: Card) -> Content:
    """Where the clip comes from, for the side column."""
    lines = [Content.assemble((f"{name} ", "dim"), said) for name, said in card_text.origin(card).items()]
    return Content("\n").join(lines)


def findings(
    card: Card, folded: Sequence[FoldedFinding], prompts: Sequence[str], verdicts: Mapping[str, str]
) -> Content:
    """One code a line: number, verdict, severity as sign and word, what is wrong, where, what to do; notes in one line.

    ``folded`` is of the text as it stands, ``prompts``; ``verdicts`` are ``right`` or ``wrong`` by code.
    """
    lines, texts = [], card_text.part_texts(card, prompts)
    for one in (one for one in folded if one.severity > INFO):
        parts = [(f"{one.number or ' '}[{VERDICTS[verdicts.get(one.code)]}] ", "dim")]
        parts.append((f"{SIGNS[one.severity]} {WORDS[one.severity]} {one.name}", COLOURS[one.severity]))
        parts.append((f"  {one_line(one.flags[0].message)}", ""))
        quote = card_text.unmarked_quote(one, texts)
        parts.append((f" “{quote}”" if quote else "", "italic"))
        parts.append(("".join(f"  {one_line(words)}" for words in (one.where, one.some) if words), "dim"))
        parts.append((f"  → {one.advice}" if one.advice else "", "italic"))
        lines.append(Content.assemble(*parts))
    if notes := ", ".join(one.name for one in folded if one.severity <= INFO):
        lines.append(Content.styled(f"{SIGNS[INFO]} {notes}", "dim"))
    return Content("\n").join(lines)


def steps(card: Card) -> Content:
    """The replies of the chain, each under its name and marked where a gate bit; then earlier decisions."""
    parts = []
    for title, place, reply in card_text.step_titles(card):
        flags = concerning(card.findings, place, card.levels)
        text = marked(_shown(reply, flags), flags) if reply.strip() else Content.styled("empty", "italic")
        parts.append(Content.assemble((title, TITLE), worst_sign(flags), "\n", text))
    if card.opinions:
        said = [Content.assemble((name, "bold"), f" {what}") for name, what in card_text.opinions(card)]
        parts.append(Content("\n").join([Content.styled("decided before", TITLE), *said]))
    return Content("\n\n").join(parts)


def _shown(reply: str, flags: Sequence[Flag]) -> str:
    """The outline of a reply; the raw text where only that holds what a gate quotes."""
    short = reply_outline(reply)
    return short if all(flag.quote in short for flag in flags if flag.quote in reply) else reply


def difference(stale: Stale) -> Content:
    """What changed meanwhile, and each level in its versions."""
    parts = [Content(visible(stale.message))]
    for level in stale.difference:
        lines = [Content.assemble((f"{name:9}", "bold"), visible(text)) for name, text in level.versions.items()]
        parts.append(Content("\n").join([Content.styled(level.level, TITLE), *lines]))
    return Content("\n\n").join(parts)
