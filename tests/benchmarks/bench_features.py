"""Networks are looked through at least as fast as by torch-fidelity, lpips and the published program: ratios of one run."""

import numpy as np
import pytest
import random_weights
import torch
from pixels import frames, noisy
from timing import least_seconds

from tbd.evaluate import frechet_distance, lpips
from tbd.evaluate.metrics.fid import features
from tbd.evaluate.metrics.lpips import _network, _tensor
from tbd.evaluate.networks.i3d import i3d, look
from tbd.evaluate.networks.inception import inception

pytestmark = [
    pytest.mark.bench,
    pytest.mark.filterwarnings("ignore::UserWarning"),
    *(pytest.mark.filterwarnings(f"ignore:.torch.jit:{kind}") for kind in ("FutureWarning", "DeprecationWarning")),
]


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("weights")


@pytest.mark.parametrize("protocol", ["pytorch-fid", "torch-fidelity", "clean"])
def test_the_features_of_fid_against_torch_fidelity(folder, protocol):
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    random_weights.inception(folder)
    path = folder / "pt_inception-2015-12-05-6726825d.pth"
    network, stack = inception(path), frames(8, 512, 512)
    peer = FeatureExtractorInceptionV3("peer", ["2048"], feature_extractor_weights_path=str(path))
    pictures = torch.from_numpy(stack).permute(0, 3, 1, 2)
    ours, theirs = least_seconds(lambda: features(stack, network, protocol), lambda: peer(pictures))
    print(f"\nfid@{protocol}: {ours / 8 * 1e3:.0f} ms a frame of 512x512; torch-fidelity {theirs / ours:.2f} x")
    assert theirs / ours > 1


@pytest.mark.parametrize(("net", "size"), [("alex", 256), ("alex", 512), ("vgg", 128)])
def test_lpips_against_the_package(folder, net, size, monkeypatch):
    monkeypatch.setenv("TBD_WEIGHTS", str(folder))
    peer, ref = random_weights.lpips(folder, net), frames(8, size, size)
    runs = [noisy(ref, 5 * i, seed=i) for i in (1, 2, 3)]
    network = _network(net)

    def tensor(stack):
        return torch.from_numpy(stack).permute(0, 3, 1, 2).float() / 127.5 - 1

    def package():
        with torch.inference_mode():
            return [peer(tensor(run), tensor(ref)) for run in runs]

    def kept():
        found = network.embed(_tensor(ref))
        return [network.distances(_tensor(run), found) for run in runs]

    ours, once, theirs = least_seconds(lambda: [lpips(run, ref, net) for run in runs], kept, package)
    print(
        f"\nlpips@{net} at {size}x{size}: {ours / 24 * 1e3:.0f} ms a frame; lpips {theirs / ours:.2f} x; "
        f"three runs with the ground truth kept {theirs / once:.2f} x"
    )
    assert theirs / ours > 1
    assert theirs / once > 1.4


def test_i3d_against_the_published_program(folder):
    random_weights.i3d(folder)
    network, program = i3d(folder / "i3d_torchscript.pt"), torch.jit.load(folder / "i3d_torchscript.pt")
    clips = torch.rand(2, 3, 16, 224, 224) * 2 - 1

    def published():
        with torch.inference_mode():
            program(clips, return_features=True)

    ours, theirs = least_seconds(lambda: look(network, clips), published)
    print(f"\nI3D: {ours / 2 * 1e3:.0f} ms a window of 16 frames; as a program {theirs / ours:.2f} x")
    assert theirs / ours > 1


@pytest.mark.parametrize(("rows", "width"), [(1000, 400), (300, 1024), (3000, 2048)])
def test_the_frechet_distance_against_torch_fidelity(rows, width):
    from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric

    random = np.random.default_rng(0)
    x, y = random.normal(size=(rows, width)), random.normal(0.1, 1.2, (rows, width))

    def peer():
        sides = [fid_features_to_statistics(torch.from_numpy(one)) for one in (x, y)]
        return fid_statistics_to_metric(*sides, verbose=False)

    ours, theirs = least_seconds(lambda: frechet_distance(x, y), peer, times=2)
    print(f"\nFréchet distance, {rows} x {width}: {ours * 1e3:.0f} ms; torch-fidelity {theirs / ours:.1f} x")
    assert theirs / ours > 1
