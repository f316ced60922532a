import random
from fractions import Fraction

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rows import row

from tbd.errors import InputError, UsageError
from tbd.manifest import RULES, Overlap, SplitRule, assign_split, split_overlaps
from tbd.manifest.schema import MODEL_SCHEMA
from tbd.manifest.split import source

SPEAKERS = ["M003", "M005", "M030", "W009", "W011", "W015"]


def table(rows):
    return pa.Table.from_pylist(rows, schema=MODEL_SCHEMA)


def mead(subject, emotion="anger", level=1, number=1, view="front", **changes):
    path = f"{subject}/video/{view}/{emotion}/level_{level}/{number:03d}.mp4"
    clip_id = f"mead_{subject}_{view}_{emotion}_{level}_{number:03d}"
    return row(clip_id, subject=subject, emotion=emotion, level=level, view=view, file_name=path, **changes)


def hdtf(person, piece, window=0):
    clip_id, name = f"hdtf_WDA_{person}_{piece:03d}_{window}", f"WDA_{person}_{piece:03d}.mp4"
    return row(
        clip_id, dataset="hdtf", subject=person, file_name=name, view=None, start=float(window), end=window + 5.0
    )


def split(rows, rule, seed=0):
    sides = assign_split(table(rows), SplitRule(rule, seed)).sides
    return {one["clip_id"]: side for one, side in zip(rows, sides, strict=True)}


def aside_of(rows):
    return {clip_id for clip_id, side in rows.items() if side == "test"}


def test_random_puts_about_a_fifth_aside_and_never_moves_a_clip():
    rows = [mead("M003", number=number) for number in range(1, 1001)]
    all_of_them = split(rows, "random-80-20")
    assert 160 <= len(aside_of(all_of_them)) <= 240
    some = rows[::7]
    assert split(some, "random-80-20") == {one["clip_id"]: all_of_them[one["clip_id"]] for one in some}
    assert aside_of(split(rows, "random-80-20", seed=1)) != aside_of(all_of_them)


def test_speaker_tests_on_the_customary_four():
    rows = [mead(speaker, number=number) for speaker in SPEAKERS for number in (1, 2)]
    assert {clip_id.split("_")[1] for clip_id in aside_of(split(rows, "speaker"))} == {"M003", "M030", "W009", "W015"}


def test_speaker_draws_a_tenth_of_the_people_elsewhere_and_says_so():
    rows = [
        row(f"x{number:02d}_{take}", dataset="ravdess", subject=f"{number}") for number in range(24) for take in "ab"
    ]
    people = {clip_id.partition("_")[0] for clip_id in aside_of(split(rows, "speaker"))}
    assert len(people) == 2
    made_up = [mead("M901"), mead("W901"), mead("W902")]
    made = assign_split(table(made_up), SplitRule("speaker"))
    assert made.sides.count("test") == 1
    assert "drawn instead" in made.notes[0]


def test_speaker_never_shares_a_person():
    rows = [mead(speaker, number=number) for speaker in SPEAKERS for number in (1, 2)]
    assert overlaps(rows, "speaker")["person"] == Overlap(0, 0, 8)


def test_official_last_n_takes_the_last_6_of_each_level_and_the_last_10_of_neutral():
    numbers = [*range(1, 20), 55, 57]  # numbering has gaps, and 100 comes after 57
    rows = [mead("M037", "anger", level, number) for level in (1, 2) for number in (*numbers, 100)]
    rows += [mead("M037", "neutral", 1, number) for number in numbers]
    aside = aside_of(split(rows, "official-last-n"))
    taken = {(clip_id.split("_")[3], clip_id.split("_")[4]): [] for clip_id in aside}
    for clip_id in aside:
        taken[tuple(clip_id.split("_")[3:5])].append(int(clip_id.split("_")[5]))
    assert {key: sorted(found) for key, found in taken.items()} == {
        ("anger", "1"): [17, 18, 19, 55, 57, 100],
        ("anger", "2"): [17, 18, 19, 55, 57, 100],
        ("neutral", "1"): [12, 13, 14, 15, 16, 17, 18, 19, 55, 57],
    }


def test_official_last_n_counts_each_view_by_itself():
    rows = [mead("M003", number=number, view=view) for view in ("front", "left_30") for number in range(1, 9)]
    assert len(aside_of(split(rows, "official-last-n"))) == 12


