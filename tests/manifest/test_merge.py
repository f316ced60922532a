import json
from contextlib import nullcontext

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from review_events import decide, undo
from rows import PROMPTS, failed, lines, row, sealed

from tbd.errors import InputError, UsageError
from tbd.manifest import SplitRule, dataset_roots, merge_manifests, read_manifest, reseal_manifest, seal_manifest
from tbd.manifest.merged_reviews import combine_histories
from tbd.manifest.reviews import FILE, Event, add_event, open_reviews, read_events, text_hash
from tbd.review.session import ReviewSession

NAME = "manifest.parquet"


def ids(folder):
    return read_manifest(folder, ["clip_id"])["clip_id"].to_pylist()


def test_shards_become_the_manifest_of_the_whole(tmp_path):
    rows = [row(f"c{number:04d}") for number in range(60)]
    shards = [sealed(tmp_path / f"shard{part}", rows[part::3]) for part in range(3)]
    merged = merge_manifests(shards, tmp_path / "all")
    whole = sealed(tmp_path / "whole", rows)
    assert (tmp_path / "all" / NAME).read_bytes() == (whole / NAME).read_bytes()
    assert (merged.sealed.rows, merged.collapsed, merged.replaced) == (60, 0, [])


def test_more_rows_than_a_row_group_are_merged_in_step(tmp_path):
    text = lines([row("CLIP")])[0]
    texts = [text.replace("CLIP", f"clip_{number:05d}") for number in range(6_100)]
    for name, part in {"a": texts[:4_500], "b": texts[4_000:], "c": texts[::2], "whole": texts}.items():
        seal_manifest(tmp_path / name, part)
    merged = merge_manifests([tmp_path / name for name in "abc"], tmp_path / "all")
    assert merged.collapsed == 4_500 + 2_100 + 3_050 - 6_100
    assert (tmp_path / "all" / NAME).read_bytes() == (tmp_path / "whole" / NAME).read_bytes()


def test_two_datasets_lie_in_one_manifest_with_their_roots(tmp_path):
    mead = sealed(tmp_path / "mead", [row("m")])
    (mead / "run.json").write_text(json.dumps({"dataset": "mead", "root": "/data/MEAD", "split": None}))
    hdtf = sealed(tmp_path / "hdtf", [row("h", dataset="hdtf")])
    merge_manifests([mead, hdtf], tmp_path / "both")
    assert ids(tmp_path / "both") == ["h", "m"]
    assert {name: str(path) for name, path in dataset_roots(tmp_path / "both").items()} == {"mead": "/data/MEAD"}


def test_equal_rows_become_one(tmp_path):
    one, other = sealed(tmp_path / "a", [row("x"), row("y")]), sealed(tmp_path / "b", [row("y"), row("z")])
    merged = merge_manifests([one, other], tmp_path / "c")
    assert ids(tmp_path / "c") == ["x", "y", "z"] and merged.collapsed == 1


def test_different_successes_are_refused_and_named(tmp_path):
    one = sealed(tmp_path / "a", [row("x"), row("y")])
    other = sealed(tmp_path / "b", [row("y", prompts=["something else"])])
    with pytest.raises(InputError, match=r"different rows:\n  y: .*/[ab] and .*/[ab]"):
        merge_manifests([one, other], tmp_path / "c")
    assert not (tmp_path / "c" / NAME).exists()


def test_a_success_replaces_a_failure_and_the_milder_failure_stays(tmp_path):
    one = sealed(tmp_path / "a", [failed("x"), failed("y")])
    other = sealed(tmp_path / "b", [row("x"), failed("y", status="truncated")])
    merged = merge_manifests([one, other], tmp_path / "c")
    assert read_manifest(tmp_path / "c")["status"].to_pylist() == ["success", "truncated"]
    assert merged.replaced == ["x", "y"]


