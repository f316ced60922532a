import json
import re

import pytest
import tiny_weights
import torch
from diffusers import MotionAdapter
from safetensors.torch import load_file, save_file
from tiny_weights import DIFFUSERS, TINY_NETWORK, adapter, original, seeded

from tbd.errors import InputError
from tbd.model.network import build_network
from tbd.model.published_weights import _same_kind, load_hallo, load_motion, load_sd15, renamed, version
from tbd.model.recipe import Network

SEPARATE = Network(size="tiny", text_layer="separate")
NARROW = Network(size="tiny", lowest_motion=False)
TEXT = r"attentions.*(attn2|norm2)\."


def _network(stage=1, network=TINY_NETWORK):
    return seeded(lambda: build_network(network, stage), 0)


def _state(module):
    return {key: value.clone() for key, value in module.state_dict().items()}


def _equal(found, expected, keys=None):
    return all(torch.equal(found[key], expected[key]) for key in (expected if keys is None else keys))


# Stable Diffusion 1.5


def test_sd15_fills_both_networks_without_a_surprise(tmp_path):
    theirs = tiny_weights.sd15(tmp_path)[0].state_dict()
    network = _network()
    unet, reference = load_sd15(network, tmp_path / "stable-diffusion-v1-5")
    assert unet.empty and reference.empty
    assert sorted(unet.loaded) == sorted(theirs) and not unet.kept and not unet.unused
    assert _equal(network.unet.state_dict(), theirs)
    own = network.reference_net.state_dict()
    assert own.keys() < theirs.keys() and _equal(theirs, own)
    assert set(reference.unused) == theirs.keys() - own.keys()  # what lies behind the last features
    assert {"conv_out.weight", "conv_norm_out.bias"} < set(reference.unused)
    assert unet.line() == f"{DIFFUSERS} -> unet: {len(theirs)} weights loaded"


def test_the_unets_own_folder_will_do(tmp_path):
    tiny_weights.sd15(tmp_path)
    assert all(report.empty for report in load_sd15(_network(), tmp_path / "stable-diffusion-v1-5" / "unet"))


def test_our_network_of_stage_1_writes_what_sd15_reads(tmp_path):
    network = _network()
    save_file(_state(network.unet), tmp_path / DIFFUSERS)
    theirs = tiny_weights.UNet2DConditionModel(**tiny_weights.UNET)
    theirs.load_state_dict(load_file(tmp_path / DIFFUSERS))
    again = seeded(lambda: build_network(TINY_NETWORK, 1), 9)
    assert load_sd15(again, tmp_path)[0].empty and _equal(again.unet.state_dict(), network.unet.state_dict())


def test_layers_that_sd15_does_not_have_keep_their_start_and_are_named(tmp_path):
    tiny_weights.sd15(tmp_path)
    network = _network(2)
    before = _state(network.unet)
    report = load_sd15(network, tmp_path / "stable-diffusion-v1-5")[0]
    assert set(report.kept) == {key for key in before if "audio_modules" in key or "motion_modules" in key}
    assert _equal(network.unet.state_dict(), before, report.kept)


def test_a_separate_text_layer_starts_as_the_twin_of_sds_transformer(tmp_path):
    theirs = tiny_weights.sd15(tmp_path)[0].state_dict()
    network = _network(1, SEPARATE)
    unet, reference = load_sd15(network, tmp_path / "stable-diffusion-v1-5")
    assert unet.empty and reference.empty and not unet.kept
    own = network.unet.state_dict()
    twins = {key for key in own if ".text_modules." in key}
    assert {key.replace("text_modules", "attentions") for key in twins} == {k for k in theirs if ".attentions." in k}
    assert all(torch.equal(own[key], theirs[key.replace("text_modules", "attentions")]) for key in twins)
    assert _equal(theirs, own, own.keys() - twins)
    assert set(unet.unused) == {key for key in theirs if re.search(TEXT, key)} == theirs.keys() - own.keys()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda state: state.pop("conv_in.weight"), "1 missing: conv_in.weight"),
        (lambda state: state.update({"extra.weight": torch.ones(1)}), "1 unexpected: extra.weight"),
        (
            lambda state: state.update({"conv_in.weight": torch.ones(16, 9, 3, 3)}),
            r"\(16, 9, 3, 3\) instead of \(16, 4",
        ),
    ],
)
def test_another_unet_is_refused_by_name_and_nothing_is_loaded(change, words, tmp_path):
    tiny_weights.sd15(tmp_path)
    file = tmp_path / "stable-diffusion-v1-5" / "unet" / DIFFUSERS
    state = load_file(file)
    change(state)
    save_file(state, file)
    network = _network()
    before = _state(network)
    with pytest.raises(InputError, match=words):
        load_sd15(network, tmp_path / "stable-diffusion-v1-5")
    assert _equal(network.state_dict(), before)


