import json

import huggingface_hub.constants
import pytest

from tbd import weights
from tbd.cli import main


@pytest.fixture(autouse=True)
def empty_machine(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TBD_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("TBD_WEIGHTS", raising=False)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    yield
    weights.use_folder(None)


def test_the_list_has_a_line_for_every_entry_with_its_terms(capsys):
    assert main(["weights", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(weights.CATALOGUE)
    assert [line.split()[:2] for line in lines if line.startswith("found")] == [["found", "mtcnn"], ["found", "lpips"]]
    assert "[non-commercial]" in next(line for line in lines if "buffalo_l" in line)


def test_the_list_as_json_has_what_a_program_needs(capsys):
    assert main(["weights", "list", "--json"]) == 0
    entries = {entry["key"]: entry for entry in json.loads(capsys.readouterr().out)["weights"]}
    assert entries["mtcnn"]["found"] and entries["mtcnn"]["path"]
    assert entries["syncnet"]["files"][0]["sha256"].startswith("961e8696")


def test_the_path_of_missing_weights_is_exit_4_with_the_way_on(capsys):
    assert main(["weights", "path", "qwen2-vl-7b"]) == 4
    assert "next:  tbd weights pull qwen2-vl-7b" in capsys.readouterr().err
    assert main(["weights", "path", "mtcnn"]) == 0
    assert capsys.readouterr().out.strip() == str(weights.resolve("mtcnn"))


def test_verify_is_exit_1_when_a_file_is_not_the_published_one(tmp_path, capsys):
    assert main(["weights", "verify"]) == 0
    assert capsys.readouterr().out.count("published") == 6
    (tmp_path / "w").mkdir()
    (tmp_path / "w/syncnet_v2.model").write_bytes(b"other")
    assert main(["weights", "verify", "syncnet", "--weights-dir", str(tmp_path / "w")]) == 1
    assert capsys.readouterr().out.startswith("different  syncnet")


def test_a_dry_run_of_pull_names_size_and_terms_and_downloads_nothing(capsys, monkeypatch):
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *_, **__: pytest.fail("downloaded"))
    assert main(["weights", "pull", "--dry-run", "sd-1.5", "syncnet"]) == 0
    words = capsys.readouterr().err
    assert "3.44 GB" in words
    assert "none stated" in words


def test_what_this_machine_trains_itself_is_trained_instead_of_pulled(tmp_path, capsys, monkeypatch):
    where = tmp_path / "cache/weights/drawn-reader/drawn-reader.safetensors"

    def trains(told):
        told(1.0)
        where.parent.mkdir(parents=True)
        where.write_bytes(b"trained")

    monkeypatch.setattr("tbd.replicate.readers.ensure_reader", trains)
    assert main(["weights", "pull", "drawn-reader"]) == 0
    assert capsys.readouterr().out.strip() in (str(where), str(where.parent))


def test_pull_without_a_network_is_exit_4(capsys, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    assert main(["weights", "pull", "syncnet", "--json"]) == 4
    assert json.loads(capsys.readouterr().out)["error"]["kind"] == "missing"
