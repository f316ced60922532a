"""Decisions survive kills and company: real processes, real signals, one real file."""

import os
import signal
import sqlite3
import sys
import traceback
from collections import Counter
from contextlib import closing

import pytest
from review import small

from tbd.errors import InputError
from tbd.manifest import read_decisions, read_manifest
from tbd.manifest.reviews import FILE, read_events
from tbd.manifest.row_lookup import RowLookup
from tbd.review.session import ReviewSession
from tbd.review.store import Store

DECIDING = ("accept", "reject", "edit")


def forked(work):
    """Run ``work(say)`` in a child; what it says comes line by line out of the pipe that is returned."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            work(lambda words: os.write(writing, f"{words}\n".encode()))
            os._exit(0)
        except BaseException:  # noqa: BLE001 (a child must never run on into the parent's tests)
            traceback.print_exc(file=sys.__stderr__)
            os._exit(1)
    os.close(writing)
    return pid, os.fdopen(reading)


def decide_one(session, number, card):
    action = DECIDING[number % 3]
    more = (
        {"reason": "text"}
        if action == "reject"
        else {"prompts": ["a", "b", "c", str(number)]}
        if action == "edit"
        else {}
    )
    return session.decide(card, action, **more)


def killed_after_every_decision(folder, kills):
    """Each child decides on and on, and is killed the moment its first decision is acknowledged."""
    small(folder, 4 * kills)

    def work(say):
        session = ReviewSession(folder, "Ann")
        for number in range(4 * kills):
            say(decide_one(session, number, session.next()).clip_id)

    acknowledged = []
    for _ in range(kills):
        pid, pipe = forked(work)
        first = pipe.readline().strip()
        os.kill(pid, signal.SIGKILL)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
        acknowledged += [first, *pipe.read().split()]
        pipe.close()
        assert first in read_decisions(folder)  # at once, whatever the killed process left behind
    made = Counter(event.clip_id for event in read_events(folder / FILE))
    assert len(acknowledged) >= kills and set(acknowledged) <= made.keys()
    assert set(made.values()) == {1} and len(made) <= len(acknowledged) + kills  # a kill may hit before its answer
    with closing(sqlite3.connect(folder / FILE)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    with ReviewSession(folder, "Bob") as session:
        assert session.progress().done == len(made)
        session.decide(session.next(), "accept")
    stored = Counter(read_manifest(folder, ["review_status"])["review_status"].to_pylist())
    assert stored["unreviewed"] == 4 * kills - len(made) - 1


def test_no_acknowledged_decision_is_lost_when_the_process_is_killed_right_after_it(tmp_path):
    killed_after_every_decision(tmp_path / "m", 60)


@pytest.mark.soak
def test_no_acknowledged_decision_is_lost_in_500_kills(tmp_path):
    killed_after_every_decision(tmp_path / "m", 500)


def two_at_once(folder, each, overlap=0.0):
    """Two processes decide ``each`` cards; who was given what."""

    def working(name):
        def work(say):
            with_desk = ReviewSession(folder, name, overlap=overlap)
            for number in range(each):
                card = with_desk.next()
                say(f"{card.clip_id} {card.independent:d}")
                decide_one(with_desk, number, card)
            with_desk.close()

        return work

    children = [forked(working(name)) for name in ("Ann", "Bob")]
    given = []
    for pid, pipe in children:
        given.append([tuple(line.split()) for line in pipe])
        pipe.close()
        assert os.waitpid(pid, 0)[1] == 0
    return given


def none_lost_none_doubled(folder, each):
    ann, bob = two_at_once(small(folder, 2 * each), each)
    assert len(ann) == len(bob) == each
    assert {clip for clip, _ in ann}.isdisjoint(clip for clip, _ in bob)
    made = Counter(event.clip_id for event in read_events(folder / FILE))
    assert len(made) == 2 * each and set(made.values()) == {1}
    stored = Counter(read_manifest(folder, ["review_status"])["review_status"].to_pylist())
    assert stored["unreviewed"] == 0 and sum(stored.values()) == 2 * each


def test_two_reviewers_at_once_lose_nothing_double_nothing_and_share_no_card(tmp_path):
    none_lost_none_doubled(tmp_path / "m", 150)


@pytest.mark.soak
def test_two_reviewers_with_1000_decisions_each(tmp_path):
    none_lost_none_doubled(tmp_path / "m", 1000)


def test_only_overlap_cards_are_given_to_both(tmp_path):
    ann, bob = two_at_once(small(tmp_path / "m", 120), 60, overlap=0.2)
    both = {clip for clip, _ in ann} & {clip for clip, _ in bob}
    shared = {clip for clip, independent in [*ann, *bob] if independent == "1"}
    assert both and both <= shared
    judged = Counter(event.clip_id for event in read_events(tmp_path / "m" / FILE))
    assert all(count == (2 if clip in both else 1) for clip, count in judged.items())


def test_a_decision_waits_for_the_disk(tmp_path):
    store = Store(tmp_path)
    assert store.db.one("PRAGMA synchronous")[0] == 2  # FULL
    assert store.db.one("PRAGMA journal_mode")[0] == "wal"
    store.close()


def test_what_fails_inside_a_transaction_leaves_nothing(tmp_path):
    folder = small(tmp_path / "m", 2)
    session = ReviewSession(folder, "Ann")
    card = session.next()
    session._shared.store.db.connection.execute(
        "CREATE TRIGGER broken BEFORE INSERT ON event BEGIN SELECT RAISE(ABORT, 'no'); END"
    )
    with pytest.raises(InputError):
        session.decide(card, "accept")
    assert read_events(folder / FILE) == [] and session.progress().left == 2
    session._shared.store.db.connection.execute("DROP TRIGGER broken")
    assert session.decide(card, "accept").clips == card.clips


def test_rows_are_found_in_every_row_group(tmp_path, monkeypatch):
    for module in ("tbd.manifest.rows", "tbd.manifest.seal"):
        monkeypatch.setattr(sys.modules[module], "ROW_GROUP", 3)
    rows = RowLookup(small(tmp_path / "m", 10))
    assert rows._parquet.num_row_groups == 4
    for number in range(10):
        clip_id = f"clip_{number:03}"
        assert (rows.number(clip_id), rows.clip(number), rows.row(number)["clip_id"]) == (number, clip_id, clip_id)
        assert rows.prompts(number)[3] == f"The smile of {clip_id} grows."
    assert [rows.find(name) for name in ("", "clip_0000", "zzz")] == [None] * 3
    rows.close()