@pytest.mark.parametrize("place", ["unet", ""])
@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("attention_head_dim", 4, "attention_head_dim: 4 instead of 2"),
        ("attention_head_dim", [5, 10], r"attention_head_dim: \[5, 10\] instead of 2"),
        ("norm_num_groups", 8, "norm_num_groups: 8 instead of 4"),
        ("block_out_channels", [16, 64], r"block_out_channels: \[16, 64\] instead of \[16, 32\]"),
    ],
)
def test_a_config_of_another_kind_is_refused_though_every_weight_would_fit(place, key, value, words, tmp_path):
    tiny_weights.sd15(tmp_path)
    folder = tmp_path / "stable-diffusion-v1-5"
    config = folder / "unet" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {key: value}))
    network = _network()
    before = _state(network)
    with pytest.raises(InputError, match=f"not a UNet of Stable Diffusion 1.5's kind\n  {words}$") as caught:
        load_sd15(network, folder / "unet" if place else folder)
    assert str(config) in str(caught.value) and caught.value.next == "tbd weights verify"
    assert _equal(network.state_dict(), before)


@pytest.mark.parametrize("content", ["{", "[1]", "1", "", "\x00"])
def test_a_damaged_config_is_named(content, tmp_path):
    tiny_weights.sd15(tmp_path)
    config = tmp_path / "stable-diffusion-v1-5" / "unet" / "config.json"
    config.write_text(content)
    with pytest.raises(InputError, match=r"unet/config\.json: cannot be read"):
        load_sd15(_network(), tmp_path / "stable-diffusion-v1-5")


@pytest.mark.parametrize("network", [TINY_NETWORK, SEPARATE], ids=["shared text", "separate text"])
def test_a_config_may_be_missing_or_short(network, tmp_path):
    tiny_weights.sd15(tmp_path)
    config = tmp_path / "stable-diffusion-v1-5" / "unet" / "config.json"
    config.write_text(json.dumps({"attention_head_dim": 2}))
    load_sd15(_network(1, network), tmp_path / "stable-diffusion-v1-5")
    config.unlink()
    load_sd15(_network(1, network), tmp_path / "stable-diffusion-v1-5")


def test_the_published_config_is_of_our_kind(tmp_path):
    """The numbers of stable-diffusion-v1-5's ``unet/config.json``."""
    down, up = "CrossAttnDownBlock2D", "CrossAttnUpBlock2D"
    published = {"attention_head_dim": 8, "block_out_channels": [320, 640, 1280, 1280], "cross_attention_dim": 768}
    published |= {"down_block_types": [down] * 3 + ["DownBlock2D"], "up_block_types": ["UpBlock2D"] + [up] * 3}
    published |= {"layers_per_block": 2, "norm_num_groups": 32, "sample_size": 64, "in_channels": 4}
    (tmp_path / "config.json").write_text(json.dumps(published))
    with torch.device("meta"):
        network = build_network(Network(), 1)
    _same_kind(network.unet, tmp_path / "config.json")


# AnimateDiff


def _learned(state):
    return {key: value for key, value in state.items() if "pos_embed" not in key}


@pytest.mark.parametrize("form", ["folder", "safetensors", "original", "wrapped", "prefixed", "both"])
def test_animatediff_loads_in_every_form_it_goes_around_in(form, tmp_path):
    theirs = adapter()
    theirs.save_pretrained(tmp_path)
    path = {"folder": tmp_path, "safetensors": tmp_path / DIFFUSERS}.get(form, tmp_path / "mm_sd_v15_v2.ckpt")
    state = original(theirs.state_dict())
    if form in ("prefixed", "both"):
        state = {f"module.{key}": value for key, value in state.items()}
    if path.suffix == ".ckpt":
        torch.save({"epoch": 1, "state_dict": state} if form in ("wrapped", "both") else state, path)
    network = _network(2)
    before = _state(network.unet)
    report = load_motion(network.unet, path)
    assert report.empty and "AnimateDiff v2" in report.source
    assert set(report.loaded) == _learned(theirs.state_dict()).keys()
    assert _equal(network.unet.state_dict(), _learned(theirs.state_dict()))
    assert _equal(network.unet.state_dict(), before, [key for key in before if "motion_modules" not in key])
    assert report.unused and all("pos_e" in key for key in report.unused)


