"""What reviewers think of each clip of a manifest now: every event by clip, and the opinions about its present text."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from tbd.manifest import reviews
from tbd.manifest.reviews import Event, Opinion
from tbd.manifest.row_lookup import RowLookup


class DecisionLog:
    """Every event by clip, and the opinions about the text that the manifest has now.

    Attributes:
        rows: the manifest; another one may take its place.
        history: every event, oldest first; a view remembers how far it has looked.
    """

    def __init__(self, rows: RowLookup, history: Iterable[Event] = ()) -> None:
        self.rows = rows
        self._events: dict[str, list[Event]] = {}
        self.history: list[Event] = []
        self.add(history)

    def add(self, events: Iterable[Event]) -> None:
        """Take in what came after ``last``."""
        for event in events:
            self._events.setdefault(event.clip_id, []).append(event)
            self.history.append(event)

    @property
    def last(self) -> int:
        """Id of the last event; 0 when there is none."""
        return self.history[-1].id if self.history else 0

    def latest(self, reviewer: str, without: Collection[str] = ()) -> list[Event]:
        """The events of the reviewer's last decision that was not taken back; none when there is none.

        Args:
            without: batches that are not looked at: those of the reviewer's other tabs.
        """
        undone: set[int | None] = set()
        batch: list[Event] = []
        for event in reversed(self.history):
            if event.reviewer != reviewer:
                continue
            if batch and (event.batch is None or event.batch != batch[0].batch):
                break
            if event.id in undone or event.batch in without:
                continue
            if event.action == "undo":
                undone.add(event.undo_of)
            else:
                batch.append(event)
        return batch[::-1]

    def judged(self) -> dict[str, int]:
        """Every clip that was ever judged and that the manifest has, with the number of its row."""
        found = {clip_id: self.rows.find(clip_id) for clip_id in self._events}
        return {clip_id: number for clip_id, number in found.items() if number is not None}

    def standing(self, clip_id: str) -> list[Event]:
        """The decisions about a clip that nobody took back, oldest first, whatever text they are about."""
        return reviews.standing(self._events.get(clip_id, ()))

    def opinions(self, clip_id: str) -> list[Opinion]:
        """Who thinks what about the clip and its present text, oldest first."""
        history = self._events.get(clip_id)
        number = self.rows.find(clip_id) if history else None
        if not history or number is None:
            return []
        held = reviews.opinions(history)
        return held.get(reviews.text_hash(self.rows.prompts(number))) or held.get(reviews.ANY_TEXT) or []

    def gone(self, batches: Collection[str]) -> int:
        """How many of these decisions are about texts that are gone."""
        lost = set()
        for clip_id, history in self._events.items():
            if any(event.batch in batches for event in history):
                number = self.rows.find(clip_id)
                origin = "" if number is None else reviews.text_hash(self.rows.prompts(number))
                lost |= {event.batch for event in reviews.about_other_texts(history, origin)}
        return len(lost & set(batches))

    def decided_by(self, reviewer: str) -> list[int]:
        """Rows about which a reviewer's decision stands, the latest first."""
        found = {
            number: opinion.event.id
            for clip_id, number in self.judged().items()
            for opinion in self.opinions(clip_id)
            if opinion.reviewer == reviewer
        }
        return sorted(found, key=lambda number: (-found[number], number))

    def text(self, number: int) -> tuple[str, ...]:
        """The text of a row as it stands: the last edit, else the model's."""
        edits = [opinion.prompts for opinion in self.opinions(self.rows.clip(number)) if opinion.prompts is not None]
        return edits[-1] if edits else self.rows.prompts(number)

    def conflicts(self) -> list[int]:
        """Rows about whose present text reviewers disagree."""
        return sorted(number for clip_id, number in self.judged().items() if reviews.disagree(self.opinions(clip_id)))

    def changed(self, clip_id: str, seen: int, reviewer: str | None = None) -> bool:
        """Whether what stands about a clip is not what stood after the event ``seen``.

        Args:
            reviewer: only this reviewer's decisions count; None: everybody's.
        """
        history = self._events.get(clip_id, [])
        now, then = reviews.standing(history), reviews.standing(event for event in history if event.id <= seen)
        return [event.id for event in now if reviewer in (None, event.reviewer)] != [
            event.id for event in then if reviewer in (None, event.reviewer)
        ]


@contextmanager
def opened_log(folder: str | Path) -> Iterator[DecisionLog]:
    """What is decided about the manifest in a folder, or about a Parquet file.

    Raises:
        InputError: no manifest, or a damaged store.
    """
    with closing(RowLookup(folder)) as rows:
        yield DecisionLog(rows, reviews.read_events(rows.file.parent / reviews.FILE))
