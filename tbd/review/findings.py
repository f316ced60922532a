"""What the gates found about a row, in full: from the journal, else from the gates themselves."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from tbd.errors import TbdError
from tbd.review.card import FoldedFinding
from tbd.review.text_marks import part
from tbd.schema import INFO, Annotation, Flag, Gate, ManifestRow
from tbd.sqlite import Database, open_database

Check = Callable[[Annotation], Sequence[Flag]]
Meanings = Mapping[str, Gate]
"""Every flag code that there is."""
_UNKNOWN = "The manifest keeps only the code of this flag; the gates' words were in the journal."


class Findings:
    """Flags with message, place and quote, for rows whose manifest keeps only the codes."""

    def __init__(self, folder: Path, check: Check | None) -> None:
        self._check, self._path = check, folder / "journal.sqlite"
        self._journal: Database | None = None
        self.open_again()

    def of(self, row: ManifestRow) -> list[Flag]:
        """The row's flags, the severest first: those of the journal when it still holds this text."""
        found = self._journalled(row)
        if found is None:
            found = [flag for flag in self.fresh(row, row["prompts"]) if flag.code in row["flags"]]
            known = {flag.code for flag in found}
            found += [Flag(code, row["severity"], _UNKNOWN) for code in row["flags"] if code not in known]
        return sorted(found, key=lambda flag: -flag.severity)

    def fresh(self, row: ManifestRow, prompts: Sequence[str]) -> list[Flag]:
        """The gates run on the row's chain with other prompts; none when there are no gates."""
        flags = self._check(Annotation.of_row(row, prompts)) if self._check else ()
        return sorted(flags, key=lambda flag: -flag.severity)

    def open_again(self) -> None:
        """Look at the journal that is there now; one that cannot be read is none: the gates can still say it."""
        self.close()
        with suppress(TbdError):
            self._journal = open_database(self._path, what="a journal of tbd", read_only=True)

    def close(self) -> None:
        """Close the journal."""
        if self._journal:
            self._journal.close()
        self._journal = None

    def _journalled(self, row: ManifestRow) -> list[Flag] | None:
        if not (row["flags"] and self._journal):
            return None
        try:
            found = self._journal.one("SELECT body FROM row WHERE clip_id = ?", row["clip_id"])
            body = json.loads(zlib.decompress(found[0])) if found else {}
            same = body.get("prompts") == row["prompts"] and body.get("flags") == row["flags"]
            return [Flag(**finding) for finding in body["findings"]] if same else None
        except (TbdError, zlib.error, ValueError, TypeError, KeyError):
            return None  # a damaged journal


def fold(
    flags: Sequence[Flag], levels: Sequence[str], meanings: Meanings, only: Mapping[str, tuple[str, ...]]
) -> tuple[FoldedFinding, ...]:
    """Findings of a card by code: those that reached a prompt first, the severest of them first; notes last."""
    by_code: dict[str, list[Flag]] = {}
    for flag in flags:
        by_code.setdefault(flag.code, []).append(flag)
    folded = []
    for code, same in by_code.items():
        places = [part(flag.where, levels) for flag in same]
        advice = meanings[code].advice if code in meanings else ""
        reached = any(place in levels for place in places)
        folded.append(FoldedFinding(code, tuple(same), places[0], reached, advice, only.get(code, ())))
    folded.sort(key=lambda one: (one.severity <= INFO, not one.reached, -one.severity))
    return tuple(replace(one, number=at if at < 10 and one.severity > INFO else 0) for at, one in enumerate(folded, 1))
