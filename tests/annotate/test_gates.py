"""Gates of parts, replies, prompts, units, muscles and their combinations."""

import inspect
import re
from dataclasses import replace

import pytest
from facs_chain import with_units
from gate_cases import ANGER, HAPPY, codes, flags, prompted

from tbd.annotate import gates
from tbd.annotate.facs import EMOTIONS, knowledge
from tbd.annotate.gates import GATES, check, judge_reply
from tbd.schema import ERROR, INFO, WARNING, ActionUnit, Annotation, Muscle

# the table


def test_every_flag_has_its_severity_and_words_in_one_table():
    sources = "".join(inspect.getsource(module) for module in vars(gates).values() if inspect.ismodule(module))
    raised = set(re.findall(r'flag\(\s*"([a-z_]+)"', sources))
    assert raised <= GATES.keys()
    assert len(raised) > 45
    for gate in GATES.values():
        assert gate.severity in (INFO, WARNING, ERROR) and gate.meaning and gate.advice


def test_flags_point_at_words_that_stand_there():
    row = prompted(ANGER, muscles="The corrugator of AU4 lowers the brows while fake tears run.")
    for flag in check(row):
        assert flag.severity == GATES[flag.code].severity and flag.message
        if flag.where == "muscles" and flag.quote:
            assert flag.quote in row.prompts[2]


def test_checking_twice_gives_the_same():
    row = replace(ANGER, action_units=HAPPY.action_units)
    assert check(row) == check(row) != []


# parts


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"action_units": ()}, "missing_action_units"),
        ({"muscles": ()}, "missing_muscles"),
        ({"muscles": ANGER.muscles[:2]}, "unit_without_muscle"),
        ({"muscles": (*ANGER.muscles, Muscle("mentalis", 17, "x"))}, "muscle_without_unit"),
        ({"prompts": ()}, "missing_prompt"),
        ({"prompts": ANGER.prompts[:3]}, "missing_prompt"),
        ({"prompts": ("", *ANGER.prompts[1:])}, "missing_prompt"),
        ({"prompts": (*ANGER.prompts[:3], " … ")}, "missing_prompt"),
        ({"prompts": ANGER.prompts[:2]}, "levels_missing"),
        ({"prompts": (ANGER.prompts[0], "")}, "missing_prompt"),
    ],
)
def test_a_missing_part_is_never_clean(change, code):
    found = flags(replace(ANGER, **change), code)
    assert found and found[0].severity >= WARNING


def test_facs_gates_leave_the_simpler_modes_alone():
    row = Annotation(
        "describe",
        "anger",
        2,
        prompts=("A man frowns and speaks with moderate anger.",),
        step_outputs=("A man frowns.",),
    )
    assert check(row) == []
    assert (
        check(Annotation("label", "anger", 2, prompts=("A person is speaking with a moderate angry emotion.",))) == []
    )
    assert codes(replace(row, prompts=())) == {"missing_prompt"}
    assert flags(replace(row, prompts=("AU4 and AU7 show on a man's face.",)), "leaked_code")[0].where == "prompt"


# replies


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("I'm sorry, but I can't identify people in images.", "refused"),
        ("I’m sorry, I cannot help with that.", "refused"),
        ("As an AI language model, I do not see faces.", "refused"),
        ("抱歉，我无法识别图像中的人物。", "refused"),
        ("对不起，我无法识别图像", "refused"),
        ("这位女士看起来很高兴，嘴角上扬。", "wrong_language"),
        ('{"scene": "\\u5fae\\u7b11\\u7684\\u5973\\u4eba"}', "wrong_language"),
        ("Женщина говорит с радостью.", "wrong_language"),
        ("Eine Frau spricht mit einem Ausdruck der Freude und das Gesicht ist offen", "wrong_language"),
        ("the brow lowers " * 5, "repetition"),
        ("no no no no no", "repetition"),
        ("AU4 lowers the brow. " + "The lips are pressed together and the jaw is tight. " * 4, "repetition"),
        ('{"scene":' + " \n" * 200, "whitespace_loop"),
        ('{"scene": "A woman\ud800 speaks"}', "bad_characters"),
        ("", "empty_reply"),
        (" \n {} ", "empty_reply"),
    ],
)
def test_a_bad_reply_is_judged(text, code):
    assert code in [flag.code for flag in judge_reply(text)]


