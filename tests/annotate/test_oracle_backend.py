"""The backend that knows: drawn clips, told as they are."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scripted import mead_tree

from tbd.annotate import run
from tbd.annotate.backends.base import ConversationStart, Question, ShownFace
from tbd.annotate.backends.oracle import MOST_UNITS, OracleBackend, mentions, shown_face
from tbd.annotate.facs import ACTION_UNITS
from tbd.annotate.gates import check
from tbd.annotate.recipe import AnnotateRecipe
from tbd.annotate.replies import read
from tbd.annotate.steps import STEPS, schema
from tbd.demo.acting import Acting
from tbd.demo.dataset import drawn_clips, varied, write_units
from tbd.errors import UsageError
from tbd.manifest.prompt_levels import REST_LIMIT, SCENE_LIMIT
from tbd.manifest.tokens import count_tokens
from tbd.media.drawn_units import units_path
from tbd.schema import WARNING, ActionUnit, Annotation

DRAWN = (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 16, 17, 18, 20, 23, 24, 25, 26, 27, 38, 43, 64)
"""Units that move a drawn face."""
STRENGTHS = st.floats(0, 1, width=16)
FACES = st.dictionaries(st.sampled_from(DRAWN), st.tuples(STRENGTHS, STRENGTHS), max_size=10)


def face(pairs, onset=0.4):
    units = (ActionUnit(one.au, ACTION_UNITS[one.au].name, one.side, one.intensity) for one in mentions(pairs))
    return ShownFace(tuple(units), onset, 0.1, "truth")


def written(shown, mode="cot", emotion="fear", level=2):
    topic = Annotation(mode, emotion, level, gender="woman")
    with OracleBackend().open([ConversationStart("key", None, "", topic, shown=shown)]) as session:
        for step in STEPS[mode]:
            (reply,) = session.ask([Question(step, "", {}, 400)])
            topic = replace(topic, **read(step, reply.text), step_outputs=(*topic.step_outputs, reply.text))
    return topic


def coded(units):
    return [(unit.au, unit.side, unit.intensity) for unit in units]


@given(FACES)
@settings(max_examples=200)
def test_what_is_shown_is_what_is_read_and_fits(pairs):
    shown = face(pairs)
    row = written(shown)
    assert coded(row.action_units) == (coded(shown.units) or [(0, None, None)])
    assert len(shown.units) <= MOST_UNITS
    assert count_tokens(row.prompts[0]) <= SCENE_LIMIT and count_tokens(" ".join(row.prompts[1:])) <= REST_LIMIT
    unreadable = {
        "repetition",
        "entry_unread",
        "duplicate_unit",
        "step_contradiction",
        "unknown_muscle",
        "muscle_action",
    }
    assert not unreadable & {flag.code for flag in check(row)}


@given(FACES, FACES)
@settings(max_examples=200)
def test_other_units_get_other_words_and_the_same_get_the_same(one, other):
    first, second = face(one), face(other)
    same = coded(first.units) == coded(second.units)
    assert (written(first).prompts[2] == written(second).prompts[2]) == same


def test_neighbours_differ_in_side_or_in_one_letter():
    base = {4: (0.6, 0.6), 12: (0.4, 0.4)}
    changed = [base, {4: (0.8, 0.8), 12: (0.4, 0.4)}, {4: (0.6, 0.8), 12: (0.4, 0.4)}, {4: (0.8, 0.6), 12: (0.4, 0.4)},
               {4: (0.6, 0), 12: (0.4, 0.4)}, {4: (0, 0.6), 12: (0.4, 0.4)}, {4: (0.6, 0.6)}]  # fmt: skip
    assert len({written(face(pairs)).prompts[2] for pairs in changed}) == len(changed)


def test_the_fine_prompt_says_strength_and_side():
    row = written(face({6: (0.6, 0.6), 12: (0.8, 0.4), 14: (0, 0.2)}), emotion="happiness")
    assert row.prompts[1:3] == (
        "Her face shows Moderate Happiness.",
        "Cheeks rise clearly, lip corners rise strongly left, slightly right, lip corners tuck in barely right.",
    )
    assert row.prompts[0] == "A woman is speaking with a happy emotion."


def test_the_takes_of_the_drawn_dataset_pass_all_gates_but_the_one_on_the_emotion():
    """A take may leave out what makes the emotion; that the gate says so is right."""
    found, texts = [], set()
    for clip in drawn_clips(1, 20, 200):
        moment = varied(clip.emotion, clip.level, clip.seed).expression(1.2, 0.4)
        shown = face({unit: tuple(moment.pair(unit)[::-1]) for unit in moment.units})
        row = written(shown, emotion=clip.emotion, level=clip.level)
        found += [flag.code for flag in check(row) if flag.severity >= WARNING]
        plain = written(shown, "describe", clip.emotion, clip.level)
        assert not [flag for flag in check(plain) if flag.severity >= WARNING], plain.prompts
        texts.add(row.prompts[2])
    assert set(found) <= {"emotion_mismatch"} and len(found) < 0.2 * 200
    assert len(texts) > 100, "takes of one emotion differ in their words"


def test_a_plain_description_knows_neither_strength_nor_side():
    ((one,),) = {written(face({12: (strength, 0.9)}), "describe", "happiness").prompts for strength in (0.5, 0.7, 0.9)}
    assert (
        one
        == "A woman is speaking with a happy emotion. Her face has raised mouth corners, showing Moderate Happiness."
    )


@given(FACES)
@settings(max_examples=50)
def test_replies_have_the_shape_that_models_are_asked_for(pairs):
    start = ConversationStart("key", None, "", Annotation("cot", "fear", 3), shown=face(pairs))
    with OracleBackend().open([start]) as session:
        for step in ("step1", "step2", "step3", "step4", "describe"):
            reply, form = json.loads(session.ask([Question(step, "", {}, 10)])[0].text), schema(step, 1000)
            assert list(reply) == form["required"]
            for name, part in form["properties"].items():
                assert 0 < len(reply[name]) <= 2 * part.get("maxItems", 150), name


def test_onset_tells_the_pace(tmp_path):
    paces = {}
    for onset in (0.25, 0.45, 0.7):
        write_units(tmp_path / "a.mp4", Acting({12: 0.8}, onset=onset), np.zeros(50), 25.0)
        paces[onset] = written(shown_face(tmp_path / "a.mp4", 40), emotion="happiness").prompts[3].split(" and ")[0]
    assert list(paces.values()) == ["It builds up at once", "It builds up soon", "It builds up slowly"]


# The whole run

CLIPS = [(speaker, "happy", 2, index) for speaker in ("M003", "W009") for index in (1, 2)]


@pytest.fixture
def drawn(tmp_path, no_pixels):
    root = mead_tree(tmp_path / "mead", CLIPS)
    for number, path in enumerate(sorted(root.rglob("*.mp4"))):
        write_units(path, Acting({6: 0.6, 12: 0.2 + 0.2 * number}), np.zeros(50), 25.0)
    return root


def annotate(dataset, output, **changes):
    recipe = AnnotateRecipe(backend={"name": "oracle"}, **changes)
    request = run.AnnotationRequest(dataset, recipe, output, workers=0, quiet=True)
    plan = run.prepare_annotation(request)
    run.run_annotation(plan)
    import pyarrow.parquet as pq

    return plan.plan, {row["clip_id"]: row for row in pq.read_table(output / "manifest.parquet").to_pylist()}


def test_each_clip_gets_the_words_of_its_own_units(drawn, tmp_path):
    _, rows = annotate(drawn, tmp_path / "out")
    assert {row["status"] for row in rows.values()} == {"success"}
    assert len({row["fine_prompt"] for row in rows.values()}) == 4
    assert {row["backend"] for row in rows.values()} == {"oracle"}


def test_only_a_clip_whose_truth_changed_is_asked_again(drawn, tmp_path):
    _, before = annotate(drawn, tmp_path / "out")
    clip = next(path for path in sorted(drawn.rglob("*.mp4")) if "W009" in str(path))
    write_units(clip, Acting({6: 0.6, 12: (0.1, 1.0)}), np.zeros(50), 25.0)
    plan, after = annotate(drawn, tmp_path / "out")
    assert plan.rows == 1
    changed = [name for name in after if after[name]["fine_prompt"] != before[name]["fine_prompt"]]
    assert changed == ["mead_W009_front_happy_2_001"]
    assert annotate(drawn, tmp_path / "out")[0].rows == 0


def test_a_clip_that_nobody_drew_is_an_error_row_that_says_what_is_for_it(drawn, tmp_path):
    units_path(next(drawn.rglob("*.mp4"))).unlink()
    _, rows = annotate(drawn, tmp_path / "out")
    (bad,) = [row for row in rows.values() if row["status"] != "success"]
    assert bad["status"] == "error" and "--backend facs is for real clips" in bad["error"]


def test_modes_of_table_2(drawn, tmp_path):
    for mode, count in (("describe", 1), ("label", 1), ("cot", 4)):
        _, rows = annotate(drawn, tmp_path / mode, chain={"mode": mode})
        assert {(row["status"], len(row["prompts"])) for row in rows.values()} == {("success", count)}


def test_chains_that_clips_share_are_refused(drawn, tmp_path):
    with pytest.raises(UsageError, match="units of its own"):
        annotate(drawn, tmp_path / "out", chain={"per": "identity"})
