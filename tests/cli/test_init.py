import json
from pathlib import Path

import pytest

from tbd import workspace
from tbd.cli import main


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _files(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


def test_init_copies_what_a_person_edits_and_prints_what_it_wrote(project, capsys):
    assert main(["init"]) == 0
    written = set(capsys.readouterr().out.split())
    assert written == _files(project)
    assert {"train/README.md", "evaluate/README.md", "annotate/prompts/v1/step1.md"} <= written
    assert all((project / name).read_bytes() == (workspace.shipped() / name).read_bytes() for name in written)
    assert not [name for name in written if name.endswith(".py")]


def test_a_second_init_writes_nothing_and_keeps_what_was_edited(project, capsys):
    main(["init"])
    (project / "train/README.md").write_text("mine")
    capsys.readouterr()
    assert main(["init", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["written"], report["kept"]) == ([], ["train/README.md"])
    assert (project / "train/README.md").read_text() == "mine"


def test_force_overwrites_what_differs_and_only_that(project, capsys):
    main(["init"])
    (project / "train/README.md").write_text("mine")
    (project / "train/notes.txt").write_text("also mine")
    capsys.readouterr()
    assert main(["init", "--force"]) == 0
    assert capsys.readouterr().out.split() == ["train/README.md"]
    assert (project / "train/notes.txt").read_text() == "also mine"


def test_a_dry_run_writes_nothing(project, capsys):
    assert main(["init", "--dry-run"]) == 0
    assert "train/README.md" in capsys.readouterr().out
    assert _files(project) == set()


def test_somebody_elses_manifests_in_the_checkout_are_not_copied(project):
    main(["init"])
    assert {path.name for path in (project / "data_manifests").glob("*")} <= {"cards", "example"}


def test_init_in_a_folder_that_cannot_be_written_is_exit_3(project):
    (project / "annotate").write_text("a file in the way")
    assert main(["init"]) == 3
