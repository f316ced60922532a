"""The figures of README are those of the run that is kept."""

import json
from pathlib import Path

import pytest

from tbd import recipe as recipes
from tbd.replicate.recipe import ReplicationRecipe

ROOT = Path(__file__).parents[2]
KEPT = json.loads((ROOT / "docs/replication.json").read_text())
CLAIMS = {one["name"]: one for one in KEPT["claims"]}
README = " ".join((ROOT / "README.md").read_text().split())
WORDS = {
    "fine-prompts": (
        "fine prompts beat labels",
        "That fine prompts or progressive guidance add to labels could not be told",
    ),
    "progressive": (
        "progressive guidance adds to",
        "fine prompts or progressive guidance add to labels could not be told",
    ),
    "mouth": ("the mouth follows the sound", "the mouth does not follow"),
}
"""Claim -> what README says where it holds, and where it does not or cannot be told."""


def test_the_run_that_is_kept_is_one_of_the_recipe_that_is_shipped():
    assert KEPT["recipe"] == recipes.load(ReplicationRecipe, "replicate", "hour").model_dump(mode="json")


def test_the_headline_of_readme_is_what_was_measured():
    found = CLAIMS["steering"]["correlation"]
    assert f"correlate {found['value']:.2f} ({found['low']:.2f} to {found['high']:.2f})" in README
    mouth = CLAIMS["mouth"]["correlation"]
    assert f"follows the sound ({mouth['value']:.2f}, {mouth['low']:.2f} to {mouth['high']:.2f})" in README
    rising = CLAIMS["intensity"]
    assert f"Intense exceeds Mild for {rising['words'].split(' for ')[1].split()[0]} of 7 emotions" in README


@pytest.mark.parametrize("claim", WORDS)
def test_readme_says_of_a_claim_what_the_run_answered(claim):
    holds, otherwise = WORDS[claim]
    is_so = CLAIMS[claim]["verdict"] == "holds"
    assert (holds in README, otherwise in README) == (is_so, not is_so)
