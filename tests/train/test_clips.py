import json
from dataclasses import replace
from pathlib import Path

import pytest
import training
from review_events import decide

from tbd.errors import InputError, UsageError
from tbd.hashes import seeded_fraction
from tbd.selection import Selection
from tbd.train.approved_clips import read_training_clips
from tbd.train.request import TrainingRequest, labels_that_count, run_identity


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    return training.manifest(tmp_path_factory.mktemp("manifests") / "toy")


def _all(clips):
    return (*clips.train, *clips.validation)


def _names(clips):
    return sorted(clip.clip_id for clip in _all(clips))


def _many(folder, count, **changes):
    """Rows over windows of their own, so that no two show the same."""
    rows = [training.a_row(f"c{i:04d}", i, start=i / 10_000, **changes) for i in range(count)]
    return training.manifest(folder, rows)


@pytest.mark.parametrize(("stage", "silent"), [(1, ["y_silent"]), (2, [])])
def test_only_approved_rows_of_the_train_side_are_used(toy, stage, silent):
    clips = read_training_clips([toy], training.recipe(), stage)
    assert _names(clips) == [f"c{i:03d}" for i in range(10)] + (["y_short", *silent] if stage == 1 else [])


def test_a_row_that_nobody_approved_is_not_even_looked_for(toy, monkeypatch):
    asked, real = [], Path.is_file
    monkeypatch.setattr(Path, "is_file", lambda path: asked.append(path.name) or real(path))
    clips = read_training_clips([toy], training.recipe({"data.split": "train"}), 2)
    assert asked.count("this.mp4") == 1  # of the approved row whose file is missing; six planted rows name it
    assert [rows for rows in clips.left_out.values() if any("/x_" in name for name in rows)] == []


def test_what_is_left_out_is_told_with_its_reason(toy):
    clips = read_training_clips([toy], training.recipe(), 2)
    assert clips.left_out == {
        "whose file is missing": ["toy/y_missing"],
        "shorter than the 4 frames of stage 2": ["toy/y_short"],
        "without sound": ["toy/y_silent"],
    }
    assert "left out: 1 without sound (e.g. toy/y_silent)" in clips.words()


def test_a_clip_is_as_long_as_a_sample_of_its_stage(toy):
    clips = read_training_clips([toy], training.recipe({"stage1.frames": 26}), 1)
    short = clips.left_out["shorter than the 26 frames of stage 1"]
    assert sorted(short) == ["toy/c000", "toy/y_missing", "toy/y_short", "toy/y_silent"]
    assert min(clip.frames for clip in _all(clips)) == 26


@pytest.mark.parametrize("edge", [float("nan"), float("inf")])
@pytest.mark.parametrize("box", ["face_box", "crop_box"])
def test_a_box_without_an_edge_leaves_its_row_out_and_says_which(tmp_path, box, edge):
    rows = [*training.usable(3), training.a_row("odd", 3, **{box: [0.0, 0.0, edge, 20.0]})]
    clips = read_training_clips([training.manifest(tmp_path / "toy", rows)], training.recipe(), 1)
    assert clips.left_out == {f"whose {box} has an edge that is not a finite number": ["toy/odd"]}
    assert len(_all(clips)) == 3


def test_the_text_is_the_one_that_a_person_left(toy):
    clips = {clip.clip_id: clip for clip in _all(read_training_clips([toy], training.recipe(), 1))}
    assert clips["c001"].prompts == tuple(training.EDITED)
    scene, *rest = training.prompts(2, "neutral")
    assert clips["c002"].prompts == (scene, " ".join(rest))


@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_a_clip_has_as_many_texts_as_the_recipe_hears(tmp_path, k):
    toy = training.manifest(tmp_path / "toy", training.usable(2))
    clips = read_training_clips([toy], training.recipe({"model.guidance.levels": k}), 1)
    assert {len(clip.prompts) for clip in _all(clips)} == {k}


def test_rows_with_fewer_texts_than_levels_are_left_out(toy):
    clips = read_training_clips([toy], training.recipe({"model.guidance.levels": 4}), 1)
    assert clips.left_out["with 2 prompt levels where the recipe hears 4"] == ["toy/c001"]