def test_rows_that_differ_only_in_their_split_need_a_rule(tmp_path):
    one, other = sealed(tmp_path / "a", [row("x", split="train")]), sealed(tmp_path / "b", [row("x", split="test")])
    with pytest.raises(InputError, match="different rows"):
        merge_manifests([one, other], tmp_path / "c")
    merged = merge_manifests([one, other], tmp_path / "c", split=SplitRule("random-80-20"))
    assert merged.sealed.rows == 1
    assert json.loads((tmp_path / "c" / "run.json").read_text())["split"] == {"rule": "random-80-20", "seed": 0}


CHOICES = [None, row("x"), failed("x"), failed("x", error="timed out"), failed("x", status="refused")]


@settings(max_examples=6)
@given(st.lists(st.sampled_from(CHOICES), min_size=9, max_size=9))
def test_the_order_of_merges_does_not_matter(tmp_path_factory, choices):
    folder = tmp_path_factory.mktemp("merge")
    for shard in range(3):
        rows = [choices[shard * 3 + clip] for clip in range(3)]
        sealed(folder / str(shard), [one | {"clip_id": f"clip{clip}"} for clip, one in enumerate(rows) if one])
    found = set()
    for number, (one, two, three) in enumerate(("012", "120", "210")):
        pair, left, flat = folder / f"p{number}", folder / f"l{number}", folder / f"f{number}"
        merge_manifests([folder / one, folder / two], pair)
        merge_manifests([pair, folder / three], left)
        merge_manifests([folder / one, folder / two, folder / three], flat)
        found |= {(left / NAME).read_bytes(), (flat / NAME).read_bytes()}
    assert len(found) == 1


def test_reviews_are_merged_too(tmp_path):
    one, other = sealed(tmp_path / "a", [row("x"), row("y")]), sealed(tmp_path / "b", [row("z"), row("y")])
    decide(one, "x", "reject", PROMPTS)
    wrong = decide(other, "z", "reject", PROMPTS, reviewer="bob")
    decide(other, "y", "edit", PROMPTS, after=["new"], reviewer="bob")
    undo(other, "z", wrong, reviewer="bob")
    merge_manifests([one, other], tmp_path / "c")
    assert read_manifest(tmp_path / "c")["review_status"].to_pylist() == ["rejected", "edited", "unreviewed"]
    before = (tmp_path / "c" / NAME).read_bytes()
    reseal_manifest(tmp_path / "c")
    assert (tmp_path / "c" / NAME).read_bytes() == before
    assert read_manifest(one)["review_status"].to_pylist() == ["rejected", "unreviewed"]  # sources stay as they were


def test_merging_again_keeps_each_review_once(tmp_path):
    one, other = sealed(tmp_path / "a", [row("x")]), sealed(tmp_path / "b", [row("y")])
    decide(one, "x", "accept", PROMPTS)
    merge_manifests([one, other], tmp_path / "c")
    decide(tmp_path / "c", "y", "reject", PROMPTS)  # somebody reviews the merged manifest
    merge_manifests([other, one], tmp_path / "c")
    assert len(read_events(tmp_path / "c" / FILE)) == 2
    assert read_manifest(tmp_path / "c")["review_status"].to_pylist() == ["accepted", "rejected"]


def test_a_merge_into_a_manifest_under_review_is_refused_and_loses_no_decision(tmp_path):
    one, other = sealed(tmp_path / "a", [row("x")]), sealed(tmp_path / "b", [row("y")])
    decide(one, "x", "accept", PROMPTS)
    merge_manifests([one], tmp_path / "c")
    with ReviewSession(tmp_path / "c", "bob", queue="all") as session:
        with pytest.raises(InputError, match="/c: a review is open"):
            merge_manifests([one, other], tmp_path / "c")
        session.decide(session.card("x"), "reject", reason="media")
    merge_manifests([one, other], tmp_path / "c")
    assert read_manifest(tmp_path / "c")["review_status"].to_pylist() == ["rejected", "unreviewed"]


