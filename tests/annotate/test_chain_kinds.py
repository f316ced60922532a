"""Whole chains of many kinds, judged as a person judges them (``data/chains.toml``)."""

import pytest
from chain_cases import CASES, judged, table, verdicts
from facs_chain import written

from tbd.annotate.facs import EMOTIONS
from tbd.annotate.gates import check
from tbd.schema import WARNING, Annotation


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


def test_the_table_of_precision_and_recall_counts_every_chain():
    lines = table(list(verdicts()))
    assert lines[0].startswith("kind of fault")
    assert lines[-1] == f"all: {len(CASES)} chains, 113 to be rejected; precision 100.0%, recall 100.0%"
