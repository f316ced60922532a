"""LPIPS: the ``lpips`` package's numbers with the same weights in both; what is kept; what is refused."""

import numpy as np
import pytest
import random_weights
import torch
from pixels import BAD_FRAMES, blurred, frames, noisy, score

from tbd.errors import InputError, MissingError, UsageError
from tbd.evaluate import lpips
from tbd.evaluate.metrics import lpips as module
from tbd.evaluate.metrics.base import ClipInfo, Window
from tbd.evaluate.metrics.lpips import METRICS
from tbd.evaluate.networks.lpips import BATCH, lpips_network

NETS = ("alex", "vgg")
REF = frames(5, 64, 80)
PRED = noisy(blurred(REF, 1), 8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("weights")


@pytest.fixture(scope="module")
def peers(folder):
    with pytest.warns(UserWarning):  # torchvision's word on an argument of the package
        return {net: random_weights.lpips(folder, net) for net in NETS}


@pytest.fixture(autouse=True)
def published(peers, folder, monkeypatch):
    monkeypatch.setenv("TBD_WEIGHTS", str(folder))


def of_the_package(peer, pred, ref):
    pair = [torch.from_numpy(stack).permute(0, 3, 1, 2).float() / 127.5 - 1 for stack in (pred, ref)]
    with torch.inference_mode():
        return peer(*pair).flatten().double().numpy()


@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize("size", [(64, 80), (31, 45), (97, 33)])
def test_it_is_what_the_package_gives(net, size, peers):
    ref = frames(3, *size, seed=1)
    pred = noisy(ref, 30)
    found = lpips(pred, ref, net)
    assert found.shape == (3,)
    assert found.dtype == np.float64
    assert np.abs(found - of_the_package(peers[net], pred, ref)).max() < 1e-6
    assert found.min() > 1e-3


@pytest.mark.parametrize("net", NETS)
def test_the_heads_of_the_package_are_the_published_ones_and_never_negative(net):
    path = module.weights.resolve("lpips") / f"{net}.pth"
    assert module.weights.sha256(path).startswith({"alex": "df73285e35b22355", "vgg": "a78928a0af1e5f0f"}[net])
    assert module.weights.published(path)
    heads = torch.load(path, map_location="cpu", weights_only=True)
    assert list(heads) == [f"lin{i}.model.1.weight" for i in range(5)]
    assert all((head >= 0).all() and head.shape[0] == 1 for head in heads.values())


def test_a_program_that_trains_can_still_train_afterwards(monkeypatch):
    monkeypatch.setitem(BATCH, "alex", 1)  # batches of either side in turn
    lpips(PRED, REF)
    assert torch.is_grad_enabled() and not torch.is_inference_mode_enabled()


@pytest.mark.parametrize("net", NETS)
def test_equal_frames_are_at_zero_and_either_may_come_first(net):
    assert lpips(REF, REF, net).tolist() == [0] * len(REF)
    assert lpips(PRED, REF, net) == pytest.approx(lpips(REF, PRED, net), rel=1e-6)


@pytest.mark.parametrize("net", NETS)
def test_more_blur_and_more_noise_are_further_away(net):
    for spoiled in (lambda level: blurred(REF, level), lambda level: noisy(REF, 8 * level)):
        values = [lpips(spoiled(level), REF, net).mean() for level in (0.7, 1.5, 3)]
        assert values == sorted(values)
        assert values[0] > 0


@pytest.mark.parametrize("net", NETS)
def test_channels_have_their_order(net):
    assert np.abs(lpips(PRED[..., ::-1], REF[..., ::-1], net) - lpips(PRED, REF, net)).max() > 1e-4
    assert lpips(REF[..., ::-1], REF, net).min() > 1e-3


@pytest.mark.parametrize("net", NETS)
def test_batches_and_windows_change_nothing(net):
    whole = lpips(PRED, REF, net)
    alone = [lpips(*pair, net)[0] for pair in zip(PRED[:, None], REF[:, None], strict=True)]
    assert alone == pytest.approx(whole, rel=1e-5)
    metric = METRICS[NETS.index(net)]
    for cut in (2, 5):
        found = score(metric, PRED, REF, cut)
        assert found.value == pytest.approx(whole.mean(), rel=1e-5)
        assert (found.n, found.reason) == (5, "")


def counted(metric):
    """Frames that go through the network while two runs are scored against one ground truth, and the scores."""
    seen, values, shared = [], [], {}
    handle = module._network(metric._net).register_forward_pre_hook(lambda _, given: seen.append(len(given[0])))
    for pred in (PRED, blurred(REF, 2)):
        accumulator = metric.open(_clip())
        accumulator.update(Window(pred, REF, 0, {}, shared))
        values.append(accumulator.finish().value)
    handle.remove()
    return sum(seen), values


def _clip():
    return ClipInfo("clip", 25.0, (80, 64), 5)


def test_the_ground_truth_is_looked_at_once_for_all_runs():
    alex, values = counted(METRICS[0])
    assert alex == 3 * len(REF)
    assert values == pytest.approx([lpips(PRED, REF).mean(), lpips(blurred(REF, 2), REF).mean()], rel=1e-6)


def test_what_would_take_too_much_memory_is_not_kept(monkeypatch):
    vgg, _ = counted(METRICS[1])
    assert vgg == 4 * len(REF)
    monkeypatch.setitem(module.KEPT, "alex", REF[..., 0].size - 1)
    assert counted(METRICS[0])[0] == 4 * len(REF)


@pytest.mark.parametrize(("net", "least"), [("alex", 31), ("vgg", 16)])
def test_frames_too_small_for_the_network_are_refused(net, least):
    small = frames(1, least, least + 9)
    assert lpips(small, small, net)[0] == 0
    with pytest.raises(InputError, match=f"{least} pixels are needed"):
        lpips(small[:, 1:], small[:, 1:], net)


@pytest.mark.parametrize("bad", BAD_FRAMES)
def test_what_is_no_frames_is_refused(bad):
    with pytest.raises(InputError):
        lpips(BAD_FRAMES[bad], BAD_FRAMES[bad])
    with pytest.raises(InputError):
        lpips(REF, BAD_FRAMES[bad])


def test_frames_of_different_shapes_are_refused():
    with pytest.raises(InputError, match="differ in shape"):
        lpips(REF, REF[:3])


def test_another_net_is_refused():
    with pytest.raises(UsageError, match="no net 'squeeze'; there are alex, vgg"):
        lpips(REF, REF, "squeeze")


def test_missing_weights_name_their_file(tmp_path, monkeypatch):
    monkeypatch.setenv("TBD_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    for metric, name in zip(METRICS, ("alexnet-owt-7be5be79", "vgg16-397923af"), strict=True):
        with pytest.raises(MissingError, match=name):
            metric.open(_clip())


def test_files_with_something_else_are_named(tmp_path, folder):
    torch.save({"lin0.model.1.weight": torch.zeros(1, 3, 1, 1)}, tmp_path / "heads.pth")
    backbone = folder / "alexnet-owt-7be5be79.pth"
    with pytest.raises(InputError, match=r"heads\.pth: not the heads of LPIPS for alex"):
        lpips_network("alex", backbone, tmp_path / "heads.pth")
    heads = module.weights.resolve("lpips") / "alex.pth"
    with pytest.raises(InputError, match=r"alex\.pth: not the weights"):
        lpips_network("alex", heads, heads)
    negative = {name: -tensor for name, tensor in torch.load(heads, map_location="cpu").items()}
    torch.save(negative, tmp_path / "negative.pth")
    with pytest.raises(InputError, match="never negative"):
        lpips_network("alex", backbone, tmp_path / "negative.pth")


def test_a_clip_without_frames_has_a_reason():
    assert METRICS[0].open(_clip()).finish().reason == "no frames"
