"""The program as a user meets it: real drawn clips, the real detector, no model."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from tbd.cli import main
from tbd.demo.dataset import draw_clip
from tbd.demo.identity import PEOPLE


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """Three MEAD-shaped clips: one with sound, one silent, one with two faces."""
    root = tmp_path_factory.mktemp("drawn") / "mead"
    make = {
        "M901/video/front/happy/level_2/001.mp4": {"identity": 0, "emotion": "happiness", "level": 2},
        "W901/video/front/sad/level_1/001.mp4": {"identity": 4, "emotion": "sadness", "level": 1, "silent": True},
        "W901/video/front/angry/level_3/001.mp4": {"identity": 4, "emotion": "anger", "level": 3, "faces": 2},
    }
    for name, how in make.items():
        path = root / name
        path.parent.mkdir(parents=True)
        draw_clip(path, PEOPLE[how.pop("identity")], how.pop("emotion"), how.pop("level"), seconds=1.2, size=192, **how)
    return root


@pytest.fixture
def workspace(tmp_path, monkeypatch, drawn):
    """A project of a user's, with the dataset in it."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(drawn, tmp_path / "mead")
    return tmp_path


def tbd(capfd, *arguments):
    code = main([str(argument) for argument in arguments])
    found = capfd.readouterr()
    return code, found.out, found.err


def test_a_folder_of_clips_becomes_a_manifest(workspace, capfd):
    code, out, _ = tbd(capfd, "annotate", "mead/", "--backend", "facs", "--workers", "0", "-q")
    assert code == 0 and "3 rows: 3 success" in out
    rows = {row["clip_id"]: row for row in pq.read_table("data_manifests/mead/manifest.parquet").to_pylist()}
    happy, sad, angry = (
        rows[f"mead_{name}_001"] for name in ("M901_front_happy_2", "W901_front_sad_1", "W901_front_angry_3")
    )
    assert (happy["emotion"], happy["level"], happy["intensity"]) == ("happiness", 2, "moderate")
    assert (happy["width"], happy["fps"], happy["num_frames"]) == (192, 25.0, 30)
    assert happy["has_audio"] and not sad["has_audio"] and "no_audio" in sad["flags"]
    assert "many_faces" in angry["flags"] and "many_faces" not in happy["flags"]
    for row in rows.values():
        x0, y0, x1, y1 = row["crop_box"]
        assert x1 - x0 == y1 - y0
        assert row["coarse_tokens"] <= 40 and row["fine_tokens"] <= 77
    for name in ("report.md", "report.json", "run.json", "sheet.png"):
        assert (workspace / "data_manifests/mead" / name).is_file()
    with Image.open("data_manifests/mead/sheet.png") as sheet:
        assert np.asarray(sheet).std() > 20


def test_the_pictures_of_prepare_are_those_of_the_sheet_and_of_the_model(workspace, capfd):
    from tbd.annotate.examine_pool import ExamineJob, examine_clip
    from tbd.media.canonical import ClipRule

    tbd(capfd, "annotate", "mead", "--backend", "facs", "--workers", "0", "-q")
    code, _, _ = tbd(capfd, "prepare", "data_manifests/mead", "-o", "clips", "-q")
    assert code == 0
    for row in pq.read_table("data_manifests/mead/manifest.parquet").to_pylist():
        seen = examine_clip(ExamineJob(workspace / "mead" / row["file_name"], None, None, None, ClipRule())).images[0]
        with Image.open(workspace / "clips" / row["clip_id"] / "reference.png") as picture:
            assert np.array_equal(np.asarray(picture), seen)


def test_a_finished_command_does_nothing_and_the_manifest_verifies(workspace, capfd):
    tbd(capfd, "annotate", "mead", "--backend", "facs", "--workers", "0", "-q")
    before = (workspace / "data_manifests/mead/manifest.parquet").read_bytes()
    code, _, err = tbd(capfd, "annotate", "mead", "--backend", "facs", "--workers", "0", "-q")
    assert code == 0 and "done 3" in err
    assert (workspace / "data_manifests/mead/manifest.parquet").read_bytes() == before
    assert tbd(capfd, "manifest", "verify", "data_manifests/mead")[:2] == (0, "data_manifests/mead: sound\n")


def test_a_dry_run_writes_nothing_and_shows_a_conversation(workspace, capfd):
    code, out, _ = tbd(capfd, "annotate", "mead", "--dry-run")
    assert code == 0 and "still missing for the run" in out and "tbd weights pull" in out, "the weights are not here"
    assert "Step II, action units" in out
    code, out, _ = tbd(capfd, "annotate", "mead", "--dry-run", "--endpoint", "http://127.0.0.1:9")
    assert code == 0 and "no endpoint answers" in out
    code, out, _ = tbd(capfd, "annotate", "mead", "--dry-run", "--backend", "facs", "--json")
    assert code == 0 and json.loads(out)["missing"] is None
    code, out, _ = tbd(capfd, "annotate", "mead", "--dry-run", "--backend", "facs")
    assert code == 0 and "Step II, action units" in out and "nothing was written" in out
    assert not (workspace / "data_manifests").exists()


