"""Lines typed side by side: what each said is kept, what fails ends the rest, and nobody waits for nothing."""

import shlex
import time

import pytest

from tbd.cli.side_by_side import LAST, TypedLine, _last_words, run_side_by_side
from tbd.cli.typed_commands import processor_seconds


def typed(folder, *lines):
    return [TypedLine(f"line {number}", folder, line) for number, line in enumerate(lines)]


def test_every_line_is_typed_in_its_folder_and_what_it_says_is_kept(tmp_path):
    (tmp_path / "here").mkdir()
    lines, ended = typed(tmp_path / "here", "demo a --dry-run", "demo b --dry-run", "--version"), {}
    assert run_side_by_side(lines, 2, lambda line, end: ended.update({line.name: end})) == 0
    assert ended.keys() == {line.name for line in lines}
    assert all(end.processor_seconds > 0 and end.seconds > 0 and end.code == 0 for end in ended.values())
    assert [line.log.parent for line in lines] == [tmp_path / "here" / "logs"] * 3
    for line, said in zip(lines, ("in a", "in b", "tbd "), strict=True):
        assert said in line.log.read_text(encoding="utf-8")


def test_the_workers_time_is_not_counted_again_for_what_comes_after(tmp_path):
    assert run_side_by_side(typed(tmp_path, "--version", "--version"), 2, lambda *_: None) == 0
    before = processor_seconds()
    time.sleep(0.5)  # in which a worker that still ends would be waited for
    assert processor_seconds() - before < 0.2


def test_a_line_that_fails_ends_the_rest_and_says_why_and_what_to_type(tmp_path, capfd):
    lines, ended = typed(tmp_path, "train stage1 nowhere -o out", *["demo a --dry-run"] * 5), []
    assert run_side_by_side(lines, 1, lambda line, _: ended.append(line.name)) == 3
    said = capfd.readouterr().err
    assert (
        "nowhere" in said and "error: line 0 failed" in said and f"next:  cd {tmp_path} && tbd {lines[0].line}" in said
    )
    assert len(ended) < 5
    assert said.count("\n") < 40


def test_of_a_long_log_only_the_end_is_shown(tmp_path):
    (line,) = typed(tmp_path, "--version")
    line.log.parent.mkdir()
    line.log.write_text("\n".join(f"step {number}" for number in range(10_000)))
    assert _last_words(line).splitlines() == [f"step {number}" for number in range(10_000 - LAST, 10_000)]


def test_an_interruption_reaches_whoever_waits(tmp_path):
    def interrupt(line, end):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_side_by_side(typed(tmp_path, "--version", "--version"), 1, interrupt)


def test_a_folder_with_a_space_can_be_typed(tmp_path):
    line = TypedLine("one", tmp_path / "my folder", "doctor")
    assert shlex.split(line.typed) == ["cd", str(tmp_path / "my folder"), "&&", "tbd", "doctor"]
