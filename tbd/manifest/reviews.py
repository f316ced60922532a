"""``reviews.sqlite``: what people decided, as events that are only ever added.

An undo is an event too. A decision belongs to the text it judged: ``before_hash`` names the text that
the reviewer saw, and a decision about a text that is no longer the row's has no effect. A rejection for
*media* or *label* is about the clip: it holds for every text until its reviewer takes it back.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tbd.errors import InputError
from tbd.sqlite import Database, open_database

FILE = "reviews.sqlite"
WHAT = "a review store"
Action = Literal["accept", "edit", "reject", "skip", "undo"]
ABOUT_CLIP = frozenset({"media", "label"})
"""Reasons of a rejection that no new text can mend."""
ANY_TEXT = "any text"
"""Stands for the hash of a text that nobody judged; only what is about the clip holds for it."""

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
  batch       TEXT,
  note        TEXT,
  refuted     TEXT,
  bulk        INTEGER
);
CREATE INDEX IF NOT EXISTS event_of_clip ON event (clip_id);
CREATE TRIGGER IF NOT EXISTS event_never_changes BEFORE UPDATE ON event
  BEGIN SELECT RAISE(ABORT, 'review events are only added'); END;
CREATE TRIGGER IF NOT EXISTS event_never_goes BEFORE DELETE ON event
  BEGIN SELECT RAISE(ABORT, 'review events are only added'); END;
"""
BOOKMARKS = """
CREATE TABLE IF NOT EXISTS bookmark (
  reviewer TEXT NOT NULL, clip_id TEXT NOT NULL, PRIMARY KEY (reviewer, clip_id)
) WITHOUT ROWID;
"""
"""Which clips a reviewer bookmarked; nobody's decision, so that they may be taken away."""

_FIRST = (
    *("id", "clip_id", "reviewer", "time", "action", "before_hash", "after", "reason", "flags", "seconds"),
    *("undo_of", "queue", "batch"),
)
_LATER = {"note": "TEXT", "refuted": "TEXT", "bulk": "INTEGER"}
"""Columns that a store of an older tbd lacks, with their types."""
_COLUMNS = (*_FIRST, *_LATER)


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
        note: what the reviewer wrote beside the decision.
        refuted: codes of flags that the reviewer found to be wrong.
        bulk: decided together with other cards, without a look at each.
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
    note: str | None = None
    refuted: tuple[str, ...] = ()
    bulk: bool = False

    @property
    def about_clip(self) -> bool:
        """It judges the clip, whatever text it has."""
        return self.action == "reject" and self.reason in ABOUT_CLIP


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
        reason: why it was rejected, by the latest rejection; one that is about the clip goes first.
    """

    status: Literal["accepted", "edited", "rejected"]
    prompts: tuple[str, ...] | None
    reviewers: tuple[str, ...]
    reason: str | None = None


Decisions = dict[str, dict[str, Decision]]
"""``clip_id`` -> ``text_hash`` of the model's prompts, or ``ANY_TEXT`` -> the decision about them."""

_Text = tuple[str, tuple[str, ...] | None]
"""A text that was judged: the hash of the model's text it goes back to, and the edit (None: unedited)."""


def text_hash(prompts: Sequence[str]) -> str:
    """sha256 of a row's prompts, coarse to fine, as 64 hex digits: the name of that text."""
    from tbd.recipe import digest  # brings pydantic, which readers of a manifest do not need

    return digest(list(prompts))


def open_reviews(path: Path, more: str = "") -> Database:
    """Open ``reviews.sqlite`` for writing; make its table if it is new, and bring one of an older tbd up to date.

    Args:
        more: statements that make further tables, each with ``IF NOT EXISTS``.

    Raises:
        InputError: the file is no review store, or one of a newer tbd; it, or its folder, cannot be written.
        MissingError: the disk is full, or the store stays locked.
    """
    store = open_database(path, what=WHAT, schema=_TABLE + more)
    try:
        for column in missing_columns(store):
            store.write(f"ALTER TABLE event ADD COLUMN {column} {_LATER[column]}")
    except BaseException:
        store.close()
        raise
    return store