def test_by_people_means_accepted_or_edited(toy):
    assert _names(read_training_clips([toy], training.recipe({"data.approved_by": "people"}), 1)) == ["c000", "c001"]


def test_a_review_counts_from_the_next_run_on(tmp_path):
    toy = training.manifest(tmp_path / "toy", training.usable(3))
    before = read_training_clips([toy], training.recipe(), 1)
    decide(toy, "c000", "reject", training.usable(1)[0]["prompts"])
    after = read_training_clips([toy], training.recipe(), 1)
    assert set(_names(before)) - set(_names(after)) == {"c000"} and before.digest() != after.digest()


def _annotated_with(folder, **rule):
    """A manifest of two clips whose record says so of its clip rule."""
    made = training.manifest(folder, training.usable(2))
    document = json.loads((made / "run.json").read_text())
    document["recipe"]["clip"] |= rule
    (made / "run.json").write_text(json.dumps(document))
    return made


@pytest.mark.parametrize(("key", "value"), [("fps", 30.0), ("scale", 2.2), ("lift", 0.3)])
def test_manifests_that_were_cropped_or_timed_otherwise_are_not_mixed(tmp_path, key, value):
    one, other = (
        training.manifest(tmp_path / "one", training.usable(2)),
        _annotated_with(tmp_path / "b", **{key: value}),
    )
    with pytest.raises(UsageError, match=rf"clip\.{key}=.*, and b with {value:g}"):
        read_training_clips([one, other], training.recipe(), 1)
    assert getattr(read_training_clips([other], training.recipe(), 1).train[0].canonical.rule, key) == value


def test_the_sound_is_at_the_rate_that_the_network_hears_whatever_a_manifest_says(tmp_path):
    plain = read_training_clips([training.manifest(tmp_path / "toy", training.usable(2))], training.recipe(), 2)
    other = read_training_clips([_annotated_with(tmp_path / "b" / "toy", sample_rate=24_000)], training.recipe(), 2)
    one, two = plain.train[0].canonical, other.train[0].canonical
    assert one.rule == two.rule.model_copy(update={"size": one.rule.size}) and (one.audio() == two.audio()).all()


def test_the_canonical_clip_has_the_size_of_the_recipe_and_the_rule_of_the_manifest(toy):
    clip = read_training_clips([toy], training.recipe({"data.size": 32}), 1).train[0]
    assert clip.canonical.rule.size == 32 and clip.frames == clip.canonical.num_frames
    assert next(clip.canonical.frames()).shape == (32, 32, 3)


@pytest.mark.parametrize(("share", "least", "kept"), [(0.01, 8, 8), (0.1, 8, 20), (0.01, 150, 100), (0.0, 8, 0)])
def test_validation_keeps_back_a_share_at_least_so_many_and_at_most_half(tmp_path, share, least, kept):
    toy = _many(tmp_path / "toy", 200)
    clips = read_training_clips([toy], training.recipe({"data.validation": share, "data.validation_clips": least}), 1)
    assert len(clips.validation) == kept and len(clips.train) == 200 - kept
    assert not {c.clip_id for c in clips.train} & {c.clip_id for c in clips.validation}


def test_validation_hangs_on_the_seed_and_not_on_the_order_or_the_other_clips(tmp_path):
    wanted = {"data.validation_clips": 8}

    def kept(path, **more):
        return {clip.clip_id for clip in read_training_clips([path], training.recipe(wanted, **more), 1).validation}

    few, many = kept(_many(tmp_path / "few" / "toy", 40)), kept(_many(tmp_path / "many" / "toy", 60))
    assert many <= few | {f"c{i:04d}" for i in range(40, 60)}  # an old clip never begins to be kept back
    assert kept(tmp_path / "few" / "toy") == few != kept(tmp_path / "few" / "toy", seed=1)


