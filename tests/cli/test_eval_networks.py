"""Numbers that networks make, through ``tbd eval``: neither workers nor shards change them, and random weights are named."""

import json
from pathlib import Path

import every_metric
import pytest
import random_weights
import runs

from tbd.cli import main

COUNT = 2
METRICS = "psnr,lpips,fid,kid,fvd,sync@whole"
SYNC = ("sync_conf", "sync_dist", "sync_offset")

pytestmark = [
    pytest.mark.filterwarnings(f"ignore:.torch.jit:{kind}") for kind in ("FutureWarning", "DeprecationWarning")
] + [pytest.mark.filterwarnings("ignore::UserWarning")]


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A run of two clips, and random weights in the published formats."""
    manifest = runs.dataset(tmp_path, COUNT, frames=16)
    runs.run(tmp_path, "mine", manifest, COUNT, frames=16, sigma=1)
    folder = tmp_path / "weights"
    folder.mkdir()
    every_metric.weights(folder)
    random_weights.inception(folder)
    random_weights.syncnet(folder)
    monkeypatch.setenv("TBD_WEIGHTS", str(folder))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)


def scored(name, *arguments, monkeypatch):
    """The entries of the run, with a cache of its own."""
    monkeypatch.setenv("TBD_CACHE", f"cache-{name}-{len(arguments) and arguments[-1].replace('/', '-')}")
    given = ("--metrics", METRICS, "--no-baselines", "-o", name, *arguments)
    assert main(["eval", "runs/mine", *given]) == 0
    path = Path(name) / "scores.json"
    return json.loads(path.read_text())["runs"][0]["scores"] if path.exists() else None


def test_workers_and_shards_change_no_number(project, monkeypatch, capsys):
    workers = scored("workers", "--workers", "2", monkeypatch=monkeypatch)
    assert scored("shards", "--workers", "0", "--shard", "1/2", monkeypatch=monkeypatch) is None
    shards = scored("shards", "--workers", "0", "--shard", "2/2", monkeypatch=monkeypatch)
    assert workers.keys() == shards.keys() == {*METRICS.partition(",sync")[0].split(","), *SYNC}
    for key, one in workers.items():
        assert (one["status"], one["n"], one["of"]) == ("ok", COUNT, COUNT), one["reason"]
        assert one["value"] == pytest.approx(shards[key]["value"], rel=1e-10 if key == "psnr" else 1e-5)
        assert (one["weights"] is None) == (key == "psnr")
        assert one["weights"] is None or not one["weights"]["published"]
        assert one["weights"] is None or any("not the published weights" in words for words in one["warnings"])
