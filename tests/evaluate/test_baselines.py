"""The anchors of a table: the truth, the truth through the autoencoder, and the still picture."""

import json
import shutil

import numpy as np
import pytest
import runs
import torch

from tbd.cli import main
from tbd.evaluate.inputs import baselines, streams
from tbd.media import video

COUNT = 2
CODED = "ground truth through the SD VAE"


@pytest.fixture(scope="module")
def autoencoder(tmp_path_factory):
    """A folder with a tiny autoencoder of the published one's class and layout."""
    from diffusers import AutoencoderKL

    torch.manual_seed(0)
    blocks = {"down_block_types": ["DownEncoderBlock2D"] * 4, "up_block_types": ["UpDecoderBlock2D"] * 4}
    vae = AutoencoderKL(
        block_out_channels=[4, 4, 8, 8], norm_num_groups=2, layers_per_block=1, sample_size=32, **blocks
    )
    folder = tmp_path_factory.mktemp("weights")
    vae.save_pretrained(folder / "sd-vae-ft-mse")
    return folder


@pytest.fixture
def project(autoencoder, tmp_path, monkeypatch):
    manifest = runs.dataset(tmp_path, COUNT)
    runs.run(tmp_path, "mine", manifest, COUNT, sigma=1)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TBD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TBD_WEIGHTS", str(autoencoder))
    monkeypatch.setenv("HOME", str(tmp_path))
    baselines._vae.cache_clear()
    return tmp_path


def test_a_table_shows_the_truth_through_the_autoencoder_and_that_its_weights_are_not_the_published_ones(
    project, capsys
):
    assert main(["eval", "runs/mine", "--suite", "quick", "--workers", "0"]) == 0
    words = capsys.readouterr().out
    document = json.loads((project / "results/mine/scores.json").read_text())
    rows = {row["name"]: row["scores"] for row in document["baselines"]}
    assert list(rows) == ["ground truth", CODED, "still frame of the target clip"]
    found = rows[CODED]["psnr"]
    assert (found["status"], found["n"], found["of"]) == ("ok", COUNT, COUNT)
    assert found["weights"]["file"] == "config.json + diffusion_pytorch_model.safetensors"
    assert found["weights"]["published"] is False
    assert any("not the published weights" in warning for warning in found["warnings"])
    assert rows["ground truth"]["psnr"]["weights"] is None and not document["notes"]
    assert next(line for line in words.splitlines() if line.startswith(CODED)).count("!") == 3


def test_the_ceiling_may_be_that_of_the_runs_own_autoencoder(project, autoencoder, monkeypatch, capsys):
    monkeypatch.delenv("TBD_WEIGHTS")
    shutil.move(autoencoder / "sd-vae-ft-mse", project / "mine")
    try:
        assert main(["eval", "runs/mine", "--metrics", "psnr", "--vae", "mine", "--workers", "2", "-o", "r"]) == 0
    finally:
        shutil.move(project / "mine", autoencoder / "sd-vae-ft-mse")
    document = json.loads((project / "r/scores.json").read_text())
    rows = {row["name"]: row["scores"]["psnr"] for row in document["baselines"]}
    own = rows["ground truth through the runs' VAE"]
    assert own["n"] == COUNT and own["weights"]["published"] is False and own["value"] < 40
    assert "--vae mine" in (project / "r/report.html").read_text()
    path = project / "runs/mine/videos/mead_M003_front_happy_2_001.mp4"
    seen = []
    monkeypatch.setattr(baselines, "_through", lambda pictures, *_: seen.append(pictures.shape) or pictures)
    made = [frame for _, frame in baselines.autoencoded(streams.of_file(path), shorter=32).raw()]
    assert {shape[1:] for shape in seen} == {(32, 32, 3)} and len({one.shape for one in made}) == 1
    assert made[0].shape == next(video.frames(path))[1].shape
    assert main(["eval", "runs/mine", "--metrics", "psnr", "--vae", "runs"]) == 2
    assert "--vae runs: no config.json, " in capsys.readouterr().err


def test_frames_go_through_it_as_floats_from_minus_one_to_one_and_odd_sizes_are_cut_back(project, autoencoder):
    from diffusers import AutoencoderKL

    path = project / "runs/mine/videos/mead_M003_front_happy_2_001.mp4"
    stream = baselines.autoencoded(streams.of_file(path))
    (_, found), *others = stream.raw()
    assert len(others) == 9 and found.dtype == np.uint8
    vae = AutoencoderKL.from_pretrained(autoencoder / "sd-vae-ft-mse").eval()
    frame = torch.from_numpy(next(video.frames(path))[1].copy()).permute(2, 0, 1)[None].float() / 127.5 - 1
    with torch.inference_mode():
        out = vae.decode(vae.encode(frame).latent_dist.mode()).sample[0].permute(1, 2, 0)
    expected = ((out + 1) * 127.5).round().clamp(0, 255).numpy()
    assert np.abs(expected - found).max() <= 1
    assert baselines._through(np.zeros((1, 30, 45, 3), np.uint8), "cpu").shape == (1, 30, 45, 3)


def test_other_weights_of_the_autoencoder_are_another_key(project, autoencoder, capsys, tmp_path, monkeypatch):
    from safetensors.torch import load_file, save_file

    arguments = ["eval", "runs/mine", "--metrics", "psnr", "--workers", "0"]

    def coded():
        baselines._vae.cache_clear()
        assert main(arguments) == 0
        document = json.loads((project / "results/mine/scores.json").read_text())
        return next(row for row in document["baselines"] if row["name"] == CODED)["scores"]["psnr"]["value"]

    before = coded()
    other = tmp_path / "other" / "sd-vae-ft-mse"
    other.mkdir(parents=True)
    (other / "config.json").write_text((autoencoder / "sd-vae-ft-mse/config.json").read_text())
    tensors = load_file(autoencoder / "sd-vae-ft-mse/diffusion_pytorch_model.safetensors")
    save_file({name: tensor * 1.5 for name, tensor in tensors.items()}, other / "diffusion_pytorch_model.safetensors")
    monkeypatch.setenv("TBD_WEIGHTS", str(other.parent))
    assert coded() != before
