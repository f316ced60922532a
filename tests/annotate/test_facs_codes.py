import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tbd.annotate.facs import parse_action_units


def codes(text):
    return [mention.au for mention in parse_action_units(text)]


@pytest.mark.parametrize(
    ("text", "au", "side", "intensity"),
    [
        ("AU12", 12, None, None),
        ("AU 12C", 12, None, "C"),
        ("AU-12", 12, None, None),
        ("AU_12", 12, None, None),
        ("au12", 12, None, None),
        ("au12c", 12, None, "C"),
        ("AU01", 1, None, None),
        ("AU12_r", 12, None, None),
        ("AU12_c", 12, None, None),
        ("12C", 12, None, "C"),
        ("L12B", 12, "left", "B"),
        ("R14A", 14, "right", "A"),
        ("AUL12", 12, "left", None),
        ("AUR12D", 12, "right", "D"),
        ("AD19", 19, None, None),
        ("action unit 9", 9, None, None),
    ],
)
def test_a_single_code_is_read_in_every_notation(text, au, side, intensity):
    for around in (text, f"({text})", f"She shows {text}, clearly.", f"**{text}**: x"):
        (mention,) = parse_action_units(around)
        assert (mention.au, mention.side, mention.intensity, mention.negated) == (au, side, intensity, False)
        assert around[mention.start : mention.end] == text


@pytest.mark.parametrize(
    ("text", "au", "mark"), [("U14", 14, "U"), ("T23", 23, "T"), ("B28", 28, "B"), ("M59", 59, "M")]
)
def test_marks_that_are_no_side_are_kept(text, au, mark):
    (mention,) = parse_action_units(text)
    assert (mention.au, mention.mark, mention.side) == (au, mark, None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("6+12+25", [6, 12, 25]),
        ("AU6+12", [6, 12]),
        ("AU1, 2 and 4", [1, 2, 4]),
        ("AUs 1, 2, and 5", [1, 2, 5]),
        ("AU 6 + AU 12", [6, 12]),
        ("AU6 & 12", [6, 12]),
        ("1C+4C+15C+17B", [1, 4, 15, 17]),
        ("R12A+R14C", [12, 14]),
        ("AU6 raises the cheeks; AU12 the lip corners", [6, 12]),
        ("4D+7D", [4, 7]),
    ],
)
def test_series_are_read_to_their_end(text, expected):
    assert codes(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "", "25 frames", "M003 at 25 fps", "0.5s", "3 to 7 units", "a 3D render in 4D", "level_3", "CAU12X", "2002",
        "W009", "Aunt 12", "auto 5", "12 clips and 3 people", "1,024 tokens",
    ],
)  # fmt: skip
def test_ordinary_numbers_are_no_codes(text):
    assert parse_action_units(text) == []


def test_what_is_counted_after_a_code_is_no_code():
    assert codes("AU12, 25 frames per second") == [12]
    assert codes("AU6 and 2 more") == [6]
    assert codes("AU12, 25") == [12, 25]


@pytest.mark.parametrize("text", ["AU25/26", "AU25 or 26", "AU25-26", "AU25 / AU26", "AU25 or AU26"])
def test_alternatives_name_each_other(text):
    assert [(mention.au, mention.alternatives) for mention in parse_action_units(text)] == [(25, (26,)), (26, (25,))]


def test_a_range_leaves_the_choice_among_all_of_it():
    first, last = parse_action_units("AU25-27")
    assert first.alternatives == (26, 27) and last.alternatives == (25, 26)


@pytest.mark.parametrize(
    ("text", "negated"),
    [
        ("no AU6", {6}),
        ("AU6 absence", {6}),
        ("AU6 Absence", {6}),
        ("without AU6", {6}),
        ("AU6 is absent", {6}),
        ("AU6: absent", {6}),
        ("AU6 (Cheek Raiser) is not active", {6}),
        ("absence of AU6", {6}),
        ("lack of any visible AU6", {6}),
        ("AU12 without AU6", {6}),
        ("AU12 but no AU6", {6}),
        ("neither AU6 nor AU12", {6, 12}),
        ("no AU6 or AU12", {6, 12}),
        ("AU6 and AU12 are absent", {6, 12}),
        ("AU12 and AU6 absence", {6}),
        ("no AU4, AU12 present", {4}),
        ("not only AU6 but also AU12", set()),
        ("No doubt: AU6", set()),
        ("AU6 present", set()),
    ],
)
def test_negation_reaches_the_codes_it_speaks_of(text, negated):
    assert {mention.au for mention in parse_action_units(text) if mention.negated} == negated


@settings(max_examples=500)
@given(st.text(alphabet="AUDLRTBM0123456789+/,-–_() noandrwithutabsence.\n", max_size=80) | st.text(max_size=80))
def test_any_text_is_read_without_error_and_spans_hold_the_number(text):
    last = 0
    for mention in parse_action_units(text):
        assert last <= mention.start < mention.end <= len(text)
        assert str(mention.au) in str(int("".join(filter(str.isdecimal, text[mention.start : mention.end]))))
        last = mention.end


@given(
    st.lists(
        st.tuples(st.sampled_from([5, 6, 12, 25]), st.sampled_from(["", *"ABCDE"]), st.sampled_from(["", "L", "R"])),
        min_size=2,
    )
)
def test_what_was_written_as_a_sum_is_read_back(parts):
    text = "+".join(f"{side}{au}{letter}" for au, letter, side in parts)
    sides = {"": None, "L": "left", "R": "right"}
    read = [(mention.au, mention.intensity or "", mention.side) for mention in parse_action_units(text)]
    assert read == [(au, letter, sides[side]) for au, letter, side in parts]


def test_a_long_text_is_read_in_linear_time():
    assert len(parse_action_units("AU12 and nothing else. " * 400)) == 400
    assert parse_action_units("A" * 20_000 + "no " * 20_000) == []
