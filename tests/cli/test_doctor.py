import importlib.metadata
import json

import huggingface_hub.constants
import pytest
from rows import row, sealed

from tbd.cli import doctor, main, node_report


@pytest.fixture(autouse=True)
def empty_machine(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TBD_WEIGHTS", raising=False)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))


def _report(capsys, expected=0):
    assert main(["doctor", "--fast", "--json"]) == expected
    return json.loads(capsys.readouterr().out)


def test_a_sound_machine_without_weights_can_annotate_by_rules_and_is_told_how_to_get_the_model(capsys):
    report = _report(capsys)
    states = {finding["name"]: finding["state"] for finding in report["findings"]}
    assert states["ffmpeg"] == states["face detector"] == states["token counts"] == "ok"
    assert report["works"]["tbd annotate DATASET --backend facs"] == "works"
    assert "tbd weights pull qwen2-vl-7b" in report["works"]["tbd annotate DATASET"]
    assert "tbd weights pull sd-1.5; " in report["works"]["tbd train stage1 MANIFEST -o DIR"]
    assert report["works"]["tbd train stage1 MANIFEST -o DIR --recipe tiny"] == "works"


def test_a_model_on_the_machine_changes_the_verdict(capsys, tmp_path, monkeypatch):
    folder = tmp_path / "w/qwen2-vl-2b"
    folder.mkdir(parents=True)
    for name in ("config.json", "model.safetensors"):
        (folder / name).touch()
    monkeypatch.setenv("TBD_WEIGHTS", str(tmp_path / "w"))
    assert _report(capsys)["works"]["tbd annotate DATASET"] == "works with --model Qwen/Qwen2-VL-2B-Instruct"


def test_another_version_is_a_note_and_a_missing_library_is_exit_1(capsys, monkeypatch):
    real = importlib.metadata.version
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "0.0" if name == "typer" else real(name))
    finding = next(finding for finding in _report(capsys)["findings"] if finding["name"] == "typer")
    assert (finding["state"], finding["words"]) == ("note", f"0.0 (tested with {doctor.TESTED['typer']})")

    def gone(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", gone)
    report = _report(capsys, expected=1)
    assert "torch" in report["works"]["tbd"]


def test_a_codec_that_is_not_there_is_named(capsys, monkeypatch):
    monkeypatch.setattr(doctor, "CODECS", (("h264", "r"), ("no-such-codec", "w")))
    report = _report(capsys, expected=1)
    assert "without no-such-codec (encode)" in next(f["words"] for f in report["findings"] if f["name"] == "ffmpeg")


def test_the_words_for_people_have_a_line_for_every_finding(capsys):
    assert main(["doctor", "--fast"]) == 0
    text = capsys.readouterr().out
    assert "python" in text and "ffmpeg" in text and "qwen2-vl-7b" in text
    assert all(line.split()[0] in ("ok", "note", "tbd") for line in text.splitlines() if line)


def test_only_the_whole_report_looks_for_a_gpu(monkeypatch, capsys):
    looks = []
    monkeypatch.setattr(doctor, "_gpu", lambda: looks.append(1) or [doctor.Diagnosis("gpu", "note", "none")])
    assert main(["doctor", "--fast"]) == 0
    assert looks == []
    assert main(["doctor"]) == 0
    assert looks == [1]
    assert "gpu" in capsys.readouterr().out


def _node(report):
    return {finding["state"]: finding["words"] for finding in report["findings"] if finding["name"] == "node"}


def test_a_node_like_the_first_one_can_be_used_and_another_one_is_told_apart(capsys, tmp_path):
    manifest = sealed(tmp_path / "mead", [row("c1")])
    (tmp_path / "media").mkdir()
    (tmp_path / "media" / "one.mp4").touch()
    (manifest / "run.json").write_text(json.dumps({"dataset": "mead", "root": str(tmp_path / "media"), "split": None}))
    assert main(["doctor", "--fast", "--json", "--data", str(manifest)]) == 0
    first = json.loads(capsys.readouterr().out)
    assert "2 folders are there" in _node(first)["ok"]
    (tmp_path / "first.json").write_text(json.dumps(first))
    same = ["doctor", "--fast", "--json", "--data", str(manifest), "--like", str(tmp_path / "first.json")]
    assert main(same) == 0
    assert "can be used beside" in _node(json.loads(capsys.readouterr().out))["ok"]
    first["node"]["versions"]["torch"] = "1.0"
    (tmp_path / "first.json").write_text(json.dumps(first))
    sealed(manifest, [row("c1"), row("c2")])
    (tmp_path / "media" / "one.mp4").unlink()
    assert main(same) == 1
    words = " ".join(finding["words"] for finding in json.loads(capsys.readouterr().out)["findings"])
    assert "torch" in words and "and 1.0 on" in words
    assert "not what lies there on" in words and f"{tmp_path / 'media'}: nothing is there" in words


def test_a_node_that_was_not_asked_for_the_same_data_is_told(capsys, tmp_path):
    assert main(["doctor", "--fast", "--json", "--data", str(tmp_path)]) == 1  # an empty folder
    assert "nothing is there" in _node(json.loads(capsys.readouterr().out))["bad"]
    (tmp_path / "here.txt").touch()
    main(["doctor", "--fast", "--json", "--data", str(tmp_path)])
    (tmp_path / "first.json").write_text(capsys.readouterr().out)
    assert main(["doctor", "--fast", "--json", "--like", str(tmp_path / "first.json")]) == 1
    assert f"--data {tmp_path}" in _node(json.loads(capsys.readouterr().out))["bad"]


def test_a_full_disk_and_a_file_that_is_no_report_are_said(capsys, tmp_path, monkeypatch):
    usage = node_report.shutil.disk_usage(tmp_path)._replace(free=10**9)
    monkeypatch.setattr(node_report.shutil, "disk_usage", lambda _: usage)
    (tmp_path / "here.txt").touch()
    assert main(["doctor", "--fast", "--json", "--data", str(tmp_path)]) == 1
    assert "1.0 GB are free" in _node(json.loads(capsys.readouterr().out))["bad"]
    (tmp_path / "first.json").write_text("[]")
    assert main(["doctor", "--fast", "--like", str(tmp_path / "first.json")]) == 3
    assert "tbd doctor --fast --json >" in capsys.readouterr().err
