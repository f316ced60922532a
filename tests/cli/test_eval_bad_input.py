"""A run full of bad videos: each has its row and its reason, and the rest is scored as if it were alone."""

import json
import shutil

import every_metric
import media
import numpy as np
import odd_videos
import pyarrow.parquet as pq
import pytest
import runs
import sync

from tbd.cli import main

FRAMES = 16

pytestmark = [
    pytest.mark.filterwarnings(f"ignore:.torch.jit:{kind}") for kind in ("FutureWarning", "DeprecationWarning")
] + [pytest.mark.filterwarnings("ignore::UserWarning")]


def clean(frames=FRAMES):
    return runs.worse(runs.clip(0, frames))


def cut_off(path):
    media.cut_off(path, 0.5, frames=clean())


def twice(path):
    media.video(path, clean())
    (path.parent / "again").mkdir()
    shutil.copy(path, path.parent / "again" / path.name)


def variable(path):
    media.video(path, clean(), times=np.cumsum([0.03, 0.05] * (FRAMES // 2)) - 0.03)


def odd(kind):
    return lambda path: odd_videos.odd_video(path, kind, clean())


NOT_SCORED = {
    "missing": (lambda path: None, "missing", "missing: no video"),
    "duplicate": (twice, "duplicate", "duplicate: "),
    "cut off": (cut_off, "unreadable", "cut off"),
    "empty file": (lambda path: path.write_bytes(b""), "unreadable", "empty (0 bytes)"),
    "no video": (lambda path: path.write_text("<html>404</html>"), "unreadable", "a text, not a medium"),
    "0 frames": (odd_videos.empty_video, "unreadable", "no video stream"),
    "0 frames, mkv": (lambda path: odd_videos.empty_video(path.with_suffix(".mkv")), "unreadable", "cannot be decoded"),
}
"""What has no number under any metric: how it is made, its status, and words of its reason."""

SCORED = {
    "good": lambda path: media.video(path, clean()),
    "1 frame": lambda path: media.video(path, clean(1)),
    "5 frames": lambda path: media.video(path, clean(5)),
    "grey": odd("grey"),
    "alpha": odd("alpha"),
    "10 bit": odd("10 bit"),
    "rotated": lambda path: media.video(path, [np.rot90(frame, -1) for frame in clean()], rotation=90),
    "variable rate": variable,
}
"""What is scored like any other video."""

SMALL = "other size"
KINDS = [*SCORED, *NOT_SCORED, SMALL]


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A manifest of equal clips, and a run that holds one of each kind of video."""
    folder = tmp_path_factory.mktemp("bad")
    manifest = runs.dataset(folder, len(KINDS), FRAMES)
    first, *others = sorted((folder / "data").rglob("*.mp4"))
    for other in others:
        shutil.copy(first, other)
    videos = runs.run(folder, "mine", manifest, 0).joinpath("videos")
    for i, kind in enumerate(KINDS, start=1):
        path = videos / f"mead_M003_front_happy_2_{i:03d}.mp4"
        if kind == SMALL:
            media.video(path, [frame[::2, ::2] for frame in clean()])
        else:
            (SCORED.get(kind) or NOT_SCORED[kind][0])(path)
    media.video(videos / "holiday.mp4", 3)
    return folder


@pytest.fixture
def here(project, tmp_path, monkeypatch):
    monkeypatch.chdir(project)
    monkeypatch.setenv("TBD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TBD_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def scored(here, *arguments, expect=0):
    """Rows by kind and metric, and the entries of the run."""
    out = here / "out"
    assert main(["eval", "runs/mine", "--workers", "0", "-o", str(out), *arguments]) == expect
    table = [row for row in pq.read_table(out / "clips.parquet").to_pylist() if row["kind"] == "run"]
    names = {f"mead_M003_front_happy_2_{i:03d}": kind for i, kind in enumerate(KINDS, start=1)}
    rows = {(names.get(row["clip_id"], row["clip_id"]), row["metric"]): row for row in table}
    return rows, json.loads((out / "scores.json").read_text())["runs"][0]


def test_every_bad_video_has_its_row_and_the_rest_of_the_run_goes_on(here, capsys):
    rows, run = scored(here, "--suite", "quick", expect=1)
    for kind, (_, status, words) in NOT_SCORED.items():
        for key in ("psnr", "ssim", "cpbd"):
            found = rows[kind, key]
            assert (found["status"], found["value"]) == (status, None), kind
            assert words in found["reason"] and str(here) not in found["reason"], found["reason"]
    assert rows["holiday.mp4", ""]["status"] == "extra"
    for kind in SCORED:
        assert {rows[kind, key]["status"] for key in ("psnr", "ssim", "cpbd")} == {"ok"}, kind
    assert (rows[SMALL, "psnr"]["status"], rows[SMALL, "cpbd"]["status"]) == ("failed", "failed")
    assert "32x32 pixels, the ground truth has 64x64" in rows[SMALL, "psnr"]["reason"]
    assert "hold no block" in rows[SMALL, "cpbd"]["reason"]
    assert run["clips"]["failed"] == len(NOT_SCORED) + 1
    assert (run["scores"]["psnr"]["n"], run["scores"]["psnr"]["of"]) == (len(SCORED), len(KINDS))
    assert "covers 8 of 16 clips (50%)" in run["scores"]["psnr"]["warnings"][0]
    words = capsys.readouterr()
    assert "covers 8 of 16 clips (50%)" in words.out
    assert "matched 14 of 16; 1 missing, 1 duplicate, 1 extra" in words.err
    assert "cut off: the mp4 ends before its index (moov) (1), other reasons (5)" in words.out


def test_formats_that_lose_nothing_give_the_same_number_as_the_usual_one(here):
    rows, _ = scored(here, "--suite", "quick", expect=1)
    good = rows["good", "psnr"]["value"]
    for kind in ("alpha", "10 bit", "rotated"):
        assert rows[kind, "psnr"]["value"] == pytest.approx(good, abs=0.5), kind
    assert rows["grey", "cpbd"]["value"] == pytest.approx(rows["good", "cpbd"]["value"], abs=0.1)
    assert (rows["1 frame", "psnr"]["n"], rows["5 frames", "psnr"]["n"], rows["good", "psnr"]["n"]) == (1, 5, FRAMES)
    assert rows["5 frames", "psnr"]["note"] == "5 frames against 16: the longer one's end is left out"
    assert "variable rate -> 25" in rows["variable rate", "psnr"]["note"]


def test_what_a_network_cannot_look_at_is_a_reason_too(here, monkeypatch):
    every_metric.weights(here / "weights")
    every_metric.plant(monkeypatch)
    look = every_metric.TinyInception.look

    def grey_is_nan(self, pictures):  # the order in which pictures come is a matter of speed, what they show is not
        found = look(self, pictures).clone()
        found[(pictures.amax(1) - pictures.amin(1)).amax((1, 2)) < 0.05] = float("nan")
        return found

    monkeypatch.setattr(every_metric.TinyInception, "look", grey_is_nan)
    rows, run = scored(here, "--metrics", "fid,kid,fvd,lpips", "--no-baselines", expect=1)
    assert rows["grey", "fid"]["reason"] == "features that are not finite (NaN or infinite)"
    assert rows["good", "fid"]["status"] == "ok"
    assert rows["5 frames", "fvd"]["reason"] == "too short: 5 frames, and a window has 16"
    assert (
        rows["10 bit", "fid"]["status"] == rows["10 bit", "fvd"]["status"] == rows["1 frame", "lpips"]["status"] == "ok"
    )
    assert (run["scores"]["fid"]["status"], run["scores"]["fvd"]["status"]) == ("ok", "ok")


def test_fewer_clips_than_a_metric_needs_are_a_reason(here, monkeypatch):
    every_metric.weights(here / "weights")
    every_metric.plant(monkeypatch)
    chosen = here / "one.txt"
    chosen.write_text("mead_M003_front_happy_2_002\n")  # the clip whose video has one frame
    _, run = scored(here, "--metrics", "psnr,fid", "--no-baselines", "--clips", str(chosen))
    assert run["scores"]["psnr"]["status"] == "ok"
    assert (run["scores"]["fid"]["value"], run["scores"]["fid"]["status"]) == (None, "failed")
    assert "a distance between sets needs two on each side" in run["scores"]["fid"]["reason"]


HEARD = {
    "good": None,
    "no sound": "no sound in the video",
    "silence": "silence: no sample is louder than -60 dB",
    "no face": "no face was found",
    "two faces": None,
    "20 frames": "too short: 20 frames at 25 a second, and 36 are needed",
}


def film(path, kind):
    """A talking face; the corner's colour tells the planted detector how many faces there are."""
    count = 20 if kind == "20 frames" else 40
    levels = sync.loudness(count)
    frames = sync.faces(levels, (320, 320))
    frames[:, :40, :40] = {"no face": (0, 0, 255), "two faces": (0, 255, 0)}.get(kind, (0, 0, 0))
    sound = None if kind == "no sound" else sync.speech(levels).astype("f4") / 32768
    media.video(path, list(frames), audio=sound * (kind != "silence") if sound is not None else None)


class Corner:
    """A detector that reads the corner."""

    def find(self, pictures):
        one, other = media.face(100, 100, 260, 260), media.face(30, 100, 95, 165)
        colours = [picture[20, 20].astype(int) for picture in pictures]
        return [[] if c[2] > 128 else [one, other] if c[1] > 128 else [one] for c in colours]


def test_sound_and_faces_that_lack_are_reasons_and_spare_the_others(tmp_path, monkeypatch):
    for kind in HEARD:
        for side in ("true", "pred"):
            (tmp_path / side).mkdir(exist_ok=True)
            film(tmp_path / side / f"{kind}.mp4", kind)
    monkeypatch.setenv("TBD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TBD_WEIGHTS", str(tmp_path))
    every_metric.weights(tmp_path)
    every_metric.plant(monkeypatch)
    monkeypatch.setattr("tbd.media.faces.detector", lambda *_: Corner())
    arguments = [
        "--reference",
        str(tmp_path / "true"),
        "--metrics",
        "psnr,sync@mtcnn-short,csim@arcface-portrait-mtcnn",
    ]
    assert main(["eval", str(tmp_path / "pred"), *arguments, "--workers", "0", "-o", str(tmp_path / "out")]) == 0
    table = pq.read_table(tmp_path / "out" / "clips.parquet").to_pylist()
    rows = {(row["clip_id"], row["metric"]): row for row in table if row["kind"] == "run"}
    for kind, reason in HEARD.items():
        assert rows[kind, "psnr"]["status"] == "ok"
        assert (rows[kind, "sync_conf"]["status"], rows[kind, "sync_conf"]["reason"]) == (
            ("failed", reason) if reason else ("ok", "")
        )
    details = json.loads(rows["two faces", "sync_conf"]["details"])
    assert rows["two faces", "sync_conf"]["value"] == pytest.approx(rows["good", "sync_conf"]["value"], rel=0.2)
    assert json.loads(rows["two faces", "csim"]["details"])["frames_with_more_faces"] == 40
    assert "no face in the portrait" in rows["no face", "csim"]["reason"]
    assert details["tracks"]
    entry = json.loads((tmp_path / "out" / "scores.json").read_text())["runs"][0]["scores"]["sync_conf"]
    assert (entry["n"], entry["of"]) == (2, len(HEARD))
    assert "no sound in the video (1)" in entry["warnings"][0]
