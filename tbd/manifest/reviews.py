"""``reviews.sqlite``: what people decided, as events that are only ever added.

An undo is an event too. A decision belongs to the text it judged: ``before_hash`` names the text that
the reviewer saw, and a decision about a text that is no longer the row's has no effect.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tbd.errors import InputError

FILE = "reviews.sqlite"
Action = Literal["accept", "edit", "reject", "skip", "undo"]

_TABLE = """
CREATE TABLE IF NOT EXISTS event (
  id          INTEGER PRIMARY KEY,
  clip_id     TEXT NOT NULL,
  reviewer    TEXT NOT NULL,
  time        REAL NOT NULL,
  action      TEXT NOT NULL CHECK (action IN ('accept', 'edit', 'reject', 'skip', 'undo')),
  before_hash TEXT NOT NULL,
  after       TEXT,
  reason      TEXT,
  flags       TEXT,
  seconds     REAL,
  undo_of     INTEGER REFERENCES event (id),
  queue       TEXT,
  batch       TEXT
);
CREATE INDEX IF NOT EXISTS event_of_clip ON event (clip_id);
CREATE TRIGGER IF NOT EXISTS event_never_changes BEFORE UPDATE ON event
  BEGIN SELECT RAISE(ABORT, 'review events are only added'); END;
CREATE TRIGGER IF NOT EXISTS event_never_goes BEFORE DELETE ON event
  BEGIN SELECT RAISE(ABORT, 'review events are only added'); END;
"""


@dataclass(frozen=True, slots=True)
class Event:
    """One thing a reviewer did.

    Attributes:
        id: position in the store; later events have higher ids.
        time: seconds since 1970.
        before_hash: ``text_hash`` of the prompts that were on the card.
        after: the prompts as edited, coarse to fine; None unless ``action`` is ``edit``.
        flags: codes of the flags that the reviewer confirmed, or missed.
        reason: of a rejection: ``text``, ``media`` or ``label``.
        seconds: how long the card was open.
        undo_of: the event that an ``undo`` takes back; undoing an undo brings it back.
        queue: what the card was shown for: ``flagged``, ``all``, ``audit``, ``disagreements``.
        batch: equal for the events of one decision: the clips of a card, or of a bulk.
    """

    id: int
    clip_id: str
    reviewer: str
    time: float
    action: Action
    before_hash: str
    after: tuple[str, ...] | None = None
    reason: str | None = None
    flags: tuple[str, ...] = ()
    seconds: float | None = None
    undo_of: int | None = None
    queue: str | None = None
    batch: str | None = None


@dataclass(frozen=True, slots=True)
class Opinion:
    """What one reviewer, last, made of one text.

    Attributes:
        prompts: the text that the reviewer wants, None for the model's; without meaning on a rejection.
        event: the decision itself.
    """

    event: Event
    prompts: tuple[str, ...] | None

    @property
    def reviewer(self) -> str:
        """Whose it is."""
        return self.event.reviewer

    @property
    def rejects(self) -> bool:
        """The reviewer wants the row out."""
        return self.event.action == "reject"

    def agrees(self, other: Opinion) -> bool:
        """Both reject, or both want the same text."""
        return self.rejects == other.rejects and (self.rejects or self.prompts == other.prompts)


@dataclass(frozen=True, slots=True)
class Decision:
    """What people made of one text.

    Attributes:
        status: ``accepted``, ``edited`` or ``rejected``.
        prompts: the text that stands after an edit; None keeps the model's.
        reviewers: whose decisions these are, sorted.
        reason: why it was rejected, by the latest rejection.
    """

    status: Literal["accepted", "edited", "rejected"]
    prompts: tuple[str, ...] | None
    reviewers: tuple[str, ...]
    reason: str | None = None


Decisions = dict[str, dict[str, Decision]]
"""``clip_id`` -> ``text_hash`` of the model's prompts -> the decision about them."""

_Text = tuple[str, tuple[str, ...] | None]
"""A text that was judged: the hash of the model's text it goes back to, and the edit (None: unedited)."""


def text_hash(prompts: Sequence[str]) -> str:
    """sha256 of a row's prompts, coarse to fine, as 64 hex digits: the name of that text."""
    from tbd.recipe import digest  # brings pydantic, which readers of a manifest do not need

    return digest(list(prompts))


def create_reviews(path: Path) -> sqlite3.Connection:
    """Open ``reviews.sqlite`` for writing and make its table if it is new. The caller closes it."""
    connection = sqlite3.connect(path, check_same_thread=False)  # a session keeps its threads apart
    connection.executescript(_TABLE)
    return connection


def add_event(connection: sqlite3.Connection, event: Event) -> int:
    """Append an event; the caller commits. ``event.id`` is not used; the store gives the id it returns."""
    values = (
        *(event.clip_id, event.reviewer, event.time, event.action, event.before_hash),
        *(None if event.after is None else json.dumps(event.after), event.reason, json.dumps(event.flags)),
        *(event.seconds, event.undo_of, event.queue, event.batch),
    )
    names = "clip_id, reviewer, time, action, before_hash, after, reason, flags, seconds, undo_of, queue, batch"
    marks = ", ".join("?" * len(values))
    cursor = connection.execute(f"INSERT INTO event ({names}) VALUES ({marks})", values)
    return int(cursor.lastrowid or 0)


