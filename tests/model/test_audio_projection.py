import torch

from tbd.model.audio_projection import AudioProjection
from tbd.model.shapes import SD15, TINY


def _projection():
    torch.manual_seed(0)
    return AudioProjection(window=5, tokens=3, **TINY.audio)


def test_it_is_three_linear_layers_and_a_norm_over_what_surrounds_a_frame():
    projection, windows = _projection(), torch.randn(2, 4, 5, 12, 16)
    found = projection(windows)
    assert found.shape == (2, 4, 3, 16)
    weight = {name: value.double() for name, value in projection.state_dict().items()}
    x = windows.double().reshape(8, 5 * 12 * 16)
    x = (x @ weight["proj1.weight"].T + weight["proj1.bias"]).clamp(min=0)
    x = (x @ weight["proj2.weight"].T + weight["proj2.bias"]).clamp(min=0)
    x = (x @ weight["proj3.weight"].T + weight["proj3.bias"]).reshape(8, 3, 16)
    x = (x - x.mean(-1, keepdim=True)) / (x.var(-1, unbiased=False, keepdim=True) + 1e-5).sqrt()
    x = x * weight["norm.weight"] + weight["norm.bias"]
    torch.testing.assert_close(found.flatten(0, 1).double(), x, atol=1e-5, rtol=1e-5)


def test_a_frame_hears_nothing_but_its_own_window():
    projection, windows = _projection(), torch.randn(1, 4, 5, 12, 16)
    other = windows.clone()
    other[:, 2] += 1
    changed = (projection(windows) != projection(other)).flatten(2).any(2)[0]
    assert changed.tolist() == [False, False, True, False]


def test_at_full_size_it_has_as_many_weights_as_hallo_says():
    with torch.device("meta"):
        projection = AudioProjection(window=5, tokens=32, **SD15.audio)
    wide, tokens = 5 * 12 * 768, 32 * 768
    assert {name: tuple(value.shape) for name, value in projection.named_parameters()} == {
        "proj1.weight": (512, wide), "proj1.bias": (512,), "proj2.weight": (512, 512), "proj2.bias": (512,),
        "proj3.weight": (tokens, 512), "proj3.bias": (tokens,), "norm.weight": (768,), "norm.bias": (768,),
    }  # fmt: skip
    assert sum(value.numel() for value in projection.parameters()) == 36_465_152


def test_a_folder_gives_it_back(tmp_path):
    projection = _projection()
    projection.save_pretrained(tmp_path)
    again = AudioProjection.from_pretrained(tmp_path)
    assert dict(again.config) | {"_name_or_path": ""} == dict(projection.config) | {"_name_or_path": ""}
    windows = torch.randn(1, 2, 5, 12, 16)
    assert torch.equal(again(windows), projection(windows))
