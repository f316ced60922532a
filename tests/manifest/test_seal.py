import json

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from review_events import decide, undo
from rows import PROMPTS, any_rows, failed, lines, row, sealed

from tbd.errors import InputError
from tbd.manifest import (
    SCHEMA,
    Decision,
    SplitRule,
    read_manifest,
    recorded_split,
    reseal_manifest,
    resplit_manifest,
    seal_manifest,
    text_hash,
)
from tbd.manifest.lock import FILE
from tbd.manifest.schema import MODEL_COLUMNS, ROW_GROUP

NAME = "manifest.parquet"


def many(count):
    """More rows than a row group, cheap to make."""
    text = lines([row("CLIP")])[0]
    return [text.replace("CLIP", f"clip_{number:05d}") for number in range(count)]


def names(folder):
    """What lies in a folder, without the lock of its writers."""
    return sorted(path.name for path in folder.iterdir() if path.name != FILE)


def final(folder, clip_id):
    return next(one for one in read_manifest(folder).to_pylist() if one["clip_id"] == clip_id)


def test_a_row_comes_back_as_it_was_given(tmp_path):
    given_row = row("a", start=1.25, transcript="He said “no”.\nThen\ttwice.")
    back = final(sealed(tmp_path, [given_row]), "a")
    for name in MODEL_COLUMNS:
        assert back[name] == (pytest.approx(given_row[name]) if name == "fps" else given_row[name]), name


@settings(max_examples=25)
@given(any_rows())
def test_any_rows_survive_the_round_trip(tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("round")
    seal_manifest(folder, lines(rows))
    back = {one["clip_id"]: one for one in read_manifest(folder).to_pylist()}
    assert list(back) == sorted(one["clip_id"] for one in rows)
    for one in rows:
        assert {name: back[one["clip_id"]][name] for name in one if name != "fps"} == {
            name: value for name, value in one.items() if name != "fps"
        }
    first = (folder / NAME).read_bytes()
    reseal_manifest(folder)
    assert (folder / NAME).read_bytes() == first


def test_equal_rows_give_equal_bytes_whatever_their_form(tmp_path):
    rows = [row("a"), failed("b"), row("c", emotion=None)]
    shuffled = [json.dumps(dict(reversed(one.items())) | {"findings": [{"code": "x"}], "source": None}) for one in rows]
    one, other = tmp_path / "one", tmp_path / "other"
    seal_manifest(one, lines(rows))
    seal_manifest(other, (text.encode() for text in shuffled))
    assert (one / NAME).read_bytes() == (other / NAME).read_bytes()


def test_row_groups_hold_2000_rows_and_the_counts_are_right(tmp_path):
    done = seal_manifest(tmp_path, many(ROW_GROUP + 3), split=SplitRule("random-80-20"))
    parquet = pq.ParquetFile(tmp_path / NAME)
    assert [parquet.metadata.row_group(index).num_rows for index in range(2)] == [ROW_GROUP, 3]
    assert parquet.metadata.row_group(0).column(0).compression == "ZSTD"
    assert done.rows == done.approved == done.split["train"] + done.split["test"] == ROW_GROUP + 3
    assert done.split["test"] == read_manifest(tmp_path, ["split"])["split"].to_pylist().count("test")
    assert names(tmp_path) == [NAME]  # no spool is left


def test_no_rows_make_an_empty_manifest(tmp_path):
    assert seal_manifest(tmp_path, []).rows == 0
    assert read_manifest(tmp_path).schema.equals(SCHEMA) and len(read_manifest(tmp_path)) == 0


def test_missing_lists_are_empty_and_missing_values_null(tmp_path):
    bare = {name: value for name, value in row("a").items() if name not in ("flags", "muscles", "view", "crop_box")}
    seal_manifest(tmp_path, [json.dumps(bare)])
    back = final(tmp_path, "a")
    assert (back["flags"], back["muscles"], back["view"], back["crop_box"]) == ([], [], None, None)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (lines([row("b")]) + lines([row("a")]), "'a' comes after 'b'"),
        (lines([row("a"), row("a")]), "'a' is there twice"),
        (lines([row("")]), "clip_id is empty"),
        (["null"], "not a JSON object"),
        (["[1]"], "not a JSON object"),
        (['{"clip_id": '], "not a JSON object"),
        (['{"clip_id": "x"'] + lines([row("y")]), "not a JSON object"),
        (['{"clip_id": "a"} {"clip_id": "b"}'], "more than one JSON object|missing"),
        (lines([row("a", dataset=None)]), "'a'.*dataset"),
        (lines([row("a", level=300)]), "'a'.*int8.*300"),
        (lines([row("a", prompts=[]) | {"prompts": "text"}]), "'a'.*prompts"),
        (lines([row("a", face_box=[1, 2, 3])]), "'a'"),
        ([json.dumps(row("a", error="\ud800"))], "'a'.*surrogate"),
        (lines([row("a"), row("b"), row("c", status=None), row("d")]), "'c'.*status"),
    ],
)
def test_a_bad_row_is_named_and_the_old_manifest_stays(tmp_path, texts, message):
    sealed(tmp_path, [row("old")])
    before = (tmp_path / NAME).read_bytes()
    with pytest.raises(InputError, match=message):
        seal_manifest(tmp_path, texts)
    assert (tmp_path / NAME).read_bytes() == before
    assert names(tmp_path) == [NAME]


