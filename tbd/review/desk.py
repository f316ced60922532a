"""A reviewer's desk: cards come, decisions go to disk, and both user interfaces sit at it.

desk = Desk(folder, "Ann", queue="flagged", check=gates.check)
while card := desk.next():
    desk.decide(card, "accept")        # on disk when it returns
desk.close()                           # gives cards back, seals the manifest again
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

from tbd.manifest.seal import Sealed
from tbd.review.card import Card, Progress, Receipt, Verb
from tbd.schema import Annotation, Flag

if TYPE_CHECKING:
    from tbd.media.canonical import CanonicalClip

Check = Callable[[Annotation], Sequence[Flag]]


class Desk:
    """One reviewer's session at one manifest. Safe to use from several threads of one process.

    The manifest is read as it is when the desk opens; decisions of others are seen at once.

    Args:
        folder: a manifest folder, or its Parquet file.
        reviewer: a name as the person types it, up to 80 signs.
        queue: ``flagged`` (rows that need review, the severest first), ``all`` (every row in order),
            ``audit`` (a seeded share of the rows that the gates pass, blind), ``disagreements``
            (rows that reviewers judged differently; a decision made here settles it).
        filters: ``flag``, ``emotion``, ``level``, ``subject`` -> a value; all must hold.
        overlap: share of the cards, 0 to 1, that two reviewers judge, each for himself.
        check: the gates, for ``recheck`` and for findings where there is no journal.
        root: where the dataset lies on this machine, when not where ``run.json`` says.
        lease: seconds for which a card that was handed out stays this reviewer's; every ``next``,
            ``card`` and ``renew`` begins them anew.

    Raises:
        UsageError: no such queue or filter, an overlap that is no share, a name that cannot be one.
        InputError: no manifest, a damaged one, or one of a newer tbd; a store that cannot be written.
    """

    def __init__(
        self,
        folder: str | Path,
        reviewer: str,
        *,
        queue: str = "flagged",
        filters: Mapping[str, str] | None = None,
        overlap: float = 0.0,
        check: Check | None = None,
        root: Path | None = None,
        lease: float = 600.0,
    ) -> None: ...

    folder: Path
    reviewer: str
    queue: str
    filters: Mapping[str, str]

    def next(self, after: str | None = None) -> Card | None:
        """The next open card, now leased to this reviewer; never one that another reviewer holds.

        Cards that were skipped in this session are passed over. The search starts behind the card
        ``after`` (in queue order) and goes on from the front, so nothing is left behind.

        Returns:
            None when no card is left that this reviewer could have now.
        """
        raise NotImplementedError

    def previous(self) -> Card | None:
        """The card that this reviewer was shown before the present one; None at the first.

        Called again it goes further back; ``next`` starts at the front again.
        """
        raise NotImplementedError

    def peek(self, count: int = 1, after: str | None = None) -> list[Card]:
        """The cards that ``next`` would give, without leasing them: for fetching pictures ahead."""
        raise NotImplementedError

    def card(self, clip_id: str) -> Card:
        """The card of any clip of the manifest, open, decided or outside the queue.

        It is leased when it is open and nobody holds it; ``held_by`` says who does.

        Raises:
            InputError: there is no such clip.
        """
        raise NotImplementedError

    def renew(self, card: Card) -> bool:
        """Hold a card for longer. False when its lease had ended and somebody else holds it now."""
        raise NotImplementedError

    def decide(
        self,
        card: Card,
        action: Verb,
        *,
        prompts: Sequence[str] | None = None,
        reason: str | None = None,
        flags: Sequence[str] = (),
        seconds: float | None = None,
        clips: Sequence[str] | None = None,
    ) -> Receipt:
        """Write a decision about a card. It is on disk when this returns.

        Args:
            card: as ``next``, ``previous``, ``card`` or ``Stale.current`` gave it.
            action: ``accept``, ``edit``, ``reject``, ``skip``. An edit that changes nothing is an
                acceptance.
            prompts: the edited text, as many levels as the card has (or four, where it has none).
            reason: of a rejection: ``text``, ``media`` or ``label``.
            flags: codes that the reviewer confirms, or, in an audit, misses.
            seconds: how long the card was open; None takes the time since it was handed out.
            clips: only these clips of the card; the others stay open. None takes all.

        Raises:
            Stale: somebody decided about it meanwhile; nothing was written.
            UsageError: no such action, reason or clip on this card; an edit without a text.
            MissingError: the disk is full; nothing was written.
        """
        raise NotImplementedError

    def decide_all(self, flag: str, action: Verb, reason: str | None = None) -> Receipt:
        """Accept or reject every open card of the queue (as filtered) that has a flag; one undo takes all back.

        Clips that somebody else has open are left out and named in the receipt.

        Raises:
            UsageError: not ``accept`` or ``reject``, no reason, an audit queue, or no card has that flag.
        """
        raise NotImplementedError

    def undo(self) -> Receipt | None:
        """Take back this reviewer's last decision that stands, a skip or a whole bulk too.

        Called again it goes further back, also to earlier sessions. None when there is nothing left.
        """
        raise NotImplementedError

    def recheck(self, card: Card, prompts: Sequence[str]) -> tuple[list[Flag], list[int]]:
        """Run the gates on an edited text, without writing anything.

        Returns:
            The flags (none when the desk has no ``check``), the severest first, and the CLIP tokens
            of each level. ``card.budgets`` and ``tbd.review.card.budgets`` give the limits.
        """
        raise NotImplementedError

    def canonical(self, card: Card) -> CanonicalClip | None:
        """The clip as every stage sees it (frames, reference picture); None when its file is not here."""
        raise NotImplementedError

    def progress(self) -> Progress:
        """How far the queue is."""
        raise NotImplementedError

    def close(self) -> Sealed | None:
        """End the leases and seal the manifest again with every review. Closing twice does nothing.

        Returns:
            What was sealed; None when the manifest already shows every decision.
        """
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