def test_places_in_time_are_the_published_sines():
    theirs, own = dict(adapter().named_buffers()), dict(_network(2).unet.named_buffers())
    places = [key for key in theirs if "pos_embed" in key]
    assert places
    for key in places:
        torch.testing.assert_close(own[key], theirs[key])


def test_the_original_names_are_the_inverse_of_diffusers(tmp_path):
    theirs = _learned(adapter().state_dict())
    found = renamed(original(theirs))
    assert found.keys() == theirs.keys() and _equal(found, theirs)
    assert len(original(theirs)) == len(theirs)


def test_diffusers_reads_the_original_form_as_we_do(tmp_path):
    torch.save(original(adapter().state_dict()), tmp_path / "mm.ckpt")
    from diffusers.loaders.single_file_utils import convert_animatediff_checkpoint_to_diffusers

    peer = convert_animatediff_checkpoint_to_diffusers(torch.load(tmp_path / "mm.ckpt", weights_only=True))
    own = renamed({k: v for k, v in torch.load(tmp_path / "mm.ckpt", weights_only=True).items() if "pos_enc" not in k})
    assert peer.keys() == own.keys() and _equal(own, peer)


@pytest.mark.parametrize(
    ("kind", "words"),
    [("v1", "AnimateDiff v1, none for the middle block"), ("v2", "AnimateDiff v2"), ("v3", "AnimateDiff v3, none for")],
)
@pytest.mark.parametrize("form", ["diffusers", "original"])
def test_versions_are_told_apart_and_load_what_they_have(kind, words, form, tmp_path):
    state = adapter(kind).state_dict()
    torch.save(original(state) if form == "original" else state, tmp_path / "mm.ckpt")
    network = _network(2)
    middle = {key: value for key, value in _state(network.unet).items() if key.startswith("mid_block.motion")}
    report = load_motion(network.unet, tmp_path / "mm.ckpt")
    assert report.empty and words in report.source
    assert _equal(network.unet.state_dict(), _learned(state))
    if kind != "v2":
        assert set(middle) <= set(report.kept) and _equal(network.unet.state_dict(), middle)


def test_without_places_two_versions_remain():
    assert version(_learned(adapter("v1").state_dict())) == "AnimateDiff v1 or v3, none for the middle block"


def test_layers_in_the_lowest_blocks_are_left_out_where_the_network_has_none(tmp_path):
    theirs = adapter().state_dict()
    torch.save(original(theirs), tmp_path / "mm.ckpt")
    network = _network(2, NARROW)
    report = load_motion(network.unet, tmp_path / "mm.ckpt")
    own = network.unet.state_dict()
    assert report.empty and _equal(own, theirs, report.loaded)
    left = [key for key in report.unused if "pos_e" not in key]
    assert left and all(re.match(r"down_blocks\.1|up_blocks\.0", key) for key in left)


def test_a_motion_module_with_a_layer_missing_or_of_another_width_is_refused(tmp_path):
    state = original(adapter().state_dict())
    gone = "down_blocks.0.motion_modules.0.temporal_transformer.norm.weight"
    torch.save({key: value for key, value in state.items() if key != gone}, tmp_path / "mm.ckpt")
    with pytest.raises(InputError, match=r"1 missing: down_blocks\.0\.motion_modules\.0\.norm\.weight"):
        load_motion(_network(2).unet, tmp_path / "mm.ckpt")
    torch.save(state | {gone: torch.ones(5)}, tmp_path / "mm.ckpt")
    with pytest.raises(InputError, match=r"of another shape: .*\(5,\) instead of \(16,\)"):
        load_motion(_network(2).unet, tmp_path / "mm.ckpt")


def test_other_weights_are_not_a_motion_module_and_stage_1_has_no_place_for_one(tmp_path):
    torch.save({"a.weight": torch.ones(1)}, tmp_path / "lora.ckpt")
    with pytest.raises(InputError, match=r"lora\.ckpt: not a motion module of AnimateDiff") as caught:
        load_motion(_network(2).unet, tmp_path / "lora.ckpt")
    assert caught.value.next == "tbd weights pull animatediff-v2"
    torch.save(original(adapter().state_dict()), tmp_path / "mm.ckpt")
    with pytest.raises(InputError, match="unexpected"):
        load_motion(_network(1).unet, tmp_path / "mm.ckpt")


