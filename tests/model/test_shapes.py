"""The public configurations against the published numbers of parameters, and the parts of a family against each other."""

import pytest
import torch
from diffusers import AutoencoderKL
from transformers import CLIPTextConfig, CLIPTextModel, Wav2Vec2Config, Wav2Vec2Model

from tbd.model.recipe import Network
from tbd.model.shapes import SD15, SMALL, TINY, network_sizes

FAMILIES = pytest.mark.parametrize("family", [SD15, SMALL, TINY])


def encoders(family):
    with torch.device("meta"):
        return (
            AutoencoderKL(**family.vae),
            CLIPTextModel(CLIPTextConfig(**family.text)),
            Wav2Vec2Model(Wav2Vec2Config(**family.speech)),
        )


def test_the_encoders_are_as_large_as_the_published_ones():
    """sd-vae-ft-mse, the text tower of clip-vit-large-patch14, wav2vec2-base-960h."""
    counts = [sum(value.numel() for value in model.parameters()) for model in encoders(SD15)]
    assert counts == [83_653_863, 123_060_480, 94_371_712]


@FAMILIES
def test_what_one_part_makes_fits_the_next(family):
    vae, text, speech = encoders(family)
    assert vae.config.latent_channels == 4  # what the UNet takes
    assert 2 ** (len(vae.config.block_out_channels) - 1) == (8 if family is SD15 else 4)
    assert text.config.hidden_size == family.audio["width"] == family.unet["cross_attention_dim"]
    assert speech.config.hidden_size == family.audio["channels"]
    assert len(speech.encoder.layers) == family.audio["layers"] == 12


@FAMILIES
def test_the_tiny_family_reads_and_hears_as_the_large_one_does(family):
    _, text, speech = encoders(family)
    assert (text.config.vocab_size, text.config.max_position_embeddings) == (49_408, 77)
    assert torch.tensor(speech.config.conv_stride).prod() == 320  # 50 Hz of 16 kHz


def test_a_recipe_names_its_family():
    assert network_sizes(Network()) is SD15 and network_sizes(Network(size="tiny")) is TINY
    assert network_sizes(Network(size="small")) is SMALL
