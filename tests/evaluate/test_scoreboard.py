"""What people read: the table on the terminal, its marks, and the page."""

import re

import pytest

from tbd.evaluate.inputs.jobs import ScoreRow
from tbd.evaluate.metrics.base import ClipScore
from tbd.evaluate.metrics.registry import KEYS
from tbd.evaluate.outputs.clip_table import MOST, clip_table
from tbd.evaluate.outputs.report import page
from tbd.evaluate.outputs.scoreboard import WIDTH, number, text

MINE = {"name": "mine", "clips": {"matched": 3, "expected": 3}}


def entry(value=0.5, n=5, of=5, warnings=(), published=None, **more):
    weights = None if published is None else {"file": "a.pth", "sha256": "0" * 64, "published": published}
    usual = {
        "protocol": "x@y",
        "direction": "higher",
        "unit": "clips",
        "ci95": [0.4, 0.6],
        "status": "ok",
        "reason": "",
    }
    usual |= {"aggregate": "mean over clips", "interval": "bootstrap", "details": {}}
    return usual | {"value": value, "n": n, "of": of, "warnings": list(warnings), "weights": weights} | more


def document(runs, baselines=None, notes=()):
    clips = {"matched": 5, "expected": 5, "unmatched": [], "unmatched_total": 0, "failed": 0}
    return {
        "runs": [{"name": name, "scores": scores, "clips": clips} for name, scores in runs.items()],
        "baselines": [{"name": name, "scores": scores} for name, scores in (baselines or {}).items()],
        "settings": {"align": "canvas"}, "truth": "files of true", "notes": list(notes), "tbd": "0",
    }  # fmt: skip


def test_a_number_from_weights_that_are_not_the_published_ones_never_looks_real():
    fake = entry(0.25, published=False, warnings=["not the published weights: this number cannot be compared"])
    found = document({"mine": {"lpips": fake, "psnr": entry(31.0)}})
    lines = text(found)
    assert re.search(r"0\.2500!$|0\.2500! ", lines[1]) and "31.00 " in lines[1]
    assert "! not the published weights: this number cannot be compared (all: LPIPS)" in lines
    html = page(found, "mine")
    assert html.count(">unpublished weights</small>") == 1
    assert "so this is no result" in html


@pytest.mark.parametrize(("n", "warns"), [(3, True), (4, False)])
def test_coverage_stands_beside_the_number_and_is_coloured_below_80_percent(n, warns):
    words = ["covers 3 of 5 clips (60%): no face (2)"] * warns
    found = document({"mine": {"csim": entry(n=n, warnings=words)}})
    assert f"0.5000{'*' * warns} ({n}/5)" in text(found)[1]
    assert (f'<small class="warn">{n} of 5</small>' in page(found, "mine")) is warns
    assert any("no face (2)" in line for line in text(found)) is warns


def test_a_table_of_all_metrics_fits_the_line_in_parts_with_the_names_repeated():
    scores = {key: entry() for key in KEYS}
    lines = text(document({"a run with a name": scores}, {"ground truth through the SD VAE": scores}))
    table = lines[: lines.index("a run with a name: matched 5 of 5")]
    assert max(map(len, table)) <= WIDTH
    assert sum(line.startswith("a run with a name") for line in table) == table.count("") > 1
    assert sum(line.count("0.5000") for line in table) == 2 * len(KEYS)


def test_what_was_not_computed_is_told_once_for_metrics_of_one_reason():
    reason = "weights missing: b.pth (sha256 00); licence: none stated; tbd weights pull b"
    lost = entry(None, 0, status="skipped", reason=reason, ci95=None)
    found = document({"mine": {"psnr": entry(), "fid": lost, "kid": lost}}, notes=["a note"])
    lines = text(found)
    assert f"skipped FID, KID: {reason}" in lines and "a note" in lines
    assert "FID" not in lines[0]
    assert "<dt>FID, KID</dt>" in page(found, "x") and "<code>tbd weights pull b</code>" in page(found, "x")


def test_a_distance_between_sets_stands_beside_its_floor():
    halves = {"low": 1.0, "high": 9.0, "n": 50, "splits": 5}
    details = {"floor": halves | {"value": 12.5}, "at_floor_size": halves | {"value": 40.25}}
    grown = details | {"extrapolated": {"limit": 8.0, "slope": 1.0, "residual": 0.125}}
    found = document({"mine": {"fid": entry(30.0, details=details), "fvd": entry(300.0, details=grown)}})
    fid = "FID of mine on 50 clips a side: 40.25; the ground truth against itself there: 12.50"
    fvd = fid.replace("FID", "FVD") + "; on endless clips, by a line in 1/N: 8.000 ± 0.1250"
    assert {fid, fvd} <= set(text(found))
    assert fid in page(found, "x") and fvd in page(found, "x")


def test_without_any_number_there_is_still_a_page():
    lost = entry(None, 0, status="skipped", reason="no", ci95=None)
    assert "No metric could be computed" in page(document({"mine": {"fid": lost}}), "x")
    assert text(document({"mine": {"fid": lost}}))[-1] == "skipped FID: no"


def row(clip, metric="psnr", value=30.0, reason=""):
    score = ClipScore(None if reason else value, 5, reason)
    return ScoreRow("mine", "run", clip, f"{metric}@x", score, "failed" if reason else "ok")


def test_clips_with_a_problem_come_first_and_say_which_metric_lacks():
    rows = [
        row("a"),
        row("a", "csim", 0.5),
        row("b"),
        row("b", "csim", reason="no face"),
        row("c", reason="dark & gone"),
    ]
    found = clip_table(MINE, rows, ["psnr", "csim", "fid"])
    assert [line["name"] for line in found["lines"]] == [["b"], ["c"], ["a"]]
    assert [line["reasons"] for line in found["lines"]] == [["CSIM: no face"], ["dark & gone"], []]
    assert found["heads"] == ["PSNR", "CSIM"] and found["problems"]
    html = page(document({"mine": {"psnr": entry(), "csim": entry()}}), "mine", rows)
    assert "CSIM: no face" in html and ">dark &amp; gone<" in html and html.count("<td>30.00</td>") == 2


def test_names_cannot_break_the_page():
    found = document({"<b>&run": {"psnr": entry()}})
    html = page(found, "<i>", [ScoreRow("<b>&run", "run", "<u>", "psnr@x", ClipScore(1.0, 1))])
    assert not re.search("<b>&|<i>|<u>", html)


def test_a_long_run_names_where_the_rest_is():
    rows = [row(f"clip{i:04d}") for i in range(MOST + 3)]
    assert clip_table(MINE, rows, ["psnr"])["left"] == 3
    html = page(document({"mine": {"psnr": entry()}}), "mine", rows)
    assert html.count('<tr class="clip"><th scope="row">clip') == MOST
    assert "and 3 more, in clips.parquet" in html


@pytest.mark.parametrize(
    ("value", "words"),
    [(None, "–"), (0.85123, "0.8512"), (-3.2, "-3.200"), (31.416, "31.42"), (1203.4, "1203"), (-1e-9, "0.0000")],
)
def test_numbers_have_four_digits_and_no_powers_of_ten(value, words):
    assert number(value) == words
