"""From votes to Table 3: planted opinions are found, and raters who do not watch are left out."""

import numpy as np
import pytest
from scipy import stats

from tbd.errors import InputError
from tbd.evaluate.outputs.tables import latex, markdown
from tbd.evaluate.study.analysis import analyse
from tbd.evaluate.study.design import orders
from tbd.evaluate.study.study_folder import CRITERIA, AttentionCheck, Study, StudyClip
from tbd.evaluate.study.study_report import agreement_lines, study_table, write_report
from tbd.evaluate.study.votes import Vote

SYSTEMS = ("bad_one", "good & better")


def study(clips=8, raters=10, checks=2):
    shown = tuple(
        StudyClip(f"c{i}", ("mead", "open set")[i % 2], "anger", "", "p.jpg", ("a", "b")) for i in range(clips)
    )
    given = tuple(map(tuple, orders(clips, len(SYSTEMS), raters, checks)))
    codes = tuple(f"code{i}" for i in range(raters))
    asked = tuple(AttentionCheck("v", 2, "anger", "p.jpg") for _ in range(checks))
    return Study("toy", 0, SYSTEMS, ("x", "y"), shown, asked, codes, given, "i")


def votes_of(design, rater, opinion, check=2, until=None):
    found = []
    for position, (clip, system) in enumerate(design.orders[rater][:until]):
        value = check if system < 0 else opinion(clip, system)
        found.append(Vote(rater, position, {one.key: value for one in CRITERIA}))
    return found


def honest(rater):
    rng = np.random.default_rng(rater)
    return lambda clip, system: int(np.clip(2 + 2 * system + clip % 2 + rng.integers(-1, 2), 1, 5))


def test_table_3():
    design = study()
    votes = [vote for rater in range(10) for vote in votes_of(design, rater, honest(rater))]
    found = analyse(design, votes)
    one = found["criteria"]["emotion"]
    plain = [
        np.mean([v.answers["emotion"] for v in votes if design.orders[v.rater][v.position][1] == s]) for s in (0, 1)
    ]
    assert [entry["mos"] for entry in one["systems"]] == pytest.approx(plain)
    assert one["systems"][0]["mos"] + 1 < one["systems"][1]["mos"]
    assert one["systems"][0]["ci95"][0] < one["systems"][0]["mos"] < one["systems"][0]["ci95"][1]
    assert one["tests"][0]["holm"] < 0.05
    assert one["icc"]["average"] > one["icc"]["single"] > 0.3 < one["alpha"]
    assert one["systems"][0]["strata"]["open set"]["mos"] > one["systems"][0]["strata"]["mead"]["mos"]
    text = markdown(study_table(found))
    assert text.count("**") == 2 + 8  # the title, and the best of four columns
    assert r"good \& better" in latex(study_table(found, "mead"))
    assert any(
        "alpha" in line and "over the 16 stimuli that all 10 raters rated" in line for line in agreement_lines(found)
    )


def test_equal_differences_are_ties_whatever_numbers_they_lie_between():
    design = study(raters=3)
    first = [(4, 4, 5), (2, 2, 3), (1, 1, 1), (5, 5, 5), (3, 3, 4), (5, 5, 4), (1, 1, 2), (3, 3, 3)]
    second = [(3, 3, 3), (1, 1, 1), (2, 2, 3), (4, 3, 4), (2, 2, 2), (3, 4, 3), (1, 1, 1), (2, 2, 3)]
    votes = [
        vote
        for rater in range(3)
        for vote in votes_of(design, rater, lambda clip, system, rater=rater: (first, second)[system][clip][rater])
    ]
    (test,) = analyse(design, votes)["criteria"]["emotion"]["tests"]
    thirds = [sum(one) - sum(two) for one, two in zip(first, second, strict=True)]
    assert thirds == [4, 4, -4, 4, 4, 4, 1, 2]  # midrank 5.5 for six of them
    assert test["p"] == pytest.approx(stats.wilcoxon(thirds).pvalue, rel=1e-12)
    assert test["difference"] == pytest.approx(np.mean(thirds) / 3)


def test_who_does_not_watch_is_left_out_and_named():
    design = study()
    votes = [vote for rater in range(7) for vote in votes_of(design, rater, honest(rater))]
    votes += votes_of(design, 7, honest(7), check=5)
    votes += votes_of(design, 8, lambda *_: 3)
    found = analyse(design, votes)
    assert found["counted"] == 7
    told = " | ".join(found["notes"])
    for words in ("rater 8 failed 2 of 2 attention checks", "rater 9 always answered 3", "no votes from rater 10"):
        assert words in told
    assert analyse(design, votes, everybody=True)["counted"] == 9


def test_partial_raters_count_with_what_they_rated():
    design = study()
    votes = [vote for rater in range(4) for vote in votes_of(design, rater, honest(rater), until=9)]
    found = analyse(design, votes)
    assert found["counted"] == 4
    assert "rated only in part" in " ".join(found["notes"])


def test_nobody_to_count_is_an_error_with_a_way_on():
    design = study()
    with pytest.raises(InputError, match="none of them passed"):
        analyse(design, votes_of(design, 0, lambda *_: 3))
    with pytest.raises(InputError, match="0 voted"):
        analyse(design, [])


def test_one_rater_one_system(tmp_path):
    design = study(clips=1, raters=1, checks=0)
    found = analyse(design, votes_of(design, 0, honest(0)))
    assert found["criteria"]["emotion"]["icc"] is None
    page = write_report(tmp_path, found).read_text()
    assert "<script" not in page
    assert {path.name for path in tmp_path.iterdir()} == {"report.html", "report.json", "report.md", "report.tex"}
