"""Numbers that would mislead: what was compared stands beside every number, whatever a run is called."""

import json
import shutil
from pathlib import Path

import media
import numpy as np
import pyarrow.parquet as pq
import pytest
import runs
from PIL import Image

from tbd.cli import main
from tbd.evaluate.inputs.jobs import BASELINES
from tbd.media import faces

COUNT, FRAMES, SIZE = 3, 12, 96


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drawn")
    manifest = runs.dataset(folder, COUNT, FRAMES, SIZE)
    runs.run(folder, "good", manifest, COUNT, FRAMES, SIZE, sigma=0.3)
    return folder


@pytest.fixture
def project(drawn, tmp_path, monkeypatch):
    folder = tmp_path / "project"
    shutil.copytree(drawn, folder)
    for path in [folder / "data_manifests/toy/run.json", *folder.glob("runs/*/run.json")]:
        path.write_text(path.read_text().replace(str(drawn), str(folder)))
    monkeypatch.chdir(folder)
    monkeypatch.setenv("TBD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TBD_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(faces, "detector", lambda *_: Skin())
    return folder


class Skin:
    """Finds the drawn head by the colour of its skin."""

    def find(self, pictures):
        found = []
        for picture in pictures:
            skin = np.abs(picture.astype(int) - (225, 180, 150)).sum(-1) < 90
            y, x = np.nonzero(skin)
            found.append([media.face(*map(float, (x.min(), y.min(), x.max(), y.max())))] if len(x) > 20 else [])
        return found


def videos(folder):
    """The videos of a run folder, one a clip."""
    return sorted(folder.glob("videos/*.mp4"))


def scored(*arguments, expect=0, out="out"):
    assert main(["eval", *map(str, arguments), "--workers", "0", "-o", out]) == expect
    document = json.loads(Path(f"{out}/scores.json").read_text())
    return document, pq.read_table(f"{out}/clips.parquet").to_pylist()


def entry(document, key="psnr", run=0):
    return document["runs"][run]["scores"][key]


# Identity is never a name


WORDS = [*BASELINES, *BASELINES.values(), "run", "pred", "ref", "own", "videos", "clip check", "None", "all", "0", "ü_"]


def test_a_run_is_scored_alike_under_every_name(project, capsys):
    for word in WORDS:
        shutil.copytree("runs/good", project / "runs" / word)
    document, rows = scored("--suite", "quick")
    assert len(document["runs"]) == len(WORDS) + 1
    values = {json.dumps({key: one["value"] for key, one in run["scores"].items()}) for run in document["runs"]}
    assert len(values) == 1 and "null" not in values.pop()
    truth = next(one for one in document["baselines"] if one["kind"] == "truth")
    assert truth["scores"]["psnr"]["value"] == 100 and entry(document)["value"] < 60
    alone, _ = scored("runs/truth", "--suite", "quick", out="alone")  # from the cache
    assert entry(alone)["value"] == entry(document)["value"]
    assert {row["name"] for row in rows if row["kind"] == "truth"} == {BASELINES["truth"]}


@pytest.mark.parametrize("first", ["copy", "both"])
def test_a_video_that_equals_its_truth_counts_every_frame_whatever_was_scored_before(project, capsys, first):
    source = min((project / "data").rglob("*.mp4"))
    shutil.copytree("runs/good", "runs/copy")
    shutil.copy(source, videos(project / "runs/copy")[0])
    scored(f"runs/{'copy' if first == 'copy' else 'good'}", "--metrics", "psnr@rgb-pooled,ssim@skimage-pooled", out="x")
    document, rows = scored("runs/copy", "--metrics", "psnr@rgb-pooled,ssim@skimage-pooled")
    own = [row for row in rows if row["metric"] == "psnr" and row["kind"] == "run"]
    assert [row["n"] for row in own] == [FRAMES] * COUNT
    assert entry(document)["value"] == pytest.approx(np.mean([row["value"] for row in own]))
    for one in document["baselines"]:
        assert one["scores"]["psnr"]["details"]["frames"] == COUNT * FRAMES, one["name"]


def test_a_still_counts_as_many_frames_as_the_clip_has(project, capsys):
    document, _ = scored("runs/good", "--metrics", "cpbd")
    assert [one["scores"]["cpbd"]["details"]["frames"] for one in document["baselines"]] == [COUNT * FRAMES] * 2


# Frames, rates, sizes


@pytest.mark.parametrize("manifest", [True, False])
@pytest.mark.parametrize("frames", [1, FRAMES // 2, FRAMES * 2, FRAMES - 1])
def test_another_length_is_told_with_its_number(project, capsys, frames, manifest):
    for seed, path in enumerate(videos(project / "runs/good")):
        media.video(path, runs.worse(runs.clip(seed, frames, SIZE), 0.3))
    against = [] if manifest else ["--reference", "runs/true"]
    if not manifest:
        (project / "runs/true").mkdir()
        for path, source in zip(videos(project / "runs/good"), sorted((project / "data").rglob("*.mp4")), strict=True):
            shutil.copy(source, project / "runs/true" / path.name)
    near = frames == FRAMES - 1  # an encoder's frame more or less is nobody's fault
    document, rows = scored("runs/good", *against, "--suite", "quick", "--strict", expect=0 if near else 1)
    for key in ("psnr", "ssim", "cpbd"):
        assert entry(document, key)["codes"].get("length", 0) == (0 if near else COUNT), key
    assert document["runs"][0]["codes"] == ({} if near else {"length": COUNT})
    row = next(row for row in rows if row["metric"] == "psnr" and row["kind"] == "run")
    assert (row["frames"], row["reference_frames"], row["compared"]) == (frames, FRAMES, min(frames, FRAMES))
    assert row["codes"] == ([] if near else ["length"])
    if not near:
        there = COUNT * min(frames, FRAMES)
        assert f"{there} of {COUNT * FRAMES} frames of the ground truth have a counterpart" in capsys.readouterr().out
        assert f"{there} of {COUNT * FRAMES} frames" in (project / "out/report.html").read_text()


@pytest.mark.parametrize(("fps", "times"), [(30, 1.2), (50, 2), (12.5, 0.5)])
def test_another_rate_is_told(project, capsys, fps, times):
    for seed, path in enumerate(videos(project / "runs/good")):
        media.video(path, [runs.face(int(i / times), seed, SIZE) for i in range(round(FRAMES * times))], fps)
    document, rows = scored("runs/good", "--metrics", "psnr,cpbd", "--strict", expect=1)
    assert entry(document)["codes"] == {"rate": COUNT} == entry(document, "cpbd")["codes"]
    row = next(row for row in rows if row["kind"] == "run")
    assert (round(row["fps"], 2), row["reference_fps"]) == (fps, 25)


def test_a_canonical_clip_has_the_canonical_rate_whatever_its_source_has(tmp_path, monkeypatch, capsys):
    """MEAD is filmed at 30 frames a second; a run at 25 is what it should be."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TBD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(faces, "detector", lambda *_: Skin())
    manifest = runs.dataset(tmp_path, COUNT, FRAMES, SIZE, fps=30)
    runs.run(tmp_path, "good", manifest, COUNT, round(FRAMES * 25 / 30), SIZE, sigma=0.3)
    document, rows = scored("runs/good", "--metrics", "psnr,cpbd", "--strict")
    assert document["runs"][0]["codes"] == {}
    assert {(row["fps"], row["reference_fps"]) for row in rows} == {(25, 25)}


def halved(path, seed):
    media.video(path, [frame[::2, ::2] for frame in runs.clip(seed, FRAMES, SIZE)])


def test_one_size_for_all_sides(project, capsys):
    shutil.copytree("runs/good", "runs/small")
    for seed, path in enumerate(videos(project / "runs/small")):
        halved(path, seed)
    document, rows = scored("--suite", "quick", "--size", "48")
    for one in document["runs"] + document["baselines"]:
        assert {key: one["scores"][key]["size"] for key in ("psnr", "ssim")} == dict.fromkeys(("psnr", "ssim"), "48x48")
    assert entry(document)["protocol"] == "psnr@rgb/size=48" and document["settings"]["size"] == 48
    assert entry(document, "cpbd")["status"] == "failed"  # no block of 64 is left, on either side alike
    assert {code for row in rows for code in row["codes"]} == set()
    good, small = (entry(document, "ssim", run)["value"] for run in (0, 1))
    assert 0.8 < good < 1 and 0.8 < small < 1


def test_without_it_a_column_of_two_sizes_says_so(project, capsys):
    shutil.copytree("runs/good", "runs/small")
    for seed, path in enumerate(videos(project / "runs/small")):
        halved(path, seed)
    document, _ = scored("--metrics", "psnr", "--align", "crop", "--strict", expect=1)
    assert [entry(document, run=run)["size"] for run in (0, 1)] == ["96x96", "48x48"]
    for run in (0, 1):
        assert "mixed_size" in entry(document, run=run)["codes"]
        assert any("good 96x96, small 48x48" in words for words in entry(document, run=run)["warnings"])
    assert entry(document, run=1)["codes"]["size"] == COUNT


def test_sizes_that_differ_within_a_run_say_so(project, capsys):
    halved(videos(project / "runs/good")[0], 0)
    document, _ = scored("runs/good", "--metrics", "psnr", "--align", "crop")
    assert entry(document)["size"] == "mixed" and entry(document)["codes"]["mixed_size"] == COUNT


def test_pictures_side_by_side_are_told(project, capsys):
    """As MakeItTalk writes them: portrait, result and landmarks in one picture."""
    for seed, path in enumerate(videos(project / "runs/good")):
        media.video(path, [np.concatenate([frame] * 3, axis=1) for frame in runs.clip(seed, FRAMES, SIZE)])
    document, _ = scored("runs/good", "--metrics", "psnr,cpbd", "--align", "face", "--strict", expect=1)
    assert entry(document)["codes"] == entry(document, "cpbd")["codes"] == {"strip": COUNT}
    assert "several side by side" in capsys.readouterr().out


# Crops


def zoomed(frames, share):
    side = round(SIZE * share)
    at = (SIZE - side) // 2
    return [np.asarray(Image.fromarray(frame[at : at + side, at : at + side]).resize((SIZE, SIZE))) for frame in frames]


def moved(frames, pixels):
    return [np.roll(frame, pixels, axis=1) for frame in frames]


def flipped(frames):
    return [frame[:, ::-1] for frame in frames]


@pytest.mark.parametrize("share", [1, 0.5])
def test_a_face_is_aligned_by_the_moments_that_are_compared(project, capsys, share):
    """A head that moves is elsewhere on the whole than in the first half; the frames are equal all the same."""
    (project / "true").mkdir()
    for seed, path in enumerate(videos(project / "runs/good")):
        frames = [np.roll(frame, i, axis=1) for i, frame in enumerate(runs.clip(seed, FRAMES, SIZE))]
        media.video(project / "true" / path.name, frames)
        media.video(path, frames[: round(share * FRAMES)])
    document, _ = scored("runs/good", "--reference", "true", "--metrics", "psnr", "--align", "face")
    assert entry(document)["value"] > 35


CROPS = {
    "scale": lambda frames: zoomed(frames, 0.9),
    "shift": lambda frames: moved(frames, 5),
    "mirrored": flipped,
}


@pytest.mark.parametrize("ours", [True, False])
@pytest.mark.parametrize("code", CROPS)
def test_a_wrong_crop_is_told_clip_by_clip(project, capsys, code, ours):
    path = videos(project / "runs/good")[1]
    media.video(path, CROPS[code](runs.clip(1, FRAMES, SIZE)))
    against = [] if ours else ["--reference", "runs/true"]
    shutil.copytree("runs/good", "runs/true")
    for seed, true in enumerate(videos(project / "runs/true")):
        media.video(true, runs.clip(seed, FRAMES, SIZE))
    document, rows = scored("runs/good", *against, "--metrics", "psnr,cpbd", "--strict", expect=1)
    assert entry(document)["codes"] == {code: 1} and entry(document, "cpbd")["codes"] == {}
    told = {row["clip_id"][-3:]: row["codes"] for row in rows if row["metric"] == "psnr" and row["kind"] == "run"}
    assert told == {"001": [], "002": [code], "003": []}


@pytest.mark.parametrize("between", ["manifest", "folders"])
@pytest.mark.parametrize("code", CROPS)
def test_wrong_crops_everywhere_are_refused_before_anything_is_computed(project, capsys, code, between):
    (project / "runs/good/run.json").unlink()
    shutil.copytree("runs/good", "true")
    for seed, path in enumerate(videos(project / "runs/good")):
        media.video(path, CROPS[code](runs.clip(seed, FRAMES, SIZE)))
        media.video(project / "true/videos" / path.name, runs.clip(seed, FRAMES, SIZE))
    against = (
        ["--manifest", "data_manifests/toy", "--align", "canvas"] if between == "manifest" else ["--reference", "true"]
    )
    assert main(["eval", "runs/good", *against, "--metrics", "psnr", "--workers", "0"]) == 3
    words = capsys.readouterr().err
    assert "3 of 3 clips looked at" in words and "--align face" in words
    assert not (project / "results").exists()


def test_a_right_crop_is_not_accused(project, capsys):
    """Blurred, noisy, re-encoded and with another expression, the face still lies where it lay."""
    for seed, path in enumerate(videos(project / "runs/good")):
        media.video(path, runs.worse([runs.face(i + 2, seed, SIZE) for i in range(FRAMES)], 1.5, 6), crf="28")
    document, _ = scored("runs/good", "--suite", "quick", "--no-baselines", "--strict")
    assert document["runs"][0]["codes"] == {}


def test_a_run_below_the_still_picture_is_told_so(project, capsys):
    for seed, path in enumerate(videos(project / "runs/good")):
        media.video(path, runs.worse(runs.clip(seed, FRAMES, SIZE), 1.5))
    document, _ = scored("runs/good", "--suite", "quick", "--strict", expect=1)
    assert document["runs"][0]["codes"] == {"below_still": COUNT}
    assert "worse than the still picture by PSNR and SSIM" in capsys.readouterr().out


# Damage


def damage(path):
    data = bytearray(path.read_bytes())
    begin = data.index(b"mdat") + 900
    data[begin : begin + 400] = bytes(400)
    path.write_bytes(data)


@pytest.mark.parametrize("side", ["video", "truth"])
def test_damaged_frames_are_no_silent_ok(project, capsys, side):
    source = min((project / "data").rglob("*.mp4"))
    damage(videos(project / "runs/good")[0] if side == "video" else source)
    document, rows = scored("runs/good", "--metrics", "psnr", "--strict", expect=1)
    assert entry(document)["codes"].get("damaged") == 1
    row = next(row for row in rows if row["kind"] == "run")
    assert "damaged" in row["damage"] and row["damage"].startswith("ground truth") == (side == "truth")
    again, _ = scored("runs/good", "--metrics", "psnr", "--strict", expect=1, out="again")  # all from the cache
    assert entry(again)["codes"] == entry(document)["codes"]