@pytest.mark.parametrize("text", [reply for row in (ANGER, HAPPY) for reply in row.step_outputs])
def test_a_good_reply_is_not(text):
    assert judge_reply(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "The lips cannot close while the jaw drops, and the smile can't be held.",
        "A naïve café owner with an über-wide smile; the résumé of her face.",
        "Very, very slight tension; up and down, up and down.",
        '{"gender": "unknown", "age_range": "unknown", "ethnicity": "unknown", "appearance": "unknown"}',
        "The die is cast in the den of a man.",
    ],
)
def test_ordinary_sentences_are_not_taken_for_refusals_loops_or_foreign(text):
    assert judge_reply(text) == []


def test_replies_of_a_row_are_judged_with_their_step():
    row = replace(ANGER, step_outputs=(*ANGER.step_outputs[:2], "no no no no no no", '{"scene": "A wo'), truncated=(3,))
    found = {(flag.code, flag.where) for flag in check(row)}
    assert {("repetition", "step3"), ("broken_json", "step4"), ("truncated", "step4")} <= found


# prompts


@pytest.mark.parametrize(
    ("part", "text", "code"),
    [
        ("muscles", "AU4 lowers the brows and the lips press.", "leaked_code"),
        ("scene", "M003_front.mp4 shows a speaking woman.", "leaked_file_name"),
        ("scene", "The image shows a woman who speaks angrily.", "picture_talk"),
        ("dynamics", "The brows are lowest in the third frame and rise while she speaks.", "picture_talk"),
        ("dynamics", "Across the eight pictures the lips press ever more tightly.", "picture_talk"),
        ("dynamics", "The brow lowers from frame to frame while she speaks.", "picture_talk"),
        ("scene", "The scene is a photo of a woman who speaks angrily.", "picture_talk"),
        ("expression", "What is the emotion? How does she show it?", "boilerplate"),
        ("expression", "Sure! Her brows lower, showing Moderate Anger.", "boilerplate"),
        ("expression", "Expression: her brows lower, showing Moderate Anger.", "boilerplate"),
        ("scene", "{A} woman in {age} is speaking with an angry emotion.", "placeholder_left"),
        ("scene", "A woman who looks like Meryl is speaking with an angry emotion.", "identity_claim"),
        ("scene", "A celebrity is speaking with an angry emotion.", "identity_claim"),
        ("scene", "A man is speaking with an angry emotion.", "gender_mismatch"),
        ("dynamics", "The brows drop and then the", "unfinished"),
        ("dynamics", "It fades.", "too_short"),
        ("dynamics", "眉毛下垂，嘴唇紧闭。", "wrong_language"),
        ("dynamics", "it rises it rises it rises it rises", "repetition"),
        ("muscles", ANGER.prompts[1], "levels_alike"),
        ("scene", "A woman with " + "long brown hair, " * 12 + "speaks.", "prompt_over_budget"),
        ("dynamics", "The brows drop slowly at first, " * 3 + "then all is over.", "prompt_too_long"),
        ("scene", "A woman is speaking with a sad emotion.", "label_mismatch"),
        ("scene", "A woman is speaking with a furious emotion.", "label_drift"),
        ("expression", "Her brows lower, showing Intense Anger.", "intensity_mismatch"),
        ("expression", "Her brows lower clearly and the lips press.", "intensity_missing"),
        ("expression", "Her brows lower and the lips press.", "intensity_absent"),
        ("muscles", "Zygomaticus major lifts the lip corners.", "prompt_off_steps"),
        ("muscles", "The corrugator supercilli lowers the brows.", "misspelled_muscle"),
        ("dynamics", "The brows stay down for 2.5 seconds.", "unseen_duration"),
    ],
)
def test_a_prompt_with_a_defect_is_flagged_where_it_is(part, text, code):
    found = flags(prompted(ANGER, **{part: text}), code)
    assert found and found[0].where in (part, "dynamics")


def test_the_limits_of_clip_are_counted_with_both_specials():
    row = ANGER
    count = {"scene": 40, "rest": 75}
    sizes = lambda text: count["scene"] if text == row.prompts[0] else count["rest"] if "showing" in text else 10
    assert check(row, count_tokens=sizes) == []
    count["scene"] = 41
    assert [flag.where for flag in check(row, count_tokens=sizes)] == ["scene"]
    count.update(scene=40, rest=76)
    assert {flag.code for flag in check(row, count_tokens=sizes)} == {"prompt_over_budget"}
    count["rest"] = 78
    assert {flag.code for flag in check(row, count_tokens=sizes)} == {"prompt_too_long"}


# codes, names, muscles