def test_what_two_manifests_have_of_the_same_footage_is_kept_back_in_both_or_in_neither(tmp_path):
    """The second manifest calls the clips otherwise, and has a wider crop and clips of its own besides."""
    rows = [training.a_row(f"c{i:03d}", i) for i in range(10)]
    wider = [0.0, 0.0, training.SIZE + 2.0, training.SIZE + 2.0]
    own = [training.a_row(f"own{i}", i, start=0.1) for i in range(6)]
    twins = [training.a_row(f"twin{i}", i, crop_box=wider) for i in range(10)]
    both = [training.manifest(tmp_path / "one", rows), training.manifest(tmp_path / "two", [*twins, *own])]
    chosen = training.recipe({"data.validation": 0.4, "data.validation_clips": 1})
    clips = read_training_clips(both, chosen, 1)
    assert {clip.footage for clip in clips.train}.isdisjoint(clip.footage for clip in clips.validation)
    assert 8 <= len(clips.validation) <= 10 and {clip.manifest for clip in clips.validation} == {"one", "two"}
    alone = read_training_clips(both[:1], chosen, 1).validation
    order = sorted((f"one/{row['clip_id']}" for row in rows), key=lambda name: (seeded_fraction(0, name), name))
    assert {clip.name for clip in alone} == set(order[:4])  # as it always was


def test_clips_of_the_test_side_are_neither_learned_from_nor_kept_back(tmp_path):
    rows = [training.a_row(f"c{i:03d}", i, split="test" if i % 2 else "train") for i in range(40)]
    clips = read_training_clips(
        [training.manifest(tmp_path / "toy", rows)], training.recipe({"data.validation_clips": 15}), 1
    )
    assert _names(clips) == [f"c{i:03d}" for i in range(0, 40, 2)]


def test_a_manifest_without_sides_is_used_whole_and_that_is_said(tmp_path):
    clips = read_training_clips([_many(tmp_path / "toy", 4, split=None)], training.recipe(), 1)
    assert len(_names(clips)) == 4 and "toy is not split" in "\n".join(clips.words())


def test_nothing_to_train_on_says_why(tmp_path, toy):
    bad = training.manifest(tmp_path / "bad", [one for one in training.planted() if one["clip_id"] != "x_rejected"])
    with pytest.raises(InputError, match=r"(?s)no row to train on.*1 whose file is missing.*1 without sound") as caught:
        read_training_clips([bad], training.recipe({"stage2.frames": 14}), 2)
    assert caught.value.next == f"tbd manifest report {bad}"
    none = training.manifest(tmp_path / "none", [training.a_row("a", severity=3)])
    with pytest.raises(InputError, match=r"of 1 that were asked for\n  1 not approved"):
        read_training_clips([none], training.recipe(), 1)


def test_a_prompt_that_does_not_fit_is_left_out_or_cut_as_the_recipe_says(tmp_path):
    long = [" ".join(["muscle"] * 80), "second"]
    rows = [training.a_row("a", prompts=long), *training.usable(1)]
    toy = training.manifest(tmp_path / "toy", rows)
    assert read_training_clips([toy], training.recipe(), 1).left_out == {
        "with a prompt of more than 75 CLIP tokens": ["toy/a"]
    }
    cut = read_training_clips([toy], training.recipe({"model.text.overflow": "cut"}), 1)
    assert (
        len(_names(cut)) == 2 and "1 clips with a prompt that is cut after 75 CLIP tokens (e.g. toy/a)" in cut.words()
    )


def test_rows_are_chosen_by_any_column_and_by_a_list(toy):
    recipe = training.recipe()
    where = Selection(where={"emotion": "angry|fear", "view": "front", "status": "*"})
    assert _names(read_training_clips([toy], recipe, 1, where)) == ["c001", "c004", "c008"]
    listed = read_training_clips([toy], recipe, 1, Selection(clips=("c002", "c003", "y_missing", "x_flagged")))
    assert _names(listed) == ["c002", "c003"]
    assert listed.notes == ("1 of the listed clips are not among the approved rows (e.g. x_flagged)",)
    with pytest.raises(UsageError, match="c999"):
        read_training_clips([toy], recipe, 1, Selection(clips=("c999",)))
    with pytest.raises(UsageError, match="did you mean 'anger'"):
        read_training_clips([toy], recipe, 1, Selection(where={"emotion": "angr"}))
    with pytest.raises(UsageError, match="'mood'"):
        read_training_clips([toy], recipe, 1, Selection(where={"mood": "good"}))