def missing_columns(store: Database) -> list[str]:
    """The columns that a store of an older tbd lacks.

    Raises:
        InputError: it is no review store, or one of a newer tbd.
    """
    known = {column[1] for column in store.all("PRAGMA table_info(event)")}
    if lacking := [name for name in _FIRST if name not in known]:
        why = f"its table event has no {lacking[0]}" if known else "it has no table event"
        raise InputError(f"{store.path}: not {WHAT} ({why})", next=f"move {store.path} away")
    if later := sorted(known - set(_COLUMNS)):
        raise InputError(f"{store.path}: a newer tbd wrote it (column {later[0]})", next="update tbd")
    return [name for name in _LATER if name not in known]


def add_event(store: Database, event: Event) -> int:
    """Append an event; ``event.id`` is not used; the store gives the id it returns."""
    values = (
        *(event.clip_id, event.reviewer, event.time, event.action, event.before_hash),
        *(None if event.after is None else json.dumps(event.after), event.reason, json.dumps(event.flags)),
        *(event.seconds, event.undo_of, event.queue, event.batch),
        *(event.note, json.dumps(event.refuted) if event.refuted else None, event.bulk or None),
    )
    marks = ", ".join("?" * len(values))
    return store.write(f"INSERT INTO event ({', '.join(_COLUMNS[1:])}) VALUES ({marks})", *values)


def events(store: Database, condition: str = "TRUE", *values: Any, absent: Collection[str] = ()) -> Iterator[Event]:
    """The events of an open store that meet a condition, ``id > ?``; oldest first unless it says otherwise.

    Args:
        absent: columns that the store lacks; none of one that ``open_reviews`` opened.

    Raises:
        InputError: the file is not a review store.
    """
    names = ", ".join("NULL" if name in absent else name for name in _COLUMNS)
    order = "" if "ORDER BY" in condition else " ORDER BY id"
    try:
        yield from map(_event, store.rows(f"SELECT {names} FROM event WHERE {condition}{order}", *values))
    except (ValueError, TypeError) as error:
        raise InputError(f"{store.path}: not {WHAT} ({error})", next=f"move {store.path} away") from None


def _event(row: Sequence[Any]) -> Event:
    id, clip_id, reviewer, time, action, before, after, reason, flags, *more = row
    seconds, undo_of, queue, batch, note, refuted, bulk = more
    return Event(
        *(id, clip_id, reviewer, time, action, before, _list(after), reason, _list(flags) or ()),
        *(seconds, undo_of, queue, batch, note, _list(refuted) or (), bool(bulk)),
    )


def read_events(path: Path) -> list[Event]:
    """Every event of a store, oldest first; none when there is no such file.

    Raises:
        InputError: the file is not a review store.
    """
    if not path.is_file():
        return []
    with open_database(path, what=WHAT, read_only=True) as store:
        return list(events(store, absent=missing_columns(store)))


def state(folder: Path) -> int:
    """A number that grows with every event of a manifest folder; 0 while there is none."""
    path = folder / FILE
    if not path.is_file():
        return 0
    with open_database(path, what=WHAT, read_only=True) as store:
        newest = store.one("SELECT COALESCE(MAX(id), 0) FROM event")
        return int(newest[0]) if newest else 0


def copy(source: Path, target: Path) -> None:
    """Copy a store as one moment saw it, even while somebody is reviewing."""
    with open_database(source, what=WHAT, read_only=True) as store:
        store.copy(target)


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


def decision_about(decisions: Mapping[str, Decision], prompts: Sequence[str]) -> Decision | None:
    """The decision that holds for a clip's present prompts, of those about the clip by text; None when none does."""
    return decisions.get(text_hash(prompts)) or decisions.get(ANY_TEXT)


