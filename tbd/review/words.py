"""What both faces of the review say: keys, reasons, verbs and sentences. Each stands here once."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

from tbd import workspace
from tbd.console import human_seconds
from tbd.errors import TbdError
from tbd.hidden_characters import one_line
from tbd.review.card import LEVEL_SIGNS, Receipt, ReviewProgress
from tbd.review.kinds import QueueName, Reason


class KeyHelp(NamedTuple):
    """A key, the word on its button, and what it does."""

    key: str
    label: str
    help: str


KEYS: Mapping[str, KeyHelp] = {
    "accept": KeyHelp("a", "Accept", "accept the text as it stands"),
    "edit": KeyHelp("e", "Edit", "edit the prompts in place: Tab goes on, Ctrl+Enter or Ctrl+s saves, Esc leaves"),
    "reject": KeyHelp("x", "Reject", "reject: then t for its text, m for its media, l for its label"),
    "again": KeyHelp("r", "Again", "reject the text, so that it is annotated again"),
    "skip": KeyHelp("space", "Skip", "pass over for now"),
    "undo": KeyHelp("u", "Undo", "take your last decision back, a skip or a whole bulk too"),
    "redo": KeyHelp("U", "Redo", "make what was taken back again"),
    "next": KeyHelp("j", "Next", "the next card, undecided"),
    "previous": KeyHelp("k", "Before", "the card before"),
    "filter": KeyHelp("f", "Filter", "show one flag, emotion, level, subject, your bookmarks; search text and clip"),
    "verdict": KeyHelp("1", "", "1 … 9: the finding is right; once more: it is wrong; once more: neither"),
    "missing": KeyHelp("m", "Missing", "name flags that the gates missed; they go with the decision"),
    "note": KeyHelp("n", "Note", "write a note that goes with the decision"),
    "split": KeyHelp("s", "Clips", "choose the clips of the card that the decision is about"),
    "bookmark": KeyHelp("b", "Bookmark", "bookmark the card, or no longer"),
    "all_accept": KeyHelp("A", "Accept all", "accept every open card whose highest flag is the chosen one"),
    "all_reject": KeyHelp("X", "Reject all", "reject every open card with one flag"),
    "play": KeyHelp("p", "Play", "play the clip, or stop it"),
    "help": KeyHelp("?", "Help", "these keys, and the rubric"),
}

REASONS: Mapping[Reason, KeyHelp] = {
    Reason.TEXT: KeyHelp("t", "Text", "the words are wrong; they are annotated again"),
    Reason.MEDIA: KeyHelp("m", "Media", "the clip cannot be used, whatever is written about it"),
    Reason.LABEL: KeyHelp("l", "Label", "the emotion label is wrong, whatever is written about it"),
}

DONE: Mapping[str, str] = {"accept": "accepted", "edit": "edited", "reject": "rejected", "skip": "skipped"}
"""What a decision did, by its verb."""
STATES: Mapping[str, str] = {"accepted": "✔ accepted", "edited": "✎ edited", "rejected": "✖ rejected"}
VERDICTS: Mapping[str | None, str] = {"right": "✔", "wrong": "✖", None: " "}
GONE = "the text was annotated anew while this card was open"


def said(receipt: Receipt, reason: str | None = None) -> str:
    """A decision that is on disk, in one sentence."""
    what = receipt.clip_id if len(receipt.clips) == 1 else count(len(receipt.clips), "clip")
    if receipt.action in ("undo", "redo"):
        verb = "Took back" if receipt.action == "undo" else "Made again"
        return f"{verb}: {DONE.get(receipt.undone or '', 'decided')} {what}."
    words = f"{DONE[receipt.action].capitalize()} {what}{f' ({reason})' if reason else ''}."
    if receipt.left_out:
        words += f" {len(receipt.left_out)} left out: skipped, without a text, or open elsewhere."
    if receipt.worse:
        words += f" {count(len(receipt.worse), 'clip')} left: something else weighs as much there."
    return words


def filters(active: Mapping[str, str]) -> str:
    """``flag loop, emotion anger``."""
    return ", ".join(f"{key} {one_line(value)}" for key, value in active.items())


def ending(progress: ReviewProgress, queue: str, active: Mapping[str, str]) -> tuple[str, list[str]]:
    """No card is left that this reviewer could have now: a title, and why."""
    only = f" with {filters(active)}" if active else ""
    if not progress.total:
        title = "No card matches these filters" if active else f"The queue {queue} is empty"
    elif queue == QueueName.DECIDED:
        title = "You have looked at all that you decided"
    else:
        title = "No card is left for you now" if progress.left else f"All {count(progress.total, 'card')} are decided"
    lines = [f"{progress.done:,} of {count(progress.total, 'card')}{only} decided, {progress.mine:,} by you just now."]
    if progress.skipped:
        lines.append(f"You skipped {count(progress.skipped, 'card')}: j shows them again.")
    if (others := progress.left - progress.skipped) > 0:
        lines.append(f"{count(others, 'card')} {'is' if others == 1 else 'are'} open elsewhere: j looks again.")
    return title, lines


def report(progress: ReviewProgress) -> list[str]:
    """How the session went, for its last page: pace, agreement, what is left for whom, texts that are gone."""
    lines = []
    if progress.mine:
        verbs = ", ".join(f"{number:,} {DONE[verb]}" for verb, number in progress.by_verb.items())
        pace = f" in {human_seconds(progress.seconds)}" if progress.seconds else ""
        lines.append(f"You: {verbs}{pace}{f', {progress.per_hour:.0f} an hour' if progress.per_hour else ''}.")
    for name, decided in progress.by_reviewer.items():
        lines.append(f"{one_line(name)}: {count(decided, 'clip')} decided in all.")
    if progress.agreement is not None:
        lines.append(f"Where two judged the same text they agree on {progress.agreement:.0%}.")
    if progress.disagreements:
        lines.append(f"{count(progress.disagreements, 'clip')} in dispute: tbd review --queue disagreements")
    if progress.gone:
        lines.append(gone(progress.gone))
    return lines


def gone(number: int) -> str:
    """Decisions that no longer count, in one sentence."""
    return f"{count(number, 'decision')} {'is' if number == 1 else 'are'} about texts that are gone."


def last_page(
    progress: ReviewProgress, queue: str, active: Mapping[str, str], folder: Path
) -> tuple[str, list[str], str]:
    """What is said when no card is left: a title, how it went, and the command that goes on from here."""
    title, lines = ending(progress, queue, active)
    command = f"tbd manifest show {folder}"
    if progress.disagreements:
        command = f"tbd review {folder} --queue disagreements"
    elif progress.to_annotate:
        command = "tbd annotate DATASET --retry rejected"
    return title, lines + report(progress), command


def count(number: int, noun: str) -> str:
    """``1 card``, ``2,000 cards``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def too_long(text: str) -> str:
    """How much too long a prompt level is; "" when it is not."""
    over = len(text) - LEVEL_SIGNS
    return f"{over:,} signs more than the {LEVEL_SIGNS:,} a level may have" if over > 0 else ""


@cache
def rubric() -> str:
    """How to judge a row: ``annotate/rubric.md`` of this project, else the shipped one; "" where none can be read."""
    try:
        return workspace.find("annotate/rubric.md").read_text(encoding="utf-8")
    except (TbdError, OSError, ValueError):
        return ""
