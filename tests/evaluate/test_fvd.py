"""FVD: I3D in both published forms against a plain transcription; windows; what they are fed; the headline."""

import numpy as np
import pytest
import random_weights
import torch
from PIL import Image
from pixels import BAD_FRAMES, frames, score
from plain_i3d import PlainI3D
from torch import nn

from tbd.errors import InputError, MissingError
from tbd.evaluate import frechet_distance
from tbd.evaluate.metrics.base import ClipInfo, ClipScore, Window
from tbd.evaluate.metrics.fvd import FVD, METRICS, PROTOCOLS, WindowFeatures, bicubic, bilinear, middle_square
from tbd.evaluate.networks import i3d as networks
from tbd.evaluate.networks.i3d import I3D, I3DProgram, i3d, look

STYLEGANV, DISCO, VIDEOGPT, COMMON = METRICS

pytestmark = [
    pytest.mark.filterwarnings(f"ignore:.torch.jit:{kind}") for kind in ("FutureWarning", "DeprecationWarning")
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("weights")


@pytest.fixture(scope="module")
def plain(folder):
    return random_weights.i3d(folder)


@pytest.fixture
def published(folder, plain, monkeypatch):
    monkeypatch.setenv("TBD_WEIGHTS", str(folder))


def noise(count, length, seed=0):
    return torch.rand(count, 3, length, 224, 224, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def seen(network, clips):
    with torch.inference_mode():
        return network(clips, return_features=True)


def close(found, expected, within=1e-5):
    return float((found - expected).abs().max()) < within * float(expected.abs().max())


def test_the_layout_is_that_of_the_published_state_dict():
    with torch.device("meta"):
        shapes = {name: tuple(one.shape) for name, one in I3D().state_dict().items()}
    assert shapes["Conv3d_1a_7x7.conv3d.weight"] == (64, 3, 7, 7, 7)
    assert shapes["Conv3d_2c_3x3.bn.running_var"] == (192,)
    assert shapes["Mixed_3b.b0.conv3d.weight"] == (64, 192, 1, 1, 1)
    assert shapes["Mixed_4f.b2b.conv3d.weight"] == (128, 32, 3, 3, 3)
    assert shapes["Mixed_5c.b3b.bn.bias"] == (128,)
    assert shapes["logits.conv3d.weight"] == (400, 1024, 1, 1, 1)
    assert shapes["logits.conv3d.bias"] == (400,)
    assert len(shapes) == 57 * 6 + 2


def test_the_state_dict_gives_what_the_plain_network_gives(folder, plain):
    network = i3d(folder / "i3d_pretrained_400.pt")
    for length in (16, 11):
        clips = noise(1, length)
        assert close(look(network, clips), seen(plain, clips))


def test_normalisations_without_a_count_of_batches_load_too(folder, plain, tmp_path):
    state = torch.load(folder / "i3d_pretrained_400.pt")
    lean = {name: one for name, one in state.items() if not name.endswith("num_batches_tracked")}
    torch.save(lean, tmp_path / "lean.pt")
    network = i3d(tmp_path / "lean.pt")
    assert torch.equal(network.logits.conv3d.weight, state["logits.conv3d.weight"])


def test_the_program_is_taken_over_into_our_network(folder, plain):
    network = i3d(folder / "i3d_torchscript.pt")
    assert isinstance(network, I3D)
    clips = noise(2, 10, 1)
    together = look(network, clips)
    assert close(together[:1], seen(plain, clips[:1]))
    assert close(look(network, clips[1:]), together[1:])


class _Otherwise(PlainI3D):
    """The same network, its parts registered in another order."""

    def __init__(self) -> None:
        super().__init__()
        stem = self._modules.pop("stem")
        self._modules["stem"] = stem


class _Different(PlainI3D):
    """The same tensors, used otherwise."""

    def forward(
        self, x: torch.Tensor, rescale: bool = False, resize: bool = False, return_features: bool = False
    ) -> torch.Tensor:
        return self.classes.weight.flatten(1).mean(1)[None] * x.mean()


@pytest.mark.parametrize("kind", [_Otherwise, _Different])
def test_a_program_that_we_cannot_take_over_is_run_itself(kind, tmp_path):
    program = random_weights.lively(kind())
    torch.jit.script(program).save(str(tmp_path / "a.pt"))
    network = i3d(tmp_path / "a.pt")
    assert isinstance(network, I3DProgram)
    clips = noise(1, 9, 2)
    assert close(look(network, clips), seen(program, clips))


class _Flat(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.flatten(1)


class _Small(nn.Module):
    def forward(self, x: torch.Tensor, rescale: bool, resize: bool, return_features: bool) -> torch.Tensor:
        return x.flatten(1)[:, :8]


@pytest.mark.parametrize("kind", [_Flat, _Small])
def test_another_program_is_refused(kind, tmp_path):
    torch.jit.script(kind()).save(str(tmp_path / "a.pt"))
    with pytest.raises(InputError, match="not I3D"):
        i3d(tmp_path / "a.pt")


def test_a_file_with_something_else_is_named(tmp_path):
    file = tmp_path / "a.pt"
    torch.save({"Conv3d_1a_7x7.conv3d.weight": torch.zeros(3)}, file)
    with pytest.raises(InputError, match=r"a\.pt: not the weights of I3D"):
        i3d(file)
    file.write_bytes(b"PK\x03\x04 broken")
    with pytest.raises(InputError, match=r"a\.pt"):
        i3d(file)


class Stub(nn.Module):
    """Sees the mean brightness of each frame of a window."""

    def forward(self, clips):
        return clips.mean((1, 3, 4))


def numbered(count, size=(24, 32)):
    """Frames as bright as their number, twice."""
    return np.tile(np.arange(count, dtype=np.uint8)[:, None, None, None] * 2, (1, *size, 3))


def windows_of(metric, count, cut, monkeypatch):
    """The numbers of the frames in each window that the network is shown."""
    monkeypatch.setattr(networks, "i3d", lambda *_: Stub())
    found = score(metric, numbered(count), cut=cut)
    return None if found.features is None else np.rint((found.features + 1) * 127.5 / 2).astype(int)


@pytest.mark.parametrize("cut", [1, 5, 16, 32])
@pytest.mark.parametrize("count", [16, 17, 40])
def test_styleganv_sees_the_window_in_the_middle(count, cut, published, monkeypatch):
    found = windows_of(STYLEGANV, count, cut, monkeypatch)
    first = (count - 16) // 2
    assert found.tolist() == [list(range(first, first + 16))]


@pytest.mark.parametrize("cut", [1, 5, 16, 32])
@pytest.mark.parametrize("count", [16, 17, 40])
def test_disco_sees_every_window(count, cut, published, monkeypatch):
    found = windows_of(DISCO, count, cut, monkeypatch)
    assert found.tolist() == [list(range(first, first + 16)) for first in range(count - 15)]


@pytest.mark.parametrize("metric", METRICS)
def test_a_clip_shorter_than_a_window_has_a_reason(metric):
    least = 10 if metric.protocol == "fvd@common_metrics" else 16
    with pytest.raises(InputError, match=f"too short: {least - 1} frames, and a window has {least}"):
        metric.open(ClipInfo("clip", 25.0, (32, 24), least - 1))


def test_a_whole_clip_is_one_window(monkeypatch, published):
    assert windows_of(COMMON, 40, 32, monkeypatch).tolist() == [list(range(40))]
    assert windows_of(VIDEOGPT, 40, 32, monkeypatch).tolist() == [list(range(12, 28))]
    with pytest.raises(InputError, match="too long: 1501 frames"):
        COMMON.open(ClipInfo("clip", 25.0, (32, 24), 1501))


@pytest.mark.parametrize(("height", "width"), [(240, 426), (426, 240), (224, 224), (300, 301)])
def test_videogpt_scales_the_shorter_side_and_keeps_the_middle(height, width):
    clip = frames(2, height, width)
    found = middle_square(clip, "cpu")
    assert found.shape == (3, 2, 224, 224)
    scale = 224 / min(height, width)
    size = [224 if side == min(height, width) else int(np.ceil(side * scale)) for side in (height, width)]
    whole = torch.nn.functional.interpolate(
        torch.from_numpy(clip).permute(0, 3, 1, 2) / 255, size=size, mode="bilinear"
    )
    top, left = (size[0] - 224) // 2, (size[1] - 224) // 2
    expected = (whole[:, :, top : top + 224, left : left + 224] - 0.5) * 2
    assert (found.transpose(0, 1) - expected).abs().max() < 1e-6


def test_the_eps_of_the_normalisations_is_part_of_the_protocol():
    usual, small = I3D(), I3D(1e-5)
    assert {unit.eps for unit in usual.modules() if isinstance(unit, torch.nn.BatchNorm3d)} == {1e-3}
    assert {unit.eps for unit in small.modules() if isinstance(unit, torch.nn.BatchNorm3d)} == {1e-5}


def test_a_clip_that_ends_too_early_has_a_reason():
    accumulator = WindowFeatures(Stub(), lambda found: bilinear(found, "cpu"), range(40))
    assert accumulator.finish().reason == "no window of 16 frames"
    accumulator.update(Window(numbered(15), None, 0))
    assert accumulator.finish().reason == "no window of 16 frames"


def test_missing_weights_name_their_file(tmp_path, monkeypatch):
    monkeypatch.setenv("TBD_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    for metric, name in zip(METRICS, ("i3d_torchscript", *["i3d_pretrained_400"] * 2, "i3d_torchscript"), strict=True):
        with pytest.raises(MissingError, match=name):
            metric.open(ClipInfo("clip", 25.0, (32, 24), 16))


def test_a_run_sees_what_the_published_program_sees(plain, published):
    clip = frames(16, 40, 60)
    found = score(STYLEGANV, clip)
    video = torch.from_numpy(clip).permute(3, 0, 1, 2)[None]
    with torch.inference_mode():
        expected = plain(video, rescale=True, resize=True, return_features=True)
    assert close(torch.from_numpy(found.features), expected)
    assert (found.value, found.n, found.reason) == (None, 1, "")


def test_disco_is_fed_pils_bicubic_frames():
    clip = frames(2, 300, 260)
    found = bicubic(clip, "cpu")
    assert found.shape == (3, 2, 224, 224)
    expected = np.asarray(Image.fromarray(clip[1]).resize((224, 224), Image.Resampling.BICUBIC)) / 127.5 - 1
    assert np.abs(found[:, 1].permute(1, 2, 0).numpy() - expected).max() < 1e-6


@pytest.mark.parametrize("prepare", [bilinear, bicubic, middle_square])
def test_the_network_is_fed_rgb_from_minus_one_to_one(prepare):
    clip = np.zeros((3, 30, 40, 3), np.uint8)
    clip[1] = 255
    clip[2, ..., 0] = 255
    black, white, red = prepare(clip, "cpu").unbind(1)
    assert black.unique().tolist() == [-1]
    assert (white - 1).abs().max() < 1e-6
    assert [channel.mean().item() for channel in red] == pytest.approx([1, -1, -1])


@pytest.mark.parametrize("bad", BAD_FRAMES)
def test_what_is_no_frames_is_refused(bad):
    accumulator = WindowFeatures(Stub(), lambda found: bilinear(found, "cpu"), range(40))
    with pytest.raises(InputError):
        accumulator.update(Window(BAD_FRAMES[bad], None, 0))


def clips(count, seed, shift=0.0):
    features = np.random.default_rng(seed).normal(shift, 1, (count, 1, 8)).astype(np.float32)
    return [ClipScore(None, 1, features=one) for one in features]


@pytest.mark.parametrize(("protocol", "ddof"), zip(PROTOCOLS, (0, 1, 1, 1), strict=True))
def test_the_headline_is_the_distance_between_all_windows(protocol, ddof):
    run, truth = clips(40, 0, 0.5), clips(40, 1)
    found = FVD(protocol).aggregate(run, truth)
    x, y = (np.concatenate([clip.features for clip in side]) for side in (run, truth))
    assert found.value == pytest.approx(frechet_distance(x, y, ddof), rel=1e-12)
    assert (found.n, found.of, found.details["windows"]) == (40, 40, 40)
    assert found.interval.startswith("jackknife over clips, 20 groups")
    assert found.details["floor"]["n"] == 20
    assert found.details["extrapolated"]["limit"] < found.value
    assert any("fewer than 256" in warning for warning in found.warnings)
    assert abs(FVD(protocol).aggregate(truth, truth).value) < 1e-6


def test_two_clips_are_enough_for_a_distance_and_one_is_a_reason():
    assert FVD(PROTOCOLS[0]).aggregate(clips(2, 0), clips(2, 1)).value > 0
    found = FVD(PROTOCOLS[0]).aggregate(clips(1, 0), clips(1, 1))
    assert (found.value, found.reason) == (None, "1 windows: a distance between sets needs two on each side")
