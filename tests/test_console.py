import json
import subprocess
import sys
from pathlib import Path

import pytest

from tbd import console
from tbd.cli.train.common import first_speaks


def test_results_go_to_stdout_and_words_to_stderr(capsys):
    console.out("result")
    console.say("words")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("result\n", "words\n")


def test_a_hushed_process_says_nothing_until_it_may_again(capsys):
    console.hush()
    console.out("result")
    console.say("words")
    with console.progress("train", 2) as progress:
        progress.advance()
    console.hush(False)
    console.say("error")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "error\n")


@pytest.mark.parametrize("rank", [0, 1])
def test_of_the_processes_of_a_launcher_the_first_one_speaks(rank, monkeypatch, capsys):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", str(rank))
    try:
        first_speaks()
        console.say("words")
        console.out("result")
    finally:
        console.hush(False)
    said = capsys.readouterr()
    assert (said.out, said.err) == (("", "") if rank else ("result\n", "words\n"))


def test_a_document_is_one_readable_json_value_whatever_it_holds(capsys):
    console.document({"path": Path("a/b"), "name": "Zoë", "rows": [1, None]})
    text = capsys.readouterr().out
    assert json.loads(text) == {"path": "a/b", "name": "Zoë", "rows": [1, None]}
    assert "Zoë" in text


def test_the_progress_line_counts_what_it_was_told(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(console.time, "monotonic", lambda: now[0])
    progress = console.Progress("annotate", 8)
    for flagged in (0, 1):
        progress.advance(flagged=flagged, failed=0)
    now[0] = 104.0
    assert progress.line() == "annotate 2/8 · 0.5/s · about 12 s left · flagged 1"


def test_what_was_done_before_does_not_count_into_the_rate_and_words_are_the_latest(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(console.time, "monotonic", lambda: now[0])
    progress = console.Progress("stage 1", 100, done=50)
    progress.advance("loss 0.2")
    progress.advance("loss 0.1")
    now[0] = 104.0
    assert progress.line() == "stage 1 52/100 · 0.5/s · loss 0.1 · about 2 min left"


def _paced(monkeypatch, seconds, **how):
    """A progress of 1000 steps whose every step took so long."""
    now = [0.0]
    monkeypatch.setattr(console.time, "monotonic", lambda: now[0])
    progress = console.Progress("stage 1", 1000, **how)
    for took in seconds:
        now[0] += took
        progress.advance()
    return progress


def test_the_time_that_is_left_does_not_count_the_step_that_compiles(monkeypatch):
    """The first step takes 300 s, the others 2 s: 0.5 a second, whatever was loaded before."""
    assert "1/1000 · 0.0/s" in _paced(monkeypatch, [300.0], warm_up=1).line()
    progress = _paced(monkeypatch, [300.0, *[2.0] * 10], warm_up=1)
    assert progress.rate() == 0.5 and progress.line() == "stage 1 11/1000 · 0.5/s · about 33 min left"


def test_a_run_that_goes_on_has_a_first_step_too(monkeypatch):
    progress = _paced(monkeypatch, [300.0, *[2.0] * 10], done=889, warm_up=1)
    assert progress.line() == "stage 1 900/1000 · 0.5/s · about 3 min left"


def test_the_pace_is_that_of_the_last_two_minutes(monkeypatch):
    """A thousand seconds of slow steps are forgotten when two minutes have passed."""
    progress = _paced(monkeypatch, [*[10.0] * 100, *[1.0] * 60])
    assert progress.rate() == pytest.approx(66 / 120)
    progress = _paced(monkeypatch, [*[10.0] * 100, *[1.0] * 120])
    assert progress.rate() == pytest.approx(1) and len(progress.marks) <= 122


def test_of_items_that_take_longer_the_last_one_tells_the_pace(monkeypatch):
    assert _paced(monkeypatch, [50.0, 600.0, 300.0]).rate() == pytest.approx(1 / 300)


def test_very_many_items_are_not_remembered_one_by_one(monkeypatch):
    progress = _paced(monkeypatch, [2**-10] * 20_000)
    assert progress.rate() == pytest.approx(1024) and len(progress.marks) <= 20


def test_the_progress_line_of_finished_and_of_untouched_work_promises_no_time(monkeypatch):
    monkeypatch.setattr(console.time, "monotonic", lambda: 0.0)
    assert "left" not in console.Progress("annotate", 8).line()
    done = console.Progress("annotate", 1)
    done.advance()
    assert "left" not in done.line()


def test_a_log_gets_a_line_every_thirty_seconds(capsys, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(console.time, "monotonic", lambda: now[0])
    monkeypatch.setattr("sys.stderr.isatty", lambda: False, raising=False)
    with console.progress("annotate", 100) as progress:
        for second in range(70):
            now[0] = float(second)
            progress.advance()
    assert len(capsys.readouterr().err.splitlines()) == 2


def test_quiet_says_nothing_and_still_counts(capsys):
    with console.progress("annotate", 2, quiet=True) as progress:
        progress.advance()
    assert progress.done == 1
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, "0 s"), (89, "89 s"), (90, "2 min"), (5399, "90 min"), (11520, "3.2 h")]
)
def test_durations_are_written_in_the_unit_a_person_would_choose(seconds, words):
    assert console.human_seconds(seconds) == words


@pytest.mark.parametrize(
    ("count", "words"), [(0, "0 B"), (999, "999 B"), (28_570, "28.6 kB"), (334_643_276, "335 MB"), (3.438e9, "3.44 GB")]
)
def test_sizes_are_written_in_powers_of_a_thousand(count, words):
    assert console.human_bytes(count) == words


@pytest.mark.parametrize(
    ("sent", "at_once", "code"),
    [("INT INT", True, 130), ("INT INT", False, 0), ("USR1 USR1", True, 0), ("USR1 TERM", True, 0), ("TERM INT", True, 130)],
)  # fmt: skip
def test_a_second_signal_leaves_time_for_what_is_saved_unless_it_is_a_persons(sent, at_once, code):
    script = f"""
import os, signal
from tbd.console import interruptible
numbers = [signal.Signals["SIG" + name] for name in {sent.split()}]
with interruptible("all", (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1), at_once={at_once}) as stopping:
    for number in numbers:
        os.kill(os.getpid(), number)
    assert stopping.is_set() and stopping.signal == numbers[0]
"""
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == code
