"""Whole chains of many kinds, judged as a person judges them (``data/chains.toml``)."""

import json
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from facs_chain import written

from tbd.annotate.facs import ACTION_UNITS, EMOTIONS, parse_action_units
from tbd.annotate.gates import check, judge_reply
from tbd.annotate.replies import read
from tbd.schema import WARNING, Annotation

DATA = tomllib.loads((Path(__file__).parent / "data/chains.toml").read_text(encoding="utf-8"))
CASES = DATA["chain"]


def replies(told):
    """The four replies (or the one) of a chain, as JSON."""
    if told.get("mode") == "describe":
        return {"describe": {"prompt": told["scene"]}}
    names = ("gender", "age_range", "ethnicity", "appearance")
    units = []
    for text in told["units"]:
        code, _, words = text.partition(" ")
        (mention,) = parse_action_units(f"AU{code}")
        name = ACTION_UNITS[mention.au].name
        units.append(
            {
                "au": mention.au,
                "name": name,
                "side": mention.side or "both",
                "intensity": mention.intensity or "",
                "description": words,
            }
        )
    muscles = []
    for text in told["muscles"]:
        name, _, rest = text.partition(" = ")
        au, _, action = rest.partition(" ")
        muscles.append({"name": name, "au": int(au), "action": action})
    return {
        "step1": dict(zip(names, told["person"], strict=True)),
        "step2": {"action_units": units},
        "step3": {"muscles": muscles, "synergies": "All act together.", "variation": "Faces differ.", "social": "It depends."},
        "step4": {"scene": told["scene"], "expression": told["expression"], "muscles": told["text_muscles"], "dynamics": told["dynamics"]},
    }  # fmt: skip


def judged(case):
    told = DATA["base"][case["base"]] | case
    row = Annotation(told.get("mode", "cot"), told["emotion"], told.get("level"))
    for step, reply in replies(told).items():
        text = json.dumps(reply)
        assert not judge_reply(text), "a reply of these would be asked for again"
        row = replace(row, **read(step, text), step_outputs=(*row.step_outputs, text))
    return check(row)


@pytest.mark.parametrize("case", CASES, ids=[f"{case['base']}: {case['kind']}" for case in CASES])
def test_a_chain_is_judged_as_a_person_judges_it(case):
    grave = {flag.code: flag.message for flag in judged(case) if flag.severity >= WARNING}
    expected = set(case.get("flags", ()))
    if expected:
        assert expected & {flag.code for flag in judged(case)} and grave, grave
    else:
        assert not grave


@pytest.mark.parametrize("level", [1, 2, 3])
@pytest.mark.parametrize("gender", ["woman", "man", None])
@pytest.mark.parametrize("emotion", EMOTIONS)
def test_what_the_knowledge_base_writes_is_clean_at_every_level(emotion, gender, level):
    row = written(Annotation("cot", emotion, level, gender=gender))
    assert [flag for flag in check(row) if flag.severity >= WARNING] == []


def test_there_are_enough_of_both():
    rejected = sum(bool(case.get("flags")) for case in CASES)
    assert len(CASES) >= 100 and rejected >= 60 and len(CASES) - rejected >= 35
