"""The votes: each is on disk before the next clip is shown, and there is one a rater and place."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tbd.errors import InputError, UsageError
from tbd.evaluate.study.study_folder import CRITERIA, SCALE, VOTES, Study
from tbd.sqlite import Database, open_database

SCHEMA = """
CREATE TABLE IF NOT EXISTS votes (
    rater INTEGER NOT NULL, position INTEGER NOT NULL, answers TEXT NOT NULL, seconds REAL, time REAL NOT NULL,
    source TEXT NOT NULL, PRIMARY KEY (rater, position)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS places (rater INTEGER PRIMARY KEY, time REAL NOT NULL);
"""


@dataclass(frozen=True)
class Vote:
    """One rater about one item.

    Attributes:
        rater: counted from 0.
        position: in the rater's order.
        answers: criterion -> 1 to 5.
        seconds: from showing the clip to the answer; None if not known.
    """

    rater: int
    position: int
    answers: Mapping[str, int]
    seconds: float | None = None


class VoteStore:
    """The votes of a study, for any number of threads and processes.

    Args:
        folder: of the study.
        study: that the votes belong to.

    Raises:
        InputError, MissingError: the file cannot be opened or written.
    """

    def __init__(self, folder: Path, study: Study) -> None:
        self._study = study
        self._database: Database = open_database(folder / VOTES, what="votes of a study of tbd", schema=SCHEMA)

    def claim(self) -> int | None:
        """A place that nobody has yet, as the number of its rater; None when all are taken."""
        with self._database.transaction():
            taken = {row[0] for row in self._database.all("SELECT rater FROM places UNION SELECT rater FROM votes")}
            free = next((rater for rater in range(len(self._study.raters)) if rater not in taken), None)
            if free is not None:
                self._database.write("INSERT INTO places VALUES (?, ?)", free, time.time())
            return free

    def position(self, rater: int) -> int:
        """The first item without a vote; the length of the order when the rater is done."""
        done = {row[0] for row in self._database.all("SELECT position FROM votes WHERE rater = ?", rater)}
        every = range(len(self._study.orders[rater]))
        return next((position for position in every if position not in done), len(every))

    def add(self, vote: Vote, source: str = "page") -> bool:
        """Store a vote; False when there is one for this place already, which then stays as it is.

        Raises:
            UsageError: no such place, or an answer is missing or not from 1 to 5.
        """
        check(vote, self._study)
        answers = json.dumps({one.key: int(vote.answers[one.key]) for one in CRITERIA})
        with self._database.transaction():
            known = self._database.one(
                "SELECT 1 FROM votes WHERE rater = ? AND position = ?", vote.rater, vote.position
            )
            if known is None:
                values = (vote.rater, vote.position, answers, vote.seconds, time.time(), source)
                self._database.write("INSERT INTO votes VALUES (?, ?, ?, ?, ?, ?)", *values)
            return known is None

    def votes(self) -> list[Vote]:
        """Every vote, by rater and position.

        Raises:
            InputError: somebody edited the file, and it holds what no page can have sent.
        """
        rows = self._database.all("SELECT rater, position, answers, seconds FROM votes ORDER BY rater, position")
        return [self._read(*row) for row in rows]

    def _read(self, rater: int, position: int, answers: str, seconds: float | None) -> Vote:
        try:
            vote = Vote(rater, position, dict(json.loads(answers)), seconds)
            check(vote, self._study)
        except (ValueError, TypeError, UsageError) as error:
            words = error.message if isinstance(error, UsageError) else f"not JSON ({error})"
            raise InputError(
                f"{self._database.path}: the vote of rater {rater} at place {position} is not one that a page sent: {words}",
                next="restore the file from a copy, or remove that row",
            ) from None
        return vote

    def close(self) -> None:
        """Close the file."""
        self._database.close()


def check(vote: Vote, study: Study) -> None:
    """See that a vote can be one.

    Raises:
        UsageError: no such place, or an answer is missing or not from 1 to 5.
    """
    if not (0 <= vote.rater < len(study.raters) and 0 <= vote.position < len(study.orders[vote.rater])):
        raise UsageError(f"no item {vote.position} for rater {vote.rater}")
    for one in CRITERIA:
        if vote.answers.get(one.key) not in SCALE or isinstance(vote.answers[one.key], bool):
            raise UsageError(f"{one.key}: an answer from 1 to 5 is needed, not {vote.answers.get(one.key)!r}")


def import_votes(store: VoteStore, study: Study, files: Iterable[Path]) -> tuple[int, int]:
    """Add what the page without a server saved: how many were new, and how many were there already.

    Raises:
        InputError: a file is not such a file, or belongs to another study; nothing of it is added then.
    """
    new = known = 0
    for path in files:
        for vote in _read_file(path, study):
            if store.add(vote, path.name):
                new += 1
            else:
                known += 1
    return new, known


def _read_file(path: Path, study: Study) -> list[Vote]:
    try:
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        rater = study.raters.index(document["rater"])
        votes = [
            Vote(rater, int(one["position"]), dict(one["answers"]), one.get("seconds")) for one in document["votes"]
        ]
        for vote in votes:
            check(vote, study)
    except (OSError, KeyError, TypeError, ValueError) as error:
        why = "another study's, or no rater of this one" if "not in" in str(error) else str(error)
        raise InputError(f"{path}: not votes of this study ({why})", next="tbd study report STUDY") from None
    except UsageError as error:
        raise InputError(f"{path}: {error.message}; none of its votes was added") from None
    return votes
