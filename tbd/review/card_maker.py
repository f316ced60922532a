"""Making cards: rows of one chain, with one text and one state, and all that a reviewer is to see of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from tbd.manifest.prompt_levels import level_names
from tbd.manifest.reviews import Opinion, combine, text_hash
from tbd.manifest.row_lookup import RowLookup
from tbd.review.card import Card
from tbd.review.decisions import DecisionLog
from tbd.review.findings import Findings, Meanings, fold
from tbd.review.kinds import QueueName
from tbd.review.queue_view import QueueView
from tbd.schema import Flag


@dataclass(frozen=True)
class CardMaker:
    """Makes the cards of one queue.

    Attributes:
        roots: where each dataset lies; ``""``, if given, stands for every dataset.
        blind: cards show neither findings nor opinions.
        bookmarks: the reviewer's.
        meanings: of the flag codes, for their advice.
    """

    rows: RowLookup
    log: DecisionLog
    findings: Findings
    view: QueueView
    roots: Mapping[str, Path]
    reviewer: str
    blind: bool
    bookmarks: set[str]
    meanings: Meanings

    def make(self, number: int, held_by: str = "") -> Card:
        """The card that a row is on, as it is now."""
        members = self._members(number)
        row = self.rows.row(members[0])
        held = self.log.opinions(row["clip_id"])
        waits, independent = self.view.waits(members[0]), self.view.independent(members[0])
        prompts = self.rows.prompts(members[0]) if waits and independent else self.log.text(members[0])
        again = self.view.name == QueueName.DECIDED
        findings, only = ((), {}) if self.blind else self._findings(members)
        return Card(
            clip_id=row["clip_id"],
            clips=tuple(map(self.rows.clip, members)),
            row=row,
            prompts=prompts,
            original=self.rows.prompts(members[0]),
            findings=tuple(findings),
            only=only,
            opinions=tuple(opinion for opinion in held if self._shown(opinion, independent)),
            blind=self.blind,
            independent=independent,
            path=path_of(self.roots, row, "file_name"),
            before_hash=text_hash(prompts),
            seen=self.log.last,
            held_by=held_by,
            state=combine(held).status if held and (again or not waits) else "open",
            bookmarked=row["clip_id"] in self.bookmarks,
            folded=fold(findings, level_names(len(prompts)), self.meanings),
        )

    def _members(self, number: int) -> list[int]:
        """The rows of the card's chain with the row's text that are decided alike, or all still open."""
        at = self.view.place(number)
        unit = [number] if at is None else self.view.queue.units[at]
        state = self._state(number)
        return [other for other in unit if other == number or self._state(other) == state]

    def _state(self, number: int) -> tuple[Any, ...]:
        waits = self.view.waits(number)
        hidden = waits and self.view.independent(number)
        held = () if hidden else self.log.opinions(self.rows.clip(number))
        return (
            self.rows.prompts(number),
            waits,
            *((opinion.reviewer, opinion.rejects, opinion.prompts) for opinion in held),
        )

    def _shown(self, opinion: Opinion, independent: bool) -> bool:
        return opinion.reviewer == self.reviewer or not (self.blind or independent)

    def _findings(self, members: Sequence[int]) -> tuple[list[Flag], dict[str, tuple[str, ...]]]:
        """All findings of a card's rows, and which clips have those that not all have."""
        rows = {number: self.rows.row(number) for number in members}
        found: dict[Flag, None] = {}
        having: dict[str, list[str]] = {}
        seen: set[tuple[str, ...]] = set()
        for row in rows.values():
            for code in row["flags"]:
                having.setdefault(code, []).append(row["clip_id"])
            if tuple(row["flags"]) not in seen:  # rows of a chain with the same flags have the same findings
                seen.add(tuple(row["flags"]))
                found |= dict.fromkeys(self.findings.of(row))
        only = {code: tuple(clips) for code, clips in having.items() if len(clips) < len(rows)}
        return sorted(found, key=lambda flag: -flag.severity), only


def path_of(roots: Mapping[str, Path], row: Mapping[str, Any], name: str) -> Path | None:
    """A file of a row on this machine; None when it is not there, or its name leads out of the dataset."""
    root, relative = roots.get("") or roots.get(row["dataset"]), row[name]
    if not (root and relative) or PurePosixPath(relative).is_absolute() or ".." in PurePosixPath(relative).parts:
        return None
    try:
        return root / relative if (root / relative).is_file() else None
    except (OSError, ValueError):
        return None
