"""``--dry-run`` of every command that writes: it needs no weights, says what would be done, and writes nothing."""

import json

import media
import pytest
import trees
import typer
from rows import row, sealed

from tbd.cli import app, main

COMMANDS = {
    "annotate": ["annotate", "mead", "--backend", "facs", "-o", "new"],
    "prepare": ["prepare", "manifest", "-o", "clips"],
    "train cache": ["train", "cache", "manifest", "--recipe", "paper"],
    "train autoencoder": ["train", "autoencoder", "manifest", "--recipe", "tiny", "-o", "run"],
    "train stage1": ["train", "stage1", "manifest", "--recipe", "paper", "-o", "run"],
    "eval": ["eval", "videos", "--manifest", "manifest", "--align", "canvas", "--suite", "quick", "-o", "results"],
    "review": ["review", "manifest", "--queue", "all"],
    "manifest seal": ["manifest", "seal", "manifest"],
    "manifest split": ["manifest", "split", "manifest", "--rule", "random-80-20"],
    "manifest merge": ["manifest", "merge", "manifest", "manifest", "-o", "merged"],
    "manifest export": ["manifest", "export", "manifest", "--format", "text", "-o", "out"],
    "manifest push": ["manifest", "push", "manifest", "me/mine"],
    "weights add": ["weights", "add", "mead"],
    "weights pull": ["weights", "pull", "lpips"],
    "init": ["init"],
    "demo": ["demo", "demo"],
    "replicate": ["replicate", "replication"],
}
NEEDS_A_RESULT = {"generate", "train stage2", "study new", "compare", "manifest prune"}
"""These begin at a checkpoint, finished runs, results or a journal, and are tried with them in their own tests."""
ONLY_READ = {
    *("doctor", "weights list", "weights verify", "weights path", "manifest show", "manifest list", "manifest verify"),
    *("manifest report", "manifest compare", "manifest sheet", "manifest common", "study serve", "study report"),
    "train bench",
}
"""These write nothing, or one report, list or picture beside what they read; the bench remembers its pace in the cache."""


def _all(group, path=""):
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _all(command, f"{path}{name} ")
        else:
            yield f"{path}{name}", {option for parameter in command.params for option in parameter.opts}


def test_every_command_that_writes_can_be_tried_first():
    found = dict(_all(typer.main.get_command(app)))
    assert found.keys() == COMMANDS.keys() | NEEDS_A_RESULT | ONLY_READ
    assert [name for name in COMMANDS.keys() | NEEDS_A_RESULT if "--dry-run" not in found[name]] == []


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TBD_WEIGHTS", str(tmp_path / "no-weights"))
    trees.mead(tmp_path / "mead", speakers=("M003",), emotions=("angry",), takes=(1,))
    sealed(tmp_path / "manifest", [row("a"), row("b", file_name="M003/video/front/angry/level_1/001.mp4")])
    (tmp_path / "manifest/run.json").write_text(json.dumps({"dataset": "mead", "root": str(tmp_path / "mead")}))
    (tmp_path / "videos").mkdir()
    media.video(tmp_path / "videos/a.mp4", 3)
    return tmp_path


def _state(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
        if not path.name.endswith(".lock")
    }


@pytest.mark.parametrize("command", COMMANDS)
def test_a_dry_run_writes_nothing_and_needs_no_weights(command, project, capfd):
    before = _state(project)
    code = main([*COMMANDS[command], "--dry-run", "--json"])
    said = capfd.readouterr()
    assert code == (1 if command == "weights add" else 0), said  # nothing in mead/ is a file of weights
    found = json.loads(said.out)
    assert found and ("error" not in found or found["error"]["next"])
    assert _state(project) == before
