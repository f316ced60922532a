"""What is refused before anything is written, and what a decision that came too late is told."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Sequence
from typing import get_args

import pyarrow.compute as pc

from tbd.errors import InputError, UsageError
from tbd.manifest import reviews
from tbd.review.card import LEVELS, REASONS, Card, LevelDifference, Stale, Verb
from tbd.review.card_maker import CardMaker
from tbd.review.decisions import DecisionLog
from tbd.review.rows import Rows

_NAME = 80
"""Signs in a reviewer's name."""
_LEVEL = 4_000
"""Signs in one prompt level."""


def refuse_name(name: str) -> None:
    """A reviewer's name: as typed, not blank, 80 signs at most, nothing that cannot be seen or stored.

    Raises:
        UsageError: it is none.
    """
    odd = [sign for sign in name if unicodedata.category(sign) in ("Cc", "Cs", "Zl", "Zp")]
    if not name.strip() or len(name) > _NAME or odd:
        why = (
            f"it has the sign {odd[0]!r}" if odd else "it is blank" if not name.strip() else f"it has {len(name)} signs"
        )
        raise UsageError(f"{name[:_NAME]!r} cannot be a reviewer's name: {why}", next="--reviewer NAME")


def refuse_share(overlap: float) -> None:
    """Raises ``UsageError`` for an overlap that is no share."""
    if not 0 <= overlap <= 1:
        raise UsageError(f"an overlap of {overlap}: it is a share of the cards, 0 to 1", next="--overlap 0.1")


def refuse_lost_store(rows: Rows) -> None:
    """Raises ``InputError`` where the manifest shows reviews whose store is gone: a new one would bury them."""
    store = rows.file.parent / reviews.FILE
    if store.is_file():
        return
    statuses = rows.table(["review_status"])["review_status"]
    if count := pc.sum(pc.not_equal(statuses, "unreviewed")).as_py():
        raise InputError(
            f"{rows.file.parent}: {count} rows are reviewed, but {reviews.FILE} is missing",
            next=f"put {reviews.FILE} back beside {rows.file.name}",
        )


def refuse_verb(action: str, reason: str | None) -> None:
    """Raises ``UsageError`` for an unknown action, and for a rejection without one of the reasons."""
    if action not in get_args(Verb):
        raise UsageError(f"no action {action!r}; there are: {', '.join(get_args(Verb))}")
    if action == "reject" and reason not in REASONS:
        raise UsageError(f"a rejection needs a reason: {', '.join(REASONS)}")
    if action != "reject" and reason is not None:
        raise UsageError(f"{action}: only a rejection has a reason")


def refuse_flags(card: Card, flags: Sequence[str], codes: Collection[str] | None) -> None:
    """Raises ``UsageError`` for a flag that neither the card has nor ``codes`` know; None knows every code."""
    carried = {*card.row["flags"], *card.only, *(flag.code for flag in card.findings)}
    strange = sorted(set(flags) - carried - set(codes)) if codes is not None else []
    if strange:
        raise UsageError(f"{card.clip_id}: there is no flag {strange[0]!r}")


def clips_of(card: Card, clips: Sequence[str] | None) -> tuple[str, ...]:
    """The clips of a card that are meant, sorted; all when none are named.

    Raises:
        UsageError: one of them is not on the card, or the choice is empty.
    """
    if clips is None:
        return card.clips
    if strange := sorted(set(clips) - set(card.clips)):
        raise UsageError(f"{strange[0]!r} is not on the card of {card.clip_id}")
    if not clips:
        raise UsageError(f"{card.clip_id}: no clip of the card was chosen")
    return tuple(sorted(set(clips)))


def plain(prompts: Sequence[str]) -> tuple[str, ...]:
    """Prompts on one line each, with single spaces, and nothing that UTF-8 cannot write."""
    return tuple(" ".join(text.encode("utf-8", "replace").decode().split()) for text in prompts)


def edited(card: Card, action: str, prompts: Sequence[str] | None) -> tuple[str, ...] | None:
    """The text of an edit; None for other actions.

    Raises:
        UsageError: an edit without a text, with a blank or endless level, or with other levels than the card.
    """
    if action != "edit":
        if prompts is not None:
            raise UsageError(f"{action}: only an edit has a text")
        return None
    text, wanted = plain(prompts or ()), len(card.prompts) or len(LEVELS)
    if len(text) != wanted or not all(text):
        raise UsageError(f"{card.clip_id}: an edit gives {wanted} prompt levels, none of them blank")
    if any(len(level) > _LEVEL for level in text):
        raise UsageError(f"{card.clip_id}: a prompt level of more than {_LEVEL} signs")
    return text


def refuse_stale(
    card: Card, clips: Sequence[str], mine: tuple[str, ...] | None, log: DecisionLog, maker: CardMaker
) -> None:
    """Raises ``Stale`` when what stands about a clip is not what stood when the card was made.

    What others decide about an overlap card does not count: it is not shown, and is theirs.
    """
    whose = maker.reviewer if card.independent else None
    for clip_id in clips:
        if log.changed(clip_id, card.seen, whose):
            raise stale(card, maker.make(maker.rows.number(clip_id)), mine)


def stale(card: Card, current: Card, mine: tuple[str, ...] | None) -> Stale:
    """What to tell a reviewer whose card was decided meanwhile."""
    who = ", ".join(dict.fromkeys(f"{opinion.reviewer} ({opinion.event.action})" for opinion in current.opinions))
    wanted = card.prompts if mine is None else mine
    count = max(len(card.prompts), len(current.prompts), len(wanted))
    versions = zip(*(_padded(text, count) for text in (card.prompts, current.prompts, wanted)), strict=True)
    names = max((card.levels, current.levels), key=len)
    differing = [
        LevelDifference(name, *texts)
        for name, texts in zip(_padded(names, count), versions, strict=True)
        if len(set(texts)) > 1
    ]
    words = f"decided meanwhile: {who}" if who else "a decision was taken back meanwhile"
    return Stale(f"{card.clip_id}: {words}", current, tuple(differing))


def _padded(texts: Sequence[str], count: int) -> tuple[str, ...]:
    return (*texts, *[""] * (count - len(texts)))
