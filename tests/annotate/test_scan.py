"""The walk, the choice of a layout, names of clips, and the selection."""

import os
import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trees import mead, plant

from tbd.annotate.layouts import LAYOUTS
from tbd.annotate.layouts.base import Tree
from tbd.annotate.layouts.ids import LONGEST, is_safe, made_unique, safe
from tbd.annotate.scan import default_where, scan
from tbd.errors import InputError, UsageError
from tbd.schema import ERROR, INFO, WARNING, Clip


def problems(root, **options):
    return [(problem.path, problem.code, problem.severity) for problem in scan(root, **options).problems]


# ---------------------------------------------------------------- the walk


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda root: None, "no such folder"),
        (lambda root: root.write_bytes(b""), "a file, not a folder"),
        (lambda root: root.mkdir(), "empty"),
        (lambda root: plant(root, ".hidden/a.mp4", "._001.mp4"), "empty"),
    ],
)
def test_a_root_that_holds_nothing_is_said_plainly(tmp_path, make, words):
    make(tmp_path / "data")
    with pytest.raises(InputError, match=words):
        scan(tmp_path / "data")


def test_loops_of_links_end(tmp_path):
    mead(tmp_path, emotions=("sad",))
    (tmp_path / "M003" / "again").symlink_to(tmp_path)
    (tmp_path / "aaa").symlink_to(tmp_path / "M003")
    (tmp_path / "self").symlink_to(tmp_path / "self")
    found = scan(tmp_path)
    assert len(found.clips) == 12
    assert all(clip.file_name.startswith(clip.subject) for clip in found.clips)
    assert [(problem.path, problem.code, problem.severity) for problem in found.problems] == [
        ("self", "broken_link", WARNING),
        ("M003/again", "linked_twice", INFO),
        ("aaa", "linked_twice", INFO),
    ]


def test_a_dataset_may_be_made_of_links(tmp_path):
    mead(tmp_path / "disk", emotions=("sad",))
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "M003").symlink_to(tmp_path / "disk" / "M003")
    plant(tmp_path / "set" / "W009/video/front/sad/level_1")
    found = scan(tmp_path / "set")
    assert {clip.subject for clip in found.clips} == {"M003"}


def test_a_link_to_nothing_is_a_problem(tmp_path):
    (mead(tmp_path) / "gone.mp4").symlink_to(tmp_path / "nowhere")
    assert problems(tmp_path) == [("gone.mp4", "broken_link", WARNING)]


def test_a_name_that_is_no_text_is_a_problem_and_can_be_printed(tmp_path):
    mead(tmp_path, emotions=("sad",))
    os.close(os.open(os.fsencode(tmp_path) + b"/M003_ang_1_\xff.mp4", os.O_CREAT))
    found = scan(tmp_path)
    assert [problem.code for problem in found.problems] == ["name_not_text"]
    assert str(found.problems[0]).encode("utf-8")


def test_odd_names_make_safe_ids_and_printable_problems(tmp_path):
    names = [
        "M003 'a\nb\"/video/front/sad/level_1/001.mp4",
        "Ünï/M003/video/front/sad/level_1/002.mp4",
        "bad\nname.mp4",
    ]
    found = scan(plant(tmp_path, *names))
    assert {clip.file_name for clip in found.clips} == set(names[:2])
    assert [problem.path for problem in found.problems] == names[2:]
    assert all(is_safe(clip.clip_id) for clip in found.clips)
    assert all("\n" not in str(problem) for problem in found.problems)


@pytest.mark.parametrize(
    ("content", "code", "severity"),
    [
        (b"x" * 600 + bytes(1024), "archive", WARNING),
        (b"x" * 4096, "archive_cut_off", ERROR),
        (b"", "archive_cut_off", ERROR),
    ],
)
def test_archives_are_named_and_cut_off_ones_told(tmp_path, content, code, severity):
    plant(mead(tmp_path), "M003/video.tar", content=content)
    assert problems(tmp_path) == [("M003/video.tar", code, severity)]


def test_archives_alone_are_what_the_error_speaks_of(tmp_path):
    with pytest.raises(InputError, match=r"video\.tar: an archive"):
        scan(plant(tmp_path, "M003/video.tar", content=bytes(2048)))


def test_a_folder_that_may_not_be_read_is_a_problem(tmp_path):
    mead(tmp_path, emotions=("sad",))
    (tmp_path / "locked").mkdir(mode=0)
    script = (
        "import os\n"
        "from pathlib import Path\n"
        "from tbd.annotate.scan import scan\n"
        "os.setuid(65534) if os.getuid() == 0 else None\n"
        "found = scan(Path())\n"
        "print(len(found.clips), [(p.path, p.code) for p in found.problems])\n"
    )
    tmp_path.chmod(0o755)
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "12 [('locked', 'folder_unreadable')]\n"


# ---------------------------------------------------------------- the layout


