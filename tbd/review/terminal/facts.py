"""What a card says besides its prompts, drawn for the terminal: who, which findings, the steps, what others decided."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath

from textual.content import Content

from tbd.review import words
from tbd.review.card import Budget, Card, FoldedFinding, Stale
from tbd.review.replies import outline
from tbd.review.text_marks import SIGNS, WORDS, Change, concerning, one_line, pieces, spans, visible, word_changes
from tbd.schema import ERROR, INFO, WARNING, Flag

COLOURS = {ERROR: "bold $text-error", WARNING: "bold $text-warning", INFO: "$text-secondary"}
MARKS = {ERROR: "bold reverse $text-error", WARNING: "bold underline $text-warning", INFO: "italic $text-secondary"}
"""How the words that bit are drawn; without colour they are inverted, underlined or slanted."""
CHANGES: Mapping[Change, str] = {"same": "dim", "gone": "strike $text-error", "new": "bold underline $text-success"}
TITLE = "bold $text-primary"


def marked(text: str, flags: Iterable[Flag]) -> Content:
    """A part of the card with the quote of each flag drawn by its severity; the severest wins where two meet."""
    return Content.assemble(*((piece, MARKS[flag.severity] if flag else "") for piece, flag in pieces(text, flags)))


def changed(before: str, after: str) -> Content:
    """An edit word by word against the model's text; nothing when it is the same."""
    runs = word_changes(before, after)
    if all(change == "same" for change, _ in runs):
        return Content("")
    return Content(" ").join([Content.styled(run, CHANGES[change]) for change, run in runs])


def worst_sign(flags: Iterable[Flag]) -> tuple[str, str]:
    """The sign of the severest flag, for the end of a title, and its colour; nothing when there is no flag."""
    worst = max((flag.severity for flag in flags), default=0)
    return (f" {SIGNS[worst]}", COLOURS[worst]) if worst else ("", "")


def heading(card: Card, chosen: Sequence[str], named: Sequence[str], note: str, limits: Sequence[Budget]) -> Content:
    """What was asked for, token budgets, how many clips a decision is about, and what goes with it."""
    parts: list[tuple[str, str]] = [(words.label(card), TITLE)]
    for head, limit in zip(("coarse", "fine") if len(limits) > 1 else ("prompt",), limits, strict=False):
        over = f", {limit.tokens - limit.limit} too many" if limit.over else ""
        style = "bold $text-error" if limit.over else "dim"
        parts.append((f" · {head} {limit.tokens} of {limit.limit} tokens{over}", style))
    parts.append((f"\n{one_line(card.clip_id)}", "dim"))
    if card.bookmarked:
        parts.append((" ★", "bold"))
    if card.state != "open":
        parts.append((f" {words.STATES[card.state]}", "bold"))
    if card.blind:
        parts.append((" blind audit: what the gates say is hidden", "italic"))
    if card.held_by:
        parts.append((f" {one_line(card.held_by)} has this card open", "bold $text-warning"))
    if len(card.clips) > 1:
        count = words.count(len(card.clips), "clip")
        some = f"{len(chosen)} of {count}" if len(chosen) < len(card.clips) else count
        parts.append((f" · applies to {some}, s splits", "bold"))
    if named:
        parts.append((f"\nmissing: {', '.join(map(one_line, named))}", "bold $text-warning"))
    if note:
        parts.append((f"\nnote: {one_line(note)}", "italic"))
    if card.status != "success" or card.error:
        parts.append((f"\n{card.status}: {visible(card.error or 'no reason given')}", "bold $text-error"))
    return Content.assemble(*parts)