def test_text_disjoint_shares_no_text():
    texts = [f"Sentence {number}, spoken." for number in range(20)]
    rows = [
        mead(speaker, number=number + 1, transcript=text if speaker < "N" else text.upper().replace(",", ""))
        for speaker in SPEAKERS
        for number, text in enumerate(texts)
    ]
    aside = aside_of(split(rows, "text-disjoint"))
    assert len(aside) == 24  # 4 of 20 texts, six people each
    assert overlaps(rows, "text-disjoint")["text"] == Overlap(0, 0, 24)


def test_text_disjoint_needs_transcripts():
    with pytest.raises(InputError, match="1 of 2 have none, mead_M005"):
        split([mead("M003", transcript="a"), mead("M005", transcript=" ?!")], "text-disjoint")


def test_hdtf_keeps_4_of_20_people():
    rows = [hdtf(f"Person{letter}", 0, window) for letter in "ABCDEFGHIJKLMNOPQRST" for window in range(0, 100, 10)]
    aside = aside_of(split(rows, "hdtf-16-4"))
    assert len(aside) == 40 and len({clip_id.split("_")[2] for clip_id in aside}) == 4
    assert overlaps(rows, "hdtf-16-4")["source"].shared == 0


@pytest.mark.parametrize("rule", ["official-last-n", "hdtf-16-4"])
def test_a_rule_for_one_dataset_refuses_another(rule):
    with pytest.raises(InputError, match="is made for"):
        split([mead("M003"), hdtf("A", 0), row("r", dataset="ravdess")], rule)


def test_an_unknown_rule_names_the_known_ones():
    with pytest.raises(UsageError, match="random-80-20, speaker"):
        SplitRule("80-20")


@given(st.integers(0, 10**6), st.sampled_from(sorted(set(RULES) - {"hdtf-16-4"})))
def test_the_order_of_the_rows_does_not_matter(seed, rule):
    rows = [mead(speaker, number=number, transcript=f"t{number}") for speaker in SPEAKERS[:3] for number in range(1, 9)]
    shuffled = random.Random(seed).sample(rows, len(rows))
    assert split(rows, rule, seed) == split(shuffled, rule, seed)


def test_a_side_without_clips_is_noted():
    assert assign_split(table([mead("M003")]), SplitRule("speaker")).notes == ("speaker puts no clip into train",)
    assert assign_split(table([]), SplitRule("random-80-20")).notes == ()


def overlaps(rows, rule):
    sides = split(rows, rule)
    return split_overlaps(table([one | {"split": sides[one["clip_id"]]} for one in rows]))


def test_overlaps_of_a_worked_example():
    rows = [
        mead("M003", number=1, split="train", transcript="Yes."),
        mead("M003", number=1, view="down", split="test", transcript="yes"),
        mead("M005", number=1, split="test", transcript="no"),
        mead("W009", number=2, split="train", transcript="maybe"),
    ]
    found = split_overlaps(table(rows))
    assert found["clip"] == Overlap(0, 0, 2)
    assert found["source"] == Overlap(1, 1, 2, ("mead/M003/video/*/anger/level_1/001.mp4",))
    assert found["person"] == Overlap(1, 1, 2, ("mead/M003",))
    assert found["text"] == Overlap(1, 1, 2, ("yes",))
    assert str(found["person"]) == "1 shared, 1 of 2 test clips"


def test_text_overlap_is_unknown_without_transcripts():
    found = split_overlaps(table([mead("M003", split="train"), mead("M005", split="test", transcript="x")]))
    assert found["text"].shared is None and str(found["text"]) == "unknown"


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("WDA_AdamSchiff_000.mp4", "WDA_AdamSchiff_001.mp4"),
        ("RD_Radio10_000#7.mp4", "Radio10_0.mp4"),
        ("RD_Radio10_0_clip_0.mp4", "raw/Radio10_3.mp4"),
    ],
)
def test_pieces_of_one_hdtf_video_have_one_source(name, other):
    rows = [hdtf("A", 0) | {"file_name": file_name} for file_name in (name, other)]
    assert source(rows[0]) == source(rows[1])


def test_two_hdtf_videos_of_one_person_are_two_sources():
    assert source(hdtf("DebFischer0", 0)) != source(hdtf("DebFischer1", 0))


def test_shares_are_those_of_the_paper():
    from tbd.manifest.split import LAST_NEUTRAL, LAST_OTHER, TEST_SHARE

    assert (Fraction(str(TEST_SHARE)), LAST_NEUTRAL, LAST_OTHER) == (Fraction(1, 5), 10, 6)
