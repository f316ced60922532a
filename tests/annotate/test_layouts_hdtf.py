"""HDTF's names, its text files with their defects, and the paper's windows."""

from itertools import pairwise

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trees import hdtf, plant

from tbd.annotate.layouts.hdtf import read_name
from tbd.annotate.layouts.windows import draw_windows
from tbd.annotate.scan import scan
from tbd.errors import InputError
from tbd.manifest.split import SPLIT_COLUMNS, SplitRule, assign_split
from tbd.schema import ERROR, INFO, WARNING, Clip


@pytest.mark.parametrize(
    ("name", "clip_id", "person", "video"),
    [
        ("WDA_AdamSchiff_000.mp4", "hdtf_WDA_AdamSchiff_000", "AdamSchiff", "AdamSchiff"),
        ("WRA_DebFischer1_012.mp4", "hdtf_WRA_DebFischer1_012", "DebFischer", "DebFischer1"),
        ("RD_Radio10_000#7.mp4", "hdtf_RD_Radio10_000_p7", "Radio10", "Radio10"),
        ("RD_Radio10_0_clip_0.mp4", "hdtf_RD_Radio10_000_p0", "Radio10", "Radio10"),
        ("Radio10_0.mp4", "hdtf_RD_Radio10_000", "Radio10", "Radio10"),
        ("AdamKinzinger0_0.mp4", "hdtf_AdamKinzinger0_000", "AdamKinzinger", "AdamKinzinger0"),
        ("WDA_JamesClyburn1_000.mp4", "hdtf_WDA_JamesClyburn1_000", "JamesClyburn", "JamesClyburn1"),
        ("WDA_WhipJimClyburn_000.mp4", "hdtf_WDA_WhipJimClyburn_000", "JamesClyburn", "WhipJimClyburn"),
    ],
)
def test_every_form_of_a_name_is_read(tmp_path, name, clip_id, person, video):
    (clip,) = scan(plant(tmp_path / "HDTF", name), "hdtf:whole").clips
    assert (clip.clip_id, clip.subject, clip.source) == (clip_id, person, video)
    assert (clip.emotion, clip.emotion_raw, clip.level) == ("neutral", "neutral (assumed)", None)


@pytest.mark.parametrize("name", ["AdamSchiff.mp4", "WDA_AdamSchiff_0000.mp4", "AdamSchiff_000.txt", "_000.mp4"])
def test_other_names_are_none(name):
    assert read_name(name) is None


def test_a_name_without_subset_counts_only_where_hdtf_is_at_home(tmp_path):
    for root in (tmp_path / "clips", tmp_path / "HDTF"):
        plant(root, "AnnaSmith_0.mp4", "BobJones_0.mp4")
    with pytest.raises(InputError, match="no layout fits"):
        scan(tmp_path / "clips", duration=lambda path: 200.0)
    assert scan(tmp_path / "HDTF", duration=lambda path: 200.0).layout == "hdtf"


def test_whole_videos_are_passed_over_and_said(tmp_path):
    plant(hdtf(tmp_path, people=2), "_videos_raw/AdamSchiff.mp4")
    found = scan(tmp_path, windows=False)
    assert len(found.clips) == 2
    assert [problem.code for problem in found.problems] == ["raw_video"]


LISTS = {
    "WDA_video_url.txt": "\ufeffAnnaSmith0 https://www.youtube.com/watch?v=aaa&t=6s\nBobJones https://youtu.be/aaa\n",
    "WDA_resolution.txt": "AnnaSmith0.mp4 720\nBobJones.mp4 0\n",
    "WDA_annotion_time.txt": "AnnaSmith0.mp4 00:20-01:35 02:00-02:30 \nBobJones.mp4 00:00-01:00\n",
    "WDA_crop_wh.txt": "AnnaSmith0_0.mp4 306 480 41 480\nAnnaSmith0_1.mp4 100 600 134 600\n",
}


def listed(tmp_path, **changes):
    root = plant(tmp_path, "WDA_AnnaSmith0_000.mp4", "WDA_AnnaSmith0_001.mp4", "WDA_BobJones_000.mp4")
    for name, text in (LISTS | changes).items():
        plant(root, f"HDTF_dataset/{name}", content=text.encode())
    return root


def flags_of(found):
    return {clip.clip_id: {(flag.code, flag.severity) for flag in clip.flags} for clip in found.clips}


def test_the_text_files_tell_the_known_defects(tmp_path):
    twin = ("duplicate_video", WARNING)
    assert flags_of(scan(listed(tmp_path), windows=False)) == {
        "hdtf_WDA_AnnaSmith0_000": {("upscaled", INFO), twin},
        "hdtf_WDA_AnnaSmith0_001": {("crop_outside", WARNING), twin},
        "hdtf_WDA_BobJones_000": {("crop_unlisted", INFO), twin},
    }


def test_a_broken_line_is_named_and_the_rest_read(tmp_path):
    root = listed(tmp_path, **{"WDA_crop_wh.txt": "AnnaSmith0_0.mp4 306 x 41 480\nAnnaSmith0_1.mp4 100 600 134 600\n"})
    found = scan(root, windows=False)
    assert "line 1" in str(found.problems[0])
    assert ("crop_outside", WARNING) in flags_of(found)["hdtf_WDA_AnnaSmith0_001"]


