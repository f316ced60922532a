"""The coefficients against published worked examples, and what counts as a judgement."""

import numpy as np
import pytest
from review import FAIL, flagged, manifest
from review_events import decide, record

from tbd.manifest import text_hash
from tbd.manifest.review_figures.agreement import ac1, agreement, alpha, interval, percent, tally
from tbd.review.session import ReviewSession

# Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011): one text an observer, one sign a unit, "." is missing.
BINARY = ["0100000010", "1110010000"]
NOMINAL = ["aabbdcccedda", "babbbccceddd"]
MISSING = ["123321412...", "1233224125.3", ".3332342251.", "12332441251."]
# Gwet, "Handbook of Inter-Rater Reliability" (4th ed., 2014) takes the last of these tables up (cac.raw4raters in his
# R package irrCAC), and has one of two abstractors and 100 patients (cont3x3abstractors there).
ABSTRACTORS = [[13, 0, 0], [0, 20, 7], [0, 4, 56]]
# Gwet, "Kappa statistic is not satisfactory" (2002): 118 times both say +, 5 and 2 times only one does, never both -.
PARADOX = np.array([[2, 0]] * 118 + [[1, 1]] * 7)


def counts(observers, categories):
    units = zip(*observers, strict=True)
    return tally(([value for value in unit if value != "."] for unit in units), categories)


@pytest.mark.parametrize(
    ("observers", "categories", "published"),
    [(BINARY, "01", 0.095), (NOMINAL, "abcde", 0.692), (MISSING, "12345", 0.743)],
    ids=["A, two observers, binary", "B, two observers, nominal", "C, four observers, missing values"],
)
def test_alpha_equals_krippendorffs_worked_examples(observers, categories, published):
    assert alpha(counts(observers, categories)) == pytest.approx(published, abs=5e-4)


def test_percent_and_ac1_equal_gwets_handbook_example():
    data = counts(MISSING, "12345")
    assert percent(data) == pytest.approx(0.81818, abs=5e-6)
    assert ac1(data) == pytest.approx(0.77544, abs=5e-6)
    assert alpha(data) == pytest.approx(0.74342, abs=5e-6)


def test_ac1_equals_gwets_example_of_two_abstractors():
    cells = [(one, other) for one in range(3) for other in range(3) for _ in range(ABSTRACTORS[one][other])]
    data = tally(cells, range(3))
    assert (percent(data), ac1(data)) == (pytest.approx(0.89), pytest.approx(0.8493305, abs=5e-8))


def test_where_nearly_all_is_accepted_ac1_stays_high_and_alpha_falls_to_zero():
    assert percent(PARADOX) == 0.944
    assert ac1(PARADOX) == pytest.approx(0.9408, abs=5e-5)
    assert -0.03 < alpha(PARADOX) < 0


def test_figures_that_are_not_defined_are_none():
    empty, single, equal = tally([]), tally([["accept"], ["reject"]]), tally([["accept"] * 2] * 3)
    assert [percent(empty), alpha(empty), ac1(empty)] == [None] * 3
    assert [percent(single), alpha(single), ac1(single)] == [None] * 3
    assert [percent(equal), alpha(equal), ac1(equal)] == [1.0, None, 1.0]


def test_an_interval_holds_the_value_and_is_the_same_for_the_same_seed():
    figure = interval(ac1, PARADOX)
    assert figure.low < figure.value < figure.high <= 1
    assert figure == interval(ac1, PARADOX) != interval(ac1, PARADOX, seed=1)


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    random, covered = np.random.default_rng(7), 0
    for _ in range(60):
        equal = random.random(80) < 0.8
        data = np.where(equal[:, None], [2, 0], [1, 1])
        figure = interval(percent, data, resamples=200)
        covered += figure.low <= 0.8 <= figure.high
    assert covered >= 51  # 95 % of 60 is 57; fewer than 51 happens once in a thousand


@pytest.fixture
def folder(tmp_path):
    return manifest(tmp_path / "m", [flagged(f"c{at}", FAIL) for at in range(4)])


def test_two_reviewers_of_every_card(folder):
    for name, actions in (("Ann", "aaxa"), ("Bob", "aaxx")):
        with ReviewSession(folder, name, overlap=1.0) as session:
            for action in actions:
                card = session.next()
                session.decide(card, "accept") if action == "a" else session.decide(card, "reject", reason="text")
    found = agreement(folder)
    assert (found.items, found.reviewers, found.percent.value) == (4, ("Ann", "Bob"), 0.75)
    assert found.disagreements == 1
    with ReviewSession(folder, "Cleo", queue="disagreements") as session:
        assert session.decide(session.next(), "accept").clips == ("c3",)
        assert session.next() is None
    after = agreement(folder)
    assert after.disagreements == 0
    assert after.percent == found.percent  # settling is no independent judgement


def test_clips_of_one_card_count_once_and_edited_texts_do_not(tmp_path):
    prompts = ["a", "b", "c", "d"]
    rows = [flagged(f"c{at}", FAIL, chain_id="shared", prompts=prompts) for at in range(5)]
    folder = manifest(tmp_path / "m", rows)
    for at in range(5):
        decide(folder, f"c{at}", "accept", prompts, reviewer="Ann")
        decide(folder, f"c{at}", "accept", prompts, reviewer="Bob")
    assert agreement(folder).items == 1
    record(folder, "c0", "accept", reviewer="Ann", before_hash=text_hash(["an older text"] * 4))
    assert agreement(folder).items == 1


def test_nobody_reviewed_yet(folder):
    found = agreement(folder)
    assert (found.items, found.reviewers, found.percent.value, found.disagreements) == (0, (), None, 0)
