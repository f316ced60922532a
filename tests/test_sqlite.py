import shutil
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from tbd import locks
from tbd.errors import InputError, MissingError, TbdError
from tbd.sqlite import open_database

SCHEMA = "CREATE TABLE IF NOT EXISTS number (value INTEGER PRIMARY KEY)"


def _open(path, **options):
    return open_database(path, what="a list of numbers", **({"schema": SCHEMA} | options))


@pytest.fixture
def database(tmp_path):
    with _open(tmp_path / "deep/numbers.sqlite") as opened:
        yield opened


def test_what_a_transaction_wrote_is_all_there_or_nothing_is(database):
    with database.transaction():
        database.write("INSERT INTO number VALUES (?)", 1)
        database.write_many("INSERT INTO number VALUES (?)", [(2,), (3,)])
    with pytest.raises(ValueError), database.transaction():
        database.write("INSERT INTO number VALUES (?)", 4)
        raise ValueError
    assert (
        database.all("SELECT value FROM number")
        == list(database.rows("SELECT value FROM number"))
        == [(1,), (2,), (3,)]
    )
    assert database.one("SELECT value FROM number WHERE value = 4") is None


def test_a_transaction_that_failed_holds_nothing_open(database):
    """Others can write at once, and this process sees what they wrote; what waits for the disk waits on."""
    with pytest.raises(ValueError), database.transaction():
        database.write("INSERT INTO number VALUES (?)", 1)
        raise ValueError
    with _open(database.path, wait=0.1) as other, other.transaction():
        other.write("INSERT INTO number VALUES (?)", 2)
    assert [row[0] for row in database.rows("SELECT value FROM number")] == [2]
    with database.transaction(lasting=False):
        database.write("INSERT INTO number VALUES (?)", 3)
    with pytest.raises(ValueError), database.transaction():
        database.write("INSERT INTO number VALUES (?)", 4)
        raise ValueError
    database.settle()
    with _open(database.path) as other:
        assert [row[0] for row in other.rows("SELECT value FROM number")] == [2, 3]


def test_many_threads_share_one(database):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda value: database.write("INSERT INTO number VALUES (?)", value), range(200)))
    assert database.one("SELECT COUNT(*) FROM number") == (200,)


def test_what_was_committed_survives_a_kill(tmp_path):
    code = f"""
import os, signal
from pathlib import Path
from tbd.sqlite import open_database
opened = open_database(Path({str(tmp_path / "n.sqlite")!r}), what="", schema={SCHEMA!r})
opened.write("INSERT INTO number VALUES (1)")
os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", code], check=False)
    with _open(tmp_path / "n.sqlite", read_only=True) as opened:
        assert opened.all("SELECT value FROM number") == [(1,)]


def test_a_held_lock_is_somebody_who_writes(database):
    with database.transaction(), pytest.raises(MissingError, match="another run is writing here"):
        _open(database.path, wait=0.05).write("INSERT INTO number VALUES (1)")


@pytest.mark.parametrize("name", ["SQLITE_IOERR_LOCK", "SQLITE_PROTOCOL", "SQLITE_BUSY", "SQLITE_PERM"])
def test_a_lock_that_the_file_system_refuses_is_told_from_a_held_one(database, monkeypatch, name):
    monkeypatch.setattr(locks, "keeps_locks", lambda folder: False)
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorname = name
    with pytest.raises(MissingError, match="keeps no locks"), database.transaction():
        raise error


def test_a_full_disk_says_so(database):
    error = sqlite3.OperationalError("database or disk is full")
    error.sqlite_errorname = "SQLITE_FULL"
    with pytest.raises(MissingError, match="disk is full"), database.transaction():
        raise error


@pytest.mark.parametrize("content", [b"no database" * 100, b"SQLite format 3\0" + b"\xff" * 5000])
def test_another_file_is_not_taken_for_one(tmp_path, content):
    (tmp_path / "n.sqlite").write_bytes(content)
    with pytest.raises(InputError, match="not a list of numbers"):
        _open(tmp_path / "n.sqlite")
    with pytest.raises(InputError, match="not a list of numbers"):
        _open(tmp_path / "n.sqlite", read_only=True)
    assert (tmp_path / "n.sqlite").read_bytes() == content


def test_a_database_of_somebody_else_is_said_to_be_one(tmp_path):
    sqlite3.connect(tmp_path / "n.sqlite").execute("CREATE TABLE number (other TEXT)").connection.close()
    with _open(tmp_path / "n.sqlite") as opened, pytest.raises(InputError, match="not a list of numbers"):
        opened.all("SELECT value FROM number")


def test_reading_makes_nothing(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        _open(tmp_path / "n.sqlite", read_only=True)
    assert list(tmp_path.iterdir()) == []


def test_reading_from_a_folder_that_cannot_be_written(tmp_path):
    with _open(tmp_path / "n.sqlite") as opened:
        opened.write("INSERT INTO number VALUES (1)")
    assert not (tmp_path / "n.sqlite-wal").exists()
    tmp_path.chmod(0o500)
    try:
        with _open(tmp_path / "n.sqlite", read_only=True) as opened:
            assert opened.all("SELECT value FROM number") == [(1,)]
    finally:
        tmp_path.chmod(0o700)


def test_a_live_file_copied_with_its_log_is_whole(tmp_path, database):
    database.write("INSERT INTO number VALUES (1)")
    for end in ("", "-wal"):
        shutil.copy(f"{database.path}{end}", tmp_path / f"copy{end}")
    with _open(tmp_path / "copy", read_only=True) as opened:
        assert opened.all("SELECT value FROM number") == [(1,)]


def test_a_file_whose_writer_was_killed_half_way_is_not_read_as_it_lies(tmp_path):
    live = sqlite3.connect(tmp_path / "live", isolation_level=None)
    live.executescript("PRAGMA cache_size=5; CREATE TABLE number (value); BEGIN; WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL "
                       "SELECT i + 1 FROM n WHERE i < 5000) INSERT INTO number SELECT i FROM n; COMMIT; BEGIN; UPDATE number SET value = -1")  # fmt: skip
    for end in ("", "-journal"):
        shutil.copy(f"{tmp_path / 'live'}{end}", tmp_path / f"copy{end}")
    live.close()
    with pytest.raises(TbdError), _open(tmp_path / "copy", read_only=True) as opened:
        opened.one("SELECT COUNT(*) FROM number WHERE value = -1")
    with _open(tmp_path / "copy") as opened:  # whoever may write puts it right
        assert opened.one("SELECT COUNT(*) FROM number WHERE value = -1") == (0,)
