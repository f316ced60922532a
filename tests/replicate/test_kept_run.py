"""The figures of README are those of the run that is kept."""

import json
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_headline_of_readme_is_what_was_measured():
    claims = {one["name"]: one for one in json.loads((ROOT / "docs/replication.json").read_text())["claims"]}
    found, readme = claims["steering"]["correlation"], " ".join((ROOT / "README.md").read_text().split())
    assert f"correlate {found['value']:.2f} ({found['low']:.2f} to {found['high']:.2f})" in readme
    said = {"fine-prompts": "fine prompts beat labels", "intensity": "Intense exceeds Mild for 7 of 7 emotions"}
    assert all(words in readme and claims[name]["verdict"] == "holds" for name, words in said.items())
    assert claims["progressive"]["verdict"] == claims["mouth"]["verdict"] == "does not hold"
    assert "progressive guidance adds nothing there and the mouth does not follow" in readme
