"""What reviewers think of each clip now, kept up to date with the store."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tbd.manifest import reviews
from tbd.manifest.reviews import Event, Opinion
from tbd.review.rows import Rows
from tbd.review.store import Store


class DecisionLog:
    """Every event by clip, and the opinions about the text that the manifest has now."""

    def __init__(self, store: Store, rows: Rows) -> None:
        self._store, self._rows = store, rows
        self._events: dict[str, list[Event]] = {}
        self.last = 0

    def refresh(self) -> set[str]:
        """Read what was added since the last time; the clips that it is about."""
        fresh = self._store.since(self.last)
        for event in fresh:
            self._events.setdefault(event.clip_id, []).append(event)
        self.last = max((event.id for event in fresh), default=self.last)
        return {event.clip_id for event in fresh}

    def clips(self) -> Iterable[str]:
        """Every clip that was ever judged."""
        return self._events.keys()

    def opinions(self, clip_id: str) -> list[Opinion]:
        """Who thinks what about the clip's present text, oldest first."""
        history = self._events.get(clip_id)
        number = self._rows.find(clip_id) if history else None
        if not history or number is None:
            return []
        return reviews.opinions(history).get(reviews.text_hash(self._rows.prompts(number)), [])

    def text(self, number: int) -> tuple[str, ...]:
        """The text of a row as it stands: the last edit, else the model's."""
        edits = [opinion.prompts for opinion in self.opinions(self._rows.clip(number)) if opinion.prompts is not None]
        return edits[-1] if edits else self._rows.prompts(number)

    def conflicts(self) -> list[int]:
        """Rows about whose present text reviewers disagree."""
        found = [self._rows.number(clip_id) for clip_id in self._events if disagree(self.opinions(clip_id))]
        return sorted(found)

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


def disagree(held: Sequence[Opinion]) -> bool:
    """Two reviewers want different things."""
    return any(not held[0].agrees(other) for other in held[1:])
