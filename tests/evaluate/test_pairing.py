"""Which video belongs to which clip; nothing is dropped."""

import pytest
from rows import row
from trees import plant

from tbd.errors import InputError
from tbd.evaluate.inputs.pairing import with_folder, with_manifest, with_table


def rows(*takes, emotion=("happy", "happiness"), level=2):
    folder, name = emotion
    return [
        row(
            f"mead_M003_front_{folder}_{level}_{take:03d}",
            emotion=name,
            level=level,
            file_name=f"M003/video/front/{folder}/level_{level}/{take:03d}.mp4",
        )
        for take in takes
    ]


def matched(pairing):
    return {pair.clip_id: (pair.video.name, pair.by) for pair in pairing.matched}


def test_videos_named_by_clip_id_match_in_a_run_folder(tmp_path):
    plant(tmp_path, "videos/mead_M003_front_happy_2_001.mp4", "videos/mead_M003_front_happy_2_002.mp4", "run.json")
    found = with_manifest(tmp_path, rows(1, 2))
    assert {by for _, by in matched(found).values()} == {"clip_id"}
    assert found.headline() == "matched 2 of 2"


def test_missing_extra_and_duplicate_videos_are_pairs_with_their_reason(tmp_path):
    name = "mead_M003_front_happy_2"
    plant(tmp_path, f"{name}_001.mp4", f"a/{name}_002.mp4", f"b/{name}_002.mov", "strange.mp4", ".hidden.mp4", "x.txt")
    found = with_manifest(tmp_path, rows(1, 2, 3))
    assert found.headline() == "matched 1 of 3; 1 missing, 1 duplicate, 1 extra"
    reasons = {pair.clip_id: pair.reason for pair in found.unmatched}
    assert reasons[f"{name}_002"] == f"duplicate: a/{name}_002.mp4, b/{name}_002.mov"
    assert reasons[f"{name}_003"].startswith("missing")
    assert reasons["strange.mp4"].startswith("extra")
    assert found.pairs[-1].problem == "extra"


def test_endings_in_another_case_are_not_lost(tmp_path):
    plant(tmp_path, "a.mp4", "a.MP4")
    assert with_manifest(tmp_path, rows(1)).headline() == "matched 0 of 1; 1 missing, 2 extra"


@pytest.mark.parametrize(
    "name",
    [
        "M003#happy#level_2#001.mp4",
        "M003_hap_2_001.mp4",
        "M003_level_2_happy_001.mp4",
        "m03-happy-level_2-001.avi",
        "mead_M003_happiness_L2_001.mp4",
        "M003/front/happy/level_2/001.mp4",
        "M003_happy_001.mp4",
    ],
)
def test_names_of_other_projects_find_their_clip(tmp_path, name):
    plant(tmp_path, name)
    others = rows(2) + rows(1, emotion=("sad", "sadness"))
    found = with_manifest(tmp_path, rows(1) + others)
    assert [pair.clip_id for pair in found.matched] == ["mead_M003_front_happy_2_001"]


def test_the_relative_path_of_the_dataset_matches(tmp_path):
    plant(tmp_path, "M003/video/front/happy/level_2/001.mp4")
    assert next(iter(matched(with_manifest(tmp_path, rows(1, 2))).values())) == ("001.mp4", "path")


def test_a_name_that_fits_two_clips_is_left_over(tmp_path):
    plant(tmp_path, "M003_happy_001.mp4")
    found = with_manifest(tmp_path, rows(1, level=1) + rows(1, level=2))
    assert found.headline() == "matched 0 of 2; 2 missing, 1 extra"


def test_an_exact_name_wins_over_one_that_only_means_the_same(tmp_path):
    plant(tmp_path, "mead_M003_front_happy_2_001.mp4", "M003_hap_2_001.mp4")
    found = with_manifest(tmp_path, rows(1))
    assert matched(found) == {"mead_M003_front_happy_2_001": ("mead_M003_front_happy_2_001.mp4", "clip_id")}
    assert found.unmatched[0].problem == "extra"


def test_a_clip_id_without_its_dataset_and_in_another_spelling_matches(tmp_path):
    plant(tmp_path, "wda-AdamSchiff_000.mp4")
    clip = row("hdtf_WDA_AdamSchiff_000", dataset="hdtf", file_name="WDA_AdamSchiff_000.mp4", subject="AdamSchiff")
    assert with_manifest(tmp_path, [clip]).matched[0].by == "name"


def test_two_folders_pair_by_relative_path(tmp_path):
    names = [f"{person}/{take:03d}.mp4" for person in ("M003", "W009") for take in (1, 2)]
    plant(tmp_path / "pred", *names)
    plant(tmp_path / "true", *names, "W009/003.mp4")
    found = with_folder(tmp_path / "pred", tmp_path / "true")
    assert found.headline() == "matched 4 of 5; 1 missing"
    for pair in found.matched:
        assert pair.video.relative_to(tmp_path / "pred") == pair.reference.relative_to(tmp_path / "true")
        assert pair.clip_id == str(pair.video.relative_to(tmp_path / "pred").with_suffix(""))


@pytest.mark.parametrize(("one", "other"), [("M003", "M005"), ("alice", "bob"), ("run/alice", "bob")])
def test_a_bare_number_left_over_is_not_another_persons_clip(tmp_path, one, other):
    plant(tmp_path / "true", *(f"{name}.mp4" for name in ("alice/001", "alice/002", f"{other}/001", f"{other}/003")))
    plant(tmp_path / "pred", *(f"{name}.mp4" for name in (f"{one}/003", f"{other}/001")))
    found = with_folder(tmp_path / "pred", tmp_path / "true")
    assert [pair.clip_id for pair in found.matched] == [f"{other}/001"]
    problems = {pair.clip_id: pair.problem for pair in found.unmatched}
    assert problems[f"{other}/003"] == "missing" and problems[f"{one}/003.mp4"] == "extra"


