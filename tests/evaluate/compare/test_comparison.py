"""``tbd compare``: common clips, equal sets, tests that are scipy's, and refusal of what was not scored alike."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from comparison import SHOWN, clips, noisy, result
from scipy import stats

from tbd.cli import main
from tbd.errors import InputError, UsageError
from tbd.evaluate.compare.ablation import ablation_tables, prompt_levels
from tbd.evaluate.compare.compared_runs import load
from tbd.evaluate.compare.comparison import compare
from tbd.evaluate.compare.comparison_tables import comparison_table
from tbd.evaluate.compare.moments_figure import moments
from tbd.evaluate.compare.published import published
from tbd.evaluate.measures.frechet import frechet_distance
from tbd.evaluate.outputs import results
from tbd.evaluate.outputs.tables import markdown

PSNR, SSIM, FID = "psnr@rgb", "ssim@skimage", "fid@pytorch-fid"


def test_only_common_clips_and_tests_that_are_scipys(tmp_path):
    names = clips(30)
    mine, other = noisy(names, 31, seed=1), noisy(names[3:], 30, seed=2)
    mine[names[5]] = None
    folders = [result(tmp_path, "mine", {PSNR: mine}), result(tmp_path, "other", {PSNR: other})]
    (column,) = compare(load(folders)).columns
    common = [name for name in names[3:] if name != names[5]]
    assert (column.clips, column.of) == (tuple(common), 30)
    one, two = np.array([mine[c] for c in common]), np.array([other[c] for c in common])
    assert [value.value for value in column.values] == pytest.approx([one.mean(), two.mean()])
    test = column.tests[1]
    assert column.tests[0] is None
    assert test["difference"] == pytest.approx(two.mean() - one.mean())
    assert test["p"] == pytest.approx(stats.wilcoxon(two, one).pvalue)
    assert test["holm"] == test["p"]


def test_holm_is_over_every_test_of_the_table(tmp_path):
    names = clips(20)
    folders = [
        result(tmp_path, name, {PSNR: noisy(names, 30 + i, seed=i), SSIM: noisy(names, 0.8, 0.1, seed=9 + i)})
        for i, name in enumerate("abc")
    ]
    found = compare(load(folders), "b")
    tests = [test for column in found.columns for test in column.tests if test]
    assert len(tests) == 4 and found.runs[found.against].name == "b"
    by_hand = sorted(test["p"] for test in tests)
    assert min(test["holm"] for test in tests) == pytest.approx(min(1, 4 * by_hand[0]))
    with pytest.raises(UsageError, match="no such run"):
        compare(load(folders), "nobody")


def test_sets_are_computed_anew_with_equally_many_vectors(tmp_path):
    rng, names = np.random.default_rng(0), clips(6)
    truth = {name: rng.normal(size=(12, 4)) for name in names}
    full = {name: rng.normal(0.5, 1, (12, 4)) for name in names}
    half = {name: rng.normal(0.5, 1, (5, 4)) for name in names[1:]}
    folders = [
        result(tmp_path, "full", {}, features={FID: {name: (full[name], truth[name]) for name in names}}),
        result(tmp_path, "half", {}, features={FID: {name: (half[name], truth[name]) for name in names[1:]}}),
    ]
    (column,) = compare(load(folders)).columns
    assert column.clips == tuple(names[1:])
    reference = np.concatenate([truth[name] for name in names[1:]])
    for value, own in zip(column.values, (full, half), strict=True):
        expected = frechet_distance(np.concatenate([own[name][:5] for name in names[1:]]), reference)
        assert value.value == pytest.approx(expected, rel=1e-6)
    assert column.tests == (None, None)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"values": {"ssim@gray": "x"}}, "protocol of ssim differs: a: ssim@skimage; b: ssim@gray"),
        ({"settings": {"align": "face"}}, "protocol of ssim differs: a: ssim@skimage; b: ssim@skimage/align=face"),
        ({"settings": {"size": 256}}, "size=256"),
        ({"truth": "files of gt"}, "ground truth differs: a: canonical clips of toy; b: files of gt"),
        ({"weights": {SSIM: {"file": "w.pt", "sha256": "abc", "published": True}}}, "weights of ssim differs"),
    ],
)
def test_what_was_not_scored_alike_is_refused_and_the_difference_shown(tmp_path, change, words):
    names = clips(5)
    protocol = next(iter(change.pop("values", {SSIM: 0})))
    folders = [
        result(tmp_path, "a", {SSIM: noisy(names, 0.8, 0.1)}),
        result(tmp_path, "b", {protocol: noisy(names, 0.7, 0.1)}, **change),
    ]
    with pytest.raises(InputError) as error:
        compare(load(folders))
    assert words in error.value.message


def test_ground_truths_of_one_name_that_hold_something_else_are_refused(tmp_path):
    names = clips(3)
    same, other = dict.fromkeys(names, "a" * 64), dict.fromkeys(names[1:], "b" * 64)
    one = result(tmp_path, "one", {PSNR: noisy(names, 30)}, truth="files of gt", contents=same)
    two = result(tmp_path, "two", {PSNR: noisy(names, 31)}, truth="files of gt", contents=other)
    with pytest.raises(InputError, match=f"ground truth of {names[1]} differs: one: a{{12}}; two: b{{12}}$"):
        compare(load([one, two]))
    old = result(tmp_path, "old", {PSNR: noisy(names, 31)}, truth="files of gt")
    table = pq.read_table(old / results.CLIPS)
    pq.write_table(table.drop_columns("reference_content"), old / results.CLIPS)  # as results were before
    assert compare(load([one, old])).columns[0].clips == tuple(names)


def test_namesakes_are_told_apart_by_their_folders(tmp_path, monkeypatch):
    names = clips(4)
    places = [tmp_path / experiment / "results" for experiment in ("exp1", "exp2")]
    folders = [result(place, "mine", {PSNR: noisy(names, 30 + i)}) for i, place in enumerate(places)]
    found = compare(load([*folders, result(tmp_path, "eat", {PSNR: noisy(names, 30)})]))
    assert [run.name for run in found.runs] == ["exp1/results/mine/mine", "exp2/results/mine/mine", "eat"]
    monkeypatch.chdir(folders[0])
    assert load([Path(), Path("../../../exp2/results/mine")])[0].name == "exp1/results/mine/mine"


def test_the_tables_of_an_ablation_test_against_the_run_that_was_named(tmp_path):
    names = clips(12)
    labels = {name: {"level": 1 + i % 2} for i, name in enumerate(names)}
    folders = [
        result(tmp_path, name, {PSNR: noisy(names, 30, seed=k)}, facts={"guidance": {"k": k}}, labels=labels)
        for k, name in enumerate("abc", start=1)
    ]
    tables = ablation_tables(compare(load(folders), "b"), None)
    assert [table.title.partition(",")[0] for table in tables][1] == "Levels of prompts k" and len(tables) == 4
    told = [next(note for note in table.notes if "tested against" in note) for table in tables]
    assert told[1].startswith("tested against b (k = 2):")
    assert all(note.startswith("tested against b:") for note in (told[0], *told[2:]))


def test_one_result_and_no_results(tmp_path, monkeypatch, capsys):
    one = result(tmp_path, "alone", {PSNR: noisy(clips(4), 30)})
    found = compare(load([one]))
    assert "nothing to compare it with" in found.notes[0]
    assert found.columns[0].tests == (None,)
    with pytest.raises(UsageError, match="named twice"):
        load([one, one])
    with pytest.raises(InputError, match="no results"):
        load([tmp_path])
    monkeypatch.chdir(tmp_path)
    assert main(["compare"]) == 2
    assert "no results in results/" in capsys.readouterr().err


def test_runs_of_different_sizes_and_warned_clips_are_told(tmp_path):
    names = clips(4)
    large = replace(SHOWN, scored_width=512, scored_height=512, frames=5)
    folders = [
        result(tmp_path, "a", {PSNR: noisy(names, 30)}),
        result(tmp_path, "b", {PSNR: noisy(names, 31)}, comparison=large),
    ]
    told = " | ".join(compare(load(folders)).notes)
    assert "different sizes (a 64x64, b 512x512)" in told
    assert "b: length on 4 clips" in told


def test_no_clip_in_common_is_no_number(tmp_path):
    names = clips(4)
    sets = {name: (np.ones((3, 4)), np.ones((3, 4))) for name in names}
    folders = [
        result(tmp_path, "a", {PSNR: noisy(names[:2], 30)}, features={FID: dict(list(sets.items())[:2])}),
        result(tmp_path, "b", {PSNR: noisy(names[2:], 31)}, features={FID: dict(list(sets.items())[2:])}),
    ]
    found = compare(load(folders))
    assert all(value.value is None for column in found.columns for value in column.values)
    assert any("only the 0 of 4 clips" in note for note in found.notes)


def test_published_rows_are_the_papers_and_never_compete(tmp_path):
    table = published(1, "hdtf")
    assert [row.method for row in table.rows][-1] == "TBD"
    assert table.rows[4].values == {
        "psnr": "21.32",
        "ssim": "0.69",
        "fid": "17.05",
        "cpbd": "0.30",
        "sync_conf": "3.16",
    }
    assert len(published(2, "mead").rows) == 4 and published(2, "hdtf").rows == ()
    assert published(3, "mead").rows[1].values["identity"] == "3.77"
    folders = [result(tmp_path, name, {PSNR: noisy(clips(4), 20 + i)}) for i, name in enumerate("ab")]
    text = markdown(comparison_table(compare(load(folders)), published(1, "mead")))
    assert "| *TBD* | 28.64 |" in text
    assert "**28.64**" not in text and "published, own protocol" in text


@pytest.mark.parametrize(
    "text",
    ["[table1]\nmetrics = 3", "nonsense [", '[table1]\ntitle="x"\nmetrics=["psnr"]\nrows=[{method="A", mead=[1, 2]}]'],
)
def test_a_users_own_paper_table_with_a_mistake_is_named(tmp_path, monkeypatch, text):
    (tmp_path / "evaluate").mkdir()
    (tmp_path / "evaluate" / "paper_tables.toml").write_text(f'source = "x"\n{text}')
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="paper_tables"):
        published(1, "mead")


def test_the_command_writes_all_forms_and_numbers_are_those_of_the_results(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = clips(12)
    labels = {name: {"level": 1 + i % 3, "emotion": "anger"} for i, name in enumerate(names)}
    for i, name in enumerate(("base_line", "a&b")):
        facts = {"guidance": {"levels": 2 + i}}
        result(tmp_path / "results", name, {PSNR: noisy(names, 30 + i, seed=i), SSIM: noisy(names, 0.8, 0.02, seed=i)}, facts=facts, labels=labels)  # fmt: skip
    assert main(["compare", "--ablation", "-o", "out"]) == 0
    printed = capsys.readouterr().out
    assert "Levels of prompts k" in printed and "Intensity intense" in printed and "379.16" not in printed
    scores = json.loads((tmp_path / "results" / "a&b" / "scores.json").read_text())["runs"][0]["scores"]
    assert f"{scores['psnr']['value']:.2f}" in printed
    tex = (tmp_path / "out" / "comparison.tex").read_text()
    assert r"a\&b" in tex and r"base\_line" in tex
    page = (tmp_path / "out" / "comparison.html").read_text()
    assert "a&amp;b" in page and "<script" not in page and "http" not in page
    assert main(["compare", "results/base_line", "results/a&b", "--json", "--published", "none"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["runs"] == ["base_line", "a&b"]


def test_levels_of_prompts_and_moments():
    assert prompt_levels({"guidance": {"k": 3}}) == prompt_levels({"guidance": '{"levels": 3}'}) == 3
    assert prompt_levels({"guidance": {"schedule": "none", "levels": 2}}) == 1
    assert prompt_levels({"guidance": {"schedule": "paper", "levels": 2}}) == 2
    assert prompt_levels({}) is prompt_levels({"guidance": "paper"}) is None
    assert moments("0.2,0.5,1") == [0.2, 0.5, 1.0]
    for wrong in ("", "a", "2", "-1,0.5"):
        with pytest.raises(UsageError, match="--times"):
            moments(wrong)


def test_importing_the_command_loads_nothing_heavy():
    code = "import sys, tbd.cli.compare, tbd.cli.study; print({'torch', 'matplotlib', 'scipy', 'starlette'} & set(sys.modules))"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
        == "set()"
    )


def test_published_rows_without_a_column_in_common_are_left_out_and_said(tmp_path):
    found = compare(load([result(tmp_path, name, {PSNR: {"a": 30.0}}) for name in ("one", "two")]))
    table = comparison_table(found, published(2, "mead"))
    assert [row.kind for row in table.rows] == ["run", "run"]
    assert "has none of these columns" in table.notes[-1] and table.caption == "Over the one clip that all runs have"


def test_clips_without_a_figure_are_not_passed_over(tmp_path, capsys):
    folder = result(tmp_path, "one", {PSNR: {"a": 30.0}})
    (tmp_path / "clips.txt").write_text("a\n")
    assert main(["compare", str(folder), "--clips", str(tmp_path / "clips.txt"), "-o", str(tmp_path / "out")]) == 2
    assert "--clips names the clips of --figure" in capsys.readouterr().err and not (tmp_path / "out").exists()
