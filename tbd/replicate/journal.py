"""Which steps of a replication are done, and how long each took: one line a step, in ``journal.jsonl``."""

from __future__ import annotations

import json
import os
from pathlib import Path

from tbd.replicate.plan import ReplicationStep

JOURNAL = "journal.jsonl"


class ReplicationJournal:
    """The journal of a replication's folder.

    Args:
        folder: of the replication.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / JOURNAL
        self.seconds: dict[str, float] = {}
        self._lines: dict[str, str] = {}
        text = self.path.read_text(encoding="utf-8") if self.path.is_file() else ""
        for line in text.split("\n")[:-1]:  # what a killed run left behind the last newline is no line
            entry = json.loads(line)
            self._lines[entry["step"]], self.seconds[entry["step"]] = entry["command"], entry["seconds"]

    def is_done(self, step: ReplicationStep) -> bool:
        """Whether a step was done with the very command that would be typed now."""
        return self._lines.get(step.name) == step.line

    def record(self, step: ReplicationStep, seconds: float) -> None:
        """Write down that a step is done, and the seconds of the try that ended it."""
        took = round(seconds, 2)
        entry = {"step": step.name, "command": step.line, "seconds": took}
        self._mend()
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry, ensure_ascii=False) + "\n")
            file.flush()
            os.fsync(file.fileno())
        self._lines[step.name], self.seconds[step.name] = step.line, took

    def _mend(self) -> None:
        """Cut off half a line."""
        content = self.path.read_bytes() if self.path.is_file() else b""
        if content and not content.endswith(b"\n"):
            with self.path.open("r+b") as file:
                file.truncate(content.rfind(b"\n") + 1)
