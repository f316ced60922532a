"""Scores without a ground truth, and what a folder of videos may hold that is none."""

import json
from pathlib import Path

import media
import pyarrow.parquet as pq
import pytest
import runs
from PIL import Image

from tbd.cli import main


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TBD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TBD_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "clips").mkdir()
    for name in ("M003_ang_3_001", "M003_hap_1_002"):
        media.video(tmp_path / f"clips/{name}.mp4", runs.clip(0, 8, 96))
    return tmp_path


def scored(*arguments, expect=0):
    assert main(["eval", *arguments, "--workers", "0", "-o", "out"]) == expect
    return json.loads(Path("out/scores.json").read_text()), pq.read_table("out/clips.parquet").to_pylist()


def test_videos_are_scored_without_a_ground_truth(place, capsys):
    document, rows = scored("clips", "--no-reference", "--metrics", "psnr,cpbd")
    found = document["runs"][0]["scores"]
    assert (found["cpbd"]["status"], found["cpbd"]["n"]) == ("ok", 2)
    assert found["psnr"]["status"] == "skipped" and "--no-reference" in found["psnr"]["reason"]
    assert document["truth"] == "none" and document["baselines"] == []
    assert {row["emotion"] for row in rows} == {"anger", "happiness"}  # what their names say


def test_portraits_that_are_not_there_are_named(place, capsys):
    assert main(["eval", "clips", "--no-reference", "--portraits", "nowhere", "--metrics", "cpbd"]) == 3
    assert "--portraits nowhere: no such picture or folder" in capsys.readouterr().err
    Image.new("RGB", (64, 64)).save("one.png")
    scored("clips", "--no-reference", "--portraits", "one.png", "--metrics", "cpbd")


def test_a_gif_and_a_link_that_leads_nowhere_are_named(place, capsys):
    Image.new("RGB", (64, 64)).save("clips/a.gif", save_all=True, append_images=[Image.new("RGB", (64, 64), "red")] * 3)
    Path("clips/b.mp4").symlink_to("gone.mp4")
    _, rows = scored("clips", "--no-reference", "--metrics", "cpbd", expect=1)
    reasons = {row["clip_id"]: row["reason"] for row in rows if row["status"] != "ok"}
    assert "a gif" in reasons["a"] and "No such file" in reasons["b"]


@pytest.mark.parametrize("sign", [";", "\t"])
def test_a_table_with_another_delimiter_is_named(place, capsys, sign):
    Path("pairs.csv").write_text(f"video{sign}reference\na.mp4{sign}a.mp4\n")
    assert main(["eval", "clips", "--reference", "clips", "--pairs", "pairs.csv", "--metrics", "psnr"]) == 3
    assert f"separated by {sign!r}" in capsys.readouterr().err
