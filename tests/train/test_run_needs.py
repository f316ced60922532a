import pytest
import torch
from diffusers import AutoencoderKL
from transformers import CLIPTextConfig, CLIPTextModel, Wav2Vec2Config, Wav2Vec2Model

from tbd import workspace
from tbd.model.recipe import Network
from tbd.model.shapes import network_sizes
from tbd.train.memory_presets import load_recipe
from tbd.train.run_needs import ENCODER_WEIGHTS, LOADER, PROCESS, run_needs


def test_a_checkpoint_of_the_paper_takes_what_the_page_says():
    """Weights, average and two states of AdamW in float32: 4 + 4 + 8 bytes of what learns, 4 of what does not."""
    first, second = (run_needs(load_recipe("paper"), stage) for stage in (1, 2))
    assert first.checkpoint == 16 * first.learning == 16 * first.weights
    assert second.checkpoint == 4 * second.weights + 12 * second.learning
    assert [round(needs.checkpoint / 1e9, 1) for needs in (first, second)] == [27.5, 19.0]
    assert first.disk == 4 * first.checkpoint


def test_the_host_holds_a_checkpoint_and_every_process_with_its_loaders():
    recipe = load_recipe("paper", ["data.workers=3"])
    one, eight = (run_needs(recipe, 1, processes=count) for count in (1, 8))
    assert one.host - one.checkpoint == pytest.approx((eight.host - eight.checkpoint) / 8)
    bare = run_needs(load_recipe("paper", ["data.workers=0"]), 1)
    assert one.host - bare.host == 3 * LOADER and bare.host > bare.checkpoint + PROCESS


def test_without_a_card_the_host_holds_the_training_too():
    recipe = load_recipe("tiny")
    card, host = (run_needs(recipe, 2, card=card) for card in (True, False))
    assert host.host - card.host == card.checkpoint + 4 * card.learning


def test_states_in_8_bits_and_no_average_take_less():
    plain, small = run_needs(load_recipe("paper"), 2), run_needs(load_recipe("paper", gigabytes=24), 2)
    assert small.checkpoint == 4 * small.weights + 2.1 * small.learning < plain.checkpoint


@pytest.mark.parametrize("size", ["sd15", "small", "tiny"])
def test_the_frozen_networks_have_as_many_as_is_written_down(size):
    sizes = network_sizes(Network(size=size))
    with torch.device("meta"):
        text, speech = CLIPTextModel(CLIPTextConfig(**sizes.text)), Wav2Vec2Model(Wav2Vec2Config(**sizes.speech))
        models = (AutoencoderKL(**sizes.vae), text, speech)
    assert ENCODER_WEIGHTS[size] == sum(p.numel() for model in models for p in model.parameters())


def test_the_page_on_training_says_how_many_learn():
    page = (workspace.shipped() / "docs/train.md").read_text(encoding="utf-8")
    first, second = (run_needs(load_recipe("paper"), stage).learning for stage in (1, 2))
    assert f"stage 1 learns {first / 1e9:.2f} billion weights | stage 2 learns {second / 1e6:.0f} million" in page
