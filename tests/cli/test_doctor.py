import importlib.metadata
import json

import huggingface_hub.constants
import pytest

from tbd.cli import doctor, main


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
