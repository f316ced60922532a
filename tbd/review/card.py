"""What a reviewer sees and gets back: cards, receipts, progress, and a decision that came too late."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tbd.errors import TbdError
from tbd.hidden_characters import one_line
from tbd.manifest.prompt_levels import level_names
from tbd.manifest.reviews import Opinion
from tbd.review.kinds import Verb
from tbd.schema import Flag, ManifestRow

FILTERS = ("flag", "emotion", "level", "subject", "bookmark", "text")
"""What a queue can be narrowed by; ``text`` is searched in prompts and ``clip_id``."""
LEVEL_SIGNS = 4_000
"""Signs that one prompt level may have."""


@dataclass(frozen=True, slots=True)
class FoldedFinding:
    """Every finding of one code on a card.

    Attributes:
        flags: the findings, the severest first.
        where: the part of the card that the first speaks of.
        reached: one of them is in a prompt, where it would be learned from.
        advice: what a reviewer does about it; "" where the gates do not say.
        clips: those of the card that have it, where not all have.
        number: 1 to 9, the key that judges it; 0 for notes, and behind the ninth.
    """

    code: str
    flags: tuple[Flag, ...]
    where: str
    reached: bool
    advice: str = ""
    clips: tuple[str, ...] = ()
    number: int = 0

    @property
    def severity(self) -> int:
        """Of the severest."""
        return max(flag.severity for flag in self.flags)

    @property
    def name(self) -> str:
        """The code, and how often: ``loop ×2``."""
        return f"{one_line(self.code)}{f' ×{len(self.flags)}' if len(self.flags) > 1 else ''}"

    @property
    def some(self) -> str:
        """On how many of the card's clips, where not on all."""
        return f"on {len(self.clips)} of these clips" if self.clips else ""


@dataclass(frozen=True, slots=True)
class Card:
    """One thing to decide: the clips that share a chain, its text, and what the gates say of it.

    Attributes:
        clip_id: the first of ``clips``; names the card.
        clips: every clip that a decision applies to, sorted ("applies to 28 clips"); some of them can be split off.
        row: the manifest row of ``clip_id`` with every column, as plain values.
        prompts, original: the text as it stands, coarse to fine (may be empty), and the model's.
        findings, folded: flags of the gates, the severest first, and by code; none while ``blind``.
        only: flag code -> the clips that have it, for codes that not all of ``clips`` have.
        opinions: what reviewers decided about this text before, oldest first; none while ``blind``, and those of
            others are left out on an overlap card.
        blind: an audit card: neither findings nor opinions are shown.
        independent: others may judge this card at the same time (audit, overlap), each for himself.
        path: the video or picture on this machine; None when it is not there.
        before_hash, seen: ``text_hash`` of ``prompts``, and the last review event that the card takes into account.
        held_by: another reviewer who has it open now, "" when there is none.
        state: ``open`` when it waits for this reviewer, else the status that was decided.
        bookmarked: this reviewer put a bookmark here.
    """

    clip_id: str
    clips: tuple[str, ...]
    row: ManifestRow = field(hash=False)
    prompts: tuple[str, ...]
    original: tuple[str, ...]
    findings: tuple[Flag, ...] = ()
    only: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)
    opinions: tuple[Opinion, ...] = ()
    blind: bool = False
    independent: bool = False
    path: Path | None = None
    before_hash: str = ""
    seen: int = 0
    held_by: str = ""
    state: Literal["open", "accepted", "edited", "rejected"] = "open"
    bookmarked: bool = False
    folded: tuple[FoldedFinding, ...] = ()

    @property
    def levels(self) -> tuple[str, ...]:
        """Names of the prompts, ``scene`` … ``dynamics``."""
        return level_names(len(self.prompts))


@dataclass(frozen=True, slots=True)
class Receipt:
    """A decision that is on disk.

    Attributes:
        action: what was done; ``undo`` took ``undone`` back, ``redo`` made it again.
        clips: the clips it was done to, sorted.
        left_out: clips that a bulk decision could not have: skipped, open elsewhere, or without a text to accept.
        worse: clips that a bulk acceptance left, because another flag weighs as much there.
        undone: the action that was taken back or made again.
    """

    action: Verb | Literal["undo", "redo"]
    clips: tuple[str, ...]
    left_out: tuple[str, ...] = ()
    worse: tuple[str, ...] = ()
    undone: str | None = None

    @property
    def clip_id(self) -> str:
        """The first of ``clips``: the card to show again after an undo."""
        return self.clips[0]


@dataclass(frozen=True, slots=True)
class ReviewProgress:
    """How far the queue is, in cards (with the filters that are set).

    Attributes:
        done, left, total: cards of the queue; ``left`` includes the skipped ones.
        skipped: cards that this reviewer passed over in this session.
        mine: decisions of this reviewer in this session; skips and what was undone not counted.
        clips_left: clips that wait for a decision.
        per_hour: cards this reviewer decides in an hour of open cards, breaks left out; None before the first.
        by_flag: flag code -> cards left that have it, the commonest first; empty in an audit.
        seconds: this session's time at cards.
        by_verb: this session's decisions.
        gone: decisions of this session about texts that are gone.
        by_reviewer, agreement, disagreements, to_annotate: filled by ``ReviewSession.report`` alone: clips decided by
            each, share of agreeing pairs, clips in dispute, clips rejected for their text.
    """

    done: int
    left: int
    total: int
    skipped: int = 0
    mine: int = 0
    clips_left: int = 0
    per_hour: float | None = None
    by_flag: Mapping[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    by_verb: Mapping[str, int] = field(default_factory=dict)
    gone: int = 0
    by_reviewer: Mapping[str, int] = field(default_factory=dict)
    agreement: float | None = None
    disagreements: int = 0
    to_annotate: int = 0


@dataclass(frozen=True, slots=True)
class LevelDifference:
    """One prompt level in three versions: on the card, as somebody left it, as the reviewer wants it."""

    level: str
    seen: str
    theirs: str
    mine: str

    @property
    def versions(self) -> dict[str, str]:
        """The three by the names that both faces give them."""
        return {"you saw": self.seen, "now": self.theirs, "yours": self.mine}


class Stale(TbdError):
    """Somebody decided while the card was open; nothing was written.

    Attributes:
        current: the card as it is now. ``session.decide(stale.current, …)`` decides all the same, as a new decision.
        difference: the levels in which the text now, or the text that was wanted, is not the one that was on the card.
    """

    kind = "stale"

    def __init__(self, message: str, current: Card, difference: tuple[LevelDifference, ...]) -> None:
        super().__init__(message, next="look at the difference, then keep theirs or decide again")
        self.current = current
        self.difference = difference
