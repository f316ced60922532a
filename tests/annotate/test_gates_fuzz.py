"""Thousands of made replies and rows: none crashes a gate, and none with a part missing is clean."""

import json
from dataclasses import replace

import pytest
from facs_chain import written
from hypothesis import given, settings
from hypothesis import strategies as st

from tbd.annotate.facs import ACTION_UNITS, EMOTIONS, MUSCLES
from tbd.annotate.gates import GATES, check, judge_reply
from tbd.annotate.replies import Unreadable, read
from tbd.schema import WARNING, ActionUnit, Annotation, Muscle

GOOD = {emotion: written(Annotation("cot", emotion, 2 if emotion != "neutral" else 1)) for emotion in EMOTIONS}
MANY = settings(max_examples=1000)
made = st.randoms(use_true_random=True)  # hypothesis draws the seed only: ten times faster than drawing every word

PHRASES = [
    "", " ", "AU12", "no AU6", "AU25/26", "a genuine smile", "Moderate Happiness", "{happy}", "very slightly", "的微笑",
    "zygomaticus mayor", "lip corner puller or part", ">0.5s", "I'm sorry, I can't", "the brows lower", "\ud800", "\0",
    '"', "{", "}", "\\u5fae", "without AU4", "orbicularis oculi", "in", "looks like Bob", "3D", "L12B+R14", "9" * 40,
    "Fräulein", "\n- ", ": ", "()[]*\\", "a" * 300, "no no no no no no no",
]  # fmt: skip
NUMBERS = [*ACTION_UNITS, -1, 47, 99, 10**9]
UNIT_NAMES = [facts.name for facts in ACTION_UNITS.values()]
MUSCLE_NAMES = [facts.name for facts in MUSCLES.values()]


def words(random):
    """A few phrases in any order, or letters from anywhere in Unicode."""
    if random.random() < 0.2:
        return "".join(chr(random.choice([random.randrange(32, 127), random.randrange(0x11000)])) for _ in range(12))
    return " ".join(random.choices(PHRASES, k=random.randrange(6)))


def some(random, make, most):
    return tuple(make(random) for _ in range(random.randrange(most + 1)))


def unit(random):
    name = random.choice(UNIT_NAMES) if random.random() < 0.7 else words(random)
    side, letter = random.choice([None, "left", "right"]), random.choice([None, *"ABCDE", "Z"])
    return ActionUnit(random.choice(NUMBERS), name, side, letter, words(random))


def muscle(random):
    name = random.choice(MUSCLE_NAMES) if random.random() < 0.7 else words(random)
    return Muscle(name, random.choice([None, *NUMBERS]), words(random))


def any_row(random):
    return Annotation(
        mode=random.choice(["cot", "cot", "describe", "label"]),
        emotion=random.choice([None, "boredom", *EMOTIONS]),
        level=random.choice([None, 1, 2, 3]),
        gender=random.choice([None, "woman", "man", "person"]),
        action_units=some(random, unit, 9),
        muscles=some(random, muscle, 9),
        prompts=some(random, words, 5),
        step_outputs=some(random, words, 5),
        truncated=some(random, lambda random: random.randrange(5), 2),
    )


def value(random, depth=2):
    """Any JSON value, with the keys that the reader looks for."""
    kind = random.randrange(8 if depth else 5)
    if kind >= 5:
        keys = ["au", "name", "side", "intensity", "description", "action"]
        items = {random.choice(keys): value(random, depth - 1) for _ in range(4)}
        return items if kind == 5 else [items, value(random, depth - 1)]
    return [words(random), random.choice(NUMBERS), random.random(), None, True][kind]


def any_reply(random):
    if random.random() < 0.3:
        return words(random)
    keys = "action_units muscles scene expression dynamics coarse fine gender prompt x".split()
    return json.dumps({random.choice(keys): value(random) for _ in range(random.randrange(6))})


def is_incomplete(row):
    """Independent of the gates: is a part of a chain-of-thought row not there?"""
    carried = {muscle.au for muscle in row.muscles}
    wanting = {one.au for one in row.action_units if one.au in ACTION_UNITS and ACTION_UNITS[one.au].all_muscles}
    blank = any(not any(letter.isalnum() for letter in prompt) for prompt in row.prompts)
    return not row.action_units or not row.muscles or len(row.prompts) != 4 or blank or bool(wanting - carried)


@MANY
@given(made)
def test_no_row_crashes_a_gate_and_no_incomplete_one_is_clean(random):
    row = any_row(random)
    found = check(row)
    assert all(flag.code in GATES and flag.message and flag.where for flag in found)
    if row.mode == "cot" and is_incomplete(row):
        assert max((flag.severity for flag in found), default=0) >= WARNING
    if not row.prompts:
        assert found


@MANY
@given(st.sampled_from(sorted(EMOTIONS)), st.data())
def test_taking_any_part_from_a_good_row_shows(emotion, data):
    row = GOOD[emotion]
    part = data.draw(st.sampled_from(["action_units", "muscles", "prompts", "prompt", "one muscle"]))
    if part == "prompt":
        gone = data.draw(st.integers(0, 3))
        blank = data.draw(st.sampled_from(["", " ", "…", "\n", "—", "_"]))
        row = replace(row, prompts=tuple(blank if n == gone else text for n, text in enumerate(row.prompts)))
    elif part == "one muscle":
        au = data.draw(st.sampled_from(sorted({muscle.au for muscle in row.muscles})))
        row = replace(row, muscles=tuple(muscle for muscle in row.muscles if muscle.au != au))
    else:
        kept = data.draw(st.integers(0, len(getattr(row, part)) - 1)) if part == "prompts" else 0
        row = replace(row, **{part: getattr(row, part)[:kept]})
    assert max(flag.severity for flag in check(row)) >= WARNING


@MANY
@given(made)
def test_whatever_the_model_replies_is_read_judged_and_never_clean_without_its_parts(random):
    row = Annotation("cot", "happiness", 2)
    for step in ("step1", "step2", "step3", "step4"):
        text = any_reply(random)
        judge_reply(text)
        try:
            row = replace(row, **read(step, text), step_outputs=(*row.step_outputs, text))
        except Unreadable:
            row = replace(row, step_outputs=(*row.step_outputs, text))
    if is_incomplete(row):
        assert max(flag.severity for flag in check(row)) >= WARNING


@pytest.mark.parametrize("emotion", EMOTIONS)
def test_the_good_rows_are_complete_and_clean(emotion):
    assert not is_incomplete(GOOD[emotion]) and check(GOOD[emotion]) == []
