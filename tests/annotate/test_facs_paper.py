"""Ten slips in the paper's own worked example (Fig. 4 and section 3), each of which the gates find.

The replies are written for this test around the slips; they are not the figure's text.
"""

from dataclasses import replace

import pytest
from facs_chain import written

from tbd.annotate.gates import check
from tbd.annotate.replies import read
from tbd.schema import ERROR, INFO, WARNING, Annotation

STEP2 = """For the label {happiness} I see:
- AU6 (Cheek Raiser, C): cheek puffing below the eyes
- AU12 (Lip Corner Puller, C): the corners rise
- AU5 (Upper Lid Raiser, B): the lids lift
- AU16 (Lower Lip Depressor, B): the lower lip drops, sign of a posed smile
- AU25/26 (Lips Part, B): held for >0.5s"""
STEP3 = """The {happy} face moves by:
- Zygomaticus major (AU12): pulls the corners up
- Orbicularis oculi, pars orbitalis (AU6): lifts the cheeks
- Levator palpebrae superioris (AU5): lifts the lids
- Depressor labii inferioris (AU16): lowers the lip
- Dpressor Labii Inferioris (AU25): lip corner puller or part
AU6 Absence would make the smile look polite."""
STEP4 = """Coarse: A woman is speaking with a happy emotion.
Fine: Her cheeks rise and her lips part in a smile of Moderate Happiness."""


@pytest.fixture(scope="module")
def findings():
    row = Annotation("cot", "happiness", None)
    for step, text in (("step1", "Gender: female"), ("step2", STEP2), ("step3", STEP3), ("step4", STEP4)):
        row = replace(row, **read(step, text), step_outputs=(*row.step_outputs, text))
    assert [unit.au for unit in row.action_units] == [6, 12, 5, 16, 25, 26]
    return check(row)


@pytest.mark.parametrize(
    ("code", "severity", "where", "quote", "words"),
    [
        ("step_contradiction", ERROR, "step3", "AU6", "AU6 Cheek Raiser"),
        ("misspelled_muscle", INFO, "step3", "Dpressor Labii Inferioris", "depressor labii inferioris"),
        ("weak_contradiction", INFO, "step2", "Upper Lid Raiser", "AU5"),
        ("ambiguous_code", WARNING, "step2", "AU25", "AU25 or AU26"),
        ("name_mismatch", WARNING, "step2", "cheek puffing", "34"),
        ("label_drift", INFO, "step3", "{happy}", "happiness"),
        ("intensity_invented", INFO, "fine", "Moderate Happiness", "no level"),
        ("unseen_duration", INFO, "step2", ">0.5s", "duration"),
        ("broken_phrase", WARNING, "step3", "lip corner puller or part", "missing"),
        ("no_facs_basis", INFO, "step2", "posed", "not honesty"),
    ],
)
def test_each_slip_is_found_with_its_kind_and_its_place(findings, code, severity, where, quote, words):
    found = [flag for flag in findings if (flag.code, flag.where, flag.quote) == (code, where, quote)]
    assert found, [(flag.code, flag.where, flag.quote) for flag in findings]
    assert found[0].severity == severity and words in found[0].message


def test_what_is_right_beside_the_slips_is_not_flagged(findings):
    codes = [flag.code for flag in findings]
    assert "muscle_mismatch" not in codes, "the misspelled muscle does carry AU25"
    assert "emotion_mismatch" not in codes and "unknown_muscle" not in codes
    assert not [flag for flag in findings if flag.quote == "Lower Lip Depressor"], "AU16 has its right name"
    assert codes.count("levels_missing") == 1, "a two-part step IV"


def test_a_clean_chain_has_none_of_them():
    assert check(written(Annotation("cot", "happiness", 2, gender="woman"))) == []
