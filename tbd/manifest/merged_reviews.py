"""The reviews of a merged manifest: several histories as one, and the store that takes them."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

from tbd import workspace
from tbd.errors import InputError, MissingError
from tbd.manifest import reviews
from tbd.sqlite import Database, open_database


def settle_store(path: Path) -> list[tuple[str, str]]:
    """Make a store ready to be replaced: nobody has it open, and all of it is in its one file.

    What a killed review left in the log beside the file is brought into it, else it would be played into the new store.

    Returns:
        The bookmarks, each a reviewer and a ``clip_id``; none where there is no store.

    Raises:
        InputError: somebody has it open, or it is no review store.
    """
    if not path.is_file():
        return []
    with open_database(path, what=reviews.WHAT) as store:
        reviews.missing_columns(store)
        kept = [(str(reviewer), str(clip_id)) for reviewer, clip_id in _bookmarks(store)]
        if not _leaves_log(store):
            raise InputError(
                f"{path.parent}: a review is open; what it decides from now on would be lost",
                next="end the review (Ctrl-C where tbd review runs), then merge again",
            )
    return kept


def _bookmarks(store: Database) -> list[tuple[str, str]]:
    known = store.one("SELECT 1 FROM sqlite_master WHERE name = 'bookmark'")
    return store.all("SELECT reviewer, clip_id FROM bookmark") if known else []


def _leaves_log(store: Database) -> bool:
    """Whether the log could be taken into the file, which only the last one who has it open can do."""
    try:
        store.one("PRAGMA busy_timeout=0")
        return store.one("PRAGMA journal_mode=DELETE") == ("delete",)
    except MissingError:
        return False


def replace_store(path: Path, history: Sequence[reviews.Event], bookmarks: Sequence[tuple[str, str]] = ()) -> None:
    """Put a store with these events and bookmarks in the place of a settled one, whole or not at all.

    Raises:
        InputError, MissingError: the folder cannot be written.
    """

    def fill(temporary: Path) -> None:
        with reviews.open_reviews(temporary, reviews.BOOKMARKS) as store, store.transaction():
            for event in history:
                reviews.add_event(store, event)
            store.write_many("INSERT OR IGNORE INTO bookmark VALUES (?, ?)", bookmarks)

    workspace.write_whole(path, fill)


def combine_histories(histories: Sequence[Sequence[reviews.Event]]) -> list[reviews.Event]:
    """Several review histories as one: by time, each event once, with new ids.

    Args:
        histories: the events of each store, oldest first.
    """
    together: dict[str, tuple[float, reviews.Event, str | None]] = {}
    for history in histories:
        names: dict[int | None, str] = {}  # id in this store -> what the event is, whatever its id
        clock = 0.0  # never goes back, so that the order within a store stays
        for event in history:
            undone, clock = names.get(event.undo_of), max(clock, event.time)
            names[event.id] = json.dumps([dataclasses.astuple(dataclasses.replace(event, id=0, undo_of=None)), undone])
            together.setdefault(names[event.id], (clock, event, undone))
    ids: dict[str | None, int] = {}
    combined = []
    ordered = sorted(together.items(), key=lambda item: (item[1][0], item[1][1].id, item[0]))
    for name, (_, event, undone) in ordered:
        ids[name] = len(ids) + 1
        combined.append(dataclasses.replace(event, id=ids[name], undo_of=ids.get(undone)))
    return combined
