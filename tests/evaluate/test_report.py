"""The report: one file, three forms, numbers from scores.json, and 2,000 clips that stay small."""

import html as html_of
import json
import re
import shlex
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from comparison import clips, noisy, result
from runs import dataset, run

from tbd.cli import main
from tbd.errors import InputError
from tbd.evaluate.inputs.asked import asked_options
from tbd.evaluate.inputs.jobs import ScoreRow
from tbd.evaluate.inputs.sources import EvaluationRequest
from tbd.evaluate.metrics.base import ClipScore
from tbd.evaluate.outputs import results
from tbd.evaluate.outputs.charts import curve, distributions
from tbd.evaluate.outputs.report import page, typed, write_report
from tbd.evaluate.outputs.score_table import breakdown, score_table
from tbd.evaluate.outputs.tables import ScoreTable, TableCell, TableRow, html, latex, latex_escape, markdown, ranks
from tbd.evaluate.outputs.worst_clips import worst_rows
from tbd.selection import Selection

PSNR, SSIM, STYLE = "psnr@rgb", "ssim@skimage", "style_identity@insightface"
ODD = "a_b & <i>50%</i> #1 {x} ~^\\ | `*`"


def written(tmp_path, count=30, **more):
    names = clips(count)
    labels = {
        name: {"emotion": ("anger", "fear")[i % 2], "level": 1 + i % 3, "subject": "M003"}
        for i, name in enumerate(names)
    }
    folder = result(tmp_path, "mine", {PSNR: noisy(names, 30), SSIM: noisy(names, 0.8, 0.05)}, labels=labels, **more)
    return folder, json.loads((folder / "scores.json").read_text())


def test_a_page_that_needs_nothing_else(tmp_path):
    folder, document = written(tmp_path)
    text = write_report(folder, document).read_text()
    assert not re.search(r"<script|<link|src=\"(?!data:)|https?://|url\(", text)
    for head in ("Emotions", "Intensities", "Distributions over clips", "How each number was made", "To repeat it"):
        assert f">{head}<" in text
    assert "tbd eval runs/mine --metrics psnr@rgb,ssim@skimage --align canvas" in text
    assert "moderate" in text
    value = document["runs"][0]["scores"]["psnr"]["value"]
    for name in ("report.html", "report.md", "report.tex"):
        assert f"{value:.2f}" in (folder / name).read_text()


def repeated(text):
    """The command of a page as words; None where there is none."""
    found = re.search(r"<h2>To repeat it</h2>\s*<p><code>(.*?)</code>", text)
    return found and shlex.split(html_of.unescape(found[1]))


def test_the_command_says_again_what_was_asked(tmp_path):
    folder, document = written(tmp_path, 3)
    record, *_ = results.read(folder)
    request = EvaluationRequest(
        reference=Path("true videos"), pairs=Path("p.csv"), split="test", clips_file=Path("c.txt"), baselines=False,
        vae=Path("vae"),
        selection=Selection({"emotion": "anger|fear"}, ("a",), "stratified:3", 2, "1/2"), seed=7, roots={"mead": Path("/d")},
    )  # fmt: skip
    asked = asked_options(request)
    told = repeated(page(document, "x", (), replace(record, asked=asked)))
    assert told[:4] == ["tbd", "eval", "runs/mine", "--reference"]
    assert " ".join(told[4:-8]) == (
        "true videos --pairs p.csv --vae vae --split test --where emotion=anger|fear --clips c.txt --sample stratified:3 --seed 7 "
        "--limit 2 --root mead=/d --no-baselines"
    )
    assert asked_options(EvaluationRequest(alone=True, portraits=Path("p.png"))) == (
        "--no-reference",
        "--portraits",
        "p.png",
    )


def test_a_command_that_would_not_repeat_it_is_not_shown(tmp_path):
    folder, document = written(tmp_path, 3)
    record, *_ = results.read(folder)
    assert asked_options(EvaluationRequest(selection=Selection(clips=("a",)))) is None  # of no file
    text = page(document, "x", (), replace(record, asked=None))
    assert repeated(text) is None and "No command is known" in text


