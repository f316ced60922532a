"""Making cards: rows of one chain, with one text and one state, and all that a reviewer is to see of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tbd.manifest.prompt_levels import level_names
from tbd.manifest.reviews import Opinion, combine, text_hash
from tbd.manifest.run import media_file
from tbd.review.card import Card
from tbd.review.findings import fold
from tbd.review.kinds import QueueName
from tbd.review.queue_view import QueueView
from tbd.review.review_folder import ReviewFolder
from tbd.schema import Flag, ManifestRow


@dataclass(frozen=True)
class CardMaker:
    """Makes the cards of one queue.

    Attributes:
        blind: cards show neither findings nor opinions.
        bookmarks: the reviewer's.
    """

    shared: ReviewFolder
    view: QueueView
    blind: bool
    bookmarks: set[str]

    def make(self, number: int, held_by: str = "") -> Card:
        """The card that a row is on, as it is now."""
        members, rows, log = self._members(number), self.shared.rows, self.shared.log
        row, original = rows.row(members[0]), rows.prompts(members[0])
        held = log.opinions(row["clip_id"])
        waits, independent = self.view.waits(members[0]), self.view.independent(members[0])
        prompts = original if waits and independent else log.text(members[0])
        again = self.view.name == QueueName.DECIDED
        findings, only = ([], {}) if self.blind else self._findings(members, row)
        return Card(
            clip_id=row["clip_id"],
            clips=tuple(map(rows.clip, members)),
            row=row,
            prompts=prompts,
            original=original,
            findings=tuple(findings),
            only=only,
            opinions=tuple(opinion for opinion in held if self._shown(opinion, independent)),
            blind=self.blind,
            independent=independent,
            path=media_file(self.shared.roots, row, "file_name"),
            before_hash=text_hash(prompts),
            seen=log.last,
            held_by=held_by,
            state=combine(held).status if held and (again or not waits) else "open",
            bookmarked=row["clip_id"] in self.bookmarks,
            folded=fold(findings, level_names(len(prompts)), self.shared.meanings, only),
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
        held = () if hidden else self.shared.log.opinions(self.shared.rows.clip(number))
        return (
            self.shared.rows.prompts(number),
            waits,
            *((opinion.reviewer, opinion.rejects, opinion.prompts) for opinion in held),
        )

    def _shown(self, opinion: Opinion, independent: bool) -> bool:
        return opinion.reviewer == self.shared.reviewer or not (self.blind or independent)

    def _findings(self, members: Sequence[int], first: ManifestRow) -> tuple[list[Flag], dict[str, tuple[str, ...]]]:
        """All findings of a card's rows, and which clips have those that not all have."""
        rows = [first, *map(self.shared.rows.row, members[1:])]
        found: dict[Flag, None] = {}
        having: dict[str, list[str]] = {}
        seen: set[tuple[str, ...]] = set()
        for row in rows:
            for code in row["flags"]:
                having.setdefault(code, []).append(row["clip_id"])
            if tuple(row["flags"]) not in seen:  # rows of a chain with the same flags have the same findings
                seen.add(tuple(row["flags"]))
                found |= dict.fromkeys(self.shared.findings.of(row))
        only = {code: tuple(clips) for code, clips in having.items() if len(clips) < len(rows)}
        return sorted(found, key=lambda flag: -flag.severity), only
