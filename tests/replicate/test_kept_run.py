"""The figures of README are those of the run that is kept."""

import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CLAIMS = {one["name"]: one for one in json.loads((ROOT / "docs/replication.json").read_text())["claims"]}
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


def test_the_headline_of_readme_is_what_was_measured():
    found = CLAIMS["steering"]["correlation"]
    assert f"correlate {found['value']:.2f} ({found['low']:.2f} to {found['high']:.2f})" in README
    rising = CLAIMS["intensity"]
    assert f"Intense exceeds Mild for {rising['words'].split(' for ')[1].split()[0]} of 7 emotions" in README


@pytest.mark.parametrize("claim", WORDS)
def test_readme_says_of_a_claim_what_the_run_answered(claim):
    holds, otherwise = WORDS[claim]
    is_so = CLAIMS[claim]["verdict"] == "holds"
    assert (holds in README, otherwise in README) == (is_so, not is_so)