def test_the_dataset_is_looked_for_where_it_was_or_where_one_says(tmp_path):
    toy = training.manifest(tmp_path / "toy", training.usable(2), root=tmp_path / "gone")
    with pytest.raises(InputError, match="2 whose file is missing"):
        read_training_clips([toy], training.recipe(), 1)
    assert len(_names(read_training_clips([toy], training.recipe(), 1, None, {"mead": training.media()}))) == 2
    (toy / "run.json").unlink()
    with pytest.raises(InputError, match="where dataset mead lies is not recorded"):
        read_training_clips([toy], training.recipe(), 1)


def test_several_manifests_are_told_apart_by_their_folders(tmp_path, toy):
    other = training.manifest(tmp_path / "other", training.usable(3))
    clips = read_training_clips([toy, other], training.recipe(), 1)
    assert clips.manifests == {"toy": toy, "other": other}
    assert {c.manifest for c in _all(clips)} == {"toy", "other"}
    with pytest.raises(UsageError, match="two manifests called toy"):
        read_training_clips([toy, training.manifest(tmp_path / "toy", training.usable(1))], training.recipe(), 1)


def test_the_digest_changes_with_what_is_learned_and_not_with_where_it_lies(tmp_path):
    def digest(rows, labels=(), **how):
        folder = tmp_path / str(len(list(tmp_path.iterdir()))) / "toy"
        return read_training_clips([training.manifest(folder, rows, **how)], training.recipe(), 1).digest(labels)

    rows = training.usable(4)
    moved = tmp_path / "moved"
    moved.symlink_to(training.media())
    same = digest(rows)
    assert digest(rows) == digest(rows[::-1]) == digest(rows, root=moved) == same
    others = [rows[:3], [rows[0] | {"crop_box": [1.0, 0.0, 64.0, 64.0]}, *rows[1:]],
              [rows[0] | {"start": 0.1, "end": 0.9}, *rows[1:]], [*rows[:3], training.a_row("c003", 3, prompts=["a", "b"])]]  # fmt: skip
    assert len({same, *map(digest, others)}) == 5
    changed = {"person": {"subject": "W009"}, "level": {"level": 3}, "emotion": {"emotion": "fear"},
               "face": {"face_box": [8.0, 8.0, 24.0, 24.0]}}  # fmt: skip
    for label, change in changed.items():  # counts where it plays a part, and nowhere else
        other = [rows[0] | change, *rows[1:]]
        assert digest(other) == same and digest(other, [label]) != digest(rows, [label])


@pytest.mark.parametrize(
    ("changes", "stage1", "stage2"),
    [
        ({}, [], []),
        ({"data.reference": "person"}, ["person"], ["person"]),
        ({"data.balance": "level"}, ["level"], ["level"]),
        ({"data.balance": "emotion"}, ["emotion"], ["emotion"]),
        ({"loss.face": 2.0}, ["face"], ["face"]),
        ({"loss.lips": 2.0}, ["face"], ["face"]),
        ({"loss.sync": 0.1}, [], ["face"]),
    ],
)
def test_a_run_goes_on_only_with_the_labels_that_decide_about_it(changes, stage1, stage2):
    chosen = training.recipe(changes)
    assert (labels_that_count(chosen, 1), labels_that_count(chosen, 2)) == (stage1, stage2)


def test_a_run_whose_references_are_from_the_person_does_not_go_on_with_other_people(tmp_path):
    first = training.clips(2)
    second = replace(first, train=tuple(replace(clip, person="mead/other") for clip in first.train))
    for reference, same in (("clip", True), ("person", False)):
        asked = TrainingRequest((), training.recipe({"data.reference": reference}), 1, tmp_path)
        assert (run_identity(asked, first) == run_identity(asked, second)) is same


def test_a_person_with_one_clip_is_told_where_the_reference_should_be_another(tmp_path):
    rows = [training.a_row(f"c{i}", i, subject="M001" if i else "W001") for i in range(6)]
    toy = training.manifest(tmp_path / "toy", rows)
    none = training.recipe({"data.reference": "person", "data.validation": 0.0})
    (note,) = read_training_clips([toy], none, 1).notes
    assert note.startswith("1 clips are their person's only one") and note.endswith("(e.g. toy/c0)")
    assert read_training_clips([toy], training.recipe({"data.validation": 0.0}), 1).notes == ()
