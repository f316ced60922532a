import csv
import json
import tarfile
from pathlib import Path

import pytest
from datasets import load_dataset
from review_events import decide
from rows import PROMPTS, failed, row, sealed

from tbd.errors import InputError, UsageError
from tbd.manifest import export_manifest, read_manifest

MEDIA = {"one.mp4": b"first", "sub dir/two é.mp4": b"second", "one.wav": b"sound"}


@pytest.fixture
def root(tmp_path):
    for name, data in MEDIA.items():
        (tmp_path / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "data" / name).write_bytes(data)
    return {"mine": tmp_path / "data"}


@pytest.fixture
def manifest(tmp_path):
    rows = [
        row("a.1", dataset="mine", file_name="one.mp4", audio_file_name="one.wav", split="train"),
        row("b", dataset="mine", file_name="sub dir/two é.mp4", split="test", start=0.0, end=1.0),
        row("c", dataset="mine", file_name="sub dir/two é.mp4", split="test", severity=2, start=1.0, end=2.0),
    ]
    return sealed(tmp_path / "m", rows)


def test_hugging_faces_video_folder_loads(manifest, root, tmp_path):
    done = export_manifest(manifest, tmp_path / "hf", "huggingface", roots=root)
    assert (done.rows, done.left_out) == (3, ())
    loaded = load_dataset("videofolder", data_dir=str(tmp_path / "hf"), cache_dir=str(tmp_path / "cache"))
    assert {side: len(rows) for side, rows in loaded.items()} == {"train": 1, "test": 2}
    rows = loaded["test"].cast_column("video", loaded["test"].features["video"].__class__(decode=False))
    assert rows["clip_id"][:] == ["b", "c"] and rows[0]["action_units"][0]["au"] == 6
    assert Path(rows[0]["video"]["path"]).read_bytes() == b"second"
    assert (tmp_path / "hf" / "train" / "mine" / "one.wav").read_bytes() == b"sound"
    assert "mine: terms unknown" in (tmp_path / "hf" / "NOTICE.md").read_text()


def test_without_a_split_it_is_one_folder(root, tmp_path):
    folder = sealed(tmp_path / "m", [row("a", dataset="mine", file_name="one.mp4")])
    export_manifest(folder, tmp_path / "hf", "huggingface", roots=root)
    assert (tmp_path / "hf" / "metadata.parquet").is_file()
    loaded = load_dataset("videofolder", data_dir=str(tmp_path / "hf"), cache_dir=str(tmp_path / "cache"))
    assert loaded["train"].num_rows == 1


def test_webdataset_shards_hold_media_row_and_prompts(manifest, root, tmp_path):
    export_manifest(manifest, tmp_path / "wds", "webdataset", roots=root)
    assert sorted(path.name for path in (tmp_path / "wds").iterdir()) == [
        "NOTICE.md",
        "test-000000.tar",
        "train-000000.tar",
    ]
    with tarfile.open(tmp_path / "wds" / "train-000000.tar") as tar:
        found = {member.name: tar.extractfile(member).read() for member in tar}
    assert found.keys() == {"a%2E1.mp4", "a%2E1.wav", "a%2E1.json", "a%2E1.txt"}
    assert found["a%2E1.mp4"] == b"first"
    assert found["a%2E1.txt"].decode() == "\n".join(PROMPTS)
    assert json.loads(found["a%2E1.json"])["clip_id"] == "a.1"
    export_manifest(manifest, tmp_path / "again", "webdataset", roots=root)
    for name in ("train-000000.tar", "test-000000.tar"):
        assert (tmp_path / "wds" / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def test_csv_holds_every_column_and_odd_text(tmp_path):
    folder = sealed(tmp_path / "m", [row("a", transcript='"Ja",\nsagte er; é'), failed("b")])
    export_manifest(folder, tmp_path / "csv", "csv")
    with (tmp_path / "csv" / "manifest.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert list(rows[0]) == read_manifest(folder).column_names
    assert rows[0]["transcript"] == '"Ja",\nsagte er; é'
    assert json.loads(rows[0]["prompts_final"]) == PROMPTS
    assert (rows[0]["approved"], rows[1]["approved"], rows[1]["fps"]) == ("true", "false", "")


def test_a_text_bundle_is_a_manifest_without_media(tmp_path):
    folder = sealed(tmp_path / "m", [row("a"), row("b"), row("c", severity=3)])
    decide(folder, "b", "edit", PROMPTS, after=["better"])
    (folder / "run.json").write_text('{"root": "/home/someone/MEAD", "dataset": "mead"}')
    done = export_manifest(folder, tmp_path / "text", "text")
    assert done.rows == 3
    assert read_manifest(tmp_path / "text").equals(read_manifest(folder))
    assert "/home" not in (tmp_path / "text" / "run.json").read_text()
    assert "forbid redistributing" in (tmp_path / "text" / "NOTICE.md").read_text()
    only = export_manifest(folder, tmp_path / "approved", "text", approved=True)
    assert only.rows == 2 and read_manifest(tmp_path / "approved")["clip_id"].to_pylist() == ["a", "b"]


def test_clips_without_their_media_are_left_out_and_named(manifest, root, tmp_path):
    (root["mine"] / "one.wav").unlink()
    done = export_manifest(manifest, tmp_path / "hf", "huggingface", roots=root)
    assert (done.rows, done.left_out) == (2, ("a.1",))


@pytest.mark.parametrize("format", ["huggingface", "webdataset"])
def test_media_of_mead_need_an_explicit_word(tmp_path, format):
    folder = sealed(tmp_path / "m", [row("a", file_name="a.mp4")])
    (tmp_path / "a.mp4").write_bytes(b"x")
    with pytest.raises(InputError, match="terms of mead forbid"):
        export_manifest(folder, tmp_path / "out", format, roots={"mead": tmp_path})
    assert not (tmp_path / "out").exists()
    assert export_manifest(folder, tmp_path / "out", format, roots={"mead": tmp_path}, media_right=True).rows == 1
    assert "MEAD" in (tmp_path / "out" / "NOTICE.md").read_text()


def test_roots_come_from_run_json_where_they_are_not_given(manifest, root, tmp_path):
    with pytest.raises(InputError, match="where mine lies") as caught:
        export_manifest(manifest, tmp_path / "hf", "huggingface")
    assert caught.value.next == "--root mine=PATH"
    (manifest / "run.json").write_text(json.dumps({"dataset": "mine", "root": str(root["mine"])}))
    assert export_manifest(manifest, tmp_path / "hf", "huggingface").rows == 3


@pytest.mark.parametrize("name", ["../secret.mp4", "/etc/passwd", "a/../../b.mp4"])
def test_names_that_leave_the_dataset_are_refused(tmp_path, name):
    folder = sealed(tmp_path / "m", [row("a", dataset="mine", file_name=name)])
    with pytest.raises(InputError, match="leads out of the dataset"):
        export_manifest(folder, tmp_path / "out", "webdataset", roots={"mine": tmp_path})


def test_an_export_is_there_whole_or_not_at_all(manifest, root, tmp_path, monkeypatch):
    monkeypatch.setattr("tbd.manifest.export.licence_notice", lambda datasets: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        export_manifest(manifest, tmp_path / "out", "csv")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "m"]


def test_a_full_folder_and_an_unknown_format_are_refused(manifest, tmp_path):
    with pytest.raises(InputError, match="not empty"):
        export_manifest(manifest, manifest, "csv")
    with pytest.raises(UsageError, match="huggingface, webdataset, captions, csv, text"):
        export_manifest(manifest, tmp_path / "out", "xlsx")
