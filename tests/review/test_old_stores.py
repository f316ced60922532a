"""Stores that another version of tbd wrote, and files that are none: opened, brought up to date, or refused with words."""

import sqlite3
from contextlib import closing

import pytest
from review import small
from review_events import decide

from tbd.errors import InputError
from tbd.manifest import read_manifest, text_hash
from tbd.manifest.reviews import FILE, read_events
from tbd.review.session import ReviewSession

OLD = """
CREATE TABLE event (
  id INTEGER PRIMARY KEY, clip_id TEXT NOT NULL, reviewer TEXT NOT NULL, time REAL NOT NULL, action TEXT NOT NULL,
  before_hash TEXT NOT NULL, after TEXT, reason TEXT, flags TEXT, seconds REAL, undo_of INTEGER, queue TEXT, batch TEXT
);
"""


def old_store(folder):
    """The store of a tbd that knew neither notes, nor refuted findings, nor bulk; one clip is accepted in it."""
    origin = text_hash(read_manifest(folder, ["prompts"])["prompts"][1].as_py())
    with closing(sqlite3.connect(folder / FILE)) as connection, connection:
        connection.executescript(OLD)
        event = (1, "clip_001", "Ann", 1e9, "accept", origin, None, None, "[]", 2.0, None, "flagged", "b")
        connection.execute(f"INSERT INTO event VALUES ({','.join('?' * 13)})", event)


def test_a_store_without_the_later_columns_is_read_as_it_is_and_written_to_after_it_was_brought_up_to_date(tmp_path):
    folder = small(tmp_path / "m", 4)
    old_store(folder)
    before = (folder / FILE).read_bytes()
    (event,) = read_events(folder / FILE)
    assert (event.clip_id, event.action, event.note, event.refuted, event.bulk) == (
        "clip_001",
        "accept",
        None,
        (),
        False,
    )
    assert (folder / FILE).read_bytes() == before  # reading changes nothing
    with ReviewSession(folder, "Ann") as ann:
        assert ann.progress().done == 1
        ann.decide(ann.next(), "reject", reason="label", note="another smile")
    assert [(event.action, event.note) for event in read_events(folder / FILE)] == [
        ("accept", None),
        ("reject", "another smile"),
    ]


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (OLD.replace(" queue TEXT,", ""), "has no queue"),
        (OLD.replace("clip_id TEXT", "clip TEXT"), "not a review store"),
        (OLD.replace("batch TEXT", "batch TEXT, note TEXT, refuted TEXT, bulk INTEGER, mood TEXT"), "a newer tbd"),
        ("CREATE TABLE other (id INTEGER);", ""),
    ],
    ids=["an older one still", "somebody else's", "a newer one", "without events"],
)
def test_any_other_database_is_refused_with_words_and_left_alone(tmp_path, table, words):
    folder = small(tmp_path / "m", 2)
    with closing(sqlite3.connect(folder / FILE)) as connection:
        connection.executescript(table)
    if words:
        for attempt in (lambda: read_events(folder / FILE), lambda: ReviewSession(folder, "Ann")):
            with pytest.raises(InputError, match=words) as caught:
                attempt()
            assert caught.value.next
    else:  # an empty file of SQLite becomes a store
        with ReviewSession(folder, "Ann") as ann:
            ann.decide(ann.next(), "accept")
        assert len(read_events(folder / FILE)) == 1


def test_an_event_whose_values_cannot_be_read_is_named(tmp_path):
    decide(tmp_path, "a", "accept", ["x"])
    with closing(sqlite3.connect(tmp_path / FILE)) as connection, connection:
        connection.execute("DROP TRIGGER event_never_changes")
        connection.execute("UPDATE event SET flags = '{'")
    with pytest.raises(InputError, match="not a review store"):
        read_events(tmp_path / FILE)