def test_nothing_fits_names_what_was_tried_and_what_was_found(tmp_path):
    with pytest.raises(InputError) as caught:
        scan(plant(tmp_path, "party/one.mp4", "party/two.mp4", "notes.txt"))
    told = caught.value.message
    assert "no layout fits its 3 files (2 of them video or pictures)" in told
    assert "party/one.mp4, party/two.mp4" in told
    assert all(name in told and layout.expects in told for name, layout in LAYOUTS.items())
    assert "path,emotion,level,subject" in told


def test_an_unknown_layout_or_variant_is_a_usage_error(tmp_path):
    for layout, words in (("meed", "auto, mead, hdtf"), ("hdtf:half", "hdtf:whole"), ("auto:x", "no layout|there are")):
        with pytest.raises(UsageError, match=words):
            scan(mead(tmp_path), layout)


def test_a_layout_that_does_not_fit_says_so(tmp_path):
    with pytest.raises(InputError, match="no clip in the layout ravdess") as caught:
        scan(mead(tmp_path), "ravdess")
    assert "--layout auto" in caught.value.next


def test_two_layouts_that_fit_equally_are_a_question(tmp_path):
    plant(tmp_path, "1001_IEO_ANG_LO.flv", "01-01-05-01-01-01-01.mp4")
    with pytest.raises(InputError, match="several layouts fit equally well: ravdess, crema-d"):
        scan(tmp_path)


def test_the_layout_of_most_files_wins_and_the_rest_is_told(tmp_path):
    found = scan(plant(mead(tmp_path), "extra/party.mp4"))
    assert found.layout == "mead"
    assert [(problem.path, problem.severity) for problem in found.problems] == [("extra/party.mp4", INFO)]


@pytest.mark.parametrize(
    ("layout", "name"),
    [
        ("mead", "M003_ang_1_001.mp4"),
        ("hdtf", "WDA_AdamSchiff_000.mp4"),
        ("hdtf", "RD_Radio10_0_clip_0.mp4"),
        ("ravdess", "01-01-05-01-01-01-01.mp4"),
        ("crema-d", "1001_IEO_ANG_LO.flv"),
    ],
)
def test_each_layout_knows_its_own_names_and_no_others(tmp_path, layout, name):
    tree = Tree(tmp_path, [name])
    assert {other: it.recognise(tree) for other, it in LAYOUTS.items()} == dict.fromkeys(LAYOUTS, 0) | {layout: 1}


def test_the_counts_are_noted(tmp_path):
    notes = scan(mead(tmp_path, emotions=("sad", "neutral"), views=("front", "top"))).notes
    assert notes[:3] == ("emotions: 24 sadness, 8 neutral", "views: 16 front, 16 top", "people: 2, with 16 clips each")


def test_a_scan_is_sorted_and_does_not_depend_on_the_order_of_creation(tmp_path):
    names = [f"M003_{code}_1_{take:03d}.mp4" for code in ("sad", "ang") for take in (2, 1)]
    one, two = scan(plant(tmp_path / "a", *names)), scan(plant(tmp_path / "b", *reversed(names)))
    assert one.clips == two.clips
    assert [clip.clip_id for clip in one.clips] == sorted(clip.clip_id for clip in one.clips)


def test_scanning_imports_nothing_heavy():
    script = "import sys, tbd.annotate.scan; sys.exit(bool({'torch', 'transformers', 'pandas', 'pyarrow'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_only_mead_narrows_by_default():
    assert {name: default_where(name) for name in LAYOUTS if default_where(name)} == {"mead": {"view": "front"}}


# ---------------------------------------------------------------- names of clips


def clip(clip_id, file_name="a.mp4", **changes):
    return replace(Clip(clip_id, "set", "anna", "sadness", "sad", file_name), **changes)


@given(st.lists(st.tuples(st.text(max_size=200), st.text(min_size=1, max_size=30)), max_size=30))
def test_ids_are_safe_and_unique_whatever_they_were(wished):
    clips = made_unique(clip(name, path) for name, path in wished)
    ids = [clip.clip_id for clip in clips]
    assert len(ids) == len(wished)
    assert all(is_safe(name) and len(name) <= LONGEST and name.isascii() for name in ids)
    assert len({name.lower() for name in ids}) == len(ids)
    assert ids == sorted(ids)


@given(st.permutations([("x", "a.mp4"), ("x", "b.mp4"), ("X", "c.mp4"), ("é", "d.mp4"), ("y", "e.mp4")]))
def test_ids_do_not_depend_on_the_order(wished):
    usual = made_unique(clip(name, path) for name, path in sorted(wished))
    assert made_unique(clip(name, path) for name, path in wished) == usual


def test_a_safe_name_stays_and_an_unsafe_one_stays_readable():
    assert safe("mead_M003_front_angry_3_001") == "mead_M003_front_angry_3_001"
    assert safe("Zoë's clip/1").startswith("Zoe-s-clip-1-")
    assert safe("a" * 300).startswith("a" * 100 + "-")
    assert safe("日本").startswith("clip-")
    assert safe("日本") != safe("中国")
