"""``tbd eval`` as a person calls it: exit codes, files, words, and that any way of running it gives the same numbers."""

import html
import json
import re
import shlex
import shutil
from pathlib import Path

import media
import pyarrow.parquet as pq
import pytest
import runs

from tbd import weights
from tbd.cli import main
from tbd.evaluate.engine import workers
from tbd.evaluate.metrics import registry
from tbd.media import faces

COUNT = 3


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """A project with a manifest and two runs of three clips."""
    folder = tmp_path_factory.mktemp("project")
    manifest = runs.dataset(folder, COUNT)
    runs.run(folder, "good", manifest, COUNT, sigma=0.7)
    runs.run(folder, "poor", manifest, COUNT, sigma=2)
    return folder


@pytest.fixture
def project(drawn, tmp_path, monkeypatch):
    """A fresh copy with an empty cache and no weights, as the current directory."""
    folder = tmp_path / "project"
    shutil.copytree(drawn, folder)
    for path in [folder / "data_manifests/toy/run.json", *folder.glob("runs/*/run.json")]:
        path.write_text(path.read_text().replace(str(drawn), str(folder)))
    monkeypatch.chdir(folder)
    monkeypatch.setenv("TBD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TBD_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setenv("HOME", str(tmp_path))
    find = weights.find
    monkeypatch.setattr(weights, "find", lambda entry: find(entry) if entry.package else None)
    return folder


def run(capsys, *arguments, expect=0):
    """Run a command; its stdout and stderr."""
    assert main(["eval", *map(str, arguments)]) == expect, capsys.readouterr()
    return capsys.readouterr()


def scores(folder="results/all"):
    return json.loads((Path(folder) / "scores.json").read_text())


def numbers(document):
    return {
        (row["name"], key): (one["value"], one["n"], one["of"], one["ci95"])
        for row in document["runs"] + document["baselines"]
        for key, one in row["scores"].items()
    }


def test_all_runs_in_one_table_with_their_anchors(project, capsys):
    words = run(capsys, "--suite", "quick", "--workers", 0)
    document = scores()
    assert [row["name"] for row in document["runs"]] == ["good", "poor"]
    assert [row["name"] for row in document["baselines"]] == ["ground truth", "still frame of the target clip"]
    values = numbers(document)
    assert values["good", "psnr"][0] > values["poor", "psnr"][0]
    assert values["ground truth", "psnr"][0] == 100 and values["ground truth", "ssim"][0] == 1
    assert values["good", "psnr"][1:3] == (COUNT, COUNT)
    assert "PSNR ↑" in words.out and "matched 3 of 3" in words.err
    page = (project / "results/all/report.html").read_text()
    assert "ssim@skimage" in page and "<script" not in page and "http" not in page


def test_one_entry_of_scores_has_every_field_of_the_contract(project, capsys):
    run(capsys, "runs/good", "--metrics", "psnr,fid", "--workers", 0)
    found = scores("results/good")["runs"][0]["scores"]
    fields = {"value", "protocol", "direction", "n", "of", "ci95", "weights", "status", "reason", "unit", "aggregate"}
    assert fields <= found["psnr"].keys()
    assert all(one.keys() == found["psnr"].keys() for one in found.values())
    assert (found["psnr"]["protocol"], found["psnr"]["status"], found["psnr"]["unit"]) == ("psnr@rgb", "ok", "clips")
    assert (found["psnr"]["n"], found["psnr"]["of"], found["psnr"]["details"]["frames"]) == (COUNT, COUNT, 10 * COUNT)
    assert found["psnr"]["aggregate"] == "mean over clips"
    assert found["fid"]["status"] == "skipped" and found["fid"]["value"] is None
    assert (found["fid"]["n"], found["fid"]["of"]) == (0, COUNT)


def test_every_clip_and_metric_is_a_row(project, capsys):
    (project / "runs/good/videos/mead_M003_front_happy_2_002.mp4").unlink()
    media.cut_off(project / "runs/good/videos/mead_M003_front_happy_2_003.mp4", 0.5)
    media.video(project / "runs/good/videos/strange.mp4", 3)
    run(capsys, "runs/good", "--suite", "quick", "--workers", 0, expect=1)
    table = pq.read_table("results/good/clips.parquet").to_pylist()
    own = [row for row in table if row["kind"] == "run"]
    status = {(row["clip_id"][-11:], row["metric"]): row["status"] for row in own}
    assert len(own) == 3 * 3 + 1
    assert {status["happy_2_001", key] for key in ("psnr", "ssim", "cpbd")} == {"ok"}
    assert {status["happy_2_002", key] for key in ("psnr", "ssim", "cpbd")} == {"missing"}
    assert {status["happy_2_003", key] for key in ("psnr", "ssim", "cpbd")} == {"unreadable"}
    assert status["strange.mp4", ""] == "extra"
    found = scores("results/good")["runs"][0]
    assert found["scores"]["psnr"]["n"] == 1 and found["scores"]["psnr"]["of"] == 3
    assert any("covers 1 of 3" in words for words in found["scores"]["psnr"]["warnings"])
    assert found["clips"]["failed"] == 2


def test_videos_of_clips_that_were_not_chosen_are_not_left_over(project, capsys):
    (project / "one.txt").write_text("mead_M003_front_happy_2_002\n")
    for choice in (("--limit", 1), ("--clips", "one.txt")):
        words = run(capsys, "runs/good", "--metrics", "psnr", "--workers", 0, *choice)
        assert "good: matched 1 of 1\n" in words.err
        assert scores("results/good")["runs"][0]["scores"]["psnr"]["of"] == 1


def test_failed_videos_may_be_allowed(project, capsys):
    (project / "runs/good/videos/mead_M003_front_happy_2_002.mp4").unlink()
    run(capsys, "runs/good", "--metrics", "psnr", "--workers", 0, "--max-failed", "34%")
    run(capsys, "runs/good", "--metrics", "psnr", "--workers", 0, "--max-failed", "34%", "--strict", expect=1)


def test_a_run_without_any_number_is_no_success(project, capsys):
    for path in (project / "runs/good/videos").glob("*.mp4"):
        media.video(path, runs.clip(0, 7))
    words = run(capsys, "runs/good", "--metrics", "psnr", "--length", "strict", "--workers", 0, expect=1)
    assert "7 frames against 10 of the ground truth, and the policy is strict (3)" in words.out
    run(capsys, "runs/good", "--metrics", "psnr,cpbd", "--length", "strict", "--workers", 0, expect=1)
    run(capsys, "runs/good", "--metrics", "cpbd", "--length", "strict", "--workers", 0)


def test_all_metrics_without_weights_skip_what_they_lack(project, capsys):
    words = run(capsys, "runs/good", "--metrics", "all", "--workers", 0)
    found = scores("results/good")["runs"][0]["scores"]
    assert {key for key, one in found.items() if one["status"] == "ok"} == {"psnr", "ssim", "cpbd"}
    assert set(registry.KEYS) == found.keys()
    skipped = {key: one for key, one in found.items() if one["status"] == "skipped"}
    assert len(skipped) == len(registry.KEYS) - 3
    for key, one in skipped.items():
        assert (one["value"], one["n"], one["of"]) == (None, 0, COUNT)
        assert one["reason"] in words.out and "licence: " in one["reason"], key
    for key in skipped.keys() - {"au_f1"}:  # whose detector is a program and no file of weights
        assert re.search(r"[\w-]+\.(pth|pt|onnx|model|task) \(sha256 [0-9a-f]{64}\)", skipped[key]["reason"]), key
        assert re.search(r"tbd weights pull [\w-]+", skipped[key]["reason"]), key
    reason = skipped["fvd"]["reason"]
    for part in ("i3d_torchscript.pt", "bec6519f66ea534e", "licence: none stated", "tbd weights pull i3d-stylegan-v"):
        assert part in reason
    run(capsys, "runs/good", "--metrics", "all", "--workers", 0, "--strict", expect=1)


def test_workers_and_shards_change_no_number(project, capsys, monkeypatch):
    run(capsys, "--suite", "quick", "--workers", 0, "-o", "one")
    whole = numbers(scores("one"))
    rows = pq.read_table("one/clips.parquet")
    monkeypatch.setenv("TBD_CACHE", str(project / "cache2"))
    run(capsys, "--suite", "quick", "--workers", 2, "-o", "two")
    assert numbers(scores("two")) == whole
    assert pq.read_table("two/clips.parquet").equals(rows)
    for part in ("2/3", "1/3"):
        monkeypatch.setenv("TBD_CACHE", str(project / f"cache{part[0]}x"))
        words = run(capsys, "--suite", "quick", "--workers", 0, "-o", "three", "--shard", part)
        assert "not there yet" in words.out
    run(capsys, "--suite", "quick", "--workers", 0, "-o", "three", "--shard", "3/3")
    assert numbers(scores("three")) == whole
    assert pq.read_table("three/clips.parquet").equals(rows)
    run(capsys, "--merge", "-o", "three")
    assert numbers(scores("three")) == whole


def test_parts_of_different_evaluations_are_not_merged(project, capsys):
    run(capsys, "runs/good", "--metrics", "psnr", "--workers", 0, "-o", "x", "--shard", "1/2")
    run(capsys, "runs/good", "--metrics", "ssim", "--workers", 0, "-o", "x", "--shard", "2/2", expect=3)
    run(capsys, "--merge", "-o", "nothing", expect=3)


def test_a_part_of_before_the_videos_changed_is_not_merged(project, capsys):
    part = ("runs/good", "--metrics", "psnr", "--workers", 0, "-o", "x", "--shard")
    run(capsys, *part, "1/2")
    media.video(project / "runs/good/videos/mead_M003_front_happy_2_002.mp4", runs.clip(7, 10))
    words = run(capsys, *part, "2/2", expect=3)
    assert "(videos differ)" in words.err and "rm -r x/parts" in words.err
    shutil.rmtree("x/parts")
    run(capsys, *part, "1/2")
    run(capsys, *part, "2/2")
    assert scores("x")["runs"][0]["scores"]["psnr"]["n"] == COUNT


def test_a_second_call_scores_nothing_again(project, capsys, monkeypatch):
    run(capsys, "--suite", "quick", "--workers", 0)
    before = (project / "results/all/scores.json").read_bytes()
    from tbd.evaluate.engine import one_pass

    monkeypatch.setattr(one_pass.Scheduler, "play", lambda *_: pytest.fail("decoded again"))
    run(capsys, "--suite", "quick", "--workers", 0)
    assert (project / "results/all/scores.json").read_bytes() == before


def test_stopped_in_the_middle_it_goes_on(project, capsys, monkeypatch):
    from tbd.evaluate import run as running

    def stop_after_one(jobs, count, cache, stopping):
        yield from workers.scored_by(jobs[:1], 0, cache, stopping)
        stopping.set()

    monkeypatch.setattr(running, "scored_by", stop_after_one)
    words = run(capsys, "--suite", "quick", "--workers", 0, expect=130)
    assert "same command again" in words.err and not (project / "results").exists()
    monkeypatch.setattr(running, "scored_by", workers.scored_by)
    run(capsys, "--suite", "quick", "--workers", 0)
    assert numbers(scores())["good", "psnr"][1] == COUNT


def test_two_folders_need_no_manifest(project, capsys):
    run(capsys, "runs/poor", "--reference", "runs/good", "--suite", "quick", "--workers", 0)
    assert scores("results/poor")["truth"] == "files of good"
    assert scores("results/poor")["runs"][0]["scores"]["ssim"]["n"] == COUNT


def test_a_table_pairs_two_folders(project, capsys):
    names = [f"mead_M003_front_happy_2_{take:03d}.mp4" for take in (1, 2, 3)]
    (project / "pairs.csv").write_text("video,reference\n" + "".join(f"{name},{name}\n" for name in names[:2]))
    run(capsys, "runs/poor", "--reference", "runs/good", "--pairs", "pairs.csv", "--metrics", "psnr", "--workers", 0)
    found = scores("results/poor")
    assert found["runs"][0]["scores"]["psnr"]["of"] == 2
    told = re.search(r"<code>(tbd eval .*?)</code>", Path("results/poor/report.html").read_text())[1]
    run(capsys, *shlex.split(html.unescape(told))[2:], "--workers", 0, "-o", "again")
    assert scores("again") == found


def test_videos_of_other_systems_must_say_how_they_lie(project, capsys):
    (project / "runs/good/run.json").unlink()
    for manifest in ((), ("--manifest", "data_manifests/toy")):  # the only manifest of a workspace need not be named
        words = run(capsys, "runs/good", *manifest, "--suite", "quick", expect=2)
        assert "--align canvas" in words.err
    run(capsys, "runs/good", "--metrics", "psnr", "--align", "canvas", "--workers", 0)
    assert scores("results/good")["truth"] == "canonical clips of toy"
    shutil.copytree("data_manifests/toy", "data_manifests/other")
    words = run(capsys, "runs/good", "--suite", "quick", "--align", "canvas", expect=2)
    assert "without run.json" in words.err and "data_manifests/other" in words.err


def test_a_wrong_guess_of_the_geometry_is_an_error(project, capsys, monkeypatch):
    (project / "runs/good/run.json").unlink()
    size = {True: (2, 2, 20, 20), False: (40, 40, 62, 62)}

    class Elsewhere:
        calls = 0

        def find(self, pictures):
            self.calls += 1
            return [[media.face(*size[self.calls % 2 == 1])] for _ in pictures]

    found = Elsewhere()
    monkeypatch.setattr(faces, "detector", lambda *_: found)
    arguments = ("runs/good", "--manifest", "data_manifests/toy", "--metrics", "psnr", "--workers", 0)
    words = run(capsys, *arguments, "--align", "canvas", expect=3)
    assert "do not lie in the same place" in words.err and "--align face" in words.err
    for path in (project / "runs/good/videos").glob("*.mp4"):
        media.video(path, [frame[::2, ::2] for frame in runs.clip(0, 10)])
    words = run(capsys, *arguments, "--align", "canvas", expect=3)
    assert "32x32" in words.err and "--align crop" in words.err


def test_a_dry_run_writes_nothing(project, capsys):
    words = run(capsys, "--suite", "quick", "--dry-run", "--json")
    found = json.loads(words.out)
    assert found["clips"] == COUNT and found["metrics"] == ["psnr@rgb", "ssim@skimage", "cpbd@python-cpbd"]
    assert not (project / "results").exists()


def test_json_is_the_document_itself(project, capsys):
    words = run(capsys, "runs/good", "--metrics", "psnr", "--workers", 0, "--json")
    assert json.loads(words.out) == scores("results/good")


def test_list_and_explain(project, capsys):
    words = run(capsys, "--list")
    for protocol in ("psnr@rgb", "ssim@wang2004", "fvd@styleganv", "sync_conf@joonson-short"):
        assert protocol in words.out
    found = json.loads(run(capsys, "--list", "--json").out)
    assert {entry["key"] for entry in found["metrics"]} == {*registry.KEYS, *registry.DRAWN}
    for key in (*registry.KEYS, *registry.DRAWN):
        assert len(run(capsys, "--explain", key).out) > 300


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--metrics", "pnsr"), 2, "did you mean 'psnr'"),
        (("--metrics", "ssim@x"), 2, "ssim@wang2004"),
        (("--metrics", "ssim,ssim@gray"), 2, "two protocols"),
        (("--suite", "quik"), 2, "did you mean 'quick'"),
        (("--shard", "5/4"), 2, "i/n"),
        (("runs/nobody",), 3, "no such folder"),
        (("--manifest", "nowhere"), 3, "no such file"),
        (("--split", "train"), 2, "split 'train'"),
        (("--explain", "beauty"), 2, "no metric"),
        (("--merge",), 2, "--merge of what"),
    ],
)
def test_mistakes_say_what_to_do(project, capsys, arguments, code, words):
    found = run(capsys, *arguments, expect=code)
    assert words in found.err and "next:" in found.err


def test_without_runs_it_says_where_it_looked(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert "runs/" in run(capsys, expect=2).err


def test_a_dataset_that_moved_is_asked_for(project, capsys):
    (project / "data").rename(project / "elsewhere")
    assert "--root mead=PATH" in run(capsys, "--suite", "quick", expect=3).err
    run(capsys, "--suite", "quick", "--workers", 0, "--root", "mead=elsewhere")


def test_a_row_without_a_crop_box_is_scored_as_far_as_it_can(project, capsys, tmp_path):
    manifest = runs.dataset(tmp_path / "other", 2, crop_box=None)
    run(capsys, "runs/good", "--manifest", manifest, "--align", "canvas", "--suite", "quick", "--workers", 0, expect=1)
    found = scores("results/good")["runs"][0]["scores"]
    assert found["psnr"]["status"] == "failed" and "crop box" in found["psnr"]["reason"]
    assert found["cpbd"]["n"] == 2


def test_a_damaged_cache_says_how_to_go_on(project, capsys, tmp_path):
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "evaluate.sqlite").write_bytes(b"no database" * 1000)
    assert "move " in run(capsys, "--suite", "quick", "--workers", 0, expect=3).err