@pytest.mark.parametrize("spelling", ["annotion", "annotation"])
def test_a_file_of_another_length_than_published_is_flagged(tmp_path, spelling):
    times = "BobJones.mp4 00:00-02:00\nAnnaSmith0.mp4 00:00-02:01 1:00:00-1:02:01 \n"
    root = listed(tmp_path, **{"WDA_annotion_time.txt": "", f"WDA_{spelling}_time.txt": times})
    for extra in range(3):
        plant(root, f"WDA_Person{'abc'[extra]}_000.mp4")
    differing = {
        clip.subject
        for clip in scan(root, duration=lambda path: 121.5).clips
        for flag in clip.flags
        if flag.code == "duration_differs"
    }
    assert differing == {"BobJones"}


def seconds(path):
    return 60.0 + sum(path.name.encode()) % 120


def test_the_paper_s_windows(tmp_path):
    found = scan(hdtf(tmp_path, people=30, pieces=2), duration=seconds)
    people = {clip.subject for clip in found.clips}
    assert len(people) == 20
    assert len(found.clips) == 200
    assert len({clip.subject for clip in found.clips if clip.split == "test"}) == 4
    assert len({clip.subject for clip in found.clips if clip.split == "train"}) == 16
    assert any("16 to train and 4 to test (our choice)" in note for note in found.notes)
    for person in people:
        assert sum(clip.subject == person for clip in found.clips) == 10


def test_a_window_is_named_by_its_start(tmp_path):
    for clip in scan(hdtf(tmp_path, people=2, pieces=3), duration=seconds).clips:
        assert clip.clip_id == f"hdtf_{clip.file_name.removesuffix('.mp4')}_{round(clip.start * 1000)}"


def test_the_split_is_the_manifest_s_rule(tmp_path):
    found = scan(hdtf(tmp_path, people=23, pieces=2), duration=seconds, seed=3)
    rows = [{name: getattr(clip, name) for name in SPLIT_COLUMNS} for clip in found.clips]
    assert assign_split(pa.Table.from_pylist(rows), SplitRule("hdtf-16-4", 3)).sides == [
        clip.split for clip in found.clips
    ]


def test_windows_depend_on_the_seed_and_not_on_other_people(tmp_path):
    few, more = hdtf(tmp_path / "few", people=8, pieces=2), hdtf(tmp_path / "more", people=12, pieces=2)
    ids = {clip.clip_id for clip in scan(few, duration=seconds).clips}
    assert ids <= {clip.clip_id for clip in scan(more, duration=seconds).clips}
    assert ids != {clip.clip_id for clip in scan(few, duration=seconds, seed=1).clips}


def test_people_with_too_little_material_are_left_out(tmp_path):
    hdtf(tmp_path, people=6)
    found = scan(tmp_path, duration=lambda path: 94.0 if "Aa" in path.name else 300.0)
    assert "PersonAa" not in {clip.subject for clip in found.clips}
    assert any("only 5 of 6 here" in note for note in found.notes)


def test_no_more_files_are_opened_than_needed(tmp_path):
    asked = []
    scan(hdtf(tmp_path, people=40), duration=lambda path: asked.append(path) or 300.0)
    assert len(asked) == 20


def test_no_material_at_all_says_how_to_take_whole_files(tmp_path):
    with pytest.raises(InputError, match="windows") as caught:
        scan(hdtf(tmp_path, people=3), duration=lambda path: 20.0)
    assert "hdtf:whole" in caught.value.next


def test_a_file_that_cannot_be_read_is_a_problem_and_not_the_end(tmp_path):
    def duration(path):
        if "PersonAb" in path.name:
            raise InputError(f"{path}: cut off")
        return 200.0

    found = scan(hdtf(tmp_path, people=3), duration=duration)
    assert [(problem.path, problem.severity) for problem in found.problems] == [("WDA_PersonAb_000.mp4", ERROR)]
    assert len(found.clips) == 20


def test_empty_files_are_really_opened_when_nobody_tells_their_length(tmp_path):
    with pytest.raises(InputError, match="0 bytes"):
        scan(hdtf(tmp_path, people=2))


@settings(max_examples=50)
@given(st.lists(st.floats(0, 500), min_size=1, max_size=6), st.integers(0, 99))
def test_windows_lie_inside_their_file_and_never_overlap(lengths, seed):
    clips = [Clip(f"c{n}", "hdtf", "someone", "neutral", "", f"c{n}.mp4") for n in range(len(lengths))]
    length = dict(zip((clip.clip_id for clip in clips), lengths, strict=True))
    windows, _ = draw_windows(clips, lambda clip: length[clip.clip_id], seed)
    assert len(windows) in (0, 10)
    assert len({window.clip_id for window in windows}) == len(windows)
    for clip in clips:
        own = sorted((w.start, w.end) for w in windows if w.file_name == clip.file_name)
        assert all(5 - 1e-6 <= end - start <= 10 + 1e-6 for start, end in own)
        assert all(start >= 0 and end <= length[clip.clip_id] + 1e-6 for start, end in own)
        assert all(before[1] <= after[0] + 1e-6 for before, after in pairwise(own))
        assert all(abs(time * 25 - round(time * 25)) < 1e-6 for span in own for time in span)