def test_what_diffusers_saves_of_our_motion_layers_is_a_motion_adapter(tmp_path):
    network, theirs = _network(2), adapter()
    mine = {key: value for key, value in _state(network.unet).items() if "motion_modules" in key}
    lacking, unexpected = theirs.load_state_dict(mine, strict=False)
    assert not unexpected and all("pos_embed" in key for key in lacking)
    assert isinstance(theirs, MotionAdapter)


# Hallo


def test_hallo_gives_stage_1_its_two_unets_but_not_their_cross_attention(tmp_path):
    parts, network = tiny_weights.hallo(tmp_path), _network()
    before = _state(network)
    reports = load_hallo(network, tmp_path / "hallo")
    assert all(report.empty for report in reports)
    own = network.unet.state_dict()
    taken = {key for key in own if not re.search(TEXT, key)}
    assert set(reports[0].loaded) == taken and _equal(own, parts["unet"], taken)
    assert _equal(own, {key: before[f"unet.{key}"] for key in own.keys() - taken})
    own = network.reference_net.state_dict()
    taken = {key for key in own if not re.search(TEXT, key)}
    assert _equal(own, parts["reference"], taken)
    assert _equal(own, {key: before[f"reference_net.{key}"] for key in own.keys() - taken})


def test_hallo_gives_stage_2_motion_and_sound_and_leaves_what_stage_1_has_learned(tmp_path):
    parts, network = tiny_weights.hallo(tmp_path), _network(2)
    before = _state(network)
    reports = load_hallo(network, tmp_path / "hallo" / "net.pth")
    assert all(report.empty for report in reports)
    own = network.state_dict()
    moved = {key for key in own if not torch.equal(own[key], before[key])}
    assert moved == {
        key for key in own
        if key.startswith("audio_projection.")
        or (re.match(r"unet\.(down_blocks\.0|mid_block|up_blocks\.1)\.motion_modules", key) and "pos_embed" not in key)
    }  # fmt: skip
    for key in moved:
        part, _, name = key.partition(".")
        assert torch.equal(own[key], parts["motion" if part == "unet" else "audio"][name])


@pytest.mark.parametrize("stage", [1, 2])
def test_every_weight_of_hallo_is_in_the_report_and_what_is_not_taken_has_a_reason(stage, tmp_path):
    tiny_weights.hallo(tmp_path)
    state = renamed(torch.load(tmp_path / "hallo" / "net.pth", weights_only=True))
    reports = load_hallo(_network(stage), tmp_path / "hallo")
    words = "\n".join(report.line() for report in reports)
    for reason in ("audio layers", "face tokens", "never trained them", "face locator and face projection"):
        assert reason in words
    short = {"unet": "denoising_unet", "motion": "denoising_unet", "reference_net": "reference_unet"}
    told = set()
    for report in reports:
        part = report.source.partition(" -> ")[2]
        prefix = f"{short.get(part, 'audioproj')}." if part else ""
        told |= {prefix + key for key in (*report.loaded, *report.unused)}
    untold = state.keys() - told
    if stage == 2:  # what stage 1 took
        untold = {key for key in untold if not key.startswith("reference_unet.")}
    else:
        untold = {key for key in untold if not key.startswith("audioproj.")}
    assert not untold


@pytest.mark.parametrize("network", [SEPARATE, NARROW], ids=["separate text", "no lowest motion"])
@pytest.mark.parametrize("stage", [1, 2])
def test_hallo_warms_the_other_networks_too(network, stage, tmp_path):
    tiny_weights.hallo(tmp_path)
    assert all(report.empty for report in load_hallo(_network(stage, network), tmp_path / "hallo"))


def test_what_is_not_hallo_or_a_part_of_it_is_refused(tmp_path):
    torch.save({"denoising_unet.conv_in.weight": torch.ones(1)}, tmp_path / "net.pth")
    with pytest.raises(InputError, match=r"not Hallo's net\.pth \(it has no reference_unet, audioproj"):
        load_hallo(_network(), tmp_path)
    tiny_weights.hallo(tmp_path)
    state = torch.load(tmp_path / "hallo" / "net.pth", weights_only=True)
    torch.save({key: value for key, value in state.items() if key != "audioproj.proj2.bias"}, tmp_path / "net.pth")
    with pytest.raises(InputError, match=r"1 missing: proj2\.bias"):
        load_hallo(_network(2), tmp_path)
    torch.save({k: v for k, v in state.items() if k != "denoising_unet.conv_in.bias"}, tmp_path / "net.pth")
    with pytest.raises(InputError, match=r"1 missing: conv_in\.bias"):
        load_hallo(_network(1), tmp_path)
