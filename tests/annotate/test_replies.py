import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tbd.annotate.replies import Unreadable, read, unread
from tbd.annotate.replies.objects import documents
from tbd.annotate.replies.sections import sections

STEPS = ("step1", "step2", "step3", "step4", "describe")


def test_json_is_found_whatever_stands_around_it():
    assert documents('Sure! ```json\n{"a": {"b": 1}}\n``` Anything else?') == [{"a": {"b": 1}}]
    assert documents('{} then {"a": 1} and [{"b": 2}]') == [{"a": 1}, [{"b": 2}]]
    assert documents("no object, [1, 2] and {A} {gender}") == []


def test_what_cannot_be_read_is_told():
    units = [{"au": 6, "name": "Cheek Raiser"}, {"au": "x9", "name": "Grumpy Look"}, {"au": 12}]
    assert unread("step2", json.dumps({"action_units": units})) == ["x9, Grumpy Look"]
    assert unread("step3", "1. Zygomaticus major (AU12): pulls\n2. AU6: something that is no muscle") != []
    assert unread("step2", json.dumps({"action_units": units[:1]})) == []


def test_step_one_takes_unknown_for_nothing():
    reply = json.dumps(
        {"gender": "Female", "age_range": "her thirties", "ethnicity": "unknown", "appearance": "short hair"}
    )
    assert read("step1", reply) == {
        "gender": "woman", "age_range": "her thirties", "ethnicity": None, "appearance": "short hair",
    }  # fmt: skip


def test_step_one_is_read_from_headings():
    reply = "**Gender:** male\n- Age range: his twenties\n- Ethnicity: N/A\n- Appearance: a beard,\n  round glasses"
    assert read("step1", reply) == {
        "gender": "man", "age_range": "his twenties", "ethnicity": None, "appearance": "a beard, round glasses",
    }  # fmt: skip


def test_step_two_reads_codes_sides_and_letters():
    reply = json.dumps(
        {
            "action_units": [
                {
                    "au": 12,
                    "name": "Lip Corner Puller",
                    "side": "both",
                    "intensity": "C",
                    "description": "corners rise",
                },
                {"au": "R14B", "name": "Dimpler", "side": "", "intensity": "", "description": ""},
                {"au": "AU6", "name": "Cheek Raiser", "side": "left", "intensity": "D (severe)"},
                {"au": None, "name": "Nothing"},
                "AU25: lips part",
            ]
        }
    )
    units = read("step2", reply)["action_units"]
    assert [(unit.au, unit.side, unit.intensity) for unit in units] == [
        (12, None, "C"), (14, "right", "B"), (6, "left", "D"), (25, None, None),
    ]  # fmt: skip


def test_step_two_is_read_from_lines_without_the_negated_ones():
    reply = (
        "1. AU6 – Cheek Raiser (C): the cheeks lift\n2. AU12 (Lip Corner Puller): the corners rise\n3. No AU4 is seen"
    )
    units = read("step2", reply)["action_units"]
    assert [(unit.au, unit.name, unit.intensity) for unit in units] == [
        (6, "Cheek Raiser", "C"),
        (12, "Lip Corner Puller", None),
    ]
    assert units[0].description == "the cheeks lift"


def test_step_three_is_read_from_json_and_from_lines():
    reply = json.dumps({"muscles": [{"name": "zygomaticus major", "au": 12, "action": "pulls up"}, {"au": 1}, "x"]})
    assert [(muscle.name, muscle.au) for muscle in read("step3", reply)["muscles"]] == [("zygomaticus major", 12)]
    lines = (
        "- Zygomaticus Major (AU12): pulls the corners up\n- Orbicularis Oculi, pars orbitalis (AU6): lifts the cheek"
    )
    muscles = read("step3", lines)["muscles"]
    assert [(muscle.name, muscle.au, muscle.action) for muscle in muscles] == [
        ("Zygomaticus Major", 12, "pulls the corners up"),
        ("Orbicularis Oculi, pars orbitalis", 6, "lifts the cheek"),
    ]


def test_a_two_part_step_four_gives_two_levels():
    reply = "Coarse-grained prompt: A woman is speaking with a happy emotion.\nFine-grained prompt: The corners rise,\nthe cheeks lift."
    assert read("step4", reply)["prompts"] == (
        "A woman is speaking with a happy emotion.",
        "The corners rise, the cheeks lift.",
    )


def test_a_missing_level_stays_visible_as_an_empty_one():
    assert read("step4", '{"scene": "s", "muscles": "m", "dynamics": "d"}')["prompts"] == ("s", "", "m", "d")


def test_describe_takes_plain_words_too():
    assert read("describe", '{"prompt": "A man smiles."}')["prompts"] == ("A man smiles.",)
    assert read("describe", "A man smiles.")["prompts"] == ("A man smiles.",)


@pytest.mark.parametrize("step", STEPS[:4])
@pytest.mark.parametrize("reply", ["", "   ", "I cannot help with that.", "{}", "[]", "null", '{"action_units": []}'])
def test_a_reply_without_the_parts_of_its_step_is_unreadable(step, reply):
    with pytest.raises(Unreadable):
        read(step, reply)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["au", "name", "side", "intensity", "action", "muscles", "action_units", "scene", "prompt", "gender"]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@settings(max_examples=400)
@given(st.sampled_from(STEPS), json_values | st.text(max_size=200))
def test_no_reply_breaks_the_reader(step, value):
    text = value if isinstance(value, str) else json.dumps(value)
    try:
        fields = read(step, text)
    except Unreadable:
        return
    assert fields


def test_sections_keep_the_lines_below_them():
    found = [(part.name, part.text) for part in sections("## Scene: a room\nwith light\n\nDynamics: slow")]
    assert found == [("scene", "a room with light"), ("dynamics", "slow")]


def test_half_a_character_does_not_get_into_a_prompt():
    prompts = read("step4", '{"scene": "a \\ud800 face", "expression": "e", "muscles": "m", "dynamics": "d"}')[
        "prompts"
    ]
    assert prompts[0] == "a ? face"
