"""``tbd study`` as it is typed: made, shown without a server, reported; and what goes wrong, in words."""

import json

import pytest
from runs import dataset, run
from study import NAMES

from tbd.cli import main
from tbd.evaluate.study import media
from tbd.evaluate.study.study_folder import CRITERIA, read_study


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(media, "CHECK_SECONDS", 0.2)
    manifest = dataset(tmp_path, count=3, frames=5)
    for i, name in enumerate(NAMES):
        run(tmp_path, name, manifest, frames=5, sigma=1 + i)
    return tmp_path


def told(capsys, *arguments):
    code = main(["study", *arguments])
    return code, capsys.readouterr()


def test_from_runs_to_table_3(project, capsys):
    assert told(capsys, "new", "runs/sadtalker", "runs/mine", "--clips", "2", "--dry-run")[0] == 0
    assert not (project / "studies").exists()
    code, said = told(capsys, "new", "runs/sadtalker", "runs/mine", "--clips", "2", "--raters", "3", "-q")
    assert code == 0 and "2 systems on 2 clips, 3 raters with 6 videos each" in said.out
    code, said = told(capsys, "report", "studies/study")
    assert code == 1 and "nobody has voted yet" in said.out
    code, said = told(capsys, "serve", "studies/study", "--static", "page", "--json")
    assert code == 0 and len(json.loads(said.out)["raters"]) == 3
    study = read_study(project / "studies" / "study")
    for rater, secret in enumerate(study.raters):
        items = [(i, item) for i, item in enumerate(study.orders[rater])]
        values = {i: study.checks[n].answer if s < 0 else 2 + 2 * s for i, (n, s) in items}
        votes = [{"position": i, "answers": {one.key: value for one in CRITERIA}} for i, value in values.items()]
        (project / f"v{rater}.json").write_text(json.dumps({"study": "x", "rater": secret, "votes": votes}))
    files = [part for rater in range(3) for part in ("--votes", f"v{rater}.json")]
    code, said = told(capsys, "report", "studies/study", *files)
    assert code == 0 and "18 new votes" in said.err
    assert "| sadtalker | <u>2.00 ± 0.00</u>" in said.out and "| mine | **4.00 ± 0.00**" in said.out
    code, said = told(capsys, "report", "studies/study", *files, "--json")
    document = json.loads(said.out)
    assert code == 0 and document["counted"] == 3 and "18 known already" in said.err
    assert document["criteria"]["identity"]["systems"][1]["votes"] == 6


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["new", "runs/nobody"], 3, "no such folder"),
        (["new", "runs/mine", "--clips", "9"], 2, "only 3 clips"),
        (["new", "runs/mine", "--table", "none.csv"], 3, "cannot be read"),
        (["serve", "runs/mine"], 3, "no study there"),
        (["report", "runs/mine"], 3, "no study there"),
    ],
)
def test_what_cannot_be_done_is_said_with_a_way_on(project, capsys, arguments, code, words):
    found, said = told(capsys, *arguments)
    assert found == code and words in said.err and "next:" in said.err
    assert json.loads(main(["study", *arguments, "--json"]) and capsys.readouterr().out)["error"]["message"]


def test_runs_without_a_record_are_told_what_a_study_takes(project, capsys):
    (project / "runs/mine/run.json").unlink()
    (project / "data_manifests").rename(project / "elsewhere")
    code, said = told(capsys, "new", "runs/mine")
    assert code == 2 and "next:  tbd study new" in said.err and "--manifest" in said.err
