"""The replication's text encoder: it learns the words, it is the same each time, and transformers reads its files."""

import json

import numpy as np
import pytest
import torch
from transformers import CLIPTextModel

from tbd.demo.dataset import draw_clip, varied, write_units
from tbd.evaluate.networks.drawn_reader import UNITS
from tbd.media.drawn_units import read_units
from tbd.model.frozen_encoders import load_encoders
from tbd.model.recipe import Network, PartWeights
from tbd.model.text import TextEncoder
from tbd.replicate import text_encoder
from tbd.replicate.described_takes import described_takes, left_right
from tbd.replicate.text_encoder import TextEncoderRecipe, ensure_text_encoder, text_encoder_words

SHORT = TextEncoderRecipe(takes=600, held_out=100, steps=60, batch=32)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    return ensure_text_encoder(tmp_path_factory.mktemp("replication") / "text-encoder", SHORT)


def test_seconds_teach_it_what_unseen_texts_tell(trained):
    told = json.loads((trained / text_encoder.RECORD).read_text())["told"]
    assert 0.3 < told <= 1
    assert f"{100 * told:.0f} %" in text_encoder_words(trained)


def test_the_network_takes_it_in_place_of_a_random_one(trained):
    parts = PartWeights(vae="random", text_encoder=str(trained), speech="random", unet="random", motion="random")
    text = load_encoders(Network(size="small"), parts).text
    assert text.encode(["Inner brows rise slightly."]).shape == (1, 77, 64)
    assert len(text.identity) == 64


def test_it_has_the_width_that_the_network_listens_to(tmp_path):
    recipe = TextEncoderRecipe("tiny", takes=20, held_out=4, steps=1, batch=4)
    parts = PartWeights(vae="random", text_encoder=str(ensure_text_encoder(tmp_path, recipe)), speech="random",
                        unet="random", motion="random")  # fmt: skip
    assert load_encoders(Network(size="tiny"), parts).text.encode(["He smiles."]).shape == (1, 77, 16)


def test_its_embeddings_differ_by_one_around_zero(trained):
    """What is common to all texts would drown what differs."""
    model = CLIPTextModel.from_pretrained(trained)
    texts, _ = described_takes(40, 2)
    found = TextEncoder(model, "").encode(texts, overflow="cut")[:, -1]
    assert found.mean(0).abs().mean() < 0.5 and 0.5 < found.std(0).mean() < 1.5


def test_it_is_trained_once_and_again_when_the_recipe_changes_or_its_weights_are_gone(trained, monkeypatch):
    def fails(*args):
        raise AssertionError("trained again")

    monkeypatch.setattr(text_encoder, "train_text_encoder", fails)
    assert ensure_text_encoder(trained, SHORT) == trained
    with pytest.raises(AssertionError, match="trained again"):
        ensure_text_encoder(trained, TextEncoderRecipe(steps=1))
    (trained / "model.safetensors").rename(trained / "elsewhere")
    try:
        with pytest.raises(AssertionError, match="trained again"):
            ensure_text_encoder(trained, SHORT)
    finally:
        (trained / "elsewhere").rename(trained / "model.safetensors")


def test_the_same_recipe_gives_the_same_weights(tmp_path):
    recipe = TextEncoderRecipe(takes=20, held_out=4, steps=2, batch=4)
    one, same = (CLIPTextModel.from_pretrained(ensure_text_encoder(tmp_path / name, recipe)) for name in "ab")
    assert all(torch.equal(value, same.state_dict()[name]) for name, value in one.state_dict().items())


def test_a_take_in_words_and_its_numbers_tell_of_the_same_sides(tmp_path):
    """Left and right as the truth beside a drawn clip has them."""
    acting = varied("contempt", 3, 7)
    clip = draw_clip(tmp_path / "a.mp4", emotion="contempt", level=3, seconds=0.4, size=64, acting=acting)
    write_units(clip, acting, np.zeros(10), 25.0)
    truth = read_units(clip).units
    uneven = [unit for unit, both in truth.items() if unit in UNITS and abs(both[-1, 0] - both[-1, 1]) > 0.1]
    face = acting.expression(9 / 25, 0.0)
    assert uneven
    for unit in uneven:
        np.testing.assert_allclose(left_right(face, unit), truth[unit][-1], atol=1e-3)


def test_takes_are_told_in_every_mode_and_the_same_each_time():
    texts, strengths = described_takes(60, 1)
    same_texts, same_strengths = described_takes(60, 1)
    assert texts == same_texts and np.array_equal(strengths, same_strengths)
    assert strengths.shape == (60, 2 * len(UNITS)) and strengths.min() >= 0 and strengths.max() <= 1
    assert any("holds while speaking" in text for text in texts) and any("face has" in text for text in texts)
    assert any(text.endswith("emotion.") for text in texts)
