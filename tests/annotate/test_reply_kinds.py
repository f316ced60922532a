"""Replies of every kind that models write, read as a careful person reads them (``data/replies.toml``)."""

import tomllib
from pathlib import Path

import pytest

from tbd.annotate.replies import read, unread

CASES = tomllib.loads((Path(__file__).parent / "data/replies.toml").read_text(encoding="utf-8"))["reply"]


def told(step, fields):
    if step == "step1":
        return [fields[name] for name in ("gender", "age_range", "ethnicity", "appearance")]
    if step == "step2":
        return [[unit.au, unit.side, unit.intensity] for unit in fields["action_units"]]
    if step == "step3":
        return [[muscle.name, muscle.au] for muscle in fields["muscles"]]
    return list(fields["prompts"])


def nothing(value):
    if isinstance(value, list):
        return [nothing(part) for part in value]
    return None if value == "-" else value


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_a_reply_is_read_as_a_careful_person_reads_it(case):
    assert told(case["step"], read(case["step"], case["text"])) == nothing(case["want"])
    assert unread(case["step"], case["text"]) == []