@pytest.mark.parametrize("harm", ["cut off", "empty", "a part"])
def test_damaged_features_are_named(tmp_path, harm):
    names = clips(2)
    values = np.full((2, 3), 7.25)
    folder = result(tmp_path, "mine", {}, features={"fid@pytorch-fid": dict.fromkeys(names, (values, values))})
    path = folder / "features" / "fid-pytorch-fid.npz"
    whole = path.read_bytes()
    changed = whole.replace(values.tobytes(), (values + 1).tobytes())
    path.write_bytes({"cut off": whole[: len(whole) // 2], "empty": b"", "a part": changed}[harm])
    with pytest.raises(InputError, match="features: no features that can be read"):
        results.read(folder)[2](f"mine-fid@pytorch-fid-{names[0]}")


def test_features_that_two_metrics_share_are_stored_once(tmp_path):
    """FID and KID look through one network: the folder holds each clip's features, and the truth's, a single time."""
    names, rng = clips(4), np.random.default_rng(0)
    keys = [f"run-{name}" for name in names] + [f"truth-{name}" for name in names]
    arrays = {key: rng.normal(size=(6, 8)).astype(np.float32) for key in keys}
    score = ClipScore(None, 6)
    rows = [
        ScoreRow("mine", "run", name, protocol, score, key=f"run-{name}", reference_key=f"truth-{name}")
        for protocol in ("fid@clean", "kid@clean")
        for name in names
    ]
    folder = result(tmp_path, "mine", {PSNR: dict.fromkeys(names, 30.0)})
    record, _, _ = results.read(folder)
    results.write_rows(folder, record, rows, arrays.get)
    stored = [np.load(path) for path in (folder / "features").glob("*.npz")]
    assert sorted(key for store in stored for key in store) == sorted(keys)
    _, back, features = results.read(folder)
    for row in back:
        assert np.array_equal(features(row.key), arrays[row.key]), row.protocol
        assert np.array_equal(features(row.reference_key), arrays[row.reference_key])


def test_2000_clips_stay_small(tmp_path):
    folder, document = written(tmp_path, 2000)
    assert write_report(folder, document).stat().st_size < 1_000_000


def test_means_by_emotion_are_those_of_the_clips(tmp_path):
    from tbd.evaluate.outputs import results

    folder, document = written(tmp_path)
    _, rows, _ = results.read(folder)
    table = breakdown(document, rows, "emotion")
    own = [row.score.value for row in rows if row.protocol == PSNR and row.labels["emotion"] == "fear"]
    assert [row.name for row in table.rows] == ["anger", "fear"]
    assert table.rows[1].cells[0].text == f"{np.mean(own):.2f}" and table.rows[1].cells[0].note == "15"
    assert breakdown(document, [row for row in rows if row.labels["emotion"] == "fear"], "emotion") is None
    worst = worst_rows(document, rows)
    assert [row.score.value for row, _ in worst] == sorted(row.score.value for row in rows if row.protocol == PSNR)[:3]


def test_style_codes_stand_in_the_page_with_their_numbers(tmp_path):
    names, rng = clips(24), np.random.default_rng(0)
    centres = rng.normal(size=(3, 8))
    sets = {
        name: (centres[i % 3][None] + 0.05 * rng.normal(size=(1, 8)), np.zeros((0, 8))) for i, name in enumerate(names)
    }
    details = {name: {"subject": f"M{i % 3}", "emotion": "anger"} for i, name in enumerate(names)}
    folder = result(tmp_path, "mine", {}, features={STYLE: sets}, details=details)
    document = json.loads((folder / "scores.json").read_text())
    assert document["runs"][0]["scores"]["style_identity"]["value"] == 1.0
    text = write_report(folder, document).read_text()
    assert "purity of 5 neighbours 1.00 (chance 0.30" in text
    assert 'src="data:image/png;base64,' in text
    assert {path.suffix for path in (folder / "style_codes").iterdir()} == {".png", ".svg"}


def test_a_real_run_shows_its_worst_clips(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    manifest = dataset(tmp_path, count=4, frames=6)
    for sigma in (1, 2):
        run(tmp_path, f"run{sigma}", manifest, count=4, frames=6, sigma=sigma)
    assert main(["eval", "--metrics", "psnr,ssim", "--workers", "0", "-q", "-o", "out"]) in (0, 1)
    capsys.readouterr()
    text = (tmp_path / "out" / "report.html").read_text()
    assert text.count("data:image/jpeg;base64,") == 6 and "PSNR of each frame" in text
    facts = json.loads((tmp_path / "out" / "worst" / "worst.json").read_text())
    assert len(facts[0]["psnr"]) == 6
    scores = json.loads((tmp_path / "out" / "scores.json").read_text())
    assert facts[0]["words"] == f"PSNR {np.mean(facts[0]['psnr']):.2f}"
    write_report(tmp_path / "out", scores)  # without the videos' places: those of before
    assert (tmp_path / "out" / "report.html").read_text().count("data:image/jpeg") == 6


def test_names_cannot_break_any_form():
    table = ScoreTable(ODD, (ODD,), (TableRow(ODD, (TableCell("1.0", "best"),)), TableRow("b", (TableCell("0.5", "second", ODD, ODD),))), ODD, (ODD,))  # fmt: skip
    assert "<i>" not in html(table) and "&lt;i&gt;" in html(table)
    assert r"a\_b \& $<$i$>$50\%$<$/i$>$ \#1 \{x\}" in latex(table)
    assert r"\textbf{1.0}" in latex(table) and r"\underline{0.5}" in latex(table)
    assert "**1.0**" in markdown(table) and "<u>0.5</u>" in markdown(table) and "\\|" in markdown(table)
    assert latex_escape("--size Fréchet 汉") == "-{}-size Fréchet ?"
    assert latex_escape("PSNR ↑ 3 ± 1 – 2") == r"PSNR $\uparrow$ 3 $\pm$ 1 -- 2"


@pytest.mark.parametrize(
    ("values", "direction", "expected"),
    [
        ([1.0, 3.0, 2.0], "higher", ["", "best", "second"]),
        ([1.0, 3.0, 2.0], "lower", ["best", "", "second"]),
        ([-0.5, 2.0, 1.0], "closest", ["best", "", "second"]),
        ([1.0, 1.0, 2.0], "lower", ["best", "best", "second"]),
        ([1.0], "higher", [""]),
        ([1.0, 1.0], "higher", ["", ""]),
        ([None, float("nan"), 2.0], "higher", ["", "", ""]),
    ],
)
def test_best_and_second(values, direction, expected):
    assert ranks(values, direction) == expected


def test_charts_of_one_value_and_of_many(tmp_path):
    assert "polyline" in curve([5.0], "PSNR") and "400 frames" in curve(list(range(400)), "PSNR")
    assert curve(list(range(4000)), "PSNR").count(",") < 200
    folder, document = written(tmp_path, 2)
    from tbd.evaluate.outputs import results

    assert [title for title, _ in distributions(document, results.read(folder)[1])] == ["PSNR", "SSIM"]
    assert score_table(document, "x").rows[0].name == "mine"
    assert "No metric could be computed" in page(document | {"runs": [], "baselines": []}, "x")


def test_commands_in_reasons_are_typed_and_nothing_else_is_markup():
    assert typed("<b> tbd weights pull fid") == "&lt;b&gt; <code>tbd weights pull fid</code>"
