"""What the gates found about a row, in full: from the journal, else from the gates themselves."""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tbd.schema import ActionUnit, Annotation, Flag, Muscle

Check = Callable[[Annotation], Sequence[Flag]]
_UNKNOWN = "The manifest keeps only the code of this flag; the gates' words were in the journal."


class Findings:
    """Flags with message, place and quote, for rows whose manifest keeps only the codes."""

    def __init__(self, folder: Path, check: Check | None) -> None:
        self._check = check
        journal = folder / "journal.sqlite"
        uri = f"{journal.absolute().as_uri()}?mode=ro"
        self._db = sqlite3.connect(uri, uri=True, check_same_thread=False) if journal.is_file() else None

    def of(self, row: Mapping[str, Any]) -> list[Flag]:
        """The row's flags, the severest first: those of the journal when it still holds this text."""
        found = self._journalled(row)
        if found is None:
            found = [flag for flag in self.fresh(row, row["prompts"]) if flag.code in row["flags"]]
            known = {flag.code for flag in found}
            found += [Flag(code, row["severity"], _UNKNOWN) for code in row["flags"] if code not in known]
        return sorted(found, key=lambda flag: -flag.severity)

    def fresh(self, row: Mapping[str, Any], prompts: Sequence[str]) -> list[Flag]:
        """The gates run on the row's chain with other prompts; none when there are no gates."""
        flags = self._check(annotation(row, prompts)) if self._check else ()
        return sorted(flags, key=lambda flag: -flag.severity)

    def close(self) -> None:
        """Close the journal."""
        if self._db:
            self._db.close()

    def _journalled(self, row: Mapping[str, Any]) -> list[Flag] | None:
        if not (row["flags"] and self._db):
            return None
        try:
            found = self._db.execute("SELECT body FROM row WHERE clip_id = ?", [row["clip_id"]]).fetchone()
            body = json.loads(zlib.decompress(found[0])) if found else {}
            same = body.get("prompts") == row["prompts"] and body.get("flags") == row["flags"]
            return [Flag(**finding) for finding in body["findings"]] if same else None
        except (sqlite3.Error, zlib.error, ValueError, TypeError, KeyError):
            return None  # a damaged journal: the gates can still say it


def annotation(row: Mapping[str, Any], prompts: Sequence[str]) -> Annotation:
    """The chain of a manifest row with these prompts; where they are edited, the last reply is replaced by them."""
    replies = list(row["step_outputs"])
    if replies and list(prompts) != list(row["prompts"]):
        replies[-1] = "\n".join(prompts)
    names = ("mode", "emotion", "level", "instruction", "gender", "age_range", "ethnicity", "appearance")
    return Annotation(
        **{name: row[name] for name in names},
        action_units=tuple(ActionUnit(**unit) for unit in row["action_units"]),
        muscles=tuple(Muscle(**muscle) for muscle in row["muscles"]),
        prompts=tuple(prompts),
        step_outputs=tuple(replies),
    )