@pytest.mark.parametrize(
    ("unit", "code"),
    [
        (ActionUnit(47, "Something"), "unknown_code"),
        (ActionUnit(-1, ""), "unknown_code"),
        (ActionUnit(5, "Upper Lip Raiser"), "name_mismatch"),
        (ActionUnit(7, "Lip Tightener"), "name_mismatch"),
        (ActionUnit(20, "Mouth Stretch"), "name_mismatch"),
        (ActionUnit(6, "Cheek Puffing"), "name_mismatch"),
        (ActionUnit(4, "Tears"), "name_mismatch"),
        (ActionUnit(4, "Grumpy Look"), "unknown_name"),
        (ActionUnit(44, "Squint"), "legacy_code"),
        (ActionUnit(13, "Sharp Lip Puller"), "rare_code"),
        (ActionUnit(26, "Jaw Drop", "left"), "side_impossible"),
        (ActionUnit(46, "Wink"), "side_missing"),
        (ActionUnit(84, "Head Shake"), "movement_code"),
        (ActionUnit(4, "Brow Lowerer"), "duplicate_unit"),
        (ActionUnit(0, "Neutral Face"), "not_alone"),
        (ActionUnit(70, "Brows and Forehead Not Visible"), "hidden_region"),
        (ActionUnit(19, "Tongue Show"), "partner_missing"),
    ],
)
def test_a_wrong_unit_is_flagged(unit, code):
    row = replace(ANGER, action_units=(*ANGER.action_units, unit))
    assert flags(row, code), codes(row)


def test_lid_and_lip_are_told_apart_in_words():
    row = replace(ANGER, action_units=(ActionUnit(5, "Upper Lip Raiser"), *ANGER.action_units[:1]))
    (found,) = flags(row, "name_mismatch")
    assert "AU5 is Upper Lid Raiser" in found.message and "AU10 Upper Lip Raiser" in found.message
    assert "lid and lip" in found.message and found.quote == "Upper Lip Raiser"


@pytest.mark.parametrize(
    ("muscle", "code"),
    [
        (Muscle("zygomaticus major", 4, ""), "muscle_mismatch"),
        (Muscle("biceps", 4, ""), "unknown_muscle"),
        (Muscle("Corrugator supercilli", 4, ""), "misspelled_muscle"),
    ],
)
def test_a_wrong_muscle_is_flagged(muscle, code):
    row = replace(ANGER, muscles=(*ANGER.muscles, muscle))
    assert [(flag.where, flag.quote) for flag in flags(row, code)] == [("step3", muscle.name)]


def test_an_open_muscle_name_fits_any_of_its_units():
    row = replace(ANGER, muscles=(*ANGER.muscles, Muscle("orbicularis oculi", 7, "")))
    assert check(row) == []


# combinations


@pytest.mark.parametrize("rule", knowledge().rules.exclusions, ids=lambda rule: "+".join(map(str, rule.units)))
def test_every_exclusion_is_found_with_its_severity(rule):
    one, other = rule.units
    code = {"error": "impossible_combination", "warning": "unlikely_combination", "info": "unusual_combination"}[
        rule.severity
    ]
    (found,) = flags(with_units(ANGER, f"{one}+{other}"), code)
    assert rule.why in found.message
    assert found.severity == {"error": ERROR, "warning": WARNING, "info": INFO}[rule.severity]


@pytest.mark.parametrize("accepted", knowledge().rules.accepted)
def test_a_listed_combination_is_never_flagged_for_combining(accepted):
    bad = {code for code in codes(with_units(ANGER, accepted)) if "combination" in code or "partner" in code}
    assert bad == set()


@pytest.mark.parametrize("emotion", EMOTIONS)
def test_every_prototype_and_variant_is_free_of_impossible_combinations(emotion):
    facts = EMOTIONS[emotion]
    for group in (*facts.core, *(variant.units for variant in facts.variants)):
        row = with_units(
            replace(ANGER, emotion=emotion), "+".join(map(str, group)) if len(group) > 1 else f"AU{(*group, 0)[0]}"
        )
        assert not {"impossible_combination", "contradicting_unit", "emotion_mismatch"} & codes(row), group


def test_left_and_right_do_not_exclude_each_other():
    assert not flags(with_units(ANGER, "R5+L43"), "impossible_combination")
    assert flags(with_units(ANGER, "R5+R43"), "impossible_combination")
    assert flags(with_units(ANGER, "R5+43"), "impossible_combination"), "without a side both are meant"
    assert flags(with_units(ANGER, "L30+R30"), "both_sides")
