"""``tbd manifest``, ``tbd review`` and ``tbd prepare`` from the command line, on manifests of made rows."""

import json

import pyarrow.parquet as pq
import pytest
from review import small
from rows import row, sealed

from tbd.annotate.journal import Journal, RowState
from tbd.cli import main
from tbd.manifest import reviews


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A workspace with one manifest of six rows by two people."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mead").mkdir()
    ids = [(person, index) for person in ("M003", "W009") for index in range(3)]
    made = [row(f"mead_{person}_front_happy_2_00{index}", subject=person) for person, index in ids]
    folder = sealed(tmp_path / "data_manifests/mead", made)
    (folder / "run.json").write_text(json.dumps({"dataset": "mead", "root": str(tmp_path / "mead")}))
    return tmp_path


def tbd(capfd, *arguments):
    code = main([str(argument) for argument in arguments])
    found = capfd.readouterr()
    return code, found.out, found.err


def test_show_lists_rows_and_one_clip_in_full(project, capfd):
    code, out, _ = tbd(capfd, "manifest", "show", "data_manifests/mead", "--limit", "2")
    assert code == 0 and out.startswith("6 rows, the first 2:") and out.count("mead_M003") == 2
    code, out, _ = tbd(capfd, "manifest", "show", "data_manifests/mead", "--clip", "mead_W009_front_happy_2_001")
    assert code == 0 and "scene" in out and "AU12" in out and "approved" in out
    code, _, err = tbd(capfd, "manifest", "show", "data_manifests/mead", "--clip", "nobody")
    assert code == 3 and "nobody" in err
    code, out, _ = tbd(capfd, "manifest", "show", "data_manifests/mead", "--json")
    assert json.loads(out)["rows"] == 6


def test_list_names_the_manifests_of_a_project(project, capfd):
    assert tbd(capfd, "manifest", "list")[1] == "data_manifests/mead: 6 rows, 0 need review, 6 approved\n"


def test_list_says_how_to_seal_what_is_not_sealed(project, capfd):
    with Journal(project / "data_manifests/new") as journal:
        journal.put_row("a", RowState("clip", "f", "success", 0), row("a"))
    said = tbd(capfd, "manifest", "list")[1].splitlines()[1]
    assert said == "data_manifests/new: not sealed; next: tbd manifest seal data_manifests/new"
    assert tbd(capfd, *said.partition("next: tbd ")[2].split())[0] == 0


def test_split_says_what_both_sides_share(project, capfd):
    code, out, _ = tbd(capfd, "manifest", "split", "data_manifests/mead", "--rule", "speaker")
    assert code == 0 and "6 test" in out
    assert {side["split"] for side in pq.read_table("data_manifests/mead/manifest.parquet").to_pylist()} == {"test"}
    assert tbd(capfd, "manifest", "split", "data_manifests/mead", "--rule", "halves")[0] == 2


def test_report_verify_compare_merge_and_export(project, capfd):
    code, out, _ = tbd(capfd, "manifest", "report", "data_manifests/mead")
    assert code == 0 and out == (project / "data_manifests/mead/report.md").read_text() + "\n"
    code, out, _ = tbd(capfd, "manifest", "compare", "data_manifests/mead", "data_manifests/mead", "--json")
    assert code == 0 and json.loads(out)["clips"] == 6
    code, out, _ = tbd(capfd, "manifest", "merge", "data_manifests/mead", "data_manifests/mead", "-o", "both")
    assert code == 0 and "6 rows were in several sources" in out
    code, out, _ = tbd(capfd, "manifest", "export", "data_manifests/mead", "--format", "text", "-o", "bundle")
    assert code == 0 and pq.read_table("bundle/manifest.parquet").num_rows == 6
    code, _, err = tbd(capfd, "manifest", "export", "data_manifests/mead", "-o", "with-media")
    assert code == 3 and "next:" in err, "MEAD's media may not be passed on"


def test_verify_misses_the_media_and_exits_one(project, capfd):
    code, out, _ = tbd(capfd, "manifest", "verify", "data_manifests/mead")
    assert code == 1 and "media" in out


def test_a_dataset_that_has_moved_is_asked_for(project, capfd):
    (project / "mead").rename(project / "elsewhere")
    code, _, err = tbd(capfd, "prepare", "data_manifests/mead", "-o", "clips", "-q")
    assert code == 3 and "--root mead=PATH" in err
    code, _, err = tbd(capfd, "prepare", "data_manifests/mead", "-o", "clips", "-q", "--root", "mead=elsewhere")
    assert code == 1 and "mead_M003_front_happy_2_000" in err, "the folder is found; its clips are not there"


def test_review_refuses_a_root_for_a_dataset_that_no_row_has(project, capfd):
    code, _, err = tbd(capfd, "review", "data_manifests/mead", "--root", "maed=mead", "--dry-run")
    assert code == 2 and "no dataset maed, only mead" in err and "--root mead=mead" in err
    assert tbd(capfd, "review", "data_manifests/mead", "--root", "mead=mead", "--dry-run")[0] == 0


def test_review_needs_a_manifest_and_names_them_when_there_are_two(project, capfd):
    assert tbd(capfd, "review", "--dry-run")[:2] == (0, "0 cards left of 0; nothing was decided\n")
    small(project / "data_manifests/other")
    code, _, err = tbd(capfd, "review", "--dry-run")
    assert code == 2 and "data_manifests/mead" in err and "data_manifests/other" in err
    code, out, _ = tbd(capfd, "review", "data_manifests/other", "--dry-run")
    assert (code, out) == (0, "6 cards left of 6; nothing was decided\n")


def test_several_reviewers_need_the_page_where_each_has_an_address(project, capfd):
    code, _, err = tbd(capfd, "review", "data_manifests/mead", "--reviewer", "anna,ben")
    assert code == 2 and "--web" in err


@pytest.mark.parametrize(("where", "near"), [("emotion=angery", "'happiness'"), ("flg=loop", "'flag'")])
def test_review_names_the_nearest_of_a_mistyped_filter(project, capfd, where, near):
    code, _, err = tbd(capfd, "review", "data_manifests/mead", "--dry-run", "--where", where)
    assert code == 2 and (near in err or "there are" in err or "did you mean" in err)


def test_review_in_a_pipe_is_refused_with_a_way_on(project, capfd):
    small(project / "data_manifests/other")
    code, _, err = tbd(capfd, "review", "data_manifests/other", "--reviewer", "anna")
    assert code == 2 and "--web" in err


def test_seal_applies_reviews(project, capfd):
    folder = project / "data_manifests/mead"
    first = pq.read_table(folder / "manifest.parquet").to_pylist()[0]
    with reviews.open_reviews(folder / reviews.FILE) as store:
        text = reviews.text_hash(first["prompts"])
        reviews.add_event(store, reviews.Event(0, first["clip_id"], "anna", 1.0, "reject", text, reason="text"))
    code, out, _ = tbd(capfd, "manifest", "seal", "data_manifests/mead")
    assert code == 0 and "5 approved" in out
    assert pq.read_table(folder / "manifest.parquet").to_pylist()[0]["review_status"] == "rejected"


def test_common_writes_the_list_that_an_ablation_trains_on(project, capfd):
    code, out, _ = tbd(capfd, "manifest", "common", "data_manifests/mead", "data_manifests/mead", "-o", "ablation.txt")
    assert code == 0 and out == "6 clips in ablation.txt\n"
    assert len((project / "ablation.txt").read_text().splitlines()) == 6
