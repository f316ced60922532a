import json

import pytest
from review_events import decide
from rows import PROMPTS, failed, row, sealed

from tbd.manifest import manifest_report, report_markdown, write_report
from tbd.manifest.markdown import markdown_table

SMILE = [{"au": au, "name": "n", "side": side} for au, side in ((12, "left"), (12, "right"), (6, None))]
COSTS = {
    "replies": 8,
    "prompt_tokens": 400,
    "cached_tokens": 300,
    "completion_tokens": 100,
    "seconds": 4,
    "attempts": 9,
}


@pytest.fixture
def folder(tmp_path):
    made = [
        row("a", level=1, action_units=SMILE, split="train", subject="W1"),
        row("b", level=1, action_units=SMILE[:1], split="test", subject="W1", flags=["x"], severity=2),
        row("c", level=2, action_units=[], split="train", subject="W2", chain_id="a", flags=["x", "y"]),
        row("d", emotion="neutral", level=1, prompts=["word " * 90], mode="label", split="train", subject="W2"),
        failed("e", emotion=None, level=None, split="train"),
    ]
    folder = sealed(tmp_path / "m", made)
    decide(folder, "b", "accept", PROMPTS)
    decide(folder, "a", "reject", PROMPTS, reviewer="bob")
    return folder


def test_the_counts(folder):
    found = manifest_report(folder, COSTS)
    assert found["rows"] == 5
    assert found["status"] == {"success": 4, "error": 1}
    assert found["errors"] == {"cut off": 1}
    assert found["flags"] == {"x": 2, "unreadable": 1, "y": 1}
    assert found["split"] == {"train": 4, "test": 1}
    assert found["overlaps"]["person"] == "1 shared, 1 of 1 test clips"
    assert found["emotions"] == {"happiness": {"1": 2, "2": 1}, "neutral": {"1": 1}, "-": {"-": 1}}
    review = found["review"]
    assert (review["needs_review"], review["waiting"], review["approved"]) == (2, 1, 3)
    assert (review["accepted"], review["rejected"], review["edited"]) == (1, 1, 0)
    assert review["reviewers"] == {"ann": 1, "bob": 1}


def test_action_units_are_counted_once_a_clip(folder):
    assert manifest_report(folder)["action_units"] == {"happiness": {"1": {"6": 0.5, "12": 1.0}}}


def test_tokens(folder):
    coarse = manifest_report(folder)["tokens"]["coarse"]
    assert (coarse["rows"], coarse["min"], coarse["median"], coarse["max"], coarse["over_limit"]) == (4, 18, 18, 92, 1)
    assert coarse["histogram"] == {"10-19": 3, "90-99": 1}
    assert manifest_report(folder)["tokens"]["fine"]["rows"] == 3


def test_text_that_a_chain_shares_is_not_a_duplicate(folder):
    same = manifest_report(folder)["duplicates"]
    assert (same["texts"], same["shared_texts"], same["clips"]) == (2, 1, 3)
    assert same["top"] == [{"chains": 2, "coarse_prompt": PROMPTS[0]}]


def test_costs_become_rates(folder):
    costs = manifest_report(folder, COSTS)["costs"]
    assert (costs["clips_per_second"], costs["tokens_per_second"], costs["cache_share"]) == (1.25, 25.0, 0.75)
    assert manifest_report(folder)["costs"] is None
    none = manifest_report(folder, {"seconds": 0, "prompt_tokens": 0})["costs"]
    assert (none["clips_per_second"], none["cache_share"]) == (None, None)


def test_it_is_written_beside_the_manifest_as_data_and_words(folder):
    found = write_report(folder, COSTS)
    assert json.loads((folder / "report.json").read_text()) == found
    words = (folder / "report.md").read_text()
    assert words.startswith("# m\n\n5 clips · 3 approved · 1 of 2 wait for review\n")
    assert "## Costs" in words and "| cache share" in words


def test_every_line_of_a_table_is_equally_long(folder):
    for block in report_markdown(manifest_report(folder, COSTS), "m").split("\n\n"):
        if block.startswith("|"):
            assert len({len(line) for line in block.splitlines()}) == 1, block


def test_an_empty_manifest_has_a_report(tmp_path):
    found = write_report(sealed(tmp_path, []))
    assert found["rows"] == 0 and found["action_units"] == {} and found["tokens"]["coarse"]["rows"] == 0


def test_signs_of_markdown_in_a_cell_stay_in_the_cell():
    assert markdown_table(("a", "b"), [("x|y\nz", 1)]) == "| a      |   b |\n| :----- | --: |\n| x\\|y z |   1 |"
