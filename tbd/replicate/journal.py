"""Which steps of a replication are done, and what time each took: one line a step, in ``journal.jsonl``."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tbd import workspace
from tbd.replicate.plan import ReplicationStep

JOURNAL = "journal.jsonl"
REPLACED = "replaced"
"""Folder of what was made from other things than the recipe has now."""


class ReplicationJournal:
    """The journal of a replication's folder: one line a step, the last word on it.

    Args:
        folder: of the replication.
        keys: of ``step_keys``.

    Attributes:
        damaged: lines that cannot be read; their steps are done again.
    """

    def __init__(self, folder: Path, keys: Mapping[str, str]) -> None:
        self.path, self._keys = folder / JOURNAL, keys
        self.damaged = 0
        self._entries: dict[str, dict[str, Any]] = {}
        text = self.path.read_text(encoding="utf-8", errors="replace") if self.path.is_file() else ""
        for line in text.splitlines():
            entry = _entry(line)
            self.damaged += entry is None
            if entry is not None:
                self._entries[entry["step"]] = entry

    @property
    def seconds(self) -> dict[str, float]:
        """Step of this recipe -> how long it took by the clock."""
        return {name: entry["seconds"] for name, entry in self._done().items()}

    @property
    def processor_seconds(self) -> dict[str, float]:
        """The same in time of the processors."""
        done = self._done().items()
        return {name: entry["processor_seconds"] for name, entry in done if "processor_seconds" in entry}

    def is_done(self, step: ReplicationStep) -> bool:
        """Whether a step was done with the very command that would be typed now, from the same things."""
        return step.name in self._done()

    def begin(self, step: ReplicationStep) -> Path | None:
        """Write down that a step begins; what was made in its place from other things is moved aside.

        Returns:
            Where that is now; None where there was nothing.

        Raises:
            MissingError: the disk is full.
        """
        before, aside = self._entries.get(step.name), None
        if before and before["key"] != self._keys[step.name]:
            aside = self._move_aside(step.output, before["key"])
        self._write({"step": step.name, "command": step.line, "key": self._keys[step.name]})
        return aside

    def record(self, step: ReplicationStep, seconds: float, processor_seconds: float) -> None:
        """Write down that a step is done, and the time of the try that ended it: by the clock, and of the processors.

        Raises:
            MissingError: the disk is full.
        """
        entry = {"step": step.name, "command": step.line, "key": self._keys[step.name]}
        times = {"seconds": round(seconds, 2), "processor_seconds": round(processor_seconds, 2)}
        self._write(entry | times)

    def _done(self) -> dict[str, dict[str, Any]]:
        """What has ended, of the steps of this recipe, from the things that it has now."""
        return {
            name: entry
            for name, entry in self._entries.items()
            if "seconds" in entry and entry["key"] == self._keys.get(name)
        }

    def _write(self, entry: dict[str, Any]) -> None:
        entries = {**self._entries, entry["step"]: entry}
        lines = [json.dumps(one, ensure_ascii=False) for one in entries.values()]
        workspace.write_text(self.path, "\n".join([*lines, ""]))
        self._entries = entries

    def _move_aside(self, output: str, key: str) -> Path | None:
        made = self.path.parent / output
        if not output or not made.exists():
            return None
        aside = self.path.parent / REPLACED / key[:12] / output
        with workspace.writing(aside):
            aside.parent.mkdir(parents=True, exist_ok=True)
            for number in itertools.count(2):
                if not aside.exists():
                    break
                aside = aside.with_name(f"{made.name}-{number}")
            made.rename(aside)
        return aside


def _entry(line: str) -> dict[str, Any] | None:
    """A line of the journal; None for one that is damaged."""
    try:
        entry = json.loads(line)
        return entry if {"step", "key"} <= entry.keys() else None
    except (ValueError, AttributeError):
        return None
