import os
from dataclasses import replace

import pytest

from tbd.annotate import plan
from tbd.annotate.journal import RowState
from tbd.annotate.recipe import AnnotateRecipe
from tbd.schema import Clip


def clip(name, subject="M003", emotion="anger", level=2, **changes):
    return Clip(name, "mead", subject, emotion, emotion, f"{name}.mp4", level=level, **changes)


@pytest.fixture
def root(tmp_path):
    for name in "abcd":
        (tmp_path / f"{name}.mp4").write_text(name)
    return tmp_path


def make(clips, root, states=(), **changes):
    options = {"per": "clip", "root": root, "fingerprint": "now", "states": dict(states)} | changes
    return plan.make_plan(clips, options.pop("everything", clips), **options)


def test_a_new_clip_is_to_be_done_and_a_finished_one_is_not(root):
    clips = [clip("a"), clip("b")]
    done = RowState(plan.clip_stamp(clips[0], root), "now", "success", 0)
    planned = make(clips, root, {"a": done})
    assert (planned.selected, planned.done, planned.rows) == (2, 1, 1)
    assert planned.reasons == {"new": 1}
    assert [group.chain_id for group in planned.groups] == ["b"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"fingerprint": "then"}, "recipe changed"),
        ({"clip": "other"}, "clip changed"),
        ({"status": "error"}, None),
        ({"status": "refused"}, None),
    ],
)
def test_a_row_is_made_again_for_a_reason(root, change, reason):
    state = replace(RowState(plan.clip_stamp(clip("a"), root), "now", "success", 0), **change)
    assert make([clip("a")], root, {"a": state}).reasons == ({reason: 1} if reason else {})


def test_retry_names_the_outcome(root):
    stamp = plan.clip_stamp(clip("a"), root)
    states = {"a": RowState(stamp, "now", "error", 0)}
    assert make([clip("a")], root, states, retry=("failed",)).reasons == {"retry failed": 1}
    assert make([clip("a")], root, states, retry=("refused", "truncated")).rows == 0


def test_a_rejected_row_gets_a_new_round_and_others_keep_theirs(root):
    clips = [clip("a"), clip("b")]
    states = {name.clip_id: RowState(plan.clip_stamp(name, root), "now", "success", 1) for name in clips}
    planned = make(clips, root, states, retry=("rejected",), rejected={"a"})
    assert planned.rounds == {"a": 2, "b": 1}
    assert [group.chain_id for group in planned.groups] == ["a"]


def test_a_stamp_follows_the_files_and_the_description(root):
    before = plan.clip_stamp(clip("a"), root)
    assert plan.clip_stamp(clip("a", transcript="hello"), root) != before
    os.utime(root / "a.mp4", ns=(1, 1))
    assert plan.clip_stamp(clip("a"), root) != before
    (root / "a.mp4").unlink()
    assert plan.files_stamp(clip("a"), root) == "-"


def test_clips_of_one_person_emotion_and_level_share_a_chain(root):
    clips = [clip("a"), clip("b"), clip("c", level=3), clip("d", instruction="smile a little")]
    planned = make(clips, root, per="identity")
    assert [[member.clip_id for member in group.todo] for group in planned.groups] == [["a", "b"], ["c"], ["d"]]
    assert planned.groups[0].chain_id == "mead_M003_anger_2"


def test_candidates_are_all_clips_of_the_dataset(root):
    everything = [clip("a"), clip("b"), clip("c")]
    planned = make(everything[1:2], root, per="identity", everything=everything)
    assert [[member.clip_id for member in group.candidates] for group in planned.groups] == [["a", "b", "c"]]


def test_odd_subjects_still_give_safe_and_different_chain_names():
    names = {plan.chain_id(clip("a", subject=subject), "identity") for subject in ("a b", "a/b", "a\nb", "ä", "../x")}
    assert len(names) == 5
    assert all("/" not in name and " " not in name and "\n" not in name for name in names)


def test_only_a_backend_without_eyes_is_told_the_gender():
    woman = clip("a", gender="woman")
    assert plan.chain_topic(woman, AnnotateRecipe(backend={"name": "facs"})).gender == "woman"
    assert plan.chain_topic(woman, AnnotateRecipe()).gender is None
    assert plan.chain_topic(woman, AnnotateRecipe(chain={"mode": "label"})).gender == "woman"
