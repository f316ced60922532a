"""FID: the same as torch-fidelity and as pytorch-fid's definition with the same weights in both; what it is fed; its headline."""

import numpy as np
import pytest
import random_weights
import torch
from PIL import Image
from pixels import BAD_FRAMES, blurred, frames, score
from torch.nn import functional
from torchvision.models import inception as tv

from tbd.errors import InputError, MissingError
from tbd.evaluate import frechet_distance
from tbd.evaluate.metrics.base import ClipInfo, ClipScore
from tbd.evaluate.metrics.fid import FID, METRICS, RESIZED, features
from tbd.evaluate.networks.inception import FIDInception, inception

CLIP = ClipInfo("clip", 25.0, (80, 60), 5)
REF = frames(5, 60, 80)
PRED = blurred(REF, 1.5)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("weights")


@pytest.fixture(scope="module")
def plain(folder):
    """torchvision's own network with the weights of the file; its pooling is exchanged where it is used."""
    return random_weights.inception(folder)


@pytest.fixture(scope="module")
def path(folder, plain):
    return folder / "pt_inception-2015-12-05-6726825d.pth"


@pytest.fixture
def network(path):
    return inception(path)


@pytest.fixture
def published(path, monkeypatch):
    monkeypatch.setenv("TBD_WEIGHTS", str(path.parent))


@pytest.fixture(scope="module")
def fidelity(path):
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    return FeatureExtractorInceptionV3("plain", ["2048"], feature_extractor_weights_path=str(path))


def by_definition(plain, pictures, monkeypatch):
    """Features of pictures in [-1, 1] through torchvision's code, with TensorFlow's pooling in its nine blocks."""
    calls, averages = [], functional.avg_pool2d

    def pooled(x, kernel_size, stride, padding):
        calls.append(x.shape[1])
        if len(calls) == 9:
            return functional.max_pool2d(x, kernel_size, stride, padding)
        return averages(x, kernel_size, stride, padding, count_include_pad=False)

    seen = []
    plain.avgpool.register_forward_hook(lambda *found: seen.append(found[2].flatten(1)))
    monkeypatch.setattr(tv.F, "avg_pool2d", pooled)
    with torch.inference_mode():
        plain(pictures)
    assert len(calls) == 9
    return seen[0].numpy()


def close(found, expected, within=1e-5):
    return np.abs(found - expected).max() < within * np.abs(expected).max()


def test_the_layout_is_that_of_the_published_file(fidelity):
    ours, theirs = FIDInception().state_dict(), fidelity.state_dict()
    assert {name: one.shape for name, one in ours.items()} == {name: one.shape for name, one in theirs.items()}
    assert ours["fc.weight"].shape == (1008, 2048)


def test_features_are_those_of_pytorch_fids_definition(plain, network, monkeypatch):
    pictures = torch.stack([torch.from_numpy(frame).permute(2, 0, 1).div(255) for frame in REF])
    pictures = functional.interpolate(pictures, size=(299, 299), mode="bilinear", align_corners=False)
    found = features(REF, network)
    assert found.shape == (5, 2048)
    assert close(found, by_definition(plain, 2 * pictures - 1, monkeypatch))


def test_features_are_torch_fidelitys(fidelity, network):
    theirs = fidelity(torch.from_numpy(REF).permute(0, 3, 1, 2))[0].numpy()
    assert close(features(REF, network, "torch-fidelity"), theirs)


class _Pictures(torch.utils.data.Dataset):
    def __init__(self, stack):
        self.stack = torch.from_numpy(stack).permute(0, 3, 1, 2)

    def __len__(self):
        return len(self.stack)

    def __getitem__(self, i):
        return self.stack[i]


def test_the_distance_is_what_the_program_torch_fidelity_prints(path, network):
    from torch_fidelity import calculate_metrics

    theirs = calculate_metrics(
        input1=_Pictures(PRED), input2=_Pictures(REF), fid=True, cuda=False, save_cpu_ram=True, verbose=False, cache=False,
        batch_size=3, feature_extractor_weights_path=str(path),
    )["frechet_inception_distance"]  # fmt: skip
    ours = frechet_distance(*(features(stack, network, "torch-fidelity") for stack in (PRED, REF)))
    assert ours == pytest.approx(theirs, rel=1e-3)


def test_clean_resizes_as_pil_does_with_floats():
    def by_pil(channel):
        resized = Image.fromarray(channel.astype(np.float32), mode="F").resize((299, 299), Image.Resampling.BICUBIC)
        return np.asarray(resized).clip(0, 255)

    for stack in (REF[:1], frames(1, 512, 400)):
        ours = RESIZED["clean"](torch.from_numpy(stack).permute(0, 3, 1, 2).float())[0] * 128 + 128
        theirs = np.stack([by_pil(stack[0, ..., channel]) for channel in range(3)])
        assert np.abs(ours.numpy() - theirs).max() < 1e-3


def test_the_protocols_see_different_pictures():
    pictures = torch.from_numpy(frames(1, 512, 512)).permute(0, 3, 1, 2).float()
    seen = [resize(pictures) for resize in RESIZED.values()]
    assert all(one.shape == (1, 3, 299, 299) and one.min() >= -1 and one.max() <= 1 for one in seen)
    assert all((one - other).abs().max() > 0.1 for one, other in zip(seen, seen[1:] + seen[:1], strict=True))


