import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path
from typing import get_args

import pytest

from tbd.annotate.backends.base import Usage
from tbd.annotate.journal import Journal, RowState, StepRecord
from tbd.annotate.recipe import BackendSettings
from tbd.errors import InputError, MissingError
from tbd.sqlite import open_database

RECORD = StepRecord("question?", 'reply ☺ "quoted"', "stop", Usage(100, 60, 20, 1.5, 2), (5, 7, 9))


def test_a_step_comes_back_as_it_was_written(tmp_path):
    with Journal(tmp_path) as journal:
        journal.put_step("k", RECORD)
    with Journal(tmp_path) as journal:
        assert journal.step("k") == RECORD
        assert journal.step("other") is None


def test_the_first_reply_to_the_same_inputs_stands(tmp_path):
    with Journal(tmp_path) as journal:
        journal.put_step("k", RECORD)
        journal.put_step("k", StepRecord("q", "another", "stop", Usage()))
        assert journal.step("k").reply == RECORD.reply


def test_rows_come_out_in_order_of_their_clip_id_and_the_last_one_stands(tmp_path):
    state = RowState("c", "f", "success", 0)
    with Journal(tmp_path) as journal:
        for name in ("b", "a", "c", "a"):
            journal.put_row(name, state, {"clip_id": name, "n": 1})
        journal.put_row("a", RowState("c2", "f", "error", 1), {"clip_id": "a", "n": 2})
        assert list(journal.rows()) == [
            b'{"clip_id":"a","n":2}',
            b'{"clip_id":"b","n":1}',
            b'{"clip_id":"c","n":1}',
        ]
        assert journal.row_states()["a"] == RowState("c2", "f", "error", 1)


def test_a_new_row_takes_the_sealed_mark_away(tmp_path):
    with Journal(tmp_path) as journal:
        journal.put_row("a", RowState("c", "f", "success", 0), {})
        journal.set_meta("sealed", [1])
        assert journal.meta("sealed") == [1]
        journal.put_row("a", RowState("c", "f", "success", 0), {})
        assert journal.meta("sealed") is None


def test_costs_are_sums_over_replies(tmp_path):
    with Journal(tmp_path) as journal:
        journal.put_step("1", RECORD)
        journal.put_step("2", RECORD)
        assert journal.costs() == {
            "replies": 2, "prompt_tokens": 200, "cached_tokens": 120, "completion_tokens": 40, "seconds": 3.0, "attempts": 4,
        }  # fmt: skip


def test_an_exception_inside_a_transaction_undoes_all_of_it(tmp_path):
    with Journal(tmp_path) as journal:
        with pytest.raises(RuntimeError), journal.transaction():
            journal.put_step("k", RECORD)
            raise RuntimeError
        assert journal.step("k") is None


def test_what_was_acknowledged_survives_sigkill(tmp_path):
    program = textwrap.dedent(
        f"""
        from pathlib import Path
        from tbd.annotate.journal import Journal, RowState
        journal = Journal(Path({str(tmp_path)!r}))
        for n in range(100000):
            journal.put_row(f"{{n:06d}}", RowState("c", "f", "success", 0), {{"n": n}})
            print(n, flush=True)
        """
    )
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    for line in process.stdout:
        acknowledged = int(line)
        if acknowledged == 40:
            process.send_signal(signal.SIGKILL)
            break
    rest = process.communicate()[0].split()
    acknowledged = int(rest[-1]) if rest else acknowledged
    with Journal(tmp_path) as journal:
        states = journal.row_states()
    assert {f"{n:06d}" for n in range(acknowledged + 1)} <= states.keys()


def test_rows_that_wait_for_the_disk_together_come_whole_and_what_was_told_survives_sigkill(tmp_path):
    program = textwrap.dedent(
        f"""
        from pathlib import Path
        from tbd.annotate.journal import Journal, RowState
        journal = Journal(Path({str(tmp_path)!r}))
        for n in range(100000):
            with journal.transaction(lasting=False):
                journal.put_medium(f"{{n:06d}}", "stamp", "body")
                journal.put_row(f"{{n:06d}}", RowState("c", "f", "success", 0), {{"n": n}})
            if n % 10 == 9:
                journal.settle()
                print(n, flush=True)
        """
    )
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    for line in process.stdout:
        if int(line) >= 99:
            process.send_signal(signal.SIGKILL)
            break
    told = int((process.communicate()[0].split() or [line])[-1])
    with Journal(tmp_path) as journal:
        rows, media = journal.count("row"), journal.count("medium")
    assert rows == media >= told + 1
    assert rows % 10 == 0, "a group is there whole, or not at all"


