"""Folders as they lie on other people's disks: copied while they were written, write-protected, without locks.

Every command that opens a manifest folder says so in its own words (exit 3 or 4), and none ends as a bug.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import functools
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from scripted import fake_examine, mead_tree

import tbd
from tbd import sqlite
from tbd.annotate import examine_pool
from tbd.annotate.journal import Journal
from tbd.cli import main, sheets

SUPPORT = Path(__file__).parents[1] / "support"
WRITING = (
    ("annotate", "mead", "-o", "m", "--backend", "facs", "--workers", "0", "-q"),
    ("annotate", "mead", "-o", "m", "--backend", "facs", "--workers", "0", "-q", "--retry", "failed"),
    ("manifest", "seal", "m"),
    ("manifest", "split", "m", "--rule", "random-80-20"),
    ("manifest", "prune", "m"),
    ("manifest", "report", "m"),
    ("manifest", "merge", "m", "other", "-o", "m"),
)
"""Commands that write into the folder ``m``."""

READING = (
    ("annotate", "mead", "-o", "m", "--backend", "facs", "--dry-run"),
    ("manifest", "show", "m"),
    ("manifest", "verify", "m"),
    ("manifest", "prune", "m", "--dry-run"),
    ("manifest", "export", "m", "--format", "text", "-o", "exported"),
    ("manifest", "merge", "m", "other", "-o", "merged"),
)
"""Commands that only read it."""


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    """Two annotated folders, ``m`` and ``other``, of drawn words instead of pixels."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(examine_pool, "examine_clip", fake_examine)
    monkeypatch.setattr(sheets, "draw", lambda folder: folder / "sheet.png")
    mead_tree(tmp_path / "mead", [("M003", "angry", level, 1) for level in (1, 2, 3)])
    for name, level in (("m", "1|2"), ("other", "3")):
        command = ["annotate", "mead", "-o", name, "--backend", "facs", "--workers", "0", "-q"]
        assert main([*command, "--where", f"level={level}"]) == 0
    return tmp_path


def told(capfd, command):
    capfd.readouterr()
    code = main(list(command))
    words = capfd.readouterr().err
    assert "Traceback" not in words and (code in (0, 1) or "next:" in words), words
    return code, words


def live_copy(workspace, damage):
    """The folder as ``cp`` finds it in the middle of a run: the journal without what is still in its log."""
    with Journal(workspace / "m") as journal:
        journal.set_meta("x", "y" * 100_000)
        shutil.copytree(workspace / "m", workspace / "copy", ignore=shutil.ignore_patterns("*-wal", "*-shm"))
    shutil.rmtree(workspace / "m")
    (workspace / "copy").rename(workspace / "m")
    damage(workspace / "m/journal.sqlite")


def torn(path):
    """Its second half is not there yet."""
    os.truncate(path, path.stat().st_size // 2 // 4096 * 4096)


def empty(path):
    """All of it is in the log still."""
    path.write_bytes(b"")


def scribbled(path):
    """A page is half old, half new."""
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 8192)


@pytest.mark.parametrize("damage", [torn, empty, scribbled])
@pytest.mark.parametrize("command", [*WRITING, *READING], ids=" ".join)
def test_a_journal_that_was_copied_while_it_was_written(workspace, capfd, damage, command):
    live_copy(workspace, damage)
    code, words = told(capfd, command)
    assert code in (0, 1, 3, 4), words
    if code >= 3:
        assert "journal.sqlite" in words or "m:" in words, words


@pytest.mark.parametrize("command", WRITING, ids=" ".join)
def test_a_disk_that_keeps_no_locks(workspace, capfd, monkeypatch, command):
    def refuses(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    class Lockless(sqlite3.Connection):
        def execute(self, *_):
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorname = "SQLITE_IOERR_LOCK"
            raise error

    monkeypatch.setattr(fcntl, "flock", refuses)
    monkeypatch.setattr(sqlite.sqlite3, "connect", functools.partial(sqlite3.connect, factory=Lockless))
    code, words = told(capfd, command)
    assert code == 4 and "keeps no locks" in words


def drop_right_to_ignore_permissions():
    """Root may write everywhere; without this capability it obeys permissions as everybody does."""
    ctypes.CDLL(None).prctl(24, 1, 0, 0, 0)  # PR_CAPBSET_DROP, CAP_DAC_OVERRIDE


def test_a_folder_that_cannot_be_written(workspace):
    for path in sorted((workspace / "m").rglob("*")):
        path.chmod(0o444)
    (workspace / "m").chmod(0o555)
    program = "import json, sys; from tbd.cli import main\nfor argv in json.loads(sys.argv[1]): print(main(argv), file=sys.stderr)"
    environment = os.environ | {"PYTHONPATH": f"{Path(tbd.__file__).parents[1]}:{SUPPORT}"}
    commands = json.dumps([*WRITING, *READING])
    done = subprocess.run(  # noqa: PLW1510 (its codes are below)
        [sys.executable, "-c", program, commands], capture_output=True, text=True, env=environment,
        preexec_fn=drop_right_to_ignore_permissions,
    )  # fmt: skip
    (workspace / "m").chmod(0o755)
    codes = [int(line) for line in done.stderr.splitlines() if line.isdigit()]
    assert codes == [3] * len(WRITING) + [0] * len(READING), done.stderr
    assert "Traceback" not in done.stderr
