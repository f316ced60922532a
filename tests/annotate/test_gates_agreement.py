"""Gates of what has to agree: units with the emotion, words with the level, one step with another."""

from dataclasses import replace

import pytest
from facs_chain import units, with_units
from gate_cases import ANGER, HAPPY, flags, prompted

from tbd.annotate.facs import EMOTIONS
from tbd.annotate.gates.emotion import match
from tbd.annotate.gates.wording import strength_words
from tbd.schema import INFO, WARNING, ActionUnit

# emotion


@pytest.mark.parametrize(
    ("emotion", "shown", "expected"),
    [
        ("happiness", "6+12", "full"),
        ("happiness", "12C", "partial"),
        ("happiness", "AU12", "partial"),
        ("happiness", "12B", "mismatch"),
        ("happiness", "6+L12", "mismatch"),
        ("happiness", "6+L12+R12", "full"),
        ("happiness", "6+12+15", "partial"),
        ("sadness", "6+15", "full"),
        ("sadness", "1+4", "mismatch"),
        ("anger", "4+5+7+23", "full"),
        ("anger", "4+7+24", "partial"),
        ("anger", "AU4", "mismatch"),
        ("fear", "1+2+4+5+25", "full"),
        ("fear", "1+2+5E", "partial"),
        ("fear", "1+2+5B", "mismatch"),
        ("disgust", "AU9", "full"),
        ("surprise", "1+2+5B+26", "full"),
        ("surprise", "1+2+5B", "partial"),
        ("contempt", "R14B", "full"),
        ("contempt", "AU14", "partial"),
        ("neutral", "AU0", "full"),
        ("neutral", "12A+25", "full"),
        ("neutral", "6C+12C", "mismatch"),
        ("calm", "AU0", "full"),
    ],
)
def test_units_match_an_emotion_fully_in_part_or_not(emotion, shown, expected):
    assert match(EMOTIONS[emotion], units(shown)) == expected


def test_a_mismatch_and_what_contradicts_are_named():
    row = with_units(ANGER, "6C+12C")
    assert flags(row, "emotion_mismatch")[0].severity == WARNING
    assert {flag.quote for flag in flags(row, "contradicting_unit")} == {"Cheek Raiser", "Lip Corner Puller"}


def test_weak_contradictions_of_speech_are_ignored():
    assert not flags(with_units(replace(ANGER, emotion="sadness"), "1+4+15+22"), "weak_contradiction")
    assert flags(with_units(replace(ANGER, emotion="sadness"), "1+4+15+2"), "weak_contradiction")


def test_a_partial_match_is_worth_a_note_above_mild_only():
    row = with_units(ANGER, "4C+7C+23C")
    assert flags(row, "emotion_partial")[0].severity == INFO
    assert not flags(replace(row, level=1), "emotion_partial")


def test_surprise_with_staring_eyes_and_contempt_on_both_sides_are_noted():
    assert flags(with_units(replace(ANGER, emotion="surprise"), "1C+2C+5D+26C"), "unit_too_strong")
    assert flags(with_units(replace(ANGER, emotion="contempt"), "14C"), "one_sidedness")


# strength


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a very slight lift", [("very slight", 1)]),
        ("very wide eyes", [("very wide", 3)]),
        ("slightly wide eyes", [("slightly wide", 1)]),
        ("a hint of a smile, then strongly up", [("a hint of", 1), ("strongly", 3)]),
        ("a marked and visible frown", [("marked", 2), ("visible", 2)]),
        ("the lower lip", []),
    ],
)
def test_words_of_strength_are_read_as_units(text, expected):
    assert strength_words(text) == expected


@pytest.mark.parametrize(
    ("level", "description", "letter", "jumps"),
    [
        (1, "the brows lower extremely", "B", True),
        (3, "the brows lower faintly", "D", True),
        (3, "the brows lower faintly", "B", False),
        (2, "the brows lower extremely", "C", False),
        (1, "the brows lower very slightly", "B", False),
        (1, "the brows lower clearly", "B", False),
    ],
)
def test_words_two_steps_from_the_level_are_flagged(level, description, letter, jumps):
    unit = ActionUnit(4, "Brow Lowerer", None, letter, description)
    row = replace(ANGER, level=level, action_units=(unit, *ANGER.action_units[1:]))
    assert any(flag.where == "step2" for flag in flags(row, "intensity_jump")) is jumps


def test_letters_off_the_level_are_flagged_by_the_strongest():
    assert flags(with_units(replace(ANGER, level=1), "4E+7A+23B"), "letter_off_level")
    assert flags(with_units(replace(ANGER, level=3), "4B+5B+7B+23B"), "letter_off_level")
    assert not flags(with_units(replace(ANGER, level=3), "4D+5B+7B+23B"), "letter_off_level")


# steps


@pytest.mark.parametrize(
    ("step3", "denied"),
    [
        ("AU4 absence", True),
        ("There is no AU4 here.", True),
        ("AU4 is not present on this face", True),
        ("AU12 absence", False),
        ("AU4 lowers the brows", False),
        ("without AU4 the face would look tired", False),
        ('{"muscles": [], "variation": "in some people AU4 is absent"}', False),
    ],
)
def test_a_step_that_denies_a_unit_contradicts_the_step_that_has_it(step3, denied):
    row = replace(ANGER, step_outputs=(*ANGER.step_outputs[:2], step3, ANGER.step_outputs[3]))
    assert bool(flags(row, "step_contradiction")) is denied


@pytest.mark.parametrize("word", ["genuine", "fake"])
def test_honesty_is_no_movement_but_a_felt_smile_has_a_name(word):
    row = prompted(HAPPY, expression=f"A {word} smile lifts her cheeks, showing Moderate Happiness.")
    assert bool(flags(row, "no_facs_basis")) is (word == "fake")