def test_a_reply_that_lasts_brings_the_rows_before_it_to_disk(tmp_path):
    with Journal(tmp_path) as journal, Journal(tmp_path, read_only=True) as other:
        with journal.transaction(lasting=False):
            journal.put_row("a", RowState("c", "f", "success", 0), {"n": 1})
        with pytest.raises(ZeroDivisionError), journal.transaction(lasting=False):
            journal.put_row("b", RowState("c", "f", "success", 0), {"n": 1})
            raise ZeroDivisionError
        assert other.count("row") == 0
        journal.put_step("k", RECORD)
        assert list(other.row_states()) == ["a"]


def test_a_full_disk_is_said_and_what_was_written_stays(tmp_path):
    with Journal(tmp_path) as journal:
        journal.put_step("k", RECORD)
        pages = journal.db.connection.execute("PRAGMA page_count").fetchone()[0]
        journal.db.connection.execute(f"PRAGMA max_page_count={pages}")
        noise = os.urandom(100_000).hex()
        with pytest.raises(MissingError, match="disk is full"):
            journal.put_step("big", StepRecord("q", noise, "stop", Usage()))
    with Journal(tmp_path) as journal:
        assert journal.step("k") == RECORD
        assert journal.step("big") is None


def test_a_file_that_is_no_journal_is_refused_and_left_alone(tmp_path):
    (tmp_path / "journal.sqlite").write_text("a letter to my mother, and certainly not a database" * 20)
    with pytest.raises(InputError, match="not a journal"):
        Journal(tmp_path)
    assert "mother" in (tmp_path / "journal.sqlite").read_text()


def test_a_second_writer_is_told_that_the_folder_is_taken(tmp_path):
    with Journal(tmp_path) as journal:
        journal.db.connection.execute("BEGIN IMMEDIATE")
        other = Journal.__new__(Journal)
        other.db = open_database(journal.path, what="a journal of tbd", wait=0.05)
        with pytest.raises(MissingError, match="another run"):
            other.put_step("k", RECORD)
        journal.db.connection.execute("ROLLBACK")


def _open_as_nobody(folder: str, answer) -> None:
    os.setuid(65534)
    try:
        Journal(Path(folder))
        answer.put("opened")
    except InputError as error:
        answer.put(error.message)


def test_a_read_only_folder_is_said():
    folder = Path(tempfile.mkdtemp())  # outside pytest's private folder, which nobody else may enter
    try:
        (folder / "closed").mkdir(mode=0o555)
        folder.chmod(0o755)
        context = multiprocessing.get_context("fork")
        answer = context.Queue()
        child = context.Process(target=_open_as_nobody, args=(str(folder / "closed"), answer))
        child.start()
        words = answer.get(timeout=20)
        child.join()
        assert "closed" in words
        assert words != "opened"
    finally:
        shutil.rmtree(folder)


@pytest.mark.parametrize("backend", get_args(BackendSettings.model_fields["name"].annotation))
def test_the_same_words_for_many_are_doubted_where_a_model_wrote_them(tmp_path, backend):
    """Without a model the same units have the same words, and nine in ten drawn clips would wait for a person."""
    with Journal(tmp_path) as journal:
        for number in range(8):
            row = {"clip_id": f"c{number}", "subject": f"s{number}", "prompts": ["A face."], "mode": "cot"}
            row |= {"backend": backend, "flags": [], "severity": 0}
            journal.put_row(row["clip_id"], RowState("c", "f", "success", 0), row)
        sealed = [json.loads(body) for body in journal.rows_to_seal()]
    assert {tuple(row["flags"]) for row in sealed} == {() if backend in ("facs", "oracle") else ("text_repeated",)}