def test_the_corner_of_tensorflows_grid_is_the_first_pixel():
    pictures = torch.arange(4.0).repeat(1, 3, 4, 1) * 64
    found = RESIZED["torch-fidelity"](pictures)[0, 0, 0] * 128 + 128
    expected = np.interp(np.arange(299) * 4 / 299, np.arange(4), np.arange(4) * 64.0)
    assert np.abs(found.numpy() - expected).max() < 1e-3


def test_batches_windows_and_order_change_nothing(network, published):
    whole = features(REF, network)
    assert close(np.concatenate([features(one[None], network) for one in REF]), whole)
    in_windows = score(METRICS[0], REF, cut=3)
    assert close(in_windows.features, whole)
    assert (in_windows.value, in_windows.n, in_windows.reason) == (None, 5, "")


def test_swapped_channels_change_the_features_and_the_distance(network):
    rgb, bgr = features(REF, network), features(REF[..., ::-1], network)
    assert frechet_distance(rgb, bgr) > 100 * abs(frechet_distance(rgb, rgb))
    assert not close(rgb, bgr, 1e-2)


@pytest.mark.parametrize("bad", BAD_FRAMES)
def test_what_is_no_frames_is_refused(bad):
    with pytest.raises(InputError):
        features(BAD_FRAMES[bad], None)


def test_a_clip_without_frames_has_a_reason(published):
    assert METRICS[0].open(CLIP).finish().reason == "no frames"


def test_missing_weights_name_their_file(tmp_path, monkeypatch):
    monkeypatch.setenv("TBD_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(MissingError, match="pt_inception-2015-12-05-6726825d"):
        METRICS[0].open(CLIP)


def test_a_file_with_something_else_is_named(tmp_path):
    file = tmp_path / "a.pth"
    for content in ({"weight": torch.zeros(3)}, [1, 2]):
        torch.save(content, file)
        with pytest.raises(InputError, match=r"a\.pth: not the weights of FIDInception"):
            inception(file)
    file.write_bytes(b"version https://git-lfs")
    with pytest.raises(InputError, match=r"a\.pth"):
        inception(file)


def clips(count, seed, frames_each=40, width=6, shift=0.0):
    random = np.random.default_rng(seed)
    made = [random.normal(shift, 1, (frames_each + i % 3, width)).astype(np.float32) for i in range(count)]
    return [ClipScore(None, len(one), features=one) for one in made]


def test_the_headline_is_the_distance_between_all_frames():
    run, truth = clips(24, 0, shift=0.5), clips(24, 1)
    found = FID("pytorch-fid").aggregate(run, truth)
    x, y = (np.concatenate([clip.features for clip in side]) for side in (run, truth))
    assert found.value == pytest.approx(frechet_distance(x, y), rel=1e-12)
    assert (found.n, found.of, found.reason, found.details["frames"]) == (24, 24, "", len(x))
    assert found.ci95[0] < found.value < found.ci95[1]
    assert found.interval.startswith("jackknife over clips, 10 groups")
    assert found.details["floor"]["value"] < found.details["at_floor_size"]["value"]
    assert found.details["floor"]["n"] == 12
    assert any("fewer than 2048" in warning for warning in found.warnings)


def test_equal_sets_score_zero_and_the_order_of_the_clips_does_not_matter():
    run, truth = clips(9, 0, shift=0.5), clips(9, 1)
    metric = FID("pytorch-fid")
    assert abs(metric.aggregate(truth, truth).value) < 1e-6
    order = np.random.default_rng(0).permutation(9)
    shuffled = metric.aggregate([run[i] for i in order], [truth[i] for i in order])
    assert shuffled.value == pytest.approx(metric.aggregate(run, truth).value, rel=1e-10)


def test_only_clips_that_both_sides_have_count():
    run, truth = clips(10, 0), clips(10, 1)
    lost, dark = ClipScore(None, 0, "missing: no video"), ClipScore(None, 0, "unreadable")
    found = FID("clean").aggregate([lost, lost, *run[2:]], [*truth[:9], dark])
    assert found.value == FID("clean").aggregate(run[2:9], truth[2:9]).value
    assert (found.n, found.of) == (7, 10)
    assert found.warnings[0].startswith(
        "covers 7 of 10 clips (70%): missing: no video (2), ground truth: unreadable (1)"
    )


@pytest.mark.parametrize(
    ("run", "truth", "words"),
    [
        ([], [], "0 frames: a distance between sets needs two"),
        (clips(1, 0, 1), clips(1, 1, 1), "1 frames"),
        ([ClipScore(None, 0, "no frames")] * 2, clips(2, 1), "covers 0 of 2 clips (0%): no frames (2)"),
    ],
)
def test_too_few_features_are_a_reason(run, truth, words):
    found = FID("pytorch-fid").aggregate(run, truth)
    assert found.value is None
    assert words in found.reason


def test_two_clips_have_a_distance_without_an_interval():
    found = FID("pytorch-fid").aggregate(clips(2, 0), clips(2, 1))
    assert found.value > 0
    assert found.ci95 is None
    assert found.interval == ""
