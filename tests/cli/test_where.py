"""``--where`` means the same in every command: the same words, the same canonical names, and the nearest word for a typo."""

import json

import pytest
import talking_head
import trained
import training
import trees
import typer
from rows import row, sealed

from tbd.cli import app, main

CLIPS = [("anger", "angry", 3), ("anger", "angry", 1), ("happiness", "happy", 2), ("fear", "fear", 2)]
COMMANDS = {
    "annotate": ["annotate", "mead", "--backend", "facs", "-o", "new"],
    "train cache": ["train", "cache", "manifest", "--recipe", "tiny"],
    "train autoencoder": ["train", "autoencoder", "manifest", "--recipe", "tiny", "-o", "run"],
    "train stage1": ["train", "stage1", "manifest", "--recipe", "tiny", "-o", "run"],
    "train stage2": ["train", "stage2", "manifest", "--recipe", "tiny", "--from", "stage1", "-o", "second"],
    "generate": ["generate", "--checkpoint", "model", "--manifest", "manifest", "--split", "all", "-o", "runs/new"],
    "eval": ["eval", "videos", "--manifest", "manifest", "--align", "canvas", "--suite", "quick", "-o", "results"],
    "review": ["review", "manifest", "--queue", "all"],
    "prepare": ["prepare", "manifest", "-o", "clips"],
}


def _with_where(group, path=""):
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _with_where(command, f"{path}{name} ")
        elif "--where" in {option for parameter in command.params for option in parameter.opts}:
            yield f"{path}{name}"


def test_every_command_that_takes_it_is_tried_here():
    assert set(_with_where(typer.main.get_command(app))) == COMMANDS.keys()


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """Four clips as a dataset and as a manifest; a stage 1 of one step and a pipeline, trained on others."""
    place = tmp_path_factory.mktemp("project")
    trees.mead(place / "mead", speakers=("M003",), emotions=("angry", "happy", "fear"), takes=(1,))
    rows = [
        row(f"mead_M003_front_{raw}_{level}_001", emotion=emotion, emotion_raw=raw, level=level,
            file_name=f"M003/video/front/{raw}/level_{level}/001.mp4")
        for emotion, raw, level in CLIPS
    ]  # fmt: skip
    sealed(place / "manifest", rows)
    (place / "manifest/run.json").write_text(json.dumps({"datasets": {"mead": {"root": str(place / "mead")}}}))
    (place / "videos").mkdir()
    training.manifest(place / "toy")
    trained.run(place / "stage1", place / "toy", trained.recipe({"stage1.steps": 1}))
    talking_head.pipeline(frames=8).save_pretrained(place / "model")
    return place


def _run(project, monkeypatch, capfd, command, where):
    monkeypatch.chdir(project)
    code = main([*COMMANDS[command], "--dry-run", "--json", "--where", where])
    return code, json.loads(capfd.readouterr().out)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_typo_names_the_nearest_word(command, project, monkeypatch, capfd):
    for where, nearest in (("emotoin=anger", "emotion"), ("emotion=angr", "anger"), ("emotion=happines", "happiness")):
        code, found = _run(project, monkeypatch, capfd, command, where)
        assert code == 2, found
        assert found["error"]["kind"] == "usage" and repr(nearest) in found["error"]["message"], found


@pytest.mark.parametrize("command", COMMANDS)
def test_the_dataset_s_word_is_the_canonical_one(command, project, monkeypatch, capfd):
    for raw, canonical in (("emotion=angry", "emotion=anger"), ("intensity=3", "intensity=intense")):
        first, second = (_run(project, monkeypatch, capfd, command, where) for where in (raw, canonical))
        assert first[0] == second[0]
        assert _count(first[1]) == _count(second[1])


def _count(found):
    """What a plan says about how many; an error by its words without the asked-for spelling."""
    if "error" in found:
        return found["error"]["kind"]
    return [found.get(key) for key in ("selected", "rows", "clips", "train", "total")]


@pytest.mark.parametrize("command", COMMANDS)
def test_what_no_clip_has_is_said_by_its_name(command, project, monkeypatch, capfd):
    code, found = _run(project, monkeypatch, capfd, command, "emotion=disgust")
    assert code == 2 and "disgust" in found["error"]["message"], found
    assert "approved" not in found["error"]["message"]