def test_what_a_killed_review_left_in_its_log_is_merged_and_not_played_into_the_new_store(tmp_path):
    one, other, merged = (tmp_path / name for name in "abc")
    for folder, name in ((one, "x"), (other, "y")):
        decide(sealed(folder, [row(name)]), name, "accept", PROMPTS)
    merge_manifests([one], merged)
    with open_reviews(merged / FILE) as store:
        add_event(store, Event(0, "x", "bob", 2e9, "reject", text_hash(PROMPTS), reason="text"))
        left = {file.name: file.read_bytes() for file in merged.glob(f"{FILE}*")}
    for name, content in left.items():  # as a kill leaves them
        (merged / name).write_bytes(content)
    assert f"{FILE}-wal" in left
    merge_manifests([one, other], merged)
    assert [event.reviewer for event in read_events(merged / FILE)] == ["ann", "ann", "bob"]
    assert read_manifest(merged)["review_status"].to_pylist() == ["rejected", "accepted"]


def test_merging_again_keeps_the_bookmarks(tmp_path):
    one = sealed(tmp_path / "a", [row("x"), row("y")])
    decide(one, "x", "accept", PROMPTS)
    merge_manifests([one], tmp_path / "c")
    with ReviewSession(tmp_path / "c", "bob", queue="all") as session:
        session.bookmark(session.card("y"))
    merge_manifests([one], tmp_path / "c")
    with ReviewSession(tmp_path / "c", "bob", queue="all") as session:
        assert [session.card(name).bookmarked for name in "xy"] == [False, True]


def test_a_merge_that_fails_leaves_the_folder_as_it_was(tmp_path):
    one, other = sealed(tmp_path / "a", [row("x")]), sealed(tmp_path / "b", [row("x", prompts=["something else"])])
    decide(one, "x", "accept", PROMPTS)
    merge_manifests([one], tmp_path / "c")
    decide(other, "x", "reject", ["something else"])

    def held():
        files = {file.name: file.read_bytes() for file in (tmp_path / "c").iterdir() if file.name != ".write.lock"}
        return files | {FILE: read_events(tmp_path / "c" / FILE)}  # SQLite counts in its file who opened it

    before = held()
    with pytest.raises(InputError, match="different rows"):
        merge_manifests([one, other], tmp_path / "c")
    assert held() == before
    with pytest.raises(InputError, match="different rows"):
        merge_manifests([one, other], tmp_path / "new")
    assert [file.name for file in (tmp_path / "new").iterdir()] == [".write.lock"]


def test_a_first_merge_that_was_killed_is_made_again(tmp_path, monkeypatch):
    one = sealed(tmp_path / "a", [row("x")])
    with monkeypatch.context() as patched:
        patched.setattr("tbd.manifest.merge._put_back", lambda *files: nullcontext())  # nobody is there to put back
        patched.setattr("tbd.manifest.merge.write_manifest", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            merge_manifests([one], tmp_path / "c")
    assert json.loads((tmp_path / "c" / "run.json").read_text())["merged"] == ["a"]
    merge_manifests([one], tmp_path / "c")
    assert ids(tmp_path / "c") == ["x"]


def test_histories_combine_in_any_grouping(tmp_path):
    histories = []
    for number in range(3):
        folder = tmp_path / str(number)
        folder.mkdir()
        first = decide(folder, "x", "accept", PROMPTS, reviewer=f"r{number}", time=100.0 - number)
        decide(folder, "x", "edit", PROMPTS, after=[f"{number}"], reviewer=f"r{number}", time=50.0)  # a clock went back
        undo(folder, "x", first, reviewer=f"r{number}")
        histories.append(read_events(folder / FILE))
    one, two, three = histories
    flat = combine_histories([one, two, three])
    assert flat == combine_histories([three, combine_histories([two, one])]) == combine_histories([flat, one])
    assert [event.id for event in flat] == list(range(1, 10))


def test_a_manifest_of_its_own_is_never_overwritten(tmp_path):
    one, other = sealed(tmp_path / "a", [row("x")]), sealed(tmp_path / "b", [row("y")])
    with pytest.raises(InputError, match="holds a manifest of its own"):
        merge_manifests([one, other], other)
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "journal.sqlite").touch()
    with pytest.raises(InputError, match="holds a manifest of its own"):
        merge_manifests([one, other], tmp_path / "c")


def test_nothing_to_merge_is_a_usage_error(tmp_path):
    with pytest.raises(UsageError):
        merge_manifests([], tmp_path)