def details(card: Card) -> Content:
    """Where the clip comes from, for the side column."""
    row = card.row
    seconds = None if row["duration"] is None else f"{row['duration']:.1f} s"
    frame = None if card.reference_frame is None else f"frame {card.reference_frame}"
    pairs = (
        ("dataset", " · ".join(filter(None, (card.dataset, row["view"], row["split"])))),
        ("file", PurePosixPath(card.file_name).name),
        ("clip", " · ".join(filter(None, (seconds, frame)))),
        ("asked", row["instruction"]),
        ("says", row["transcript"]),
        ("by", " ".join(dict.fromkeys(filter(None, (row["backend"], row["model"]))))),
    )
    lines = [Content.assemble((f"{name} ", "dim"), one_line(said)) for name, said in pairs if said]
    return Content("\n").join(lines)


def findings(
    folded: Sequence[FoldedFinding],
    texts: Mapping[str, str],
    only: Mapping[str, tuple[str, ...]],
    verdicts: Mapping[str, str],
) -> Content:
    """One code a line: number, verdict, severity as sign and word, what is wrong, where, what to do; notes in one line.

    Args:
        texts: part of the card -> its text as shown; a quote that is marked there is not said again.
        only: flag code -> the clips that have it, where not all of the card's have.
        verdicts: flag code -> ``right`` or ``wrong``, as the reviewer says.
    """
    lines = []
    for at, one in enumerate((one for one in folded if one.severity > INFO), 1):
        flag, times = one.flags[0], f" ×{len(one.flags)}" if len(one.flags) > 1 else ""
        verdict = words.VERDICTS[verdicts.get(one.code)]
        parts = [(f"{at if at < 10 else ' '}[{verdict}] ", "dim")]
        parts.append((f"{SIGNS[one.severity]} {WORDS[one.severity]} {one_line(one.code)}", COLOURS[one.severity]))
        parts.append((f"{times}  {one_line(flag.message)}", ""))
        if flag.quote.strip() and not spans(texts.get(flag.where, ""), flag.quote):
            parts.append((f" “{one_line(flag.quote)}”", "italic"))
        parts.append((f"  {one_line(flag.where)}", "dim"))
        if some := only.get(one.code):
            parts.append((f"  on {len(some)} of these clips", "dim"))
        if one.advice:
            parts.append((f"  → {one.advice}", "italic"))
        lines.append(Content.assemble(*parts))
    notes = [
        f"{one_line(one.code)}{f' ×{len(one.flags)}' if len(one.flags) > 1 else ''}"
        for one in folded
        if one.severity <= INFO
    ]
    return Content("\n").join(
        [*lines, *([Content.styled(f"{SIGNS[INFO]} {', '.join(notes)}", "dim")] if notes else [])]
    )


def steps(card: Card) -> Content:
    """The replies of the chain, each under its name and marked where a gate bit; then earlier decisions."""
    parts = []
    for at, reply in enumerate(card.step_outputs):
        name = words.STEPS[at] if len(card.step_outputs) > 1 and at < len(words.STEPS) else "the model's reply"
        flags = concerning(card.findings, f"step{at + 1}", card.levels)
        text = marked(_shown(reply, flags), flags) if reply.strip() else Content.styled("empty", "italic")
        parts.append(Content.assemble((name, TITLE), worst_sign(flags), "\n", text))
    if card.opinions:
        said = [Content.assemble((name, "bold"), f" {what}") for name, what in words.opinions(card)]
        parts.append(Content("\n").join([Content.styled("decided before", TITLE), *said]))
    return Content("\n\n").join(parts)


def _shown(reply: str, flags: Sequence[Flag]) -> str:
    """The outline of a reply; the raw text where only that holds what a gate quotes."""
    short = outline(reply)
    return short if all(flag.quote in short for flag in flags if flag.quote in reply) else reply


def difference(stale: Stale) -> Content:
    """What changed meanwhile, and each level in its versions."""
    parts = [Content(visible(stale.message))]
    for level in stale.difference:
        versions = (("you saw", level.seen), ("theirs", level.theirs), ("mine", level.mine))
        lines = [Content.assemble((f"{name:8}", "bold"), visible(text)) for name, text in versions]
        parts.append(Content("\n").join([Content.styled(level.level, TITLE), *lines]))
    return Content("\n\n").join(parts)
