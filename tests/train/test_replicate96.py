"""The replication's training on 96 x 96 pixels: the same recipe, and every part takes its latents."""

import pytest
import torch

from tbd import recipe
from tbd.model.network import build_network
from tbd.train.autoencoder.regions import USUAL
from tbd.train.face_region import region_weights
from tbd.train.made_up import answer_made_up, made_up_batch
from tbd.train.memory_presets import load_recipe
from tbd.train.recipe import stage_settings


def test_it_is_the_recipe_replicate_on_larger_pictures():
    small, large = (recipe.essence(load_recipe(name)) for name in ("replicate", "replicate96"))
    assert recipe.difference(small, large) == ["data.size: 64 -> 96"]
    assert load_recipe("replicate").hardware == load_recipe("replicate96").hardware


@pytest.mark.parametrize("stage", [1, 2])
def test_both_stages_answer_for_latents_of_24(stage):
    wanted, device = load_recipe("replicate96", ["hardware.batch=2"]), torch.device("meta")
    with device:
        network = build_network(wanted.network, stage)
        found = answer_made_up(network, made_up_batch(wanted, stage, device))
    assert found.shape == (2, 4, stage_settings(wanted, stage).frames, 24, 24)


def test_its_mouth_and_its_regions_grow_with_the_picture():
    areas = [USUAL.mask(USUAL.mouth, size).sum() for size in (64, 96)]
    assert areas[1] / areas[0] == pytest.approx(1.5**2, rel=0.1)
    face = (0.25, 0.25, 0.75, 0.75)
    assert [(region_weights(face, side, 2.0, 2.0) > 1).sum() for side in (16, 24)] == [8 * 8, 12 * 12]