def test_without_weights_it_says_what_is_missing_and_what_needs_none(workspace, capfd, monkeypatch):
    monkeypatch.setenv("HF_HOME", str(workspace / "empty"))
    code, out, err = tbd(capfd, "annotate", "mead/", "--json")
    assert code == 4
    error = json.loads(out)["error"]
    assert error["kind"] == "missing" and "Qwen/Qwen2-VL-7B-Instruct" in error["message"]
    assert "--backend facs" in error["message"] and "--endpoint" in error["message"]
    assert error["next"].startswith("tbd weights pull")
    assert "next:" in err


def test_bad_media_are_rows_and_exit_one(workspace, capfd):
    folder = workspace / "mead/M901/video/front/happy/level_2"
    (folder / "002.mp4").write_bytes(b"")
    (folder / "003.mp4").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    (folder / "004.mp4").write_text("not a video")
    Image.fromarray(np.full((96, 96, 3), 128, np.uint8)).save(folder / "005.png")
    (folder / "006.mp4").write_bytes((folder / "001.mp4").read_bytes()[:3000])
    code, out, _ = tbd(capfd, "annotate", "mead", "--backend", "facs", "--workers", "0", "-q", "--json")
    assert code == 1 and json.loads(out)["status"]["error"] == 4
    errors = [row["error"] for row in pq.read_table("data_manifests/mead/manifest.parquet").to_pylist() if row["error"]]
    assert len(set(errors)) == 4
    assert all(error.startswith("media: ") and str(workspace) not in error for error in errors)
    assert main(["annotate", "mead", "--backend", "facs", "--workers", "0", "-q", "--max-failed", "60%"]) == 0


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("annotate",), 2, "neither a dataset nor --image"),
        (("annotate", "nowhere"), 3, "nowhere"),
        (("annotate", "mead", "--backend", "facs", "--where", "emotion=blue"), 2, "blue"),
        (("annotate", "mead", "--backend", "facs", "--where", "front"), 2, "key=value"),
        (("annotate", "mead", "--backend", "facs", "--retry", "everything"), 2, "everything"),
        (("annotate", "mead", "--backend", "facs", "--max-failed", "some"), 2, "some"),
        (("annotate", "mead", "--backend", "facs", "--split", "half"), 2, "half"),
        (("annotate", "mead", "--backend", "server"), 2, "endpoint"),
        (("annotate", "mead", "--backend", "facs", "--endpoint", "http://localhost:1"), 2, "--endpoint"),
        (("annotate", "mead", "--backend", "facs", "--recipe", "papre"), 2, "did you mean 'paper'"),
        (("annotate", "mead", "--backend", "facs", "--set", "chain.mod=x", "--set", "a.b=1"), 2, "2 mistakes"),
        (("annotate", "mead", "--backend", "facs", "--shard", "3/2"), 2, "3/2"),
        (("annotate", "mead", "--nonsense"), 2, "nonsense"),
        (("manifest", "show", "nowhere"), 3, "nowhere"),
    ],
)
def test_a_mistake_is_told_with_a_next_step_and_no_traceback(workspace, capfd, arguments, code, words):
    found, out, err = tbd(capfd, *arguments)
    assert found == code
    assert words in err and "next:" in err and "Traceback" not in err
    assert out == ""


def test_a_portrait_and_an_instruction(workspace, capfd):
    from tbd.media.video import frames

    _, picture = next(iter(frames(workspace / "mead/M901/video/front/happy/level_2/001.mp4", [10])))
    Image.fromarray(picture).save("face.png")
    code, out, _ = tbd(
        capfd, "annotate", "--image", "face.png", "--text", "a shy smile that slowly grows", "--backend", "facs"
    )
    assert code == 0 and "happiness" in out and "AU12" in out and "scene" in out
    code, _, err = tbd(capfd, "annotate", "--image", "face.png", "--text", "walk the dog", "--backend", "facs")
    assert code == 3 and "names no emotion" in err
    code, _, err = tbd(capfd, "annotate", "--image", "face.png", "--text", "happy but also angry", "--backend", "facs")
    assert code == 3 and "happiness" in err and "anger" in err


def test_help_is_fast_and_light():
    program = "import sys, tbd.cli; sys.exit(any(name in sys.modules for name in ('torch', 'transformers', 'pyarrow', 'numpy')))"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
    shown = "import sys; from tbd.cli import main; main(['manifest', 'list']); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", shown], check=False, capture_output=True).returncode == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--address", "auto"], "--address goes with --engine ray"),
        (["--engine", "ray", "--devices", "0,1"], "--devices chooses GPUs of this machine"),
    ],
)
def test_options_of_the_other_engine_are_refused(words, said, tmp_path, capfd):
    assert main(["annotate", str(tmp_path), *words]) == 2
    found = capfd.readouterr().err
    assert said in found and "next:" in found