def test_a_failure_half_way_leaves_the_old_manifest(tmp_path):
    def dying():
        yield from many(ROW_GROUP + 1)
        raise KeyboardInterrupt

    sealed(tmp_path, [row("old")])
    before = (tmp_path / NAME).read_bytes()
    for split in (None, SplitRule("random-80-20")):
        with pytest.raises(KeyboardInterrupt):
            seal_manifest(tmp_path, dying(), split=split)
        assert (tmp_path / NAME).read_bytes() == before
        assert names(tmp_path) == [NAME]


CLEAN, WARNED = {}, {"severity": 2, "flags": ["emotion_mismatch"]}


@pytest.mark.parametrize(
    ("changes", "status", "needs_review", "approved"),
    [
        (CLEAN, None, False, True),
        (CLEAN, "accepted", False, True),
        (CLEAN, "rejected", False, False),
        (CLEAN | {"severity": 1}, None, False, True),
        (WARNED, None, True, False),
        (WARNED, "accepted", True, True),
        (WARNED, "edited", True, True),
        (WARNED, "rejected", True, False),
        ({"severity": 3}, None, True, False),
        ({"status": "truncated"}, None, True, False),
        ({"status": "refused"}, "accepted", True, True),
        ({"width": None}, None, False, False),
        ({"width": None}, "accepted", False, True),
        ({"prompts": []}, None, False, False),
        ({"prompts": []}, "accepted", False, False),
        ({"prompts": ["scene", "", "muscles", "dynamics"]}, None, False, False),
        ({"prompts": ["A happy face."], "mode": "label"}, None, False, True),
    ],
)
def test_what_needs_review_and_what_is_approved(tmp_path, changes, status, needs_review, approved):
    one = row("a", **changes)
    after = ("edited scene", "edited rest") if status == "edited" else None
    made = {"a": {text_hash(one["prompts"]): Decision(status, after, ("ann",))}} if status else {}
    back = final(sealed(tmp_path, [one], decisions=made), "a")
    assert (back["needs_review"], back["approved"]) == (needs_review, approved)
    assert back["review_status"] == (status or "unreviewed")


def test_an_edit_changes_the_final_columns_only(tmp_path):
    made = {"a": {text_hash(PROMPTS): Decision("edited", ("one", "two", "three"), ("ann", "bob"))}}
    back = final(sealed(tmp_path, [row("a"), row("b")], decisions=made), "a")
    assert back["prompts"] == PROMPTS and back["coarse_prompt"] == PROMPTS[0]
    assert back["prompts_final"] == ["one", "two", "three"]
    assert (back["coarse_prompt_final"], back["fine_prompt_final"]) == ("one", "two three")
    assert back["reviewers"] == ["ann", "bob"]
    assert final(tmp_path, "b")["prompts_final"] == PROMPTS


def test_a_decision_about_another_text_has_no_effect(tmp_path):
    made = {"a": {text_hash(["an older text"]): Decision("rejected", None, ("ann",))}}
    back = final(sealed(tmp_path, [row("a")], decisions=made), "a")
    assert (back["review_status"], back["approved"], back["reviewers"]) == ("unreviewed", True, [])


def test_resealing_applies_the_reviews_of_now_with_the_bytes_of_a_fresh_seal(tmp_path):
    rows = [row("a"), row("b"), failed("c")]
    sealed(tmp_path / "m", rows)
    decide(tmp_path / "m", "a", "reject", PROMPTS)
    last = decide(tmp_path / "m", "b", "edit", PROMPTS, after=["x", "y"])
    done = reseal_manifest(tmp_path / "m")
    assert (done.review["rejected"], done.review["edited"], done.approved) == (1, 1, 1)
    resealed = (tmp_path / "m" / NAME).read_bytes()
    seal_manifest(tmp_path / "m", lines(rows))
    assert (tmp_path / "m" / NAME).read_bytes() == resealed
    undo(tmp_path / "m", "b", last)
    assert reseal_manifest(tmp_path / "m").review["unreviewed"] == 2


def test_a_new_split_is_recorded_and_equal_to_sealing_with_it(tmp_path):
    rows = [row(f"c{number:02d}", split="train") for number in range(30)]
    rule = SplitRule("random-80-20", seed=3)
    folder = sealed(tmp_path / "m", rows)
    done = resplit_manifest(folder, rule)
    assert 0 < done.split["test"] < 30
    assert recorded_split(folder) == rule
    assert json.loads((folder / "run.json").read_text())["split"] == {"rule": "random-80-20", "seed": 3}
    other = sealed(tmp_path / "n", rows, split=rule)
    assert (folder / NAME).read_bytes() == (other / NAME).read_bytes()
    assert recorded_split(other) == rule  # also without run.json


def test_a_split_that_cannot_be_made_changes_nothing(tmp_path):
    folder = sealed(tmp_path, [row("a"), row("b")])
    before = (folder / NAME).read_bytes()
    with pytest.raises(InputError, match="transcript"):
        resplit_manifest(folder, SplitRule("text-disjoint"))
    assert (folder / NAME).read_bytes() == before
    assert not (folder / "run.json").exists()


def test_resealing_refuses_to_lose_the_datasets_own_split(tmp_path):
    folder = sealed(tmp_path, [row("a", split="test"), row("b")], split=SplitRule("random-80-20"))
    (folder / "run.json").write_text('{"split": null}')
    with pytest.raises(InputError, match="split by random-80-20") as caught:
        reseal_manifest(folder)
    assert caught.value.next.startswith("tbd manifest seal")


def test_resealing_refuses_to_lose_reviews(tmp_path):
    folder = sealed(tmp_path, [row("a")], decisions={"a": {text_hash(PROMPTS): Decision("accepted", None, ("ann",))}})
    with pytest.raises(InputError, match=r"1 rows are reviewed, but reviews.sqlite is missing"):
        reseal_manifest(folder)