def opinions(history: Iterable[Event]) -> dict[str, list[Opinion]]:
    """Who thinks what about one clip, by ``text_hash`` of the model's text, in the order it was said.

    Of each reviewer the latest decision counts that is not undone; skipping decides nothing. A
    reviewer judges the model's text, or the text that somebody's edit made of it. What is about the
    clip stands under every text, and under ``ANY_TEXT``. A decision in the queue of disagreements
    settles them: what was said before it counts no more.

    Args:
        history: the events of one clip, oldest first.
    """
    made: dict[str, _Text] = {}  # hash of an edited text -> the model's hash, the edited text
    held: dict[str, dict[str, Opinion]] = {ANY_TEXT: {}}
    for event in standing(history):
        judged = dict([(event.before_hash, None), *([made[event.before_hash]] if event.before_hash in made else [])])
        if event.action == "edit" and event.after is not None:
            made |= {text_hash(event.after): (origin, event.after) for origin in judged}
            judged = dict.fromkeys(judged, event.after)
        for origin in judged:
            held.setdefault(origin, dict(held[ANY_TEXT]))
        for origin, of_text in held.items():
            _say(of_text, event, origin in judged, judged.get(origin))
    return {origin: list(of_text.values()) for origin, of_text in held.items() if of_text}


def _say(of_text: dict[str, Opinion], event: Event, judged: bool, prompts: tuple[str, ...] | None) -> None:
    """Put an event to the opinions about one text; of another text it takes only what is about the clip back."""
    settled = list(of_text) if event.queue == "disagreements" else [event.reviewer]
    for reviewer in settled:
        if judged or (reviewer in of_text and of_text[reviewer].event.about_clip):
            of_text.pop(reviewer, None)  # so that the order is that of the decisions
    if judged or event.about_clip:
        of_text.pop(event.reviewer, None)
        of_text[event.reviewer] = Opinion(event, prompts)


def about_other_texts(history: Iterable[Event], origin: str) -> list[Event]:
    """The standing decisions about one clip that no longer count, because their text is gone.

    Args:
        history: the events of one clip, oldest first.
        origin: ``text_hash`` of the clip's present prompts.
    """
    history = list(history)
    about = opinions(history)
    judged = {text_hash(held.prompts) for held in about.get(origin, ()) if held.prompts is not None} | {origin}
    counted = {held.event.id for held in about.get(origin, ())}
    return [
        event
        for event in standing(history)
        if not (event.about_clip or event.before_hash in judged or event.id in counted)
    ]


def standing(history: Iterable[Event]) -> list[Event]:
    """The decisions that nobody took back, without skips, oldest first."""
    undone: set[int | None] = set()
    kept = []
    for event in reversed(list(history)):
        if event.id in undone:  # also an undo, whose decision holds again then
            continue
        if event.action == "undo":
            undone.add(event.undo_of)
        elif event.action != "skip":
            kept.append(event)
    return kept[::-1]


def combine(held: Sequence[Opinion]) -> Decision:
    """What several opinions about one text, oldest first and at least one, make of it together."""
    reviewers = tuple(sorted(opinion.reviewer for opinion in held))
    if rejections := [opinion.event for opinion in held if opinion.rejects]:
        lasting = [event for event in rejections if event.about_clip]
        return Decision("rejected", None, reviewers, (lasting or rejections)[-1].reason)
    texts = [opinion.prompts for opinion in held if opinion.prompts is not None]
    return Decision("edited" if texts else "accepted", texts[-1] if texts else None, reviewers)


def disagree(held: Sequence[Opinion]) -> bool:
    """Two reviewers want different things."""
    return any(not held[0].agrees(other) for other in held[1:])


def _list(text: str | None) -> tuple[str, ...] | None:
    if text is None or text == "[]":  # nearly always
        return None if text is None else ()
    return tuple(json.loads(text))
