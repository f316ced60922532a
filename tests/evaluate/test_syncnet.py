import numpy as np
import pytest
import torch
from sync import clip, faces, loudness, speech, windows
from torch import nn

from tbd import weights
from tbd.errors import InputError
from tbd.evaluate import mfcc, sync_scores
from tbd.evaluate.metrics.sync import METRICS
from tbd.media.syncnet import SyncNet, syncnet
from tbd.state_dicts import load

PUBLISHED_BYTES = 54_573_114


@pytest.fixture(scope="module")
def net():
    """Random weights, but with statistics of batch normalisation that a trained network could have."""
    torch.manual_seed(0)
    made = SyncNet()
    for module in made.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    return made.eval().requires_grad_(False)


def noise(frames, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (frames, 224, 224, 3), np.uint8)


def test_the_layout_is_that_of_the_published_file():
    with torch.device("meta"):
        state = SyncNet().state_dict()
    shapes = {name: tuple(tensor.shape) for name, tensor in state.items()}
    assert {name.partition(".")[0] for name in shapes} == {"netcnnaud", "netfcaud", "netcnnlip", "netfclip"}
    assert shapes["netcnnaud.18.weight"] == (512, 256, 5, 4)
    assert shapes["netcnnaud.4.bias"] == (192,)
    assert shapes["netcnnlip.0.weight"] == (96, 3, 5, 7, 7)
    assert shapes["netcnnlip.18.weight"] == (512, 256, 1, 6, 6)
    assert shapes["netcnnlip.15.running_mean"] == (256,)
    assert shapes["netfclip.3.weight"] == shapes["netfcaud.3.weight"] == (1024, 512)
    size = sum(tensor.numel() * tensor.element_size() for tensor in state.values())
    assert 0 < PUBLISHED_BYTES - size < 40_000  # the rest is names and headers


def test_one_window_gives_512_and_then_1024_numbers(net):
    with torch.inference_mode():
        assert net.netcnnaud(torch.zeros(1, 1, 13, 20)).shape == (1, 512, 1, 1)
        assert net.netcnnlip(torch.zeros(1, 3, 5, 224, 224)).shape == (1, 512, 1, 1, 1)
        assert net.listen(torch.zeros(2, 1, 13, 20)).shape == (2, 1024)
        assert net.look(torch.zeros(1, 3, 6, 224, 224)).shape == (1, 2, 1024)


def test_all_frames_at_once_give_what_each_five_would_give_alone(net):
    crops = noise(9)
    with torch.inference_mode():
        frames = torch.from_numpy(crops[..., ::-1].copy()).permute(3, 0, 1, 2).float()
        alone = torch.stack([net.netfclip(net.netcnnlip(frames[None, :, i : i + 5]).flatten(1))[0] for i in range(5)])
    found = net.lips(crops)
    assert found.shape == (5, 1024)
    assert np.abs(found - alone.numpy()).max() <= 1e-5 * float(alone.abs().max())


def test_lips_are_looked_at_in_blue_green_red(net):
    crops = noise(5)
    with torch.inference_mode():
        wanted = net.look(torch.from_numpy(crops[..., ::-1].copy()).permute(3, 0, 1, 2).float()[None])[0]
    assert net.lips(crops) == pytest.approx(wanted.numpy(), abs=1e-5)
    assert not np.allclose(net.lips(crops), net.lips(crops[..., ::-1]), atol=1e-3)


def test_each_window_of_sound_is_twenty_columns_from_four_a_frame(net):
    cepstrum = np.random.default_rng(0).normal(0, 5, (60, 13))
    columns = torch.from_numpy(cepstrum[12:32].T.copy()).float()
    with torch.inference_mode():
        wanted = net.listen(columns[None, None])[0].numpy()
    assert net.speech(cepstrum, 11)[3] == pytest.approx(wanted, abs=1e-5)


def test_more_windows_than_a_batch_are_the_same(net):
    cepstrum = np.random.default_rng(0).normal(0, 5, (4 * 70 + 20, 13))
    assert net.speech(cepstrum, 70)[66:] == pytest.approx(net.speech(cepstrum[4 * 66 :], 4), abs=1e-5)


@pytest.mark.parametrize("shift", [1, 6])
def test_random_networks_hear_a_shift_of_the_sound_as_the_same_shift_of_their_features(net, shift):
    sound = speech(loudness(60))
    whole, later = (net.speech(mfcc(part), 40) for part in (sound, sound[640 * shift :]))
    assert later[1 : 40 - shift] == pytest.approx(whole[1 + shift :], abs=1e-4)
    common = whole.mean(0)  # most of what an untrained network says, whatever it hears
    offsets = [sync_scores(whole - common, heard - common).offset for heard in (whole, later)]
    assert offsets == [0, shift]


def test_a_file_of_random_weights_loads_and_a_clip_gets_all_three_numbers(net, tmp_path, monkeypatch):
    path = tmp_path / "syncnet_v2.model"
    torch.save(net.state_dict(), path)
    monkeypatch.setenv("TBD_WEIGHTS", str(tmp_path))
    assert not weights.published(weights.resolve("syncnet"))
    whole = next(metric for metric in METRICS if metric.protocol == "sync_conf@whole")
    levels = loudness(12)
    frames = faces(levels, (64, 64))
    passing = whole.open(clip(frames, speech(levels)))
    for window in windows(frames):
        passing.update(window)
    score = passing.finish()
    assert score.n == 7
    assert score.details["sync_dist"] > 0


def test_weights_of_another_network_and_no_weights_at_all_are_refused(tmp_path):
    other, damaged = tmp_path / "other.model", tmp_path / "damaged.model"
    torch.save(nn.Linear(2, 2).state_dict(), other)
    damaged.write_bytes(b"<html>not found</html>")
    for path in (other, damaged):
        with pytest.raises(InputError, match="not the weights of SyncNet"):
            syncnet(path)


def test_a_pickle_that_runs_code_does_not(tmp_path):
    class Trap:
        def __reduce__(self):
            return (exec, ("raise SystemExit",))

    torch.save(Trap(), tmp_path / "trap.model")
    with pytest.raises(InputError, match="not the weights"):
        load(nn.Linear(1, 1), tmp_path / "trap.model")
