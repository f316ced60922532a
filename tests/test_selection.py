from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tbd.errors import UsageError
from tbd.selection import ROW_KEYS, Selection, select, shard_of, shard_part

EMOTIONS = ("anger", "happiness", "neutral")


@dataclass
class _Clip:
    clip_id: str
    emotion: str | None
    level: int | None
    intensity: str | None
    subject: str
    view: str = "front"


WORDS = {1: "mild", 2: "moderate", 3: "intense", None: None}
CLIPS = [
    _Clip(f"mead_{subject}_{emotion}_{level}", emotion, level, WORDS[level], subject)
    for subject in ("M003", "W009")
    for emotion in EMOTIONS
    for level in ((None,) if emotion == "neutral" else (1, 2, 3))
]
ROWS = [vars(clip) for clip in CLIPS]


def _names(items, **asked):
    return [clip["clip_id"] if isinstance(clip, dict) else clip.clip_id for clip in select(items, Selection(**asked))]


@pytest.mark.parametrize("items", [CLIPS, ROWS], ids=["clips", "rows"])
@pytest.mark.parametrize(
    ("where", "count"),
    [
        ({"emotion": "anger"}, 6),
        ({"emotion": "angry"}, 6),
        ({"emotion": "ANG"}, 6),
        ({"emotion": "angry|happy"}, 12),
        ({"level": "3"}, 4),
        ({"level": "intense"}, 4),
        ({"intensity": "3"}, 4),
        ({"intensity": "Intense"}, 4),
        ({"level": "none"}, 2),
        ({"subject": "m003"}, 7),
        ({"view": "*"}, 14),
        ({"emotion": "angry", "level": "3", "subject": "W009"}, 1),
    ],
)
def test_a_label_may_be_written_in_any_spelling(items, where, count):
    assert len(_names(items, where=where)) == count


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"where": {"emotoin": "anger"}}, "unknown key 'emotoin'; did you mean 'emotion'"),
        ({"where": {"emotion": "hapiness"}}, "did you mean"),
        ({"where": {"emotion": "fear"}}, "no clip has emotion 'fear'"),
        ({"where": {"subject": "M033"}}, "did you mean 'M003'"),
        ({"where": {"level": "4"}}, "neither 1, 2, 3"),
        ({"where": {"view": "left_30"}}, "there are: front"),
        ({"where": {"emotion": "neutral", "level": "3"}}, "no clip has all of emotion=neutral,level=3"),
        ({"clips": ("mead_M003_angr_1",)}, "did you mean 'mead_M003_anger_1'"),
        ({"where": {"emotion": "neutral"}, "clips": ("mead_M003_anger_1",)}, "left out by emotion=neutral"),
        ({"sample": "even:3"}, "not of the form stratified:N"),
        ({"shard": "3/2"}, "not of the form i/n"),
    ],
)
def test_what_nothing_has_is_an_error_that_names_what_there_is(asked, words):
    with pytest.raises(UsageError, match=words) as caught:
        _names(CLIPS, **asked)
    assert caught.value.next


def test_rows_can_also_be_asked_what_was_made_of_them():
    rows = [{"clip_id": "a", "mode": "cot"}, {"clip_id": "b", "mode": "label"}]
    assert select(rows, Selection({"mode": "label"}), keys=ROW_KEYS) == rows[1:]
    with pytest.raises(UsageError, match="unknown key 'mode'"):
        select(rows, Selection({"mode": "label"}))


def test_nothing_to_select_from_is_no_error():
    assert select([], Selection({"emotion": "anger"})) == []


def test_order_of_narrowing():
    assert _names(CLIPS, where={"emotion": "anger"}, limit=2) == ["mead_M003_anger_1", "mead_M003_anger_2"]


@given(st.integers(1, 14), st.integers(1, 14), st.integers(0, 5))
def test_a_smaller_sample_is_part_of_a_larger_one(one, other, seed):
    small, large = sorted((one, other))
    parts = [
        {clip.clip_id for clip in select(CLIPS, Selection(sample=f"stratified:{size}"), seed=seed)}
        for size in (small, large)
    ]
    assert parts[0] <= parts[1]
    assert [len(part) for part in parts] == [small, large]


def test_a_sample_is_even():
    chosen = select(CLIPS, Selection(sample="stratified:6"))
    assert {emotion: sum(clip.emotion == emotion for clip in chosen) for emotion in EMOTIONS} == dict.fromkeys(
        EMOTIONS, 2
    )


@given(st.integers(1, 9))
def test_shards_are_every_clip_once(parts):
    found = [name for part in range(1, parts + 1) for name in _names(CLIPS, shard=f"{part}/{parts}")]
    assert sorted(found) == sorted(clip.clip_id for clip in CLIPS)


def test_what_shares_a_name_falls_into_one_shard():
    found = select(CLIPS, Selection(shard="1/2"), by=lambda clip: clip.subject)
    assert len({clip.subject for clip in found}) in (0, 1, 2)
    assert len(found) % 7 == 0


def test_a_shard_is_the_same_everywhere():
    assert [shard_of(f"clip_{number}", 4) for number in range(6)] == [
        4,
        1,
        4,
        2,
        2,
        1,
    ]  # sha256 of "0:clip_…", its first 53 bits
    assert shard_part("2/4") == (2, 4)


def test_a_selection_knows_whether_it_asks_for_anything():
    assert not Selection()
    assert Selection(limit=1)
