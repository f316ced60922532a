"""What is refused before anything is written, and what a decision that came too late is told."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Sequence
from itertools import zip_longest

from tbd.errors import UsageError
from tbd.hidden_characters import without_hidden
from tbd.manifest.prompt_levels import LEVELS
from tbd.manifest.reviews import Event
from tbd.review.card import Card, LevelDifference, Stale
from tbd.review.card_maker import CardMaker
from tbd.review.kinds import QueueName, Reason, Verb
from tbd.review.words import GONE, too_long

_NAME = 80
"""Signs in a reviewer's name."""
_NOTE = 1_000
"""Signs in a note."""


def refuse_name(name: str) -> None:
    """A reviewer's name: as typed, not blank, 80 signs at most, nothing that cannot be seen or stored.

    Raises:
        UsageError: it is none.
    """
    odd = [f"it has the sign {sign!r}" for sign in name if unicodedata.category(sign) in ("Cc", "Cs", "Zl", "Zp")]
    blank = [] if without_hidden(name) else ["it is blank"]
    long = [f"it has {len(name)} signs"] if len(name) > _NAME else []
    for why in odd + blank + long:
        raise UsageError(f"{name[:_NAME]!r} cannot be a reviewer's name: {why}", next="--reviewer NAME")


def verb(action: str, reason: str | None, bulk_in: str = "") -> Verb:
    """An action by its name.

    Args:
        bulk_in: the queue, for a decision about many cards at once.

    Raises:
        UsageError: an unknown action; a rejection without one of the reasons, or a reason for something else; what
            cannot be done to many cards, or in a queue whose cards must be looked at one by one.
    """
    blind, own = bulk_in == QueueName.AUDIT, bulk_in == QueueName.DECIDED
    for wrong, words in (
        (action not in set(Verb), f"no action {action!r}; there are: {', '.join(Verb)}"),
        (
            bulk_in and action not in ("accept", "reject"),
            f"{action}: many cards are accepted or rejected, nothing else",
        ),
        (blind, "an audit is blind: its cards cannot be decided by flag"),
        (own, "what you decided is changed card by card, not by flag"),
        (action == Verb.REJECT and reason not in set(Reason), f"a rejection needs a reason: {', '.join(Reason)}"),
        (action != Verb.REJECT and reason is not None, f"{action}: only a rejection has a reason"),
    ):
        if wrong:
            raise UsageError(words)
    return Verb(action)


def note(text: str) -> str | None:
    """A note as it is kept, in one line; None for none.

    Raises:
        UsageError: it is too long.
    """
    if len(text := without_hidden(text.encode("utf-8", "replace").decode())) > _NOTE:
        raise UsageError(f"a note of {len(text):,} signs; {_NOTE:,} are kept")
    return text or None


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


def as_typed(card: Card, prompts: Sequence[str]) -> tuple[str, ...]:
    """An edited text: a level that was touched on one line and without hidden signs, the others letter for letter."""
    before = (*card.prompts, *[""] * len(prompts))
    written = [text.encode("utf-8", "replace").decode() for text in prompts]
    return tuple(
        old if old and " ".join(text.split()) == " ".join(old.split()) else without_hidden(text)
        for text, old in zip(written, before, strict=False)
    )


def edited(card: Card, action: str, prompts: Sequence[str] | None) -> tuple[str, ...] | None:
    """The text of an edit; None for other actions.

    Raises:
        UsageError: an edit without a text, with a blank or endless level, or with other levels than the card.
    """
    if action != Verb.EDIT:
        if prompts is not None:
            raise UsageError(f"{action}: only an edit has a text")
        return None
    text, wanted = as_typed(card, prompts or ()), len(card.prompts) or len(LEVELS)
    if len(text) != wanted or not all(text):
        raise UsageError(f"{card.clip_id}: an edit gives {wanted} prompt levels, none of them blank")
    if long := next(filter(None, map(too_long, text)), ""):
        raise UsageError(f"{card.clip_id}: {long}")
    return text


def refuse_stale(
    card: Card, clips: Sequence[str], mine: tuple[str, ...] | None, event: Event, maker: CardMaker
) -> None:
    """Raises ``Stale`` when what stands about a clip is not what stood when the card was made.

    What others decide about an overlap card does not count: it is not shown, and is theirs. What is about the clip
    itself holds for any text.
    """
    shared = maker.shared
    whose = shared.reviewer if card.independent else None
    for clip_id in clips:
        number = shared.rows.number(clip_id)
        if shared.rows.prompts(number) != card.original and not event.about_clip:
            raise stale(card, maker.make(number), mine, GONE)
        if shared.log.changed(clip_id, card.seen, whose):
            raise stale(card, maker.make(number), mine)


def stale(card: Card, current: Card, mine: tuple[str, ...] | None, why: str = "") -> Stale:
    """What to tell a reviewer whose card was decided, or annotated anew, meanwhile."""
    who = ", ".join(dict.fromkeys(f"{opinion.reviewer} ({opinion.event.action})" for opinion in current.opinions))
    words = why or (f"decided meanwhile: {who}" if who else "a decision was taken back meanwhile")
    names = max((card.levels, current.levels), key=len)
    versions = zip_longest(names, card.prompts, current.prompts, card.prompts if mine is None else mine, fillvalue="")
    differing = tuple(LevelDifference(*each) for each in versions if len(set(each[1:])) > 1)
    return Stale(f"{card.clip_id}: {words}; nothing was saved", current, differing)
