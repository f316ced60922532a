import hashlib
import os

import pytest
import tiny_weights
import torch
from diffusers import AutoencoderKL
from huggingface_hub import constants
from safetensors.torch import load_file, save_file
from tiny_weights import DIFFUSERS, TINY_NETWORK
from transformers import CLIPTextConfig, CLIPTextModel, Wav2Vec2Config, Wav2Vec2Model

from tbd.errors import InputError, MissingError
from tbd.model.encoder_files import encoder_identities, latent_factor
from tbd.model.frozen_encoders import load_encoders, random_encoders
from tbd.model.initial_weights import add_stage2_layers, pretrained_network, random_network
from tbd.model.recipe import Network, PartWeights
from tbd.model.shapes import TINY

NAMES = {"vae": "sd-vae-ft-mse", "text_encoder": "sd-1.5-text", "speech": "wav2vec2"}
FILES = {
    "image": f"sd-vae-ft-mse/{DIFFUSERS}",
    "text": "stable-diffusion-v1-5/text_encoder/model.safetensors",
    "speech": "wav2vec/wav2vec2-base-960h/model.safetensors",
}


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """The folder of ``$TBD_WEIGHTS``, empty, on a machine that has nothing else."""
    folder, here = tmp_path / "weights", tmp_path / "here"
    folder.mkdir()
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setenv("TBD_WEIGHTS", str(folder))
    monkeypatch.setenv("TBD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return folder


def _everything(place):
    return tiny_weights.vae(place), tiny_weights.sd15(place)[1], tiny_weights.wav2vec2(place)


def _same(found, expected, but=()):
    own, other = found.state_dict(), expected.state_dict()
    assert own.keys() == other.keys()
    return [key for key in own if not torch.equal(own[key], other[key]) and key not in but]


def test_the_published_folders_become_the_encoders_weight_by_weight(place):
    vae, text, speech = _everything(place)
    base = load_encoders(TINY_NETWORK, PartWeights(**NAMES))
    assert _same(base.image.model, vae) == []
    assert _same(base.text.model, text) == []
    assert _same(base.speech.model, speech, but=["masked_spec_embed"]) == []  # used in training alone; not published
    for encoder in (base.image, base.text, base.speech):
        assert not encoder.model.training and encoder.model.dtype == torch.float32
        assert not any(weight.requires_grad for weight in encoder.model.parameters())


def test_the_identity_of_an_encoder_is_the_hash_of_its_file_for_which_no_model_is_built(place, monkeypatch):
    _everything(place)
    expected = {name: hashlib.sha256((place / file).read_bytes()).hexdigest() for name, file in FILES.items()}
    assert load_encoders(TINY_NETWORK, PartWeights(**NAMES)).identities == expected
    monkeypatch.setattr(torch.nn.Module, "__init__", lambda *_, **__: pytest.fail("a model was built"))
    assert encoder_identities(TINY_NETWORK, PartWeights(**NAMES), 0) == expected


def test_loading_says_nothing_on_its_own(place, capfd):
    _everything(place)
    capfd.readouterr()
    load_encoders(TINY_NETWORK, PartWeights(**NAMES))
    assert capfd.readouterr() == ("", "")


def test_half_precision_files_run_in_single(place):
    _everything(place)
    file = place / FILES["image"]
    save_file({key: value.half() for key, value in load_file(file).items()}, file, {"format": "pt"})
    assert load_encoders(TINY_NETWORK, PartWeights(**NAMES)).image.model.dtype == torch.float32


def test_a_path_will_do_for_a_name(place):
    _everything(place)
    named = load_encoders(TINY_NETWORK, PartWeights(**NAMES))
    paths = {
        "vae": str(place / "sd-vae-ft-mse"),
        "text_encoder": str(place / "stable-diffusion-v1-5"),
        "speech": str(place / "wav2vec" / "wav2vec2-base-960h"),
    }
    assert load_encoders(TINY_NETWORK, PartWeights(**paths)).identities == named.identities


@pytest.mark.parametrize("name", ["vae", "text_encoder", "speech"])
def test_what_is_not_on_this_machine_is_named_with_the_command_that_gets_it(name, place):
    with pytest.raises(MissingError) as caught:
        load_encoders(TINY_NETWORK, PartWeights(**NAMES))
    assert caught.value.next == "tbd weights pull sd-vae-ft-mse"
    _everything(place)
    (place / FILES[{"vae": "image", "text_encoder": "text"}.get(name, name)]).rename(place / "elsewhere")
    with pytest.raises(MissingError) as caught:
        load_encoders(TINY_NETWORK, PartWeights(**NAMES))
    assert caught.value.next == f"tbd weights pull {NAMES[name]}"


@pytest.mark.parametrize("encoder", FILES)
@pytest.mark.parametrize("damage", ["cut", "random", "empty", "missing", "unexpected", "shape", "config"])
def test_damaged_or_other_weights_are_refused_by_file_or_key(encoder, damage, place):
    _everything(place)
    file = place / FILES[encoder]
    state = load_file(file)
    key = min(key for key in state if key.endswith("layer_norm.weight") or "conv_in.weight" in key)
    if damage == "cut":
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    elif damage in ("random", "empty"):
        file.write_bytes(os.urandom(1000) if damage == "random" else b"")
    elif damage == "config":
        (file.parent / "config.json").write_text("{")
    else:
        changed = {
            "missing": {k: v for k, v in state.items() if k != key},
            "unexpected": state | {"adapter.weight": torch.ones(1)},
            "shape": state | {key: torch.ones(3)},
        }[damage]
        save_file(changed, file, {"format": "pt"})
    with pytest.raises(InputError, match=str(file.parent)) as caught:
        load_encoders(TINY_NETWORK, PartWeights(**NAMES))
    assert caught.value.next == "tbd weights verify"


OTHERS = {
    "vae": (lambda: AutoencoderKL(**{**TINY.vae, "latent_channels": 16}), "latent_channels 16 instead of 4"),
    "text_encoder": (lambda: CLIPTextModel(CLIPTextConfig(**{**TINY.text, "hidden_size": 32})), "hidden_size 32 inst"),
    "speech": (
        lambda: Wav2Vec2Model(Wav2Vec2Config(**{**TINY.speech, "num_hidden_layers": 24, "hidden_size": 32})),
        "num_hidden_layers 24 instead of 12, hidden_size 32 instead of 16",
    ),
    "speech, normed": (
        lambda: Wav2Vec2Model(Wav2Vec2Config(**TINY.speech, do_stable_layer_norm=True)),
        "do_stable_layer_norm True instead of False",
    ),
}
"""Encoders of the right kind that the network cannot take: another family's latents, a larger CLIP, a larger wav2vec."""


@pytest.mark.parametrize("other", OTHERS)
def test_an_encoder_of_a_size_that_the_network_cannot_take_is_refused_before_anything_runs(other, place):
    _everything(place)
    make, words = OTHERS[other]
    make().save_pretrained(place / "other")
    with pytest.raises(InputError, match=rf"other: does not fit the network.* {words}") as caught:
        load_encoders(TINY_NETWORK, PartWeights(**{**NAMES, other.partition(",")[0]: str(place / "other")}))
    assert caught.value.next.startswith("tbd weights list")


def test_random_encoders_are_the_same_for_a_seed_and_say_so():
    one, again, other = (
        random_encoders(TINY_NETWORK, 3),
        random_encoders(TINY_NETWORK, 3),
        random_encoders(TINY_NETWORK, 4),
    )
    for name in ("image", "text", "speech"):
        assert _same(getattr(one, name).model, getattr(again, name).model) == []
        assert _same(getattr(one, name).model, getattr(other, name).model)
    assert set(one.identities.values()) == {"random-tiny-3"} and one.identities == again.identities
    assert other.identities != one.identities


def test_random_weights_leave_the_programs_own_chance_alone():
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    random_encoders(TINY_NETWORK, 0)
    random_network(TINY_NETWORK, 2, 0)
    assert torch.equal(torch.rand(3), expected)


def test_stage_1_starts_from_sd15_twice(place):
    theirs = tiny_weights.sd15(place)[0].state_dict()
    network, reports = pretrained_network(TINY_NETWORK, unet="sd-1.5")
    assert network.stage == 1 and all(report.empty for report in reports)
    assert [report.line().partition(" -> ")[2].partition(":")[0] for report in reports] == ["unet", "reference_net"]
    assert all(torch.equal(value, theirs[key]) for key, value in network.unet.state_dict().items())
    assert all(torch.equal(value, theirs[key]) for key, value in network.reference_net.state_dict().items())
    own = network.reference_net.conv_in.weight  # independent weights: training one leaves the other alone
    assert own.data_ptr() != network.unet.conv_in.weight.data_ptr()


def test_a_warm_start_lies_over_sd15(place):
    sd, hallo = tiny_weights.sd15(place)[0].state_dict(), tiny_weights.hallo(place)
    network, reports = pretrained_network(TINY_NETWORK, unet="sd-1.5", warm_start="hallo")
    own = network.unet.state_dict()
    assert torch.equal(own["conv_in.weight"], hallo["unet"]["conv_in.weight"])
    text = "mid_block.attentions.0.transformer_blocks.0.attn2.to_k.weight"
    assert torch.equal(own[text], sd[text])
    assert len(reports) > 4


def test_stage_1_without_weights_says_how_to_get_them():
    with pytest.raises(MissingError) as caught:
        pretrained_network(TINY_NETWORK, unet="sd-1.5")
    assert caught.value.next == "tbd weights pull sd-1.5"


def test_a_random_start_is_the_same_for_a_seed():
    for stage in (1, 2):
        one, again = (random_network(TINY_NETWORK, stage, 5) for _ in range(2))
        assert _same(one, again) == [] and one.stage == stage
        assert _same(one, random_network(TINY_NETWORK, stage, 6))


@pytest.mark.parametrize("motion", ["animatediff-v2", "animatediff-v2-original", None])
def test_stage_2_keeps_all_of_stage_1_and_takes_its_motion_from_animatediff(motion, place):
    theirs = tiny_weights.animatediff(place).state_dict()
    first = random_network(TINY_NETWORK, 1, 0)
    network, reports = add_stage2_layers(first, TINY_NETWORK, motion=motion, warm_start=None, seed=1)
    assert network.stage == 2 and all(report.empty for report in reports)
    own, old = network.state_dict(), first.state_dict()
    assert all(torch.equal(own[key], old[key]) for key in old)
    moved = {key.removeprefix("unet."): value for key, value in own.items() if "motion_modules" in key}
    learned = {key: value for key, value in moved.items() if "pos_embed" not in key}
    if motion:
        assert all(torch.equal(value, theirs[key]) for key, value in learned.items())
        assert "AnimateDiff v2" in reports[2].line()
    ends = [value for key, value in own.items() if "audio_modules" in key and "proj_out" in key]
    ends += [value for key, value in moved.items() if "proj_out" in key] if motion is None else []
    assert ends and not any(value.any() for value in ends)
    assert first.stage == 1


def test_stage_2_with_a_warm_start_still_keeps_all_of_stage_1(place):
    hallo, first = tiny_weights.hallo(place), random_network(TINY_NETWORK, 1, 0)
    network, _ = add_stage2_layers(first, TINY_NETWORK, motion=None, warm_start="hallo", seed=1)
    own, old = network.state_dict(), first.state_dict()
    assert all(torch.equal(own[key], old[key]) for key in old)
    assert torch.equal(own["audio_projection.proj1.weight"], hallo["audio"]["proj1.weight"])
    name = "mid_block.motion_modules.0.proj_out.weight"
    assert torch.equal(own[f"unet.{name}"], hallo["motion"][name])


def test_stage_2_takes_what_another_stage_2_added_and_nothing_else():
    first, trained = random_network(TINY_NETWORK, 1, 0), random_network(TINY_NETWORK, 2, 7)
    network, reports = add_stage2_layers(first, TINY_NETWORK, motion=None, warm_start=trained, seed=1)
    own, old, added = network.state_dict(), first.state_dict(), trained.state_dict()
    assert all(torch.equal(own[key], old[key]) for key in old)
    assert all(torch.equal(own[key], added[key]) for key in own.keys() - old.keys())
    assert len(own) > len(old) and all(report.empty for report in reports)


def test_the_new_layers_of_stage_2_follow_the_seed():
    first = random_network(TINY_NETWORK, 1, 0)
    one, again, other = (
        add_stage2_layers(first, TINY_NETWORK, motion=None, warm_start=None, seed=s)[0] for s in (1, 1, 2)
    )
    assert _same(one, again) == [] and _same(one, other)


def test_stage_2_refuses_the_stage_1_of_another_network():
    first = random_network(Network(size="tiny", text_layer="separate"), 1, 0)
    with pytest.raises(InputError, match="stage 1 -> unet: not the weights"):
        add_stage2_layers(first, TINY_NETWORK, motion=None, warm_start=None, seed=0)


def test_a_trained_autoencoder_stands_beside_random_encoders_and_its_factor_is_read(place):
    wide = AutoencoderKL(**TINY.vae | {"block_out_channels": (8, 16), "latents_mean": [1.0, 0, 0, -1],
                         "latents_std": [2.0, 1, 1, 0.5], "scaling_factor": 1.0, "down_block_types": ("DownEncoderBlock2D",) * 2,
                         "up_block_types": ("UpDecoderBlock2D",) * 2})  # fmt: skip
    wide.save_pretrained(place / "mine", safe_serialization=True)
    parts = PartWeights(start="random", vae=str(place / "mine"))
    found = load_encoders(TINY_NETWORK, parts, seed=3)
    assert latent_factor(TINY_NETWORK, parts) == found.image.factor == 2 and latent_factor(TINY_NETWORK) == 4
    assert found.identities == encoder_identities(TINY_NETWORK, parts, 3)
    assert found.identities["text"] == "random-tiny-3" and len(found.identities["image"]) == 64
    moments = torch.randn(2, 8, 4, 4)
    scaled = found.image.scaled(moments)
    torch.testing.assert_close(scaled[:, 0], (moments[:, 0] - 1) / 2)
    torch.testing.assert_close(scaled[:, 3], (moments[:, 3] + 1) / 0.5)
    straight = found.image.model.decode(moments[:, :4]).sample
    pictures = ((straight + 1) * 127.5).round().clamp(0, 255).permute(0, 2, 3, 1)
    assert abs(found.image.decode(scaled).astype(int) - pictures.numpy()).max() <= 1


def test_random_is_a_word_for_every_part_and_none_for_every_key_that_may_be_none():
    parts = PartWeights(start="random")
    assert (parts.unet, parts.vae, parts.text_encoder, parts.speech, parts.motion) == ("random",) * 5
    assert PartWeights.model_validate(parts.model_dump()) == parts
    mixed = PartWeights(start="random", vae="checkpoints/vae", motion="none")
    assert (mixed.unet, mixed.vae, mixed.motion) == ("random", "checkpoints/vae", None)
    assert PartWeights(unet="random").vae == "sd-vae-ft-mse"
