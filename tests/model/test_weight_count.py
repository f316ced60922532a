"""Weights counted from sizes alone, held against the networks themselves on the meta device."""

import pytest
import torch
from diffusers import AutoencoderKL
from transformers import CLIPTextConfig, CLIPTextModel, Wav2Vec2Config, Wav2Vec2Model

from tbd import workspace
from tbd.model.network import build_network
from tbd.model.recipe import Network
from tbd.model.shapes import network_sizes
from tbd.model.weight_count import network_weights
from tbd.train.recipe import TrainRecipe
from tbd.train.run_needs import ENCODER_WEIGHTS, learning_weights
from tbd.train.stages import freeze

OPTIONS = [
    {},
    {"text_layer": "separate"},
    {"lowest_motion": False},
    {"audio_context": 0, "audio_tokens": 7},
]


def _counted(recipe, stage):
    """All weights and those that learn, of the network itself."""
    with torch.device("meta"):
        network = build_network(recipe.network, stage)
    names = set(freeze(network, recipe, stage))
    sizes = {name: parameter.numel() for name, parameter in network.named_parameters()}
    return sum(sizes.values()), sum(size for name, size in sizes.items() if name in names)


@pytest.mark.parametrize("stage", [1, 2])
@pytest.mark.parametrize("layers", OPTIONS, ids=lambda layers: "-".join(layers) or "default")
@pytest.mark.parametrize("chosen", [{}, {"trainable": "attention"}, {"text": True}, {"text": False}], ids=str)
def test_the_weights_of_a_network_and_those_that_learn_follow_from_its_sizes(stage, layers, chosen):
    recipe = TrainRecipe.model_validate({"model": {"network": {"size": "tiny", **layers}}, f"stage{stage}": chosen})
    counts = network_weights(recipe.network, stage)
    assert (counts.total, learning_weights(counts, recipe, stage)) == _counted(recipe, stage)


@pytest.mark.parametrize("size", ["small", "sd15"])
@pytest.mark.parametrize("stage", [1, 2])
def test_the_larger_sizes_have_as_many_as_their_networks(size, stage):
    recipe = TrainRecipe.model_validate({"model": {"network": {"size": size}}})
    counts = network_weights(recipe.network, stage)
    assert (counts.total, learning_weights(counts, recipe, stage)) == _counted(recipe, stage)


@pytest.mark.parametrize("size", ["sd15", "small", "tiny"])
def test_the_frozen_networks_have_as_many_as_is_written_down(size):
    sizes = network_sizes(Network(size=size))
    with torch.device("meta"):
        text, speech = CLIPTextModel(CLIPTextConfig(**sizes.text)), Wav2Vec2Model(Wav2Vec2Config(**sizes.speech))
        models = (AutoencoderKL(**sizes.vae), text, speech)
    assert ENCODER_WEIGHTS[size] == sum(p.numel() for model in models for p in model.parameters())


def test_the_page_on_training_says_how_many_learn():
    page = (workspace.shipped() / "docs/train.md").read_text(encoding="utf-8")
    first, second = (learning_weights(network_weights(Network(), stage), TrainRecipe(), stage) for stage in (1, 2))
    assert f"stage 1 learns {first / 1e9:.2f} billion weights | stage 2 learns {second / 1e6:.0f} million" in page