def test_namesakes_left_over_are_neither_partners_nor_doubles(tmp_path):
    plant(tmp_path / "true", "a/one.mp4", "b/one.mp4", "b/two.mp4")
    plant(tmp_path / "pred", "a/one.mp4", "x/one.mp4", "y/one.mp4")
    found = with_folder(tmp_path / "pred", tmp_path / "true")
    assert found.headline() == "matched 1 of 3; 2 missing, 2 extra"


def test_a_video_of_another_split_is_not_taken_for_a_row_by_its_number(tmp_path):
    plant(tmp_path, "M005/video/front/happy/level_2/003.mp4", "M003/video/front/sad/level_2/003.mp4")
    found = with_manifest(tmp_path, rows(3))
    assert found.headline() == "matched 0 of 1; 1 missing, 2 extra"


def test_what_a_name_means_is_not_taken_for_what_another_left_over(tmp_path):
    plant(tmp_path, "mead_M003_front_happy_1_001.mp4", "M003_happy_001.mp4")
    found = with_manifest(tmp_path, rows(1, level=1) + rows(1, level=2))
    assert [pair.clip_id for pair in found.matched] == ["mead_M003_front_happy_1_001"]


def test_folders_that_say_other_words_than_the_name_do_not_part_them(tmp_path):
    plant(tmp_path, "neutral/seed_1_of_3/M003_front_happy_2_001.mp4")
    assert with_manifest(tmp_path, rows(1)).headline() == "matched 1 of 1"


def test_two_folders_pair_flat_names_with_other_endings(tmp_path):
    plant(tmp_path / "pred", "one.avi", "two.mp4")
    plant(tmp_path / "true", "sub/one.mp4", "sub/two.mov")
    found = with_folder(tmp_path / "pred", tmp_path / "true")
    assert {pair.clip_id: pair.video.name for pair in found.matched} == {"sub/one": "one.avi", "sub/two": "two.mp4"}


def test_a_table_pairs_what_no_name_tells(tmp_path):
    plant(tmp_path / "pred", "x.mp4", "y.mp4")
    plant(tmp_path / "true", "1.mp4", "2.mp4")
    (tmp_path / "pairs.csv").write_text("video,reference\nx.mp4,2.mp4\ny.mp4,9.mp4\n")
    found = with_table(tmp_path / "pairs.csv", tmp_path / "pred", (), tmp_path / "true")
    assert [(pair.video.name, pair.reference.name) for pair in found.matched] == [("x.mp4", "2.mp4")]
    assert "reference '9.mp4'" in found.unmatched[0].reason and "line 3" in found.unmatched[0].reason


def test_a_table_names_clips_of_a_manifest(tmp_path):
    plant(tmp_path, "videos/x.mp4")
    (tmp_path / "pairs.csv").write_text(" Video , Clip_ID \nx.mp4,mead_M003_front_happy_2_002\n")
    found = with_table(tmp_path / "pairs.csv", tmp_path, rows(1, 2))
    assert found.matched[0].row["clip_id"] == "mead_M003_front_happy_2_002"


def test_a_table_does_not_take_the_truth_or_another_run_for_a_video(tmp_path):
    plant(tmp_path / "runs/one/videos", "a.mp4")
    plant(tmp_path / "runs/two/videos", "a.mp4", "b.mp4")
    plant(tmp_path / "gt", "a.mp4", "b.mp4")
    (tmp_path / "gt/pairs.csv").write_text(
        "video,reference\na.mp4,a.mp4\nb.mp4,b.mp4\n../runs/two/videos/b.mp4,c.mp4\n"
    )
    found = with_table(tmp_path / "gt/pairs.csv", tmp_path / "runs/one", (), tmp_path / "gt")
    assert [pair.clip_id for pair in found.matched] == ["a"]
    assert found.matched[0].video == tmp_path / "runs/one/videos/a.mp4"
    assert "video 'b.mp4' below the run's folder" in {pair.clip_id: pair.reason for pair in found.unmatched}["b"]
    within = with_table(
        tmp_path / "gt/pairs.csv", tmp_path, (), tmp_path / "gt"
    )  # the run's folder holds the truth too
    assert within.headline() == "matched 0 of 3; 3 missing"


def test_a_table_may_name_videos_from_where_it_lies(tmp_path):
    plant(tmp_path, "runs/one/videos/x.mp4", "gt/a.mp4")
    (tmp_path / "pairs.csv").write_text("video,reference\nruns/one/videos/x.mp4,gt/a.mp4\n")
    found = with_table(tmp_path / "pairs.csv", tmp_path / "runs/one")
    assert found.headline() == "matched 1 of 1" and found.matched[0].reference == tmp_path / "gt/a.mp4"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a,b\n1,2\n", "needs a header"),
        ("video,clip_id\nx.mp4,nobody\n", "no clip 'nobody'"),
        ("video,clip_id\nx.mp4,mead_M003_front_happy_2_001\nx.mp4,mead_M003_front_happy_2_001\n", "there twice"),
        ("", "needs a header"),
    ],
)
def test_a_table_with_a_mistake_says_which(tmp_path, text, words):
    plant(tmp_path, "x.mp4")
    (tmp_path / "pairs.csv").write_text(text)
    with pytest.raises(InputError, match=words):
        with_table(tmp_path / "pairs.csv", tmp_path, rows(1))


def test_folders_without_videos_say_what_is_there(tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        with_manifest(tmp_path / "nowhere", rows(1))
    plant(tmp_path, "frame_0.png", "frame_1.png")
    with pytest.raises(InputError, match="2 pictures"):
        with_manifest(tmp_path, rows(1))