def from_row(row: sqlite3.Row) -> Event:
    """An event from a row of the table ``event``."""
    id, clip_id, reviewer, time, action, before, after, reason, flags, seconds, undo_of, queue, batch = row
    texts, codes = _list(after), _list(flags) or ()
    return Event(id, clip_id, reviewer, time, action, before, texts, reason, codes, seconds, undo_of, queue, batch)


def read_events(path: Path) -> list[Event]:
    """Every event of a store, oldest first; none when there is no such file.

    Raises:
        InputError: the file is not a review store.
    """
    if not path.is_file():
        return []
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            connection.row_factory = sqlite3.Row
            return [from_row(row) for row in connection.execute("SELECT * FROM event ORDER BY id")]
    except (sqlite3.Error, ValueError, TypeError, KeyError) as error:
        raise InputError(f"{path}: cannot be read as a review store ({error})") from None


def state(folder: Path) -> int:
    """A number that grows with every event of a manifest folder; 0 while there is none."""
    path = folder / FILE
    if not path.is_file():
        return 0
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            return int(connection.execute("SELECT COALESCE(MAX(id), 0) FROM event").fetchone()[0])
    except sqlite3.Error as error:
        raise InputError(f"{path}: cannot be read as a review store ({error})") from None


def copy(source: Path, target: Path) -> None:
    """Copy a store as one moment saw it, even while somebody is reviewing."""
    with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target)) as new:
        old.backup(new)


def read_decisions(folder: Path) -> Decisions:
    """What holds in the reviews of a manifest folder, for every clip and every text that was judged."""
    return decided(read_events(folder / FILE))


def decided(history: Iterable[Event]) -> Decisions:
    """What holds after these events, oldest first, of any number of clips."""
    return {clip_id: decide_clip(of_clip) for clip_id, of_clip in by_clip(history).items()}


def by_clip(history: Iterable[Event]) -> dict[str, list[Event]]:
    """The events of each clip, in the order given."""
    found: dict[str, list[Event]] = {}
    for event in history:
        found.setdefault(event.clip_id, []).append(event)
    return found


def decide_clip(history: Iterable[Event]) -> dict[str, Decision]:
    """The decisions about one clip, by ``text_hash`` of the model's text that they go back to.

    Of several opinions: one rejection rejects; else the latest edit, or acceptance of an edit, gives
    the text; else it is accepted as it was.

    Args:
        history: the events of one clip, oldest first.
    """
    return {origin: combine(held) for origin, held in opinions(history).items()}


def opinions(history: Iterable[Event]) -> dict[str, list[Opinion]]:
    """Who thinks what about one clip, by ``text_hash`` of the model's text, in the order it was said.

    Of each reviewer the latest decision counts that is not undone; skipping decides nothing. A
    reviewer judges the model's text, or the text that somebody's edit made of it. A decision in the
    queue of disagreements settles them: what was said before it counts no more.

    Args:
        history: the events of one clip, oldest first.
    """
    made: dict[str, _Text] = {}  # hash of an edited text -> the model's hash, the edited text
    held: dict[str, dict[str, Opinion]] = {}
    for event in standing(history):
        judged: list[_Text] = [(event.before_hash, None)]
        if event.before_hash in made:
            judged.append(made[event.before_hash])
        for origin, text in judged:
            if event.action == "edit" and event.after is not None:
                text = event.after
                made[text_hash(text)] = origin, text
            of_text = held.setdefault(origin, {})
            if event.queue == "disagreements":
                of_text.clear()
            of_text.pop(event.reviewer, None)  # so that the order is that of the decisions
            of_text[event.reviewer] = Opinion(event, text)
    return {origin: list(of_text.values()) for origin, of_text in held.items()}


def standing(history: Iterable[Event]) -> list[Event]:
    """The decisions that nobody took back, without skips, oldest first."""
    undone: set[int | None] = set()
    kept = []
    for event in reversed(list(history)):
        if event.id in undone:
            continue
        if event.action == "undo":
            undone.add(event.undo_of)
        elif event.action != "skip":
            kept.append(event)
    return kept[::-1]


def combine(held: Sequence[Opinion]) -> Decision:
    """What several opinions about one text, oldest first and at least one, make of it together."""
    reviewers = tuple(sorted(opinion.reviewer for opinion in held))
    if reasons := [opinion.event.reason for opinion in held if opinion.rejects]:
        return Decision("rejected", None, reviewers, reasons[-1])
    texts = [opinion.prompts for opinion in held if opinion.prompts is not None]
    return Decision("edited" if texts else "accepted", texts[-1] if texts else None, reviewers)


def _list(text: str | None) -> tuple[str, ...] | None:
    if text is None or text == "[]":  # nearly always
        return None if text is None else ()
    return tuple(json.loads(text))
